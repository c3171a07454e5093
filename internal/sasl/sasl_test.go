package sasl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/policy"
)

func TestResponsesBecomeCredentials(t *testing.T) {
	long := strings.Repeat("x", 20000)
	tests := []struct {
		name, mechanism, response string
		authcid, authzid, secret  string
		err                       error
	}{
		{"plain", Plain, "\x00mary\x00secret", "mary", "", "secret", nil},
		{"plain with authzid", Plain, "anna\x00mary\x00secret", "mary", "anna", "secret", nil},
		{"plain, name not ASCII", Plain, "\x00märy\x00gehe\xefm", "märy", "", "gehe\xefm", nil},
		{"plain, two parts", Plain, "mary\x00secret", "", "", "", ErrMalformed},
		{"plain, four parts", Plain, "\x00mary\x00sec\x00ret", "", "", "", ErrMalformed},
		{"plain, empty response", Plain, "", "", "", "", ErrMalformed},
		{"plain, empty name", Plain, "\x00\x00secret", "", "", "", ErrMalformed},
		{"plain, empty name with authzid", Plain, "anna\x00\x00secret", "", "", "", ErrMalformed},
		{"plain, empty password", Plain, "\x00mary\x00", "", "", "", ErrMalformed},
		{"plain, LF in name", Plain, "\x00ma\nry\x00secret", "", "", "", ErrMalformed},
		{"plain, CR in authzid", Plain, "an\rna\x00mary\x00secret", "", "", "", ErrMalformed},
		{"plain, TAB in name", Plain, "\x00ma\try\x00secret", "", "", "", ErrMalformed},
		{"plain, CR in password", Plain, "\x00mary\x00sec\rret", "", "", "", ErrMalformed},
		{"plain, LF in password", Plain, "\x00mary\x00secret\n", "", "", "", ErrMalformed},
		{"plain, name not UTF-8", Plain, "\x00ma\xffry\x00secret", "", "", "", ErrMalformed},
		{"plain, name too long", Plain, "\x00" + long[:maxName+1] + "\x00secret", "", "", "", ErrTooLong},
		{"plain, password as long as may be", Plain, "\x00mary\x00" + long[:maxPassword], "mary", "", long[:maxPassword], nil},
		{"plain, password too long", Plain, "\x00mary\x00" + long[:maxPassword+1], "", "", "", ErrTooLong},
		{"plain, response too long", Plain, long, "", "", "", ErrTooLong},

		{"xoauth2", XOAUTH2, "user=mary@example.org\x01auth=Bearer a.b-c_d\x01\x01", "mary@example.org", "", "a.b-c_d", nil},
		{"xoauth2, scheme in lower case", XOAUTH2, "user=mary\x01auth=bearer tok==\x01\x01", "mary", "", "tok==", nil},
		{"xoauth2, user twice", XOAUTH2, "user=mary\x01user=anna\x01auth=Bearer tok\x01\x01", "", "", "", ErrMalformed},
		{"xoauth2, user twice in another case", XOAUTH2, "user=mary\x01USER=anna\x01auth=Bearer tok\x01\x01", "", "", "", ErrMalformed},
		{"xoauth2, auth twice", XOAUTH2, "user=mary\x01auth=Bearer tok\x01auth=Bearer tik\x01\x01", "", "", "", ErrMalformed},
		{"xoauth2, no user", XOAUTH2, "auth=Bearer tok\x01\x01", "", "", "", ErrMalformed},
		{"xoauth2, empty user", XOAUTH2, "user=\x01auth=Bearer tok\x01\x01", "", "", "", ErrMalformed},
		{"xoauth2, no token", XOAUTH2, "user=mary\x01\x01", "", "", "", ErrMalformed},
		{"xoauth2, empty token", XOAUTH2, "user=mary\x01auth=Bearer \x01\x01", "", "", "", ErrMalformed},
		{"xoauth2, token of padding", XOAUTH2, "user=mary\x01auth=Bearer ==\x01\x01", "", "", "", ErrMalformed},
		{"xoauth2, Basic", XOAUTH2, "user=mary\x01auth=Basic tok\x01\x01", "", "", "", ErrMalformed},
		{"xoauth2, one ^A at the end", XOAUTH2, "user=mary\x01auth=Bearer tok\x01", "", "", "", ErrMalformed},
		{"xoauth2, something behind", XOAUTH2, "user=mary\x01auth=Bearer tok\x01\x01x", "", "", "", ErrMalformed},
		{"xoauth2, NUL in user", XOAUTH2, "user=ma\x00ry\x01auth=Bearer tok\x01\x01", "", "", "", ErrMalformed},
		{"xoauth2, blank in token", XOAUTH2, "user=mary\x01auth=Bearer t k\x01\x01", "", "", "", ErrMalformed},
		{"xoauth2, token too long", XOAUTH2, "user=mary\x01auth=Bearer " + long[:maxToken+1] + "\x01\x01", "", "", "", ErrTooLong},

		{"oauthbearer", OAuthBearer, "n,a=mary@example.org,\x01host=mail.example.org\x01port=993\x01auth=Bearer tok\x01\x01", "mary@example.org", "", "tok", nil},
		{"oauthbearer, foreign host and port", OAuthBearer, "n,a=mary,\x01host=localhost\x01port=1\x01auth=Bearer tok\x01\x01", "mary", "", "tok", nil},
		{"oauthbearer, neither host nor port", OAuthBearer, "y,a=mary,\x01auth=Bearer tok\x01\x01", "mary", "", "tok", nil},
		{"oauthbearer, no name", OAuthBearer, "n,,\x01auth=Bearer tok\x01\x01", "", "", "tok", nil},
		{"oauthbearer, escaped name", OAuthBearer, "n,a=m=2Ca=3Dry,\x01auth=Bearer tok\x01\x01", "m,a=ry", "", "tok", nil},
		{"oauthbearer, unknown field", OAuthBearer, "n,a=mary,\x01mthd=POST\x01auth=Bearer tok\x01\x01", "mary", "", "tok", nil},
		{"oauthbearer, bad escape", OAuthBearer, "n,a=m=2cary,\x01auth=Bearer tok\x01\x01", "", "", "", ErrMalformed},
		{"oauthbearer, escape cut off", OAuthBearer, "n,a=mary=2,\x01auth=Bearer tok\x01\x01", "", "", "", ErrMalformed},
		{"oauthbearer, escaped nothing", OAuthBearer, "n,a=,\x01auth=Bearer tok\x01\x01", "", "", "", ErrMalformed},
		{"oauthbearer, comma in name", OAuthBearer, "n,a=ma,ry,\x01auth=Bearer tok\x01\x01", "", "", "", ErrMalformed},
		{"oauthbearer, channel binding", OAuthBearer, "p=tls-exporter,a=mary,\x01auth=Bearer tok\x01\x01", "", "", "", ErrMalformed},
		{"oauthbearer, auth twice", OAuthBearer, "n,a=mary,\x01auth=Bearer tok\x01auth=Bearer tik\x01\x01", "", "", "", ErrMalformed},
		{"oauthbearer, host twice", OAuthBearer, "n,a=mary,\x01host=a\x01host=b\x01auth=Bearer tok\x01\x01", "", "", "", ErrMalformed},
		{"oauthbearer, no header", OAuthBearer, "\x01auth=Bearer tok\x01\x01", "", "", "", ErrMalformed},
		{"oauthbearer, header only", OAuthBearer, "n,a=mary,", "", "", "", ErrMalformed},
		{"oauthbearer, a client's dummy answer", OAuthBearer, "\x01", "", "", "", ErrMalformed},

		{"external, whoever the certificate is", External, "", "", "", "", nil},
		{"external with authzid", External, "anna", "", "anna", "", nil},
		{"external, NUL", External, "an\x00na", "", "", "", ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := New(strings.ToLower(tt.mechanism))
			if err != nil {
				t.Fatal(err)
			}
			_, done, err := m.Next([]byte(tt.response))
			if !errors.Is(err, tt.err) || done != (tt.err == nil) {
				t.Fatalf("done %v, error %v, want error %v", done, err, tt.err)
			}
			c := m.Credential()
			if c.Authcid != tt.authcid || c.Authzid != tt.authzid || string(c.Secret()) != tt.secret {
				t.Errorf("got %q %q %q", c.Authcid, c.Authzid, c.Secret())
			}
			if tt.err == nil && c.Mechanism != tt.mechanism {
				t.Errorf("mechanism %q", c.Mechanism)
			}
		})
	}
}

