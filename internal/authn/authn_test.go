package authn

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/backend"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

// world is a small world of people for the tests: a directory, a mail server,
// an issuer and the rights between people.
type world struct {
	people    map[string]directory.Person
	passwords map[string]string // by address; absent: the directory keeps none
	mail      map[string]string // passwords that the mail server knows
	tokens    map[string]token.Claims
	rights    map[[2]string]bool // person and mailbox, ids; over IMAP
	right     time.Time          // when they end
	revoked   map[string]bool
	fault     error
	mailFault error

	checked []string // addresses whose password was compared anywhere
	held    map[signin.ID]string
	sources []secret.Source
}

func newWorld() *world {
	w := &world{people: map[string]directory.Person{}, held: map[signin.ID]string{}, rights: map[[2]string]bool{{"id-sec", "id-mary"}: true, {"id-sec", "id-off"}: true},
		passwords: map[string]string{"mary@example.org": "word", "sec@example.org": "word", "off@example.org": "word", "omar@example.org": "other"},
		mail:      map[string]string{"pete@example.org": "mailword", "new@example.org": "newword", "mary@example.org": "mailword"},
		tokens:    map[string]token.Claims{}, revoked: map[string]bool{}}
	for _, local := range []string{"mary", "omar", "sec", "pete", "off", "bare"} {
		w.people[local+"@example.org"] = directory.Person{ID: "id-" + local, Address: local + "@example.org", Disabled: local == "off"}
	}
	for name, c := range map[string]token.Claims{
		"mary-token": {Address: "Mary@Example.org", ID: "grant1"}, "omar-token": {Address: "omar@example.org"}, "sec-token": {Address: "sec@example.org"},
		"new-token": {Address: "new@example.org"}, "off-token": {Address: "off@example.org"}, "odd-token": {Address: "\x00"},
	} {
		c.Issuer, c.Methods, c.Session = "idp", policy.MethodFederatedMultiFactor, time.Hour
		w.tokens[name] = c
	}
	return w
}

func (w *world) Canonical(_, typed string) (string, error) {
	if strings.ContainsAny(typed, "\x00*") || typed == "" {
		return "", errors.New("no name")
	}
	typed = strings.ToLower(typed)
	if !strings.Contains(typed, "@") {
		typed += "@example.org"
	}
	return typed, nil
}

func (w *world) Vouched(listener, stated string) (string, error) {
	return w.Canonical(listener, stated)
}

func (w *world) Lookup(_ context.Context, address string) (directory.Person, bool, error) {
	p, known := w.people[address]
	return p, known, w.fault
}

func (w *world) CheckPassword(_ context.Context, p directory.Person, password []byte, from secret.Source) error {
	w.checked, w.sources = append(w.checked, p.Address), append(w.sources, from)
	word, kept := w.passwords[p.Address]
	switch {
	case w.fault != nil:
		return w.fault
	case !kept:
		return directory.ErrNoPassword
	case word != string(password):
		return directory.ErrWrong
	}
	return nil
}

func (w *world) KnownNetwork(person string, a netip.Addr) bool {
	return person == "id-mary" && a == netip.MustParseAddr("192.0.2.1")
}

func (w *world) Create(_ context.Context, address string) (directory.Person, error) {
	w.people[address] = directory.Person{ID: "id-made", Address: address}
	return w.people[address], w.fault
}

func (w *world) Verify(_ context.Context, bearer []byte) (token.Claims, error) {
	if w.fault != nil {
		return token.Claims{}, w.fault
	}
	c, ok := w.tokens[string(bearer)]
	if !ok {
		return c, &token.Refusal{Code: signin.TokenExpired, Detail: "expired"}
	}
	return c, nil
}

func (w *world) MayOpen(person, mailbox string, p protocol.Protocol, _ time.Time) (time.Time, bool) {
	return w.right, w.rights[[2]string{person, mailbox}] && p == protocol.IMAP
}

func (w *world) Revoked(_, grant string, _ time.Time) bool { return w.revoked[grant] }

func (w *world) People(_ context.Context, listener string, der []byte) ([]string, policy.Methods, error) {
	switch {
	case w.fault != nil:
		return nil, 0, trouble(signin.DirectoryAway, w.fault)
	case listener != "imap-993" || string(der) == "revoked":
		return nil, 0, refuse(signin.CertificateRevoked, "on the list")
	}
	return strings.Fields(string(der)), policy.MethodX509SingleFactor, nil
}

