package upstream

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
)

// The addresses that Handler serves. The one to come back to goes on with the
// provider's name.
const (
	startPath    = "/upstream/start"
	callbackPath = "/upstream/callback/"
	// LogoutPath is where providers announce logouts: many at once where an
	// administrator there logs everybody out. Few are looked at at a time.
	LogoutPath = "/upstream/backchannel"
)

const (
	maxLogout = 12 << 10 // bytes of a logout token
	maxForm   = 2 * maxLogout
)

// Pages are what follows a sign-in at a provider, for whoever shows pages.
type Pages struct {
	// SignedIn has the gate judge who came back, and answers.
	SignedIn func(w http.ResponseWriter, r *http.Request, a Arrival)
	// Failed answers where nobody came back: a *signin.Refusal, or our own trouble.
	Failed func(w http.ResponseWriter, r *http.Request, err error)
}

// Handler serves what is below /upstream/: start, where a link leads
// (?provider=, login_hint, return, fresh for a new proof), callback, where the provider sends the
// browser back to, and backchannel, where it announces logouts.
func (s *Service) Handler(pages Pages) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+startPath, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		o := BeginOptions{Return: q.Get("return")}
		if q.Get("fresh") != "" {
			o.MaxAge = time.Nanosecond // a new proof, however new the last one is
			if p := s.providers[q.Get("provider")]; p != nil {
				o.ACRValues = p.ACRValues // and the best it can ask for
			}
		}
		if err := s.Start(w, r, q.Get("provider"), q.Get("login_hint"), o); err != nil {
			s.failed(w, r, pages, err)
		}
	})
	mux.HandleFunc("GET "+callbackPath+"{provider}", func(w http.ResponseWriter, r *http.Request) {
		state := s.carried(w, r)
		a, err := s.Finish(r.Context(), state, r.PathValue("provider"), r.URL.Query())
		if err != nil {
			s.failed(w, r, pages, err)
			return
		}
		private(w)
		pages.SignedIn(w, r, a)
	})
	mux.HandleFunc("POST "+LogoutPath, s.backChannel)
	return mux
}

// Start sends the browser to a provider.
func (s *Service) Start(w http.ResponseWriter, r *http.Request, provider, loginHint string, o BeginOptions) error {
	to, state, err := s.Begin(r.Context(), provider, loginHint, o)
	if err != nil {
		return err
	}
	private(w)
	http.SetCookie(w, s.cookie(string(state), int(flowTime/time.Second)))
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// cookie carries a flow. One at a time, so that a browser that leaves and never
// comes back does not collect them; lax, since the way back begins elsewhere.
func (s *Service) cookie(value string, age int) *http.Cookie {
	c := &http.Cookie{Name: "upstream", Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if u, err := url.Parse(s.Public); err == nil && u.Scheme == "https" {
		c.Name, c.Secure = "__Host-upstream", true
	}
	return c
}

// carried is the flow that a browser carries, which it carries no longer.
func (s *Service) carried(w http.ResponseWriter, r *http.Request) State {
	gone := s.cookie("", -1)
	http.SetCookie(w, gone)
	c, err := r.Cookie(gone.Name)
	if err != nil {
		return ""
	}
	return State(c.Value)
}

func (s *Service) failed(w http.ResponseWriter, r *http.Request, pages Pages, err error) {
	s.Log.Warn("a sign-in at a provider came to nothing", "from", r.RemoteAddr, "err", err)
	private(w)
	pages.Failed(w, r, err)
}

// private keeps codes and states out of caches and of the next page's referrer.
func private(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
}

// backChannel takes a logout token (OpenID Connect Back-Channel Logout 1.0,
// sections 2.5 and 2.8).
func (s *Service) backChannel(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil || len(r.PostForm["logout_token"]) != 1 {
		answerLogout(w, http.StatusBadRequest, "a form with one logout_token is expected")
		return
	}
	err := s.Logout(r.Context(), []byte(r.PostForm.Get("logout_token")))
	var no *signin.Refusal
	switch {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.As(err, &no):
		s.Log.Warn("a logout token is not believed", "from", r.RemoteAddr, "err", err)
		answerLogout(w, http.StatusBadRequest, "the logout token is not accepted")
	default:
		s.Log.Error("a logout token could not be carried out", "err", err)
		answerLogout(w, http.StatusServiceUnavailable, "try again")
	}
}

func answerLogout(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"error":"invalid_request","error_description":"` + text + `"}` + "\n"))
}
