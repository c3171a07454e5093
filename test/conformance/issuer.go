package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The one person whom the suite's browser signs in.
const (
	person   = "leela@example.org"
	password = "conf0rmance-Wort"
)

// issuer is the portreeve that is looked at.
type issuer struct {
	origin, binary, socket string
}

// startIssuer starts one with a person whose password it keeps itself. No mail
// server is behind it: the suite asks for nobody's mail.
func (r *run) startIssuer(ctx context.Context) (*issuer, error) {
	port, err := freePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	doors, err := freePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	logs := filepath.Join(r.folder, "logs")
	i := &issuer{"https://" + issuerHost + ":" + port, filepath.Join(r.folder, "portreeve"), filepath.Join(logs, "socket")}
	state, config := filepath.Join(logs, "state"), filepath.Join(logs, "portreeve.yaml")
	if err := os.Mkdir(state, 0o700); err != nil {
		return nil, err
	}
	text := fmt.Sprintf(`public_url: %s
default_domain: example.org
hostname: mail.example.org
tls: [{certificate: %s, key: %s}]
listeners: [{name: imaps, protocol: imap, address: "127.0.0.1:%s"}]
public: {address: "127.0.0.1:%s"}
backends:
  main:
    imap: {address: "127.0.0.1:1", tls: none}
    login: master
    master: {user: gate, password: none, separator: "*"}
state: %s
admin: {socket: %s}
`, i.origin, r.files.cert, r.files.key, doors, port, state, i.socket)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	serve := exec.Command(i.binary, "serve", "--config", config)
	serve.Env = append(os.Environ(), "SSL_CERT_FILE="+r.files.cert) // for telling the suite that somebody left
	if err := r.start(ctx, "issuer", "127.0.0.1:"+port, serve); err != nil {
		return nil, err
	}
	return i, i.do(ctx, password+"\n", nil, "user", "add", person, "--name", "Turanga Leela", "--password-stdin")
}

// do runs a command of portreeve's and reads what it prints.
func (i *issuer) do(ctx context.Context, in string, into any, args ...string) error {
	cmd := exec.CommandContext(ctx, i.binary, append([]string{"--socket", i.socket, "-o", "json"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &out, &errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("portreeve %s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(out.Bytes(), into)
}

// client is a program that the suite plays, as its configuration wants it.
type client struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
}

// configuration makes the programs that the suite plays in the nth plan, and is
// the plan's, as the suite documents it.
func (i *issuer) configuration(ctx context.Context, n int, p plan, c callbacks) (map[string]any, error) {
	all := map[string]any{
		"alias":       alias,
		"description": "Portreeve",
		"server":      map[string]any{"discoveryUrl": i.origin + "/.well-known/openid-configuration", "login_hint": person},
		"browser":     i.browser(c),
		"options":     map[string]any{"browsercontrol_css_enable": false}, // nobody looks
	}
	for _, name := range []string{"client", "client2", "client_secret_post"} {
		args := []string{"client", "add", fmt.Sprintf("Suite %d %s", n, name), "--confidential", "--redirect", c.callback, "--redirect", c.callback + "?dummy1=lorem&dummy2=ipsum", "--post-logout", c.postLogout}
		if p.told {
			args = append(args, "--backchannel-logout", c.backchannel)
		}
		var made struct{ ID, Secret string }
		if err := i.do(ctx, "", &made, args...); err != nil {
			return nil, err
		}
		all[name] = client(made)
	}
	return all, nil
}