// mailServer is the world's mail server.
type mailServer struct{ *world }

func (m mailServer) Login(_ context.Context, q backend.Request) error {
	m.checked = append(m.checked, "mail:"+q.Address)
	switch word, known := m.mail[q.Address]; {
	case m.mailFault != nil:
		return m.mailFault
	case !known || word != string(q.Password):
		return backend.ErrRefused
	}
	m.held[q.ID] = q.Address
	return nil
}

func (m mailServer) Release(id signin.ID) { delete(m.held, id) }

func (w *world) verifier() *Verifier {
	return New(Options{Names: w, Vouchers: w, Directory: w, Networks: w, Pool: secret.NewPool(1), Backends: mailServer{w}, Newcomers: w, Tokens: w, Delegates: w, Revocations: w})
}

var knock = signin.Attempt{ID: signin.ID{7}, At: time.Unix(1_000_000, 0), Protocol: protocol.IMAP, Client: netip.MustParseAddrPort("192.0.2.1:4000")}

// show shows one credential as the gate does: the mailbox is looked up first.
func (w *world) show(v *Verifier, kind policy.CredentialKind, authcid, authzid, shown string) (signin.Principal, error) {
	c := signin.NewCredential(kind, "PLAIN", authcid, authzid, []byte(shown))
	address, err := w.Canonical("", c.Name())
	if err != nil {
		return signin.Principal{}, &Refusal{Code: signin.CredentialMalformed}
	}
	p, known := w.people[address]
	return v.Verify(context.Background(), knock, p, known, c)
}

func codeOf(err error) signin.Code {
	var r *Refusal
	switch {
	case err == nil:
		return signin.OK
	case errors.As(err, &r):
		return r.Code
	}
	return -TroubleCode(err)
}

func TestPasswords(t *testing.T) {
	for _, c := range []struct {
		name, authcid, authzid, password string
		want                             signin.Code
		person                           string
		held                             bool
		checked                          string
	}{
		{"right", "mary", "", "word", signin.OK, "id-mary", false, "mary@example.org"},
		{"wrong", "mary", "", "wrong", signin.WrongCredentials, "", false, "mary@example.org"},
		{"the mail server's other word", "mary", "", "mailword", signin.WrongCredentials, "", false, "mary@example.org"},
		{"empty", "mary", "", "", signin.WrongCredentials, "", false, ""},
		{"disabled, right", "off", "", "word", signin.UserDisabled, "", false, "off@example.org"},
		{"disabled, wrong", "off", "", "wrong", signin.WrongCredentials, "", false, "off@example.org"},
		{"kept by the mail server", "pete", "", "mailword", signin.OK, "id-pete", true, "pete@example.org mail:pete@example.org"},
		{"kept by the mail server, wrong", "pete", "", "wrong", signin.WrongCredentials, "", false, "pete@example.org mail:pete@example.org"},
		{"first sign-in", "new", "", "newword", signin.OK, "id-made", true, "mail:new@example.org"},
		{"unknown", "nobody", "", "word", signin.WrongCredentials, "", false, "mail:nobody@example.org"},
		{"same identity twice", "mary", "mary", "word", signin.OK, "id-mary", false, "mary@example.org"},
		{"same identity otherwise spelt", "MARY@example.org", "mary", "word", signin.OK, "id-mary", false, "mary@example.org"},
		{"authorization identity alone", "", "mary", "word", signin.OK, "id-mary", false, "mary@example.org"},
		{"another's identity", "omar", "mary", "other", signin.IdentityOfAnother, "", false, ""},
		{"another's identity, wrong", "omar", "mary", "wrong", signin.IdentityOfAnother, "", false, ""},
		{"unknown as another", "nobody", "mary", "word", signin.IdentityOfAnother, "", false, ""},
		{"as somebody unknown", "mary", "nobody", "word", signin.IdentityOfAnother, "", false, ""},
		{"delegate", "sec", "mary", "word", signin.OK, "id-sec", false, "sec@example.org"},
		{"delegate, wrong", "sec", "mary", "wrong", signin.WrongCredentials, "", false, "sec@example.org"},
		{"NUL in the password", "mary", "", "wo\x00rd", signin.CredentialMalformed, "", false, ""},
		{"CR in the password", "mary", "", "word\r", signin.CredentialMalformed, "", false, ""},
		{"LF in the name", "mary\n", "", "word", signin.CredentialMalformed, "", false, ""},
		{"NUL in the identity", "mary", "mary\x00", "word", signin.CredentialMalformed, "", false, ""},
		{"master user syntax", "omar*mary", "mary", "word", signin.CredentialMalformed, "", false, ""},
	} {
		w := newWorld()
		p, err := w.show(w.verifier(), policy.CredentialPassword, c.authcid, c.authzid, c.password)
		if codeOf(err) != c.want || p.Person != c.person || p.Held != c.held {
			t.Errorf("%s: %+v, %v; want %s", c.name, p, err, c.want)
		}
		if got := strings.Join(w.checked, " "); got != c.checked {
			t.Errorf("%s: compared with %q, want %q", c.name, got, c.checked)
		}
		if err == nil && (p.Methods != policy.MethodPassword || p.AuthTime != knock.At || p.Issuer != "") {
			t.Errorf("%s: %+v", c.name, p)
		}
		if _, held := w.held[knock.ID]; held != c.held {
			t.Errorf("%s: held %v", c.name, w.held)
		}
	}
}

