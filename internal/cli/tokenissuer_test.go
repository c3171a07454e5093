package cli

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// issuerStandIn is a server that issues tokens, and misbehaves as told.
type issuerStandIn struct {
	*httptest.Server
	CA string // file

	Issuer    string                     // said in its metadata; empty: its own
	Metadata  func(map[string]any)       // changes them
	Answer    func(url.Values)           // changes what comes back from the sign-in page
	Tokens    func(map[string]any)       // changes what the token endpoint gives
	Refuse    *atomic.Pointer[[2]string] // error and description of the token endpoint
	LoseNext  atomic.Int32               // answers to lose
	Pending   atomic.Int32               // polls until the code is typed
	Refreshes atomic.Int32
	Revoked   atomic.Pointer[string]
	Ended     atomic.Bool  // what access tokens hang on
	Asked     atomic.Int32 // about access tokens

	mu        sync.Mutex
	first     func(http.ResponseWriter, *http.Request) bool
	challenge string
	serial    int
}

// instead has every request go to f first, whose yes means that it is answered;
// without f, nothing.
func (i *issuerStandIn) instead(f func(http.ResponseWriter, *http.Request) bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.first = f
}

func newIssuerStandIn(t *testing.T) *issuerStandIn {
	t.Helper()
	i := &issuerStandIn{Refuse: &atomic.Pointer[[2]string]{}}
	m := http.NewServeMux()
	m.HandleFunc("GET /.well-known/oauth-authorization-server", i.metadata)
	m.HandleFunc("GET "+autoconfigPath, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(autoconfigOf("mail.example.org"))) })
	m.HandleFunc("GET /authorize", i.authorize)
	m.HandleFunc("POST /token", i.token)
	m.HandleFunc("POST /device", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"device_code": "dev", "user_code": "WDJB-MJHT", "verification_uri": i.URL + "/connect",
			"verification_uri_complete": i.URL + "/connect?user_code=WDJB-MJHT", "expires_in": 60, "interval": 1})
	})
	m.HandleFunc("GET /userinfo", func(w http.ResponseWriter, q *http.Request) {
		i.Asked.Add(1)
		status := http.StatusForbidden // insufficient_scope: openid is not asked for
		if i.Ended.Load() || !strings.HasPrefix(q.Header.Get("Authorization"), "Bearer access-") {
			status = http.StatusUnauthorized
		}
		w.WriteHeader(status)
	})
	m.HandleFunc("POST /revoke", func(_ http.ResponseWriter, q *http.Request) {
		gone := q.PostFormValue("token")
		i.Revoked.Store(&gone)
	})
	i.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		i.mu.Lock()
		first := i.first
		i.mu.Unlock()
		if first == nil || !first(w, q) {
			m.ServeHTTP(w, q)
		}
	}))
	i.Config.ErrorLog = nil
	i.StartTLS()
	t.Cleanup(i.Close)
	i.CA = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(i.CA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *issuerStandIn) metadata(w http.ResponseWriter, _ *http.Request) {
	all := map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token",
		"device_authorization_endpoint": i.URL + "/device", "revocation_endpoint": i.URL + "/revoke", "userinfo_endpoint": i.URL + "/userinfo", "code_challenge_methods_supported": []string{"S256"}}
	if i.Issuer != "" {
		all["issuer"] = i.Issuer
	}
	if i.Metadata != nil {
		i.Metadata(all)
	}
	_ = json.NewEncoder(w).Encode(all)
}

func (i *issuerStandIn) authorize(w http.ResponseWriter, q *http.Request) {
	ask := q.URL.Query()
	if ask.Get("code_challenge_method") != "S256" || ask.Get("client_id") != helperClient || ask.Get("scope") != strings.Join(helperScopes, " ") {
		http.Error(w, "asked wrongly: "+q.URL.RawQuery, http.StatusBadRequest)
		return
	}
	i.mu.Lock()
	i.challenge = ask.Get("code_challenge")
	i.mu.Unlock()
	answer := url.Values{"code": {"c0de"}, "state": {ask.Get("state")}, "iss": {i.URL}}
	if i.Answer != nil {
		i.Answer(answer)
	}
	http.Redirect(w, q, ask.Get("redirect_uri")+"?"+answer.Encode(), http.StatusSeeOther)
}

func (i *issuerStandIn) token(w http.ResponseWriter, q *http.Request) {
	fail := func(code, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": text})
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if r := i.Refuse.Load(); r != nil {
		i.Refreshes.Add(1)
		fail(r[0], r[1])
		return
	}
	switch q.PostFormValue("grant_type") {
	case "authorization_code":
		sum := sha256.Sum256([]byte(q.PostFormValue("code_verifier")))
		if q.PostFormValue("code") != "c0de" || base64.RawURLEncoding.EncodeToString(sum[:]) != i.challenge {
			fail("invalid_grant", "no such code")
			return
		}
	case "refresh_token":
		i.Refreshes.Add(1)
		was := fmt.Sprintf("refresh-%d", i.serial)
		if before := fmt.Sprintf("refresh-%d", i.serial-1); q.PostFormValue("refresh_token") == before && i.LoseNext.Load() < 0 {
			i.serial-- // the same successor again
		} else if q.PostFormValue("refresh_token") != was {
			fail("invalid_grant", "that was used before")
			return
		}
	case "urn:ietf:params:oauth:grant-type:device_code":
		if i.Pending.Add(-1) >= 0 {
			fail("authorization_pending", "not yet")
			return
		}
	}
	i.serial++
	if i.LoseNext.Add(-1) >= 0 {
		i.LoseNext.Store(-1)
		panic(http.ErrAbortHandler)
	}
	all := map[string]any{"access_token": fmt.Sprintf("access-%d", i.serial), "refresh_token": fmt.Sprintf("refresh-%d", i.serial), "token_type": "Bearer", "expires_in": 600}
	if i.Tokens != nil {
		i.Tokens(all)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(all)
}

func autoconfigOf(host string) string {
	return fmt.Sprintf(`<?xml version="1.0"?><clientConfig version="1.1"><emailProvider id="example.org">
<incomingServer type="imap"><hostname>%[1]s</hostname><port>143</port><socketType>STARTTLS</socketType></incomingServer>
<incomingServer type="imap"><hostname>%[1]s</hostname><port>993</port><socketType>SSL</socketType></incomingServer>
<incomingServer type="pop3"><hostname>%[1]s</hostname><port>995</port><socketType>SSL</socketType></incomingServer>
<outgoingServer type="smtp"><hostname>%[1]s</hostname><port>465</port><socketType>SSL</socketType></outgoingServer>
</emailProvider></clientConfig>`, host)
}
