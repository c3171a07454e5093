package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/portreeve/portreeve/internal/lint"
	"github.com/portreeve/portreeve/internal/network"
)

const (
	helperClient    = "portreeve-token" // the server knows this program by it
	issuerTime      = 10 * time.Second  // for one answer; a mail program waits
	issuerBytes     = 256 << 10         // of one answer; metadata have 3 kB
	issuerTextRunes = 400               // of a refusal's text that are told
	tokenBytes      = 8 << 10           // of an access token; usual are 900
)

// helperScopes are the doors that programs of a terminal go through, and a
// refresh token.
var helperScopes = []string{"imap", "pop", "smtp", "sieve", "offline_access"}

// tokenIssuer is a server as it describes itself (RFC 8414).
type tokenIssuer struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Device        string   `json:"device_authorization_endpoint"`
	Revocation    string   `json:"revocation_endpoint"`
	Userinfo      string   `json:"userinfo_endpoint"`
	Challenges    []string `json:"code_challenge_methods_supported"`

	http *http.Client
}

// issuerURL makes of what people type for a server the issuer's exact name.
func issuerURL(typed string) (string, error) {
	if !strings.Contains(typed, "://") {
		typed = "https://" + typed
	}
	typed = strings.TrimRight(typed, "/")
	u, err := safeURL(typed)
	if err != nil || u.RawQuery != "" || u.ForceQuery {
		return "", usage("--server is the server's public address, such as https://mail.example.org, not %q", typed)
	}
	return typed, nil
}

// safeURL takes https, and http on loopback, where nobody can sit in between.
func safeURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("%.200q is no web address", s)
	}
	if network.Safe(u) {
		return u, nil
	}
	return nil, fmt.Errorf("%.200q does not begin with https://", s)
}

// newIssuerClient asks the server alone: it follows no redirects and reads no
// endless answers. The file's authorities are trusted beside the system's.
func newIssuerClient(ca string) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	t.MaxResponseHeaderBytes = issuerBytes
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("reading the server's authority: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, usage("%s holds no certificate", ca)
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{Transport: briefly{t}, Timeout: issuerTime, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("it redirects, which is not followed")
	}}, nil
}

// briefly ends an answer that is too long, unpacked as it is read.
type briefly struct{ next http.RoundTripper }

func (b briefly) RoundTrip(q *http.Request) (*http.Response, error) {
	r, err := b.next.RoundTrip(q)
	if err == nil {
		r.Body = &shortBody{r.Body, issuerBytes}
	}
	return r, err
}

type shortBody struct {
	io.ReadCloser
	left int
}

func (b *shortBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("its answer is too long")
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// discover reads what the server says of itself, which must be the very server
// that was named.
func discoverIssuer(ctx context.Context, server string, client *http.Client) (*tokenIssuer, error) {
	u, err := safeURL(server)
	if err != nil {
		return nil, err
	}
	where := *u
	where.Path, where.RawPath = "/.well-known/oauth-authorization-server"+u.Path, "" // RFC 8414, section 3.1
	body, err := fetchFrom(ctx, client, where.String())
	if err != nil {
		return nil, err
	}
	i := &tokenIssuer{http: client}
	if err := json.Unmarshal(body, i); err != nil {
		return nil, fmt.Errorf("%s does not describe an issuer of tokens: %w", where.String(), err)
	}
	if i.Issuer != server {
		return nil, &failure{exit: exitFailed, what: fmt.Sprintf("%s says that it is %.200q", server, i.Issuer), next: "say its public address to the letter with --server"}
	}
	for what, endpoint := range map[string]string{"authorization": i.Authorization, "token": i.Token, "device": i.Device, "revocation": i.Revocation, "userinfo": i.Userinfo} {
		if endpoint == "" && what != "token" {
			continue
		}
		if _, err := safeURL(endpoint); err != nil {
			return nil, fmt.Errorf("the %s endpoint of %s: %w", what, server, err)
		}
	}
	return i, nil
}

// fetchFrom reads a document of the server's.
func fetchFrom(ctx context.Context, client *http.Client, where string) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, err
	}
	r, err := client.Do(q)
	if err != nil {
		return nil, inTheWay(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return nil, &failure{exit: exitFailed, what: fmt.Sprintf("%s answered %s", where, r.Status), next: "is this the server's public address, and its issuer on?"}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, inTheWay(err)
	}
	return body, nil
}

// oauth is the server for x/oauth2.
func (i *tokenIssuer) oauth(redirect string) *oauth2.Config {
	return &oauth2.Config{ClientID: helperClient, Scopes: helperScopes, RedirectURL: redirect,
		Endpoint: oauth2.Endpoint{AuthURL: i.Authorization, TokenURL: i.Token, DeviceAuthURL: i.Device, AuthStyle: oauth2.AuthStyleInParams}}
}

// context makes x/oauth2 use our client.
func (i *tokenIssuer) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, i.http)
}

// proofed says that the server takes proofs of possession of a code (PKCE, RFC 7636).
func (i *tokenIssuer) proofed() bool { return slices.Contains(i.Challenges, "S256") }

