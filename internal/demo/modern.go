package demo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"
)

// mailClient is the client id that any mail program may use.
const mailClient = "portreeve-mail"

// modern is a mail program that is told no password: it opens the sign-in page
// in a browser, waits for the answer at an address of its own host (RFC 8252)
// and has tokens for it.
type modern struct {
	oauth    oauth2.Config
	issuer   string
	state    string
	verifier string // PKCE
	http     *http.Client
	answers  chan url.Values
	server   *http.Server
	token    *oauth2.Token
}

// newModern is a program that was told the sign-in server's address only.
func (w *world) newModern(ctx context.Context) (*modern, error) {
	m := &modern{state: rand.Text(), verifier: oauth2.GenerateVerifier(), http: &http.Client{Timeout: askTime}, answers: make(chan url.Values, 1)}
	if err := m.discover(ctx, "http://"+w.public.String()); err != nil {
		return nil, fmt.Errorf("asking the server where one signs in: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m.oauth.RedirectURL = "http://" + l.Addr().String() + "/"
	m.server = &http.Server{ReadHeaderTimeout: askTime, Handler: http.HandlerFunc(m.answered)}
	go func() { _ = m.server.Serve(l) }() // ends when close closes the server
	return m, nil
}

func (m *modern) close() {
	_ = m.server.Close()
	m.http.CloseIdleConnections()
}

// discover reads where people sign in and where tokens are (RFC 8414).
func (m *modern) discover(ctx context.Context, base string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/.well-known/oauth-authorization-server", nil)
	if err != nil {
		return err
	}
	resp, err := m.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var told struct {
		Issuer    string `json:"issuer"`
		Authorize string `json:"authorization_endpoint"`
		Token     string `json:"token_endpoint"`
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxPage)).Decode(&told); err != nil {
		return err
	}
	if told.Issuer != base {
		return fmt.Errorf("it calls itself %q", told.Issuer)
	}
	m.issuer = told.Issuer
	m.oauth = oauth2.Config{ClientID: mailClient, Scopes: []string{"urn:ietf:params:oauth:scope:mail", "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: told.Authorize, TokenURL: told.Token, AuthStyle: oauth2.AuthStyleInParams}}
	return nil
}

// page is the address that the program opens in a browser.
func (m *modern) page(who string) string {
	return m.oauth.AuthCodeURL(m.state, oauth2.S256ChallengeOption(m.verifier), oauth2.SetAuthURLParam("login_hint", address(who)))
}

// answered is where the browser brings the answer.
func (m *modern) answered(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("state") {
		select {
		case m.answers <- r.URL.Query():
		default: // one is enough
		}
	}
	_, _ = io.WriteString(w, "Signed in. You may close this window.\n")
}

// redeem makes tokens of the answer.
func (m *modern) redeem(ctx context.Context) error {
	var a url.Values
	select {
	case a = <-m.answers:
	case <-time.After(askTime):
		return errors.New("the browser brought no answer")
	case <-ctx.Done():
		return ctx.Err()
	}
	switch {
	case a.Get("state") != m.state, a.Get("iss") != m.issuer: // RFC 9207
		return errors.New("the answer is to somebody else's question")
	case a.Has("error"):
		return fmt.Errorf("refused: %s: %s", a.Get("error"), a.Get("error_description"))
	}
	var err error
	m.token, err = m.oauth.Exchange(m.context(ctx), a.Get("code"), oauth2.VerifierOption(m.verifier))
	return err
}

// refresh asks for a new token with the refresh token.
func (m *modern) refresh(ctx context.Context) (err error) {
	_, err = m.oauth.TokenSource(m.context(ctx), &oauth2.Token{RefreshToken: m.token.RefreshToken}).Token()
	return err
}

func (m *modern) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, m.http)
}

// refusal is the word for why tokens were refused (RFC 6749, section 5.2).
func refusal(err error) string {
	var r *oauth2.RetrieveError
	if errors.As(err, &r) {
		return r.ErrorCode
	}
	return ""
}
