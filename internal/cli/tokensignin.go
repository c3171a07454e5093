package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

const (
	signInTime   = 10 * time.Minute // the server forgets a sign-in that takes longer
	loopbackTime = 10 * time.Second // for one request of the browser
	pastedBytes  = 8 << 10          // of a line; terminals give 4 kB
)

// browserSignIn is one sign-in by the person's browser: an authorization code
// with a proof of possession that comes back to a port of this machine's
// loopback (RFC 8252, RFC 7636), or by hand where the browser is elsewhere.
type browserSignIn struct {
	issuer    *tokenIssuer
	oauth     *oauth2.Config
	state     string
	verifier  string
	ask       string // the address of the sign-in page
	home      string // our own, that the browser comes back to
	visited   atomic.Bool
	returned  chan *http.Request
	verdict   chan error // for the page that the browser shows last
	wrong     sync.Once
	noteWrong func()
}

// signInByBrowser has a person sign in and gives the tokens.
func (t *tokenCall) signInByBrowser(ctx context.Context, issuer *tokenIssuer) (*oauth2.Token, error) {
	if issuer.Authorization == "" || !issuer.proofed() {
		return nil, fmt.Errorf("%s offers no sign-in by browser with PKCE (S256)", issuer.Issuer)
	}
	ctx, cancel := context.WithTimeout(ctx, signInTime)
	defer cancel()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("waiting for the browser: %w", err)
	}
	s := newBrowserSignIn(issuer, listener.Addr().String(), t.user)
	s.noteWrong = func() { t.app.note("an answer came that belongs to no sign-in of this call; it was not taken") }
	server := &http.Server{Handler: s, ReadHeaderTimeout: loopbackTime, ReadTimeout: loopbackTime, MaxHeaderBytes: 16 << 10}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	t.show(s)
	pasted := make(chan string, 1)
	go pastedAddress(t.app.in, pasted)
	for {
		select {
		case q := <-s.returned:
			token, err := s.redeem(ctx, q.URL.Query())
			s.verdict <- err
			ctx, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			_ = server.Shutdown(ctx) // the browser shows the page that tells
			done()
			return token, err
		case line := <-pasted:
			u, err := url.Parse(line)
			if err != nil || !s.ours(u.Query()) {
				t.app.note("that is not the address where this sign-in ends; paste it whole, with ?code=")
				go pastedAddress(t.app.in, pasted)
				continue
			}
			return s.redeem(ctx, u.Query())
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, fmt.Errorf("nobody has signed in within %v", signInTime)
			}
			return nil, ctx.Err()
		}
	}
}

func newBrowserSignIn(issuer *tokenIssuer, address, user string) *browserSignIn {
	s := &browserSignIn{issuer: issuer, home: "http://" + address, state: rand.Text(), verifier: oauth2.GenerateVerifier(),
		returned: make(chan *http.Request), verdict: make(chan error, 1), noteWrong: func() {}}
	s.oauth = issuer.oauth(s.home + "/")
	s.ask = s.oauth.AuthCodeURL(s.state, oauth2.S256ChallengeOption(s.verifier), oauth2.SetAuthURLParam("login_hint", user))
	return s
}

// start is what the browser is opened with. The sign-in's own address would
// stand in the list of processes, where other users of the machine read it.
func (s *browserSignIn) start() string { return s.home + "/start" }

// ours says that an answer is this sign-in's.
func (s *browserSignIn) ours(answer url.Values) bool {
	return subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(s.state)) == 1
}

