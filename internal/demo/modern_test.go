package demo

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"
)

func TestAModernProgramTakesNoAnswerToAnothersQuestion(t *testing.T) {
	for query, want := range map[string]string{
		"state=other&iss=here&code=c":                                    "somebody else's",
		"state=mine&iss=elsewhere&code=c":                                "somebody else's",
		"state=mine&code=c":                                              "somebody else's",
		"state=mine&iss=here&error=access_denied&error_description=Nope": "access_denied: Nope",
	} {
		m := &modern{state: "mine", issuer: "here", answers: make(chan url.Values, 1)}
		m.answered(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/?"+query, nil))
		if err := m.redeem(t.Context()); err == nil || !strings.Contains(err.Error(), want) || m.token != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestAModernProgramAsksOnlyWhomItMeans(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"issuer": "https://elsewhere.example", "authorization_endpoint": "https://elsewhere.example/a"}`))
	}))
	defer s.Close()
	m := &modern{http: s.Client()}
	if err := m.discover(t.Context(), s.URL); err == nil || !strings.Contains(err.Error(), "elsewhere") {
		t.Error(err)
	}
}

func TestARefusalIsToldFromTrouble(t *testing.T) {
	if got := refusal(&oauth2.RetrieveError{ErrorCode: "invalid_grant"}); got != "invalid_grant" {
		t.Error(got)
	}
	if got := refusal(errors.New("connection refused")) + refusal(nil); got != "" {
		t.Error(got)
	}
}

func TestABrowserSendsWhatAFormHoldsUnseen(t *testing.T) {
	b := &browser{page: `<form action="/other"><input type="hidden" name="id" value="1"></form>
<form method="post" action="/this"><input type="hidden" name="token" value="a&#43;b"><input type="text" name="typed" value="x"><input type="hidden" name="id" value="2"></form>
<form action="/this"><input type="hidden" name="id" value="3"></form>`}
	if got := b.unseen("/this"); len(got) != 2 || got.Get("token") != "a+b" || got.Get("id") != "2" || !b.asks("/this") || b.asks("/th") {
		t.Error(got)
	}
}
