package dovecot

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

type seen struct {
	Typed, Mech, Addr string
	Protocol          protocol.Protocol
	Kind              policy.CredentialKind
	ID                []signin.Pair
	Allowed           bool
}

type recorder struct {
	got  []seen
	fail error
}

func (r *recorder) Observe(_ context.Context, a signin.Attempt, typed, mech string, kind policy.CredentialKind, _ string, allowed bool) (signin.Reference, error) {
	r.got = append(r.got, seen{typed, mech, a.Client.Addr().String(), a.Protocol, kind, a.Hints.IMAPID, allowed})
	return "", r.fail
}

func post(h *Handler, query, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/dovecot?command="+query, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAReportBecomesAnEvent(t *testing.T) {
	var rec recorder
	h := &Handler{Observer: &rec}
	w := post(h, "report", `{"device_id":"\"name\" \"Thunder\\\"bird\" \"version\" \"128\"","login":"alice","protocol":"imap","remote":"192.0.2.7","session_id":"x","mech":"PLAIN","tls":true,"success":true,"policy_reject":false}`)
	if w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	post(h, "report", `{"login":"bob","protocol":"sieve","remote":"","attrs":{"mech":"xoauth2"},"success":"false"}`)
	want := []seen{
		{"alice", "PLAIN", "192.0.2.7", protocol.IMAP, policy.CredentialPassword, []signin.Pair{{Key: "name", Value: `Thunder"bird`}, {Key: "version", Value: "128"}}, true},
		{"bob", "XOAUTH2", "invalid IP", protocol.Sieve, policy.CredentialBearer, nil, false},
	}
	if diff := cmp.Diff(want, rec.got); diff != "" {
		t.Error(diff)
	}
	if s := h.State(); s.Reports != 2 || s.Unread != 0 {
		t.Errorf("state %+v", s)
	}
}

func TestObservingNeverRefuses(t *testing.T) {
	h := &Handler{Observer: &recorder{}}
	if w := post(h, "allow", `{"login":"alice"}`); !strings.Contains(w.Body.String(), `"status":0`) {
		t.Error(w.Body)
	}
}

func TestBadReportsAreToldAndCounted(t *testing.T) {
	h := &Handler{Observer: &recorder{}}
	for _, body := range []string{"", "[]", `{"login":""}`, `{"login":"` + strings.Repeat("x", maxBody) + `"}`} {
		if w := post(h, "report", body); w.Code != 400 || !strings.Contains(w.Body.String(), "reason") {
			t.Errorf("%.20q: %d %s", body, w.Code, w.Body)
		}
	}
	if s := h.State(); s.Unread != 4 {
		t.Errorf("state %+v", s)
	}
	if w := post(h, "drop", ""); w.Code != 400 {
		t.Error(w.Code)
	}
	h.Observer = &recorder{fail: errors.New("full")}
	if w := post(h, "report", `{"login":"a"}`); w.Code != 503 {
		t.Error(w.Code)
	}
}

func TestNoWebPageReports(t *testing.T) {
	for header, value := range map[string]string{"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site", "Referer": "http://evil.test/"} {
		rec := &recorder{}
		h := &Handler{Observer: rec}
		if w := post(h, "report", `{"login":"alice","remote":"203.0.113.5","success":true}`, header, value); w.Code != 403 || len(rec.got) > 0 {
			t.Errorf("with %s: %d, %+v", header, w.Code, rec.got)
		}
	}
}

func TestTheKeyIsAskedFor(t *testing.T) {
	h := &Handler{Observer: &recorder{}, Key: []byte("k3y")}
	for key, want := range map[string]int{"": 401, "k3": 401, "k3y": 200} {
		if w := post(h, "ping", "", "X-API-Key", key); w.Code != want {
			t.Errorf("key %q: %d", key, w.Code)
		}
	}
	if w := post(h, "ping", "", "Authorization", "Basic d2ZvcmNlOmszeQ=="); w.Code != 200 {
		t.Errorf("basic: %d", w.Code)
	}
}

func FuzzDeviceID(f *testing.F) {
	f.Add(`"name" "x" "version" "1"`)
	f.Add(`"a\`)
	f.Fuzz(func(t *testing.T, s string) {
		if got := deviceID(s); len(got) > maxPairs {
			t.Errorf("%d pairs", len(got))
		}
	})
}
