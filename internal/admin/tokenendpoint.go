package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/admintoken"
)

// The token endpoint is OAuth's client credentials grant as Entra has it
// (RFC 6749, 4.4; POST /{tenant}/oauth2/v2.0/token), so that scripts and SDKs
// written for Microsoft Graph need another address and no other code. The
// client's id is the token's name or id, its secret the token's. Any tenant's
// name will do: there is one.

const (
	maxForm      = 16 << 10 // bytes of a token request
	formPatience = 10 * time.Second
)

// token exchanges an administrator's token for a bearer token.
func (o *remote) token(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(formPatience))
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		refuseOAuth(w, http.StatusBadRequest, "invalid_request", "the request is no form")
		return
	}
	form := r.PostForm
	if grant := form.Get("grant_type"); grant != "client_credentials" {
		refuseOAuth(w, http.StatusBadRequest, "unsupported_grant_type", "only client_credentials is known here")
		return
	}
	if !byDefault(form.Get("scope")) {
		refuseOAuth(w, http.StatusBadRequest, "invalid_scope", "the scope is one that ends in /.default, such as https://graph.microsoft.com/.default")
		return
	}
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if user, password, ok := r.BasicAuth(); ok {
		id, secret = user, password
	}
	h, err := o.api.Tokens.Client(r.Context(), id, secret, from(r))
	if err != nil {
		o.refuseClient(w, err)
		return
	}
	text, ends, err := o.api.Tokens.Bearer(h, time.Now())
	if err != nil {
		o.refuseClient(w, err)
		return
	}
	left := max(int(time.Until(ends).Seconds()), 1)
	tell(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": left, "ext_expires_in": left, "access_token": text})
}

// byDefault says that a scope asks for what the client has, which ends in
// /.default. Microsoft's libraries ask for OpenID's beside it; nobody gets those.
func byDefault(scope string) (is bool) {
	for s := range strings.FieldsSeq(scope) {
		switch {
		case strings.HasSuffix(s, "/.default"):
			is = true
		case s != "openid" && s != "profile" && s != "offline_access":
			return false
		}
	}
	return is
}

// refuseClient says why a client gets no token.
func (o *remote) refuseClient(w http.ResponseWriter, err error) {
	switch err = o.asWrong(err); {
	case errors.Is(err, admintoken.ErrThrottled):
		w.Header().Set("Retry-After", retryAfter)
		refuseOAuth(w, http.StatusTooManyRequests, "temporarily_unavailable", err.Error())
	case errors.Is(err, admintoken.ErrWrong):
		refuseOAuth(w, http.StatusUnauthorized, "invalid_client", "the client's id or secret is wrong, was revoked, has run out, or may not be used from this address")
	default:
		o.api.Log.Error("the token endpoint failed", "err", err)
		refuseOAuth(w, http.StatusServiceUnavailable, "temporarily_unavailable", "the server cannot look the token up just now")
	}
}

// discovery tells clients where the token endpoint is. They insist on an
// authorization endpoint too, where nobody signs in.
func (o *remote) discovery(w http.ResponseWriter, r *http.Request) {
	authority := base(r) + "/" + r.PathValue("tenant")
	tell(w, http.StatusOK, map[string]any{"issuer": authority + "/v2.0", "token_endpoint": authority + "/oauth2/v2.0/token",
		"authorization_endpoint": authority + "/oauth2/v2.0/authorize", "grant_types_supported": []string{"client_credentials"},
		"response_types_supported": []string{"none"}, "token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"}})
}

// nobodySignsInHere answers at the authorization endpoint: there are client
// credentials alone.
func (o *remote) nobodySignsInHere(w http.ResponseWriter, _ *http.Request) {
	refuseOAuth(w, http.StatusBadRequest, "unsupported_response_type", "people do not sign in here; make a token with `portreeve admin token new`")
}

func refuseOAuth(w http.ResponseWriter, status int, code, why string) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="Portreeve"`)
	}
	tell(w, status, map[string]any{"error": code, "error_description": why, "timestamp": time.Now().UTC().Format(time.DateTime + "Z"),
		"trace_id": w.Header().Get(requestID), "correlation_id": w.Header().Get(clientRequestID)})
}

func tell(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // a write error is the client's going away
}

// base is our own address as the client knows it.
func base(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	if r.Host == "" {
		return "http://portreeve"
	}
	return "http://" + r.Host
}