func TestKindFollowsMechanism(t *testing.T) {
	for mechanism, kind := range map[string]policy.CredentialKind{
		Plain: policy.CredentialPassword, XOAUTH2: policy.CredentialBearer,
		OAuthBearer: policy.CredentialBearer, External: policy.CredentialCertificate,
	} {
		response, err := Response(mechanism, Identity{Authcid: "mary"}, []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		m, _ := New(mechanism)
		if _, _, err := m.Next(response); err != nil {
			t.Fatal(err)
		}
		if got := m.Credential().Kind; got != kind {
			t.Errorf("%s gives %v, want %v", mechanism, got, kind)
		}
	}
}

func TestExchangeOverLines(t *testing.T) {
	b64 := func(s string) string { return string(Encode([]byte(s))) }
	const none = "(none)"
	tests := []struct {
		name, mechanism, initial string
		lines                    []string
		challenges               []string
		secret                   string
		err                      error
	}{
		{"plain with initial response", Plain, b64("\x00mary\x00pw"), nil, nil, "pw", nil},
		{"plain without", Plain, none, []string{b64("\x00mary\x00pw")}, []string{""}, "pw", nil},
		{"login", Login, none, []string{b64("mary"), b64("pw")}, []string{"VXNlcm5hbWU6", "UGFzc3dvcmQ6"}, "pw", nil},
		{"login with the name first", Login, b64("mary"), []string{b64("pw")}, []string{"UGFzc3dvcmQ6"}, "pw", nil},
		{"login, empty name", Login, none, []string{""}, []string{"VXNlcm5hbWU6"}, "", ErrMalformed},
		{"login, empty name as =", Login, "=", nil, nil, "", ErrMalformed},
		{"login, empty password", Login, b64("mary"), []string{""}, []string{"UGFzc3dvcmQ6"}, "", ErrMalformed},
		{"login, NUL in password", Login, b64("mary"), []string{b64("p\x00w")}, []string{"UGFzc3dvcmQ6"}, "", ErrMalformed},
		{"external, empty as =", External, "=", nil, nil, "", nil},
		{"external, empty as nothing", External, "", nil, nil, "", nil},
		{"external, empty line", External, none, []string{""}, []string{""}, "", nil},
		{"cancelled at once", Plain, none, []string{"*"}, []string{""}, "", ErrCancelled},
		{"cancelled in the middle", Login, none, []string{b64("mary"), "*"}, []string{"VXNlcm5hbWU6", "UGFzc3dvcmQ6"}, "", ErrCancelled},
		{"= is empty only at the start", Plain, none, []string{"="}, []string{""}, "", ErrBase64},
		{"no base64", Plain, none, []string{"?"}, []string{""}, "", ErrBase64},
		{"raw 0x01", Plain, none, []string{"\x01"}, []string{""}, "", ErrBase64},
		{"LF in base64", Plain, "AG1h\ncnkAcHc=", nil, nil, "", ErrBase64},
		{"no padding", Plain, strings.TrimRight(b64("\x00mary\x00pw"), "="), nil, nil, "", ErrBase64},
		{"text behind the padding", Plain, b64("\x00mary\x00pw") + "AAAA", nil, nil, "", ErrBase64},
		{"bits behind the text", External, "YR==", nil, nil, "", ErrBase64},
		{"too long at once", Plain, strings.Repeat("A", MaxBase64+4), nil, nil, "", ErrTooLong},
		{"too long together", Login, b64(strings.Repeat("m", maxName)), []string{strings.Repeat("A", MaxBase64-500)}, []string{"UGFzc3dvcmQ6"}, "", ErrTooLong},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x, err := NewExchange(tt.mechanism)
			if err != nil {
				t.Fatal(err)
			}
			var initial []byte
			if tt.initial != none {
				initial = append([]byte{}, tt.initial...)
			}
			challenge, done, err := x.Start(initial)
			for i, line := range tt.lines {
				if err != nil || done {
					t.Fatalf("over before line %d: %v", i, err)
				}
				if challenge == nil || string(challenge) != tt.challenges[i] {
					t.Fatalf("challenge %d is %q, want %q", i, challenge, tt.challenges[i])
				}
				challenge, done, err = x.Line([]byte(line))
			}
			if !errors.Is(err, tt.err) || done != (tt.err == nil) {
				t.Fatalf("done %v, error %v, want error %v", done, err, tt.err)
			}
			if got := string(x.Credential().Secret()); got != tt.secret {
				t.Errorf("secret %q, want %q", got, tt.secret)
			}
		})
	}
}