// held takes tokens that programs can use.
func held(t *oauth2.Token) (*keptTokens, error) {
	if !strings.EqualFold(t.Type(), "Bearer") {
		return nil, fmt.Errorf("the server gave a token of the kind %.40q, which mail programs cannot show", t.Type())
	}
	for _, text := range []string{t.AccessToken, t.RefreshToken} {
		if len(text) > tokenBytes || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, errors.New("the server gave a token that is none: it is too long or has other characters than tokens have")
		}
	}
	if t.RefreshToken == "" {
		return nil, &failure{exit: exitFailed, what: "the server gave no refresh token, so each call would need a sign-in", next: "ask your administrator whether this program may have the scope offline_access"}
	}
	k := &keptTokens{Access: heldToken(t.AccessToken), Refresh: heldToken(t.RefreshToken), Expiry: t.Expiry}
	if k.Expiry.IsZero() {
		k.Expiry = time.Now() // for this once: nobody said how long it works
	}
	return k, nil
}

// revoke ends a refresh token, and all that hangs on it (RFC 7009).
func (i *tokenIssuer) revoke(ctx context.Context, refresh heldToken) error {
	if i.Revocation == "" {
		return errors.New("the server takes no revocations")
	}
	form := url.Values{"client_id": {helperClient}, "token": {string(refresh)}, "token_type_hint": {"refresh_token"}}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, i.Revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r, err := i.http.Do(q)
	if err != nil {
		return inTheWay(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answered %s", r.Status)
	}
	return nil
}

// refusal is what the server said no with.
func refusal(err error) (code, text string, ok bool) {
	var r *oauth2.RetrieveError
	if !errors.As(err, &r) || r.ErrorCode == "" {
		return "", "", false
	}
	text = r.ErrorDescription
	if text == "" {
		text = r.ErrorCode
	}
	return r.ErrorCode, issuerText(text), true
}

// issuerText is a text of the server's for one line of a terminal.
func issuerText(s string) string {
	runes := []rune(printable(s))
	if len(runes) > issuerTextRunes {
		return string(runes[:issuerTextRunes]) + "…"
	}
	return string(runes)
}

// told is an error of asking for a token, in our words.
func (k *kept) told(err error) error {
	code, text, refused := refusal(err)
	if refused && code == "invalid_grant" {
		return k.over(text)
	}
	if refused {
		f := &failure{exit: exitFailed, what: fmt.Sprintf("%s says no: %s", k.Server, text)}
		if code == "unauthorized_client" {
			f.next = "ask whoever runs the server: `portreeve client allow " + lint.ShellWord(k.Client) + "` there lets it in"
		}
		return f
	}
	var r *oauth2.RetrieveError
	if errors.As(err, &r) { // its own text is the whole answer
		return &failure{exit: exitUnreachable, what: fmt.Sprintf("%s answered %s", k.Server, r.Response.Status), next: "try again later: nothing is lost"}
	}
	return inTheWay(err)
}

// over says that a person has to sign in again.
func (k *kept) over(text string) error {
	return &failure{exit: exitPending, what: fmt.Sprintf("%s asks for a new sign-in: %s", k.Server, text), next: fmt.Sprintf("run `portreeve token --user %s --login` once in a terminal", lint.ShellWord(k.User))}
}

// pastTrouble is what to do about trouble of the network.
func pastTrouble(err error) string {
	if authority := new(x509.UnknownAuthorityError); errors.As(err, authority) {
		return "if the server has a private authority, name its file with --ca; else do not go on, and tell whoever runs it"
	}
	if name := new(x509.HostnameError); errors.As(err, name) {
		return "is this the server's public address, letter by letter? --server names another"
	}
	if certificate := new(tls.CertificateVerificationError); errors.As(err, &certificate) {
		return "tell whoever runs the server, and look at this machine's clock: nothing is lost"
	}
	if unknown := new(net.DNSError); errors.As(err, &unknown) && unknown.IsNotFound {
		return "is this the server's public address? --server names another; without a network, try again later: nothing is lost"
	}
	return "try again later: nothing is lost"
}

// inTheWay is trouble of the network.
func inTheWay(err error) error {
	var f *failure
	if errors.As(err, &f) || errors.Is(err, context.Canceled) {
		return err
	}
	what := err
	if u := new(url.Error); errors.As(err, &u) {
		what = fmt.Errorf("%s: %w", hostOf(u.URL), u.Err) // the whole address may hold a code
	}
	return &failure{exit: exitUnreachable, what: "asking the server: " + issuerText(what.Error()), next: pastTrouble(err)}
}

func hostOf(s string) string {
	if u, err := url.Parse(s); err == nil {
		return u.Host
	}
	return "the server"
}

// worthAgain says that an answer may have been lost on its way: the server
// gives the same tokens to who asks again at once.
func worthAgain(err error) bool {
	var r *oauth2.RetrieveError
	if errors.As(err, &r) {
		return r.Response.StatusCode >= http.StatusInternalServerError
	}
	var o *net.OpError
	if errors.As(err, &o) && o.Op == "dial" {
		return false // nothing was asked
	}
	var u *url.Error
	return errors.As(err, &u) || errors.Is(err, io.ErrUnexpectedEOF)
}