func TestWithoutAMailServerUnknownNamesAreUnknown(t *testing.T) {
	w := newWorld()
	v := w.verifier()
	v.Backends = nil
	for name, want := range map[string]signin.Code{"nobody": signin.UserUnknown, "bare": signin.WrongCredentials, "mary": signin.OK} {
		_, err := w.show(v, policy.CredentialPassword, name, "", "word")
		if codeOf(err) != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// Unknown names hash, and wait for the pool as known ones do.
func TestUnknownNamesCostWhatKnownOnesCost(t *testing.T) {
	w := newWorld()
	v := w.verifier()
	v.Backends = nil
	start := time.Now()
	_, _ = w.show(v, policy.CredentialPassword, "nobody", "", "word")
	if took := time.Since(start); took < 5*time.Millisecond { // a hash takes about 20 ms, everything else some microseconds
		t.Errorf("an unknown name was answered in %v, without hashing", took)
	}
	block, entered := make(chan struct{}), make(chan struct{})
	go func() { _ = v.Pool.Do(context.Background(), secret.Source{}, func() { close(entered); <-block }) }()
	<-entered
	defer close(block)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := signin.NewCredential(policy.CredentialPassword, "PLAIN", "nobody", "", []byte("word"))
	if _, err := v.Verify(ctx, knock, directory.Person{}, false, c); !errors.Is(err, context.Canceled) {
		t.Errorf("an unknown name did not wait for the pool: %v", err)
	}
}

func TestOurTroubleIsNeverAWrongPassword(t *testing.T) {
	fault := errors.New("down")
	for _, c := range []struct {
		name         string
		kind         policy.CredentialKind
		who, shown   string
		fault, mail  error
		want         signin.Code
		refused      bool
		mustBeLogged string
	}{
		{"directory", policy.CredentialPassword, "mary", "word", fault, nil, signin.DirectoryAway, false, "down"},
		{"pool", policy.CredentialPassword, "mary", "word", secret.ErrBusy, nil, signin.Busy, false, "too many"},
		{"mail server away", policy.CredentialPassword, "pete", "mailword", nil, backend.ErrAway, signin.BackendAway, false, "away"},
		{"mail server odd", policy.CredentialPassword, "pete", "mailword", nil, fault, signin.BackendAway, false, "down"},
		{"issuer", policy.CredentialBearer, "mary", "mary-token", fault, nil, signin.DirectoryAway, false, "down"},
		{"making a person", policy.CredentialPassword, "new", "newword", fault, nil, signin.DirectoryAway, false, "down"},
		{"another name there", policy.CredentialPassword, "pete", "mailword", nil, &backend.OtherName{Final: "p"}, signin.BackendName, true, "p"},
		{"no mail server", policy.CredentialPassword, "pete", "mailword", nil, backend.ErrNoBackend, signin.NoBackend, true, "routed"},
	} {
		w := newWorld()
		w.fault, w.mailFault = c.fault, c.mail
		p, err := w.show(w.verifier(), c.kind, c.who, "", c.shown)
		var r *Refusal
		if errors.As(err, &r) != c.refused || p.Person != "" || err == nil {
			t.Errorf("%s: %+v, %v", c.name, p, err)
			continue
		}
		if r != nil && (r.Code != c.want || r.WrongSecret()) || r == nil && TroubleCode(err) != c.want || !strings.Contains(err.Error(), c.mustBeLogged) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		if len(w.held) > 0 {
			t.Errorf("%s: a connection is held", c.name)
		}
	}
	if TroubleCode(errors.New("x")) != signin.InternalFault {
		t.Error("an unknown fault has no code")
	}
}

func TestTokens(t *testing.T) {
	for _, c := range []struct {
		name, authcid, authzid, bearer string
		want                           signin.Code
		person                         string
	}{
		{"right", "mary", "", "mary-token", signin.OK, "id-mary"},
		{"bad", "mary", "", "x", signin.TokenExpired, ""},
		{"empty", "mary", "", "", signin.TokenExpired, ""},
		{"of another", "mary", "", "omar-token", signin.TokenOfAnother, ""},
		{"of another, own name beside it", "omar", "mary", "omar-token", signin.TokenOfAnother, ""},
		{"of a delegate", "mary", "", "sec-token", signin.OK, "id-sec"},
		{"of a delegate, named", "sec", "mary", "sec-token", signin.OK, "id-sec"},
		{"of a delegate, another named", "omar", "mary", "sec-token", signin.TokenOfAnother, ""},
		{"the mailbox's own, a delegate named", "sec", "mary", "mary-token", signin.TokenOfAnother, ""},
		{"of a delegate of somebody disabled", "off", "", "sec-token", signin.OK, "id-sec"},
		{"the other way round", "sec", "", "mary-token", signin.TokenOfAnother, ""},
		{"of somebody unknown here", "mary", "", "new-token", signin.TokenOfAnother, ""},
		{"for a name nobody has", "nobody", "", "mary-token", signin.TokenOfAnother, ""},
		{"first sign-in", "new", "", "new-token", signin.OK, "id-made"},
		{"disabled", "off", "", "off-token", signin.UserDisabled, ""},
		{"no name", "mary", "", "odd-token", signin.TokenInvalid, ""},
	} {
		w := newWorld()
		p, err := w.show(w.verifier(), policy.CredentialBearer, c.authcid, c.authzid, c.bearer)
		if codeOf(err) != c.want || p.Person != c.person {
			t.Errorf("%s: %+v, %v; want %s", c.name, p, err, c.want)
		}
		if len(w.checked) > 0 {
			t.Errorf("%s: a password was compared: %v", c.name, w.checked)
		}
		if err == nil && (p.Methods != policy.MethodFederatedMultiFactor || p.Issuer != "idp" || !p.AuthTime.IsZero() || p.Until != knock.At.Add(time.Hour) || p.Held) {
			t.Errorf("%s: %+v", c.name, p)
		}
		var r *Refusal
		if errors.As(err, &r) && r.WrongSecret() {
			t.Errorf("%s: counted as a guess", c.name)
		}
	}
}

// A delegate's sign-in ends with the right, or with the token if that is sooner,
// and the right holds for its protocol only.
func TestARightEnds(t *testing.T) {
	for _, c := range []struct{ right, want time.Duration }{{0, time.Hour}, {time.Minute, time.Minute}, {2 * time.Hour, time.Hour}} {
		w := newWorld()
		if c.right > 0 {
			w.right = knock.At.Add(c.right)
		}
		p, err := w.show(w.verifier(), policy.CredentialBearer, "mary", "", "sec-token")
		if err != nil || p.Until != knock.At.Add(c.want) || p.Address != "sec@example.org" {
			t.Errorf("a right of %v: %+v, %v", c.right, p, err)
		}
		q, err := w.show(w.verifier(), policy.CredentialPassword, "sec", "mary", "word")
		if err != nil || q.Until != w.right {
			t.Errorf("a right of %v: %+v, %v", c.right, q, err)
		}
	}
	w, a := newWorld(), knock
	a.Protocol = protocol.POP3
	c := signin.NewCredential(policy.CredentialPassword, "PLAIN", "sec", "mary", []byte("word"))
	if _, err := w.verifier().Verify(t.Context(), a, w.people["mary@example.org"], true, c); codeOf(err) != signin.IdentityOfAnother || len(w.checked) > 0 {
		t.Errorf("over another protocol: %v, compared with %v", err, w.checked)
	}
}

func TestARevokedGrantIsRefused(t *testing.T) {
	w := newWorld()
	v := w.verifier()
	p, err := w.show(v, policy.CredentialBearer, "mary", "", "mary-token")
	if err != nil || p.Grant != "idp:grant1" {
		t.Fatalf("%+v, %v", p, err)
	}
	w.revoked[p.Grant] = true
	if _, err := w.show(v, policy.CredentialBearer, "mary", "", "mary-token"); codeOf(err) != signin.TokenInvalid {
		t.Errorf("%v", err)
	}
}

func TestWhatIsNotConfiguredProvesNobody(t *testing.T) {
	w := newWorld()
	v := New(Options{Names: w, Vouchers: w, Directory: w, Networks: w, Pool: secret.NewPool(1)})
	for _, c := range []struct {
		kind                    policy.CredentialKind
		authcid, authzid, shown string
		want                    signin.Code
	}{
		{policy.CredentialBearer, "mary", "", "mary-token", signin.TokenInvalid},
		{policy.CredentialCertificate, "mary", "", "", signin.CertificateInvalid},
		{policy.CredentialPassword, "sec", "mary", "word", signin.IdentityOfAnother},
		{policy.CredentialPassword, "pete", "", "mailword", signin.WrongCredentials},
		{policy.CredentialUnknown, "mary", "", "word", signin.CredentialMalformed},
		{99, "mary", "", "word", signin.CredentialMalformed},
		{policy.CredentialPassword, "mary", "", "word", signin.OK},
	} {
		if p, err := w.show(v, c.kind, c.authcid, c.authzid, c.shown); codeOf(err) != c.want {
			t.Errorf("%v by %s: %+v, %v; want %s", c.kind, c.authcid, p, err, c.want)
		}
	}
	v.Release(knock.ID)
	v.Backends = mailServer{w}
	if _, err := w.show(v, policy.CredentialPassword, "new", "", "newword"); codeOf(err) != signin.UserUnknown || len(w.held) > 0 {
		t.Errorf("a newcomer where none are made: %v, held %v", err, w.held)
	}
}

func TestThePoolIsToldWhoIsFamiliar(t *testing.T) {
	w := newWorld()
	v := w.verifier()
	_, _ = w.show(v, policy.CredentialPassword, "mary", "", "word")
	_, _ = w.show(v, policy.CredentialPassword, "omar", "", "other")
	if len(w.sources) != 2 || !w.sources[0].Familiar || w.sources[1].Familiar || w.sources[0].Network.String() != "192.0.2.0/24" {
		t.Errorf("sources %+v", w.sources)
	}
}

func TestRefusalsHoldNoSecret(t *testing.T) {
	const shown = "a-secret-word"
	for _, kind := range []policy.CredentialKind{policy.CredentialPassword, policy.CredentialBearer, policy.CredentialCertificate} {
		for _, who := range []string{"mary", "nobody", "pete", "off"} {
			w := newWorld()
			if _, err := w.show(w.verifier(), kind, who, "", shown); err == nil || bytes.Contains([]byte(err.Error()), []byte(shown)) {
				t.Errorf("%v of %s: %v", kind, who, err)
			}
		}
	}
}

// appPasswords recognises one.
type appPasswords struct{}

func (appPasswords) Check(_ context.Context, _ signin.Attempt, p directory.Person, shown []byte) (signin.Principal, error) {
	switch {
	case string(shown) == "app-away":
		return signin.Principal{}, trouble(signin.DirectoryAway, errors.New("away"))
	case string(shown) != "app-of-"+p.ID:
		return signin.Principal{}, refuse(signin.AppPasswordUnknown, "no such app password")
	}
	return signin.Principal{Methods: policy.MethodBoundAppPassword, Grant: "grant-7"}, nil
}

func TestAnAppPasswordNeverReachesDirectoryOrMailServer(t *testing.T) {
	for shown, want := range map[string]signin.Code{"app-of-id-pete": signin.OK, "app-of-id-mary": signin.AppPasswordUnknown, "app-away": -signin.DirectoryAway} {
		w := newWorld()
		v := w.verifier()
		v.AppPasswords = appPasswords{}
		p, err := w.show(v, policy.CredentialAppPassword, "pete", "", shown)
		if codeOf(err) != want || len(w.checked) > 0 || err == nil && p.Grant != "grant-7" || err != nil && p.Person != "" {
			t.Errorf("%s: %+v, %v, compared with %v", shown, p, err, w.checked)
		}
	}
}

func TestCertificates(t *testing.T) {
	for _, c := range []struct {
		name, authzid, der, listener string
		want                         signin.Code
	}{
		{"right", "mary", "mary@example.org", "imap-993", signin.OK},
		{"one of several names", "Mary", "m@example.net mary@example.org", "imap-993", signin.OK},
		{"another's", "mary", "omar@example.org", "imap-993", signin.CertificateInvalid},
		{"a delegate's", "mary", "omar@example.org sec@example.org", "imap-993", signin.OK},
		{"nobody's", "mary", " ", "imap-993", signin.CertificateInvalid},
		{"a name that is none", "mary", "*", "imap-993", signin.CertificateInvalid},
		{"of somebody unknown", "new", "new@example.org", "imap-993", signin.UserUnknown},
		{"of somebody disabled", "off", "off@example.org", "imap-993", signin.UserDisabled},
		{"revoked", "mary", "revoked", "imap-993", signin.CertificateRevoked},
		{"of another listener's authority", "mary", "mary@example.org", "imap-143", signin.CertificateRevoked},
		{"none shown", "mary", "", "imap-993", signin.CertificateInvalid},
	} {
		w := newWorld()
		v := w.verifier()
		v.Certificates = w
		a := knock
		a.Listener, a.TLS.Certificate = c.listener, []byte(c.der)
		cred := signin.NewCredential(policy.CredentialCertificate, "EXTERNAL", "", c.authzid, nil)
		address, _ := w.Canonical("", c.authzid)
		person, known := w.people[address]
		p, err := v.Verify(t.Context(), a, person, known, cred)
		if codeOf(err) != c.want {
			t.Errorf("%s: %+v, %v; want %s", c.name, p, err, c.want)
		}
		if err == nil && (p.Person != "id-mary" && c.name != "a delegate's" || p.Methods != policy.MethodX509SingleFactor || p.AuthTime != knock.At) {
			t.Errorf("%s: %+v", c.name, p)
		}
		a.TLS.Resumed = true
		if p, _ := v.Verify(t.Context(), a, person, known, cred); !p.AuthTime.IsZero() {
			t.Errorf("%s: a resumed session proves the key at %v", c.name, p.AuthTime)
		}
		w.fault = errors.New("list ran out")
		if _, err := v.Verify(t.Context(), a, person, known, cred); err == nil {
			t.Errorf("%s: let in though nothing can be said", c.name)
		}
	}
}

func TestEndedGrants(t *testing.T) {
	var e Ended
	at := time.Unix(1000, 0)
	if e.Revoked("mary", "idp:1", at) {
		t.Error("revoked before anything was loaded")
	}
	e.Load([]store.Revocation{{Grant: "idp:1", Person: "mary", At: at}, {Grant: Everything("omar", at.Add(-time.Hour)), Person: "omar", At: at.Add(-time.Hour)},
		{Grant: Everything("omar", at), Person: "omar", At: at}})
	for _, c := range []struct {
		person, grant string
		issued        time.Time
		want          bool
	}{
		{"mary", "idp:1", at.Add(time.Hour), true},
		{"mary", "idp:2", at.Add(-time.Hour), false},
		{"mary", "", time.Time{}, false},
		{"omar", "idp:2", at.Add(-time.Second), true},
		{"omar", "idp:2", at, true},
		{"omar", "", time.Time{}, true},
		{"omar", "idp:2", at.Add(time.Second), false},
		{"zoe", "idp:2", time.Time{}, false},
	} {
		if got := e.Revoked(c.person, c.grant, c.issued); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	e.Load(nil)
	if e.Revoked("mary", "idp:1", at) {
		t.Error("still revoked")
	}
	if Everything("omar", at) == Everything("omar", at.Add(1)) {
		t.Error("a later revocation has the name of an earlier one, and is not kept")
	}
}