func TestNothingIsTakenAfterTheEnd(t *testing.T) {
	for _, mechanism := range Names() {
		m, err := New(mechanism)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			_, _, _ = m.Next([]byte("\x00"))
		}
		if _, done, err := m.Next([]byte("\x00mary\x00pw")); done || !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: done %v, %v", mechanism, done, err)
		}
	}
}

func TestUnknownMechanism(t *testing.T) {
	for _, name := range []string{"", "CRAM-MD5", "PLAIN ", "ANONYMOUS"} {
		if _, err := New(name); !errors.Is(err, ErrUnknownMechanism) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestErrorsAndCredentialsDoNotTell(t *testing.T) {
	for _, response := range []string{"s3cr3t", "\x00mary\x00s3cr3t\n", "n,a=mary,\x01auth=Bearer s3cr3t?\x01\x01"} {
		for _, mechanism := range []string{Plain, XOAUTH2, OAuthBearer} {
			m, _ := New(mechanism)
			_, _, err := m.Next([]byte(response))
			if err == nil || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%s: %v", mechanism, err)
			}
		}
	}
	m, _ := New(Plain)
	_, _, _ = m.Next([]byte("\x00mary\x00s3cr3t"))
	if s := fmt.Sprintf("%v %+v %#v %s", m.Credential(), m.Credential(), m.Credential(), m.Credential()); strings.Contains(s, "s3cr3t") {
		t.Error(s)
	}
}

func TestErrorChallenges(t *testing.T) {
	e := OAuthError{Configuration: "https://auth.example.org/.well-known/openid-configuration", Scope: "imap \"x\""}
	var got map[string]string
	if err := json.Unmarshal(e.BearerChallenge(), &got); err != nil {
		t.Fatal(err)
	}
	if got["status"] != "invalid_token" || got["openid-configuration"] != e.Configuration || got["scope"] != e.Scope {
		t.Errorf("got %v", got)
	}
	clear(got)
	if err := json.Unmarshal(e.XOAUTH2Challenge(), &got); err != nil {
		t.Fatal(err)
	}
	if got["status"] != "401" || got["schemes"] != "bearer" || got["scope"] != e.Scope {
		t.Errorf("got %v", got)
	}
	if bare := string(OAuthError{}.BearerChallenge()); bare != `{"status":"invalid_token"}` {
		t.Errorf("got %s", bare)
	}
}

func TestClientRefusesWhatTheDoorWould(t *testing.T) {
	bad := []struct {
		mechanism string
		id        Identity
		secret    string
	}{
		{Plain, Identity{Authcid: "ma\x00ry"}, "pw"},
		{Plain, Identity{Authcid: "mary", Authzid: "an\nna"}, "pw"},
		{Plain, Identity{Authcid: "mary"}, "p\x00w"},
		{Plain, Identity{}, "pw"},
		{XOAUTH2, Identity{Authcid: "mary\x01auth=Bearer other"}, "tok"},
		{XOAUTH2, Identity{Authcid: "mary"}, "tok\x01user=anna"},
		{OAuthBearer, Identity{Authcid: "mary", Host: "h\x01auth=Bearer other"}, "tok"},
		{External, Identity{Authzid: "an\rna"}, ""},
		{Login, Identity{Authcid: "mary"}, "pw"},
	}
	for _, b := range bad {
		if _, err := Response(b.mechanism, b.id, []byte(b.secret)); err == nil {
			t.Errorf("%s %+v was built", b.mechanism, b.id)
		}
	}
	if _, _, err := LoginResponses("mary", []byte("p\nw")); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

// fuzz checks what must hold of any response: no panic, done only with a
// credential that the client side would build again, never a control
// character in a name.
func fuzz(f *testing.F, mechanism string, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, response []byte) {
		m, err := New(mechanism)
		if err != nil {
			t.Fatal(err)
		}
		kept := bytes.Clone(response)
		_, done, err := m.Next(response)
		if done != (err == nil) && response != nil {
			t.Fatalf("done %v, error %v", done, err)
		}
		if !bytes.Equal(kept, response) {
			t.Fatal("the response was changed")
		}
		c := m.Credential()
		if !done {
			if c.Secret() != nil || c.Authcid != "" {
				t.Fatal("a credential without done")
			}
			return
		}
		if strings.ContainsAny(c.Authcid+c.Authzid, "\x00\r\n\t") || bytes.ContainsAny(c.Secret(), "\x00\r\n") {
			t.Fatalf("control characters in %q", c.Authcid)
		}
		if c.Authcid == "" { // EXTERNAL, and OAUTHBEARER without a=
			return
		}
		again, err := Response(mechanism, Identity{Authcid: c.Authcid, Authzid: c.Authzid}, c.Secret())
		if err != nil {
			t.Fatalf("taken, but not to be sent on: %v", err)
		}
		n, _ := New(mechanism)
		if _, done, err := n.Next(again); !done || err != nil {
			t.Fatalf("our own response is refused: %v", err)
		}
		if d := n.Credential(); d.Authcid != c.Authcid || d.Authzid != c.Authzid || !bytes.Equal(d.Secret(), c.Secret()) {
			t.Fatal("the round trip changed the credential")
		}
	})
}

