package portal

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/web"

	_ "embed"
)

//go:embed passkey.js
var passkeyScript []byte

// script asks the browser for a passkey.
func script(w http.ResponseWriter, _ *http.Request) { serveScript(w, passkeyScript) }

func serveScript(w http.ResponseWriter, content []byte) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(content)
}

// asking is a form that the browser fills in with a passkey.
type asking struct {
	Action  string // where the answer goes
	Kind    string // get or create
	State   string
	Options string // JSON, as WebAuthn's script interface takes it
	At      string // "now": the browser asks by itself
	Stay    bool   // signed in afterwards
	Silent  bool   // the program may show nothing while it waits for the passkey
}

// silent says that the page is shown in Thunderbird. Its sign-in window knows
// passkeys, but shows nothing of its own about them: a security key is to be
// touched unasked, a PIN is never asked for, and so it waits in vain for keys that
// want one (seen with 153.7).
func (c *call) silent() bool { return strings.Contains(c.r.UserAgent(), " Thunderbird/") }

type passkeyPage struct {
	web.Page
	Next string
	Ask  asking
}

// passkeyPage asks whoever is there for a passkey: they need not say who they are.
func (c *call) passkeyPage() {
	state, options, err := c.Factors.BeginAssertion(c.ctx(), "")
	if err != nil {
		c.trouble("asking for a passkey", err)
		return
	}
	d := passkeyPage{Page: c.framed(""), Next: web.LocalPath(c.value("next"), "/"),
		Ask: asking{Stay: c.stays(), Silent: c.silent(), Action: "/signin/passkey/answer", Kind: "get", State: state, Options: string(options), At: "now"}}
	d.Script = true
	c.show(http.StatusOK, "passkey", d)
}

// maxAnswer bounds a browser's answer, in bytes; usual ones take 1 to 3 KB.
const maxAnswer = 32 << 10

// answer is what a browser answered to a challenge of ours.
func (c *call) answer() (state string, response []byte, ok bool) {
	state, response = c.value("state"), []byte(c.value("response"))
	return state, response, state != "" && len(state) <= maxAnswer && len(response) <= maxAnswer && json.Valid(response)
}

// shown is how an answer is shown to the gate.
func shown(state string, response []byte) []byte {
	return append([]byte(state+"\n"), response...)
}

// passkey shows the gate a passkey, for whoever it says it belongs to. Whether
// that is true the gate finds out; one that belongs to nobody is refused by it
// as well, so that it reads and lasts the same.
func (c *call) passkey() {
	state, response, ok := c.answer()
	address := ""
	if ok {
		if person, err := c.Factors.Owner(state, response); err == nil {
			if p, err := c.People.Person(c.ctx(), person); err == nil {
				address = p.Address
			}
		}
	}
	c.knock(signin.NewCredential(policy.CredentialPasskey, "webauthn", address, "", shown(state, response)), "signin", c.value("next"))
}
