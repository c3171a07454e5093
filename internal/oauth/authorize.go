package oauth

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/web"
)

// Bounds of an authorization request.
const (
	maxState  = 2 << 10 // bytes
	maxNonce  = 512
	maxHint   = 320              // of a mail address
	maxClass  = 200              // of a class of authentication, and there may be
	maxACR    = 10               // so many
	maxMaxAge = 10 * 365 * 86400 // seconds
	// maxRequest bounds a sealed request: the portal carries it in addresses of 4
	// KB, with a path before it.
	maxRequest = 4<<10 - 128
)

const modeFormPost = "form_post"

// authorize takes a person whom a program sent, checks what the program asks,
// and sends them on to the portal with it.
//
// Who the program is and where its answers go comes first: as long as that is
// not certain the person reads of the error here, and is sent nowhere.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	form := r.Form
	if len(form["client_id"]) != 1 || len(form["redirect_uri"]) != 1 {
		s.problem(w, r, "The program that sent you here did not say who it is or where to answer.")
		return
	}
	c, known := s.Clients.Find(form.Get("client_id"))
	if !known {
		s.turnAway(r, s.strangers.name(form.Get("client_id"), time.Now()), whyUnknown)
		s.problem(w, r, "The program that sent you here is not known.")
		return
	}
	if err := s.Clients.Admit(c); err != nil {
		s.turnAway(r, c.Name, reason(err))
		s.tell(w, r, http.StatusForbidden, forbiddenClientText)
		return
	}
	exact, ok := c.Redirect(form.Get("redirect_uri"))
	if !ok {
		s.problem(w, r, "The program that sent you here asks for the answer at an address that is not its own.")
		return
	}
	q := grant.Request{Client: c.ID, ClientName: c.Name, Redirect: exact, Program: program(r)}
	if fault := fill(&q, &c, heeded(form), s.resources, s.hint(r.Context())); fault != nil {
		if string(fault.ErrorType) == invalidScope && beyond(&c, form) {
			s.turnAway(r, c.Name, whyLimited+strconv.Quote(c.Limit.String()))
		}
		s.answer(w, r, q, string(fault.ErrorType), fault.Description)
		return
	}
	sealed, err := s.Grants.Seal(q)
	if err != nil || len(sealed) > maxRequest { // sealing fails of what is longer still
		s.answer(w, r, q, invalidRequest, "The request is too long: shorten state, nonce or scope.")
		return
	}
	if s.Prefer != nil && form.Has("ui_locales") {
		s.Prefer(w, form.Get("ui_locales"))
	}
	http.Redirect(w, r, s.Issuer+pathConnect+"?request="+sealed, http.StatusFound)
}

// program is what the browser says of the program that it is part of.
func program(r *http.Request) string { return knock(r.Context()).Hints.Program("").Family }

// problem tells a person what cannot be done. The words are ours: nothing that
// was sent stands in them.
func (s *Server) problem(w http.ResponseWriter, r *http.Request, text string) {
	s.tell(w, r, http.StatusBadRequest, text)
}

func (s *Server) tell(w http.ResponseWriter, r *http.Request, status int, text string) {
	if s.Problem != nil {
		s.Problem(w, r, status, text)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}

// answer tells a program of an error, through the browser.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, q grant.Request, code, description string) {
	if q.ResponseMode == modeFormPost && s.Post != nil {
		s.Post(w, r, q, s.Grants.Fields(q, "", code, description))
		return
	}
	http.Redirect(w, r, s.Grants.Answer(q, "", code, description), http.StatusFound)
}

// step reads one part of a request.
type step func(q *grant.Request, c *client.Client, form url.Values) *oidc.Error

// fill reads what a program asks. State and how to answer come first, since
// errors of the rest are told in them.
func fill(q *grant.Request, c *client.Client, form url.Values, more ...step) *oidc.Error {
	for _, read := range append([]step{state, mode, once, objects, response, pkce, scopes, prompt, age, words}, more...) {
		if fault := read(q, c, form); fault != nil {
			return fault
		}
	}
	return nil
}

// mode is how the answer is sent. A form goes to web addresses only: a program
// that is started by a scheme of its own is given no body.
func mode(q *grant.Request, _ *client.Client, form url.Values) *oidc.Error {
	m := form.Get("response_mode")
	if _, ok := web.FormTarget(q.Redirect); m == modeFormPost && !ok {
		return refuse(invalidRequest, "response_mode is query: no form can be sent to this redirect_uri.")
	}
	switch m {
	case "", "query", modeFormPost:
		if len(form["response_mode"]) < 2 {
			q.ResponseMode = m
			return nil
		}
	}
	return refuse(invalidRequest, "response_mode is query or form_post.")
}