func FuzzPlain(f *testing.F) { fuzz(f, Plain, "\x00mary\x00pw", "anna\x00mary\x00pw", "\x00\x00\x00") }
func FuzzXOAUTH2(f *testing.F) {
	fuzz(f, XOAUTH2, "user=mary\x01auth=Bearer tok\x01\x01", "user=a\x01user=b\x01auth=Bearer t\x01\x01")
}
func FuzzOAuthBearer(f *testing.F) {
	fuzz(f, OAuthBearer, "n,a=mary,\x01host=h\x01port=1\x01auth=Bearer tok\x01\x01", "n,,\x01auth=Bearer t\x01\x01", "n,a=m=2C=3D,\x01auth=Bearer t\x01\x01")
}
func FuzzExternal(f *testing.F) { fuzz(f, External, "", "anna") }

func FuzzLoginOverLines(f *testing.F) {
	f.Add([]byte("bWFyeQ=="), []byte("cHc="))
	f.Add([]byte("*"), []byte("*"))
	f.Add([]byte("="), []byte("="))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		x, err := NewExchange(Login)
		if err != nil {
			t.Fatal(err)
		}
		if _, done, err := x.Start(first); done || (err == nil && first == nil) {
			return
		}
		_, done, err := x.Line(second)
		if done != (err == nil) && err != nil {
			t.Fatalf("done %v, error %v", done, err)
		}
		if c := x.Credential(); done && (c.Authcid == "" || len(c.Secret()) == 0) {
			t.Fatal("done without a name or a password")
		}
	})
}
