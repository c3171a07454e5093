package alarm

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/portreeve/portreeve/internal/store"
)

// detail is what an alarm tells.
type detail struct {
	Sentence  string `json:"sentence"`
	About     string `json:"about,omitempty"` // a name
	ID        string `json:"id,omitempty"`    // of the object
	Actor     string `json:"actor,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Audit     int64  `json:"audit,omitempty"`     // number of the row
	Reference string `json:"reference,omitempty"` // of a sign-in
	Expires   string `json:"expires,omitempty"`
}

// payload is the body of a webhook, as Standard Webhooks recommends it.
type payload struct {
	Type Kind   `json:"type"`
	At   string `json:"timestamp"` // when it happened
	Data detail `json:"data"`
}

// happened makes an alarm. Its id stays the same through all tries.
func happened(k Kind, source string, at time.Time, d detail) (store.Alarm, error) {
	body, err := json.Marshal(payload{k, at.UTC().Format(time.RFC3339Nano), d})
	if err != nil {
		return store.Alarm{}, fmt.Errorf("writing an alarm: %w", err)
	}
	return store.Alarm{ID: "msg_" + rand.Text(), At: at, Kind: string(k), Source: source, Payload: body}, nil
}

// sign is the value of webhook-signature: Standard Webhooks 1, symmetric.
func sign(secret, id string, at time.Time, body []byte) (string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretMark))
	if err != nil {
		return "", fmt.Errorf("reading the signing secret: %w", err)
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	h.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil)), nil
}

// text is an alarm as a mail says it.
func text(a *store.Alarm) (subject, body string) {
	var p payload
	if json.Unmarshal(a.Payload, &p) != nil {
		return "Alarm: " + a.Kind, string(a.Payload)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", oneLine(p.Data.Sentence))
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-10s %s\n", name, oneLine(value))
		}
	}
	line("When", p.At)
	line("Who", p.Data.Actor)
	line("Why", p.Data.Reason)
	line("Sign-in", p.Data.Reference)
	line("Runs out", p.Data.Expires)
	line("Alarm", a.Kind+", "+a.ID)
	return "Alarm: " + oneLine(p.Data.Sentence), b.String()
}

// oneLine keeps names and reasons, which others wrote, from looking like lines
// of ours.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}
