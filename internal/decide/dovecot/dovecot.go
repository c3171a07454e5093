// Package dovecot takes what an untouched Dovecot reports of its sign-ins
// (auth_policy_report_after_auth, the protocol of weakforced) and has each
// recorded and judged as if every policy were report-only.
//
// It only observes: whatever it answers, and even if it is gone, Dovecot goes
// on as before. Should a Dovecot ask for leave first (auth_policy_check_…), the
// answer is always "go on". Bodies are bounded; a body that cannot be read is
// counted and refused with a reason, and harms nothing.
package dovecot

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// Source is what events that come from here say of themselves.
const Source = "dovecot"

// maxBody is the longest report taken, in bytes; Dovecot's have about 200.
const maxBody = 16 << 10

// Observer records a sign-in that another server decided.
type Observer interface {
	Observe(ctx context.Context, a signin.Attempt, typed, mechanism string, kind policy.CredentialKind, source string, allowed bool) (signin.Reference, error)
}

// Handler answers Dovecot.
type Handler struct {
	Observer Observer
	// Listener is the name events carry.
	Listener string
	// Key, if set, must come as X-API-Key or as the password of Basic authentication.
	Key []byte

	reports, unread atomic.Int64
	last            atomic.Int64
}

// State is what `status` shows.
type State struct {
	Reports int64     `json:"reports"`
	Unread  int64     `json:"unread"`
	Last    time.Time `json:"last,omitzero"`
}

// State says how many reports came in.
func (h *Handler) State() State {
	s := State{Reports: h.reports.Load(), Unread: h.unread.Load()}
	if n := h.last.Load(); n != 0 {
		s.Last = time.Unix(0, n)
	}
	return s
}

// report is the body of a report, with the attributes of our template and of
// Dovecot's defaults; all else is ignored.
type report struct {
	Login     string `json:"login"`
	Remote    string `json:"remote"`
	Protocol  string `json:"protocol"`
	SessionID string `json:"session_id"`
	DeviceID  string `json:"device_id"`
	TLS       any    `json:"tls"` // bool, or a string from an older template
	Success   any    `json:"success"`
	Rejected  any    `json:"policy_reject"`
	FailType  string `json:"fail_type"`
	Mech      string `json:"mech"`
	Attrs     struct {
		Mech    string `json:"mech"`
		Secured string `json:"secured"`
	} `json:"attrs"`
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if fromPage(r) {
		answer(w, http.StatusForbidden, map[string]any{"status": "failure", "reason": "no web page reports sign-ins"})
		return
	}
	if !h.authorised(r) {
		answer(w, http.StatusUnauthorized, map[string]any{"status": "failure", "reason": "the API key is missing or wrong: set auth_policy_server_api_header"})
		return
	}
	switch command := r.URL.Query().Get("command"); command {
	case "report":
		h.report(w, r)
	case "allow":
		// Observing never refuses nor delays.
		answer(w, http.StatusOK, map[string]any{"status": 0, "msg": ""})
	case "ping":
		answer(w, http.StatusOK, map[string]any{"status": "ok"})
	default:
		answer(w, http.StatusBadRequest, map[string]any{"status": "failure", "reason": fmt.Sprintf("command %q is unknown here: report, allow, ping", command)})
	}
}

// fromPage says that a web page has a browser ask. Any page may have one send
// to this machine, where no key need be asked for; a sign-in that never was
// would make a thief's network one that its person is known on.
func fromPage(r *http.Request) bool {
	return r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Referer") != ""
}

func (h *Handler) authorised(r *http.Request) bool {
	if len(h.Key) == 0 {
		return true
	}
	given := r.Header.Get("X-API-Key")
	if _, password, ok := r.BasicAuth(); ok {
		given = password
	}
	return subtle.ConstantTimeCompare([]byte(given), h.Key) == 1
}

func (h *Handler) report(w http.ResponseWriter, r *http.Request) {
	var rep report
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&rep); err != nil {
		h.unread.Add(1)
		answer(w, http.StatusBadRequest, map[string]any{"status": "failure", "reason": "the report is no JSON object: " + err.Error()})
		return
	}
	a, err := rep.attempt(h.Listener)
	if err != nil {
		h.unread.Add(1)
		answer(w, http.StatusBadRequest, map[string]any{"status": "failure", "reason": err.Error()})
		return
	}
	mech := strings.ToUpper(first(rep.Mech, rep.Attrs.Mech))
	if _, err := h.Observer.Observe(r.Context(), a, rep.Login, mech, kindOf(mech), Source, truth(rep.Success)); err != nil {
		answer(w, http.StatusServiceUnavailable, map[string]any{"status": "failure", "reason": "the sign-in log cannot be written"})
		return
	}
	h.reports.Add(1)
	h.last.Store(time.Now().UnixNano())
	answer(w, http.StatusOK, map[string]any{"status": 0, "msg": ""})
}

func (r *report) attempt(listener string) (signin.Attempt, error) {
	if r.Login == "" {
		return signin.Attempt{}, fmt.Errorf("the report names no login: add login=%%{requested_username} to auth_policy_request_attributes")
	}
	p, ok := protocol.Parse(r.Protocol)
	if !ok {
		p = protocol.Unknown
	}
	addr, err := netip.ParseAddr(r.Remote)
	if err != nil {
		addr = netip.Addr{} // a sign-in over a local socket has none
	}
	a := signin.Attempt{At: time.Now(), Protocol: p, Listener: listener, Client: netip.AddrPortFrom(addr, 0), Hints: signin.Hints{IMAPID: deviceID(r.DeviceID)}}
	if truth(r.TLS) || r.Attrs.Secured != "" {
		a.TLS.Version = unknownTLS
	}
	return a, nil
}

// unknownTLS says that TLS was spoken in a version the report does not tell.
const unknownTLS = 1

// kindOf is the kind of credential that a mechanism carries; Dovecot reports
// no mechanism unless it is asked to, and then it was mostly a password.
func kindOf(mech string) policy.CredentialKind {
	switch mech {
	case "XOAUTH2", "OAUTHBEARER":
		return policy.CredentialBearer
	case "EXTERNAL":
		return policy.CredentialCertificate
	}
	return policy.CredentialPassword
}

// truth reads a boolean that some reporters send as a string.
func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		return strings.EqualFold(v, "true") || strings.EqualFold(v, "tls") || strings.HasPrefix(strings.ToUpper(v), "TLSV")
	}
	return false
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// maxPairs bounds what is taken of an ID string.
const maxPairs = 30 // RFC 2971, section 3.3

// deviceID reads the client's IMAP ID as Dovecot prints it: quoted keys and
// values in turn.
func deviceID(s string) []signin.Pair {
	var words []string
	for len(words) < 2*maxPairs {
		_, rest, ok := strings.Cut(s, `"`)
		if !ok {
			break
		}
		var word strings.Builder
		i := 0
		for ; i < len(rest) && rest[i] != '"'; i++ {
			if rest[i] == '\\' && i+1 < len(rest) {
				i++
			}
			word.WriteByte(rest[i])
		}
		if i == len(rest) {
			break
		}
		words, s = append(words, word.String()), rest[i+1:]
	}
	var pairs []signin.Pair
	for i := 0; i+1 < len(words); i += 2 {
		pairs = append(pairs, signin.Pair{Key: strings.ToLower(words[i]), Value: words[i+1]})
	}
	return pairs
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a write error is Dovecot's going away
}