func (s *browserSignIn) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; style-src 'unsafe-inline'")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	switch {
	case "http://"+q.Host != s.home: // a name that leads here is somebody else's page
		last(w, http.StatusMisdirectedRequest, "This is not for you", "Nothing is served under this name.")
	case q.Method != http.MethodGet:
		last(w, http.StatusMethodNotAllowed, "Not understood", "Browsers come here to read.")
	case q.URL.Path == "/start":
		if s.visited.Swap(true) {
			last(w, http.StatusConflict, "This sign-in was begun already", "Go on in the window that it was begun in, or open the address that the terminal shows. If that was not you, press Ctrl-C there.")
			return
		}
		http.Redirect(w, q, s.ask, http.StatusSeeOther)
	case q.URL.Path != "/":
		last(w, http.StatusNotFound, "There is no such page", "Go back to the terminal.")
	case !s.ours(q.URL.Query()):
		s.wrong.Do(s.noteWrong)
		last(w, http.StatusBadRequest, "This belongs to another sign-in", "Go back to the terminal and begin anew.")
	default:
		s.comeBack(w, q)
	}
}

// comeBack takes the answer and shows what became of it.
func (s *browserSignIn) comeBack(w http.ResponseWriter, q *http.Request) {
	gone := time.NewTimer(loopbackTime)
	defer gone.Stop()
	select {
	case s.returned <- q:
	case <-gone.C: // another answer was taken
		last(w, http.StatusGone, "This sign-in is over", "Go back to the terminal.")
		return
	}
	select {
	case err := <-s.verdict:
		if err != nil {
			last(w, http.StatusOK, "You are not signed in", "The terminal says why.")
			return
		}
		last(w, http.StatusOK, "You are signed in", "You can close this window and go back to the terminal.")
	case <-time.After(2 * issuerTime):
	}
}

// last writes the page that a browser ends with.
func last(w http.ResponseWriter, status int, title, text string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>%[1]s</title>"+
		"<style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1rem;color-scheme:light dark}</style><h1>%[1]s</h1><p>%[2]s\n", html.EscapeString(title), html.EscapeString(text))
}

// redeem holds the server's answer against what was asked, and trades the code.
func (s *browserSignIn) redeem(ctx context.Context, answer url.Values) (*oauth2.Token, error) {
	// Whose answer it is comes first: a code must not be shown to another server (RFC 9207).
	if iss := answer["iss"]; len(iss) != 1 || iss[0] != s.issuer.Issuer {
		return nil, fmt.Errorf("the answer is from %.200q, not from %s: nothing was taken from it", strings.Join(iss, " "), s.issuer.Issuer)
	}
	if code := answer.Get("error"); code != "" {
		text := answer.Get("error_description")
		if text == "" {
			text = code
		}
		return nil, &failure{exit: exitFailed, what: fmt.Sprintf("%s says no: %s", s.issuer.Issuer, issuerText(text))}
	}
	codes := answer["code"]
	if len(codes) != 1 || codes[0] == "" {
		return nil, fmt.Errorf("the answer of %s holds no code", s.issuer.Issuer)
	}
	return s.oauth.Exchange(s.issuer.context(ctx), codes[0], oauth2.VerifierOption(s.verifier))
}

// show brings the person to the sign-in page.
func (t *tokenCall) show(s *browserSignIn) {
	if t.open != nil && t.open(s.start()) == nil {
		fmt.Fprintf(t.app.err, "Sign in as %s in the browser that opens. If none does, open this address:\n\n%s\n\n", printable(t.user), s.ask)
		return
	}
	fmt.Fprintf(t.app.err, "Sign in as %s: open this address in a browser.\n\n%s\n\nIf the browser runs on another machine it ends at a page of 127.0.0.1 that does not load:\npaste that page's whole address here. (--device is the other way, where it is allowed.)\n", printable(t.user), s.ask)
}

// pastedAddress reads a line that a person pasted; on a terminal it comes whole.
func pastedAddress(in io.Reader, pasted chan<- string) {
	line, err := bufio.NewReader(io.LimitReader(in, pastedBytes)).ReadString('\n')
	if line = strings.TrimSpace(line); err == nil && line != "" {
		pasted <- line
	}
}

// openBrowser opens the person's browser, where there is a desktop.
func openBrowser(address string) error {
	opener := "xdg-open"
	if runtime.GOOS == "darwin" {
		opener = "open"
	} else if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return errors.New("there is no display")
	}
	cmd := exec.Command(opener, address)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }()
	return nil
}
