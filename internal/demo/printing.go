package demo

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
)

// printerAt is where the printer stands, and printerStolen where somebody tries
// what they read off its disk.
var (
	printerAt     = at(127, 0, 0, 2)
	printerStolen = at(127, 66, 77, 3)
)

// issueAppPassword has an app password made for a device, as `apppw new` does.
func (a *api) issueAppPassword(ctx context.Context, body map[string]any) (text string, err error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	var made struct {
		Text string `json:"password"`
	}
	return made.Text, a.do(ctx, http.MethodPost, "/portreeve/v1/appPasswords", nil, string(raw), &made)
}

// A printer gets a password that can send from its place and do nothing else.
func (t *story) printerSends(ctx context.Context) error {
	me := address("printer")
	t.command("apppw new " + me + " --name corridor --send-only \\\n        --cidr 127.0.0.2/32 --sender " + me)
	text, err := t.api.issueAppPassword(ctx, map[string]any{"user": me, "name": "corridor", "sendOnly": true,
		"networks": []string{netip.PrefixFrom(printerAt, printerAt.BitLen()).String()}, "senders": []string{me}})
	if err != nil {
		return err
	}
	_, sent, err := t.send(ctx, printerAt, me, text, me)
	if err != nil {
		return err
	}
	e, err := t.logged(ctx, "printer", "PR0")
	if err != nil {
		return err
	}
	t.s.claim(sent && t.out.taken(me) == 1 && e.Own.Credential == "appPassword", "it sends a scan, with a password that the mail server never sees")
	told, sent, err := t.send(ctx, printerAt, me, text, address("hermes"))
	if err != nil {
		return err
	}
	t.s.claim(!sent && strings.Contains(told, "PR1073"), "in somebody else's name it sends nothing: %s", shortly(told))
	_, sent, err = t.send(ctx, printerStolen, me, text, me)
	if err != nil {
		return err
	}
	_, err = t.logged(ctx, "printer", "PR1071")
	t.s.claim(!sent && err == nil, "from another place it opens nothing; the log says why (PR1071)")
	p, err := t.connect(ctx, printerAt, false, nil)
	if err != nil {
		return err
	}
	defer p.close()
	a, err := p.login("printer", text)
	if err != nil {
		return err
	}
	_, err = t.logged(ctx, "printer", "PR1070")
	t.s.claim(!a.ok && err == nil, "and it reads no mail (PR1070)")
	return nil
}

// shortly is the beginning of what was told.
func shortly(told string) string {
	const most = 40
	if len(told) > most {
		return told[:most] + "…"
	}
	return told
}