// state goes back as it came, whatever is in it.
func state(q *grant.Request, _ *client.Client, form url.Values) *oidc.Error {
	if len(form["state"]) < 2 && len(form.Get("state")) <= maxState {
		q.State = form.Get("state")
		return nil
	}
	return refuse(invalidRequest, "state stands there once and has at most 2,048 bytes.")
}

func once(_ *grant.Request, _ *client.Client, form url.Values) *oidc.Error {
	if repeated(form) != "" {
		return refuse(invalidRequest, "A parameter stands there more than once.")
	}
	return nil
}

// objects refuses requests that stand in a JWT or elsewhere.
func objects(_ *grant.Request, _ *client.Client, form url.Values) *oidc.Error {
	for name, code := range map[string]string{"request": requestNotSupported, "request_uri": requestURINot, "registration": registrationNot} {
		if form.Has(name) {
			return refuse(code, "Say what is asked for in plain parameters.")
		}
	}
	return nil
}

func response(_ *grant.Request, c *client.Client, form url.Values) *oidc.Error {
	switch form.Get("response_type") {
	case "":
		return refuse(invalidRequest, "response_type is missing.")
	case "code":
	default:
		return refuse(unsupportedResponse, "response_type is code: tokens are fetched from the token endpoint.")
	}
	if !c.HasGrant(client.GrantCode) {
		return refuse(unauthorizedClient, notFor)
	}
	return nil
}

// challenge is the form of SHA-256 in base64url.
var challenge = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// pkce takes S256 alone (RFC 7636): "plain" is no protection, and is what a
// request without a method means.
func pkce(q *grant.Request, c *client.Client, form url.Values) *oidc.Error {
	sent, method := form.Get("code_challenge"), form.Get("code_challenge_method")
	switch {
	case sent == "" && method == "" && !c.Public:
		return nil
	case sent == "":
		return refuse(invalidRequest, "code_challenge is missing (PKCE, RFC 7636).")
	case method != "S256":
		return refuse(invalidRequest, "code_challenge_method is S256.")
	case !challenge.MatchString(sent):
		return refuse(invalidRequest, "code_challenge is SHA-256 in base64url.")
	}
	q.Challenge = sent
	return nil
}

func scopes(q *grant.Request, c *client.Client, form url.Values) *oidc.Error {
	asked, err := scope.Parse(form.Get("scope"))
	if err != nil {
		return refuse(invalidScope, err.Error())
	}
	if q.Scope = asked.Only(c.Limit); q.Scope.Empty() {
		return refuse(invalidScope, "No scope was asked for that there is and that this program may have.")
	}
	return nil
}

func prompt(q *grant.Request, _ *client.Client, form url.Values) *oidc.Error {
	list := strings.Fields(form.Get("prompt"))
	for _, p := range list {
		switch p {
		case "none", "login", "consent", "select_account":
		default:
			return refuse(invalidRequest, "prompt is none, or some of login, consent and select_account.")
		}
	}
	if slices.Contains(list, "none") && len(list) > 1 {
		return refuse(invalidRequest, "prompt is none alone, or something else.")
	}
	q.Prompt = list
	return nil
}

func age(q *grant.Request, _ *client.Client, form url.Values) *oidc.Error {
	if !form.Has("max_age") {
		return nil
	}
	n, err := strconv.ParseUint(form.Get("max_age"), 10, 32)
	if err != nil || n > maxMaxAge {
		return refuse(invalidRequest, "max_age is a number of seconds.")
	}
	seconds := int(n)
	q.MaxAge = &seconds
	return nil
}

// words are the parameters that only help or go back. A hint that cannot be an
// address helps nobody and is dropped.
func words(q *grant.Request, _ *client.Client, form url.Values) *oidc.Error {
	if q.Nonce = form.Get("nonce"); len(q.Nonce) > maxNonce {
		return refuse(invalidRequest, "nonce has at most 512 bytes.")
	}
	if h := form.Get("login_hint"); len(h) <= maxHint && !strings.ContainsFunc(h, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		q.LoginHint = h
	}
	for _, class := range strings.Fields(form.Get("acr_values")) {
		if len(class) <= maxClass && len(q.ACR) < maxACR {
			q.ACR = append(q.ACR, class)
		}
	}
	return nil
}

// hint reads whom a program takes to be signed in: an ID token of ours, which
// says so more surely than a name.
func (s *Server) hint(ctx context.Context) step {
	return func(q *grant.Request, _ *client.Client, form url.Values) *oidc.Error {
		compact := form.Get("id_token_hint")
		if compact == "" {
			return nil
		}
		said, ok := s.hinted(compact)
		if !ok || said.Audience != q.Client {
			return refuse(invalidRequest, "id_token_hint is no ID token that this program was given.")
		}
		if p, err := s.People.Person(ctx, said.Subject); err == nil {
			q.LoginHint = p.Address
		}
		return nil
	}
}
