package factor

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/google/uuid"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// token is a security key in software, with one key for us.
type token struct {
	virtualwebauthn.Authenticator
	key virtualwebauthn.Credential
	at  virtualwebauthn.RelyingParty
}

func newToken() *token {
	k := &token{Authenticator: virtualwebauthn.NewAuthenticator(), at: virtualwebauthn.RelyingParty{ID: rpID, Name: "x", Origin: site}}
	for len(k.key.ID) == 0 || len(k.key.Key.AttestationData()) < wholeKey { // it leaves the zeros out that coordinates begin with
		k.key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	return k
}

// newPasskeyless is an answer by a key that nobody has.
const newPasskeyless = `x{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{}}`

// wholeKey is the length of a COSE key on P-256 in bytes.
const wholeKey = 77

// make answers a question for a new key.
func (k *token) make(t testing.TB, options json.RawMessage) []byte {
	t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		t.Fatal(err)
	}
	k.Options.UserHandle = []byte(o.UserID)
	return []byte(virtualwebauthn.CreateAttestationResponse(k.at, k.Authenticator, k.key, *o))
}

// sign answers a question for a key that there is.
func (k *token) sign(t testing.TB, options json.RawMessage) []byte {
	t.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(virtualwebauthn.CreateAssertionResponse(k.at, k.Authenticator, k.key, *o))
}

func (h *house) keyed(t testing.TB, ctx context.Context, person string, k *token) Factor {
	t.Helper()
	state, options, err := h.BeginPasskey(ctx, person, person+"@example.org", "")
	if err != nil {
		t.Fatal(err)
	}
	f, err := h.FinishPasskey(ctx, self, person, state, "Blue key", k.make(t, options))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// asked puts a question to a person ("" is anybody) and has a key answer it.
func (h *house) asked(t testing.TB, person string, k *token) (state string, response []byte) {
	t.Helper()
	state, options, err := h.BeginAssertion(context.Background(), person)
	if err != nil {
		t.Fatal(err)
	}
	return state, k.sign(t, options)
}

// shows signs in with a key that answers a fresh question.
func (h *house) shows(t testing.TB, person string, k *token) error {
	t.Helper()
	state, response := h.asked(t, person, k)
	return h.show(person, state, response)
}

func (h *house) show(person, state string, response []byte) error {
	m, err := h.Passkey(context.Background(), person, []byte(state+"\n"+string(response)))
	if err == nil && m != policy.MethodFIDO2 {
		return errors.New("proved " + strings.Join(m.Names(), ","))
	}
	return err
}

func TestAPasskeySignsItsOwnerIn(t *testing.T) {
	h, k := newHouse(t), newToken()
	k.key.Counter = 1
	f := h.keyed(t, t.Context(), leela, k)
	if id, _ := uuid.FromBytes(k.Aaguid[:]); f.AAGUID != id.String() || f.Name != "Blue key" || !h.Has(leela) {
		t.Errorf("enrolled %+v", f)
	}
	if !h.heard(": added Blue key") {
		t.Error("not announced")
	}
	k.key.Counter = 2
	if err := h.shows(t, leela, k); err != nil {
		t.Error("asked by name:", err)
	}
	k.key.Counter = 3
	state, response := h.asked(t, "", k)
	if person, err := h.Owner(state, response); err != nil || person != leela {
		t.Errorf("the owner is %s, %v", person, err)
	}
	if err := h.show(leela, state, response); err != nil {
		t.Error("asked without a name:", err)
	}
	if model := h.KeyModel(t.Context(), []byte(state+"\n"+string(response))); model != f.AAGUID {
		t.Errorf("the key's model is %q", model)
	}
	for _, shown := range []string{"", "{", state, newPasskeyless} {
		if model := h.KeyModel(t.Context(), []byte(shown)); model != "" {
			t.Errorf("the model of %.20q is %q", shown, model)
		}
	}
	if list, err := h.List(t.Context(), leela); err != nil || len(list) != 1 || list[0].LastUsed.IsZero() {
		t.Errorf("the list is %+v, %v", list, err)
	}
}

func TestAnAnswerThatDoesNotFitIsRefused(t *testing.T) {
	h, k, other := newHouse(t), newToken(), newToken()
	h.keyed(t, t.Context(), leela, k)
	h.keyed(t, t.Context(), fry, other)
	stranger := newToken()
	stranger.Options.UserHandle = k.Options.UserHandle
	for name, show := range map[string]func() error{
		"another origin": func() error {
			x := *k
			x.at.Origin = "https://mail.example.org.evil.example"
			return h.shows(t, leela, &x)
		},
		"the same host by http":                   func() error { x := *k; x.at.Origin = "http://mail.example.org"; return h.shows(t, leela, &x) },
		"another port":                            func() error { x := *k; x.at.Origin = site + ":8443"; return h.shows(t, leela, &x) },
		"another relying party":                   func() error { x := *k; x.at.ID = "example.org"; return h.shows(t, leela, &x) },
		"person not verified":                     func() error { x := *k; x.Options.UserNotVerified = true; return h.shows(t, leela, &x) },
		"person not there":                        func() error { x := *k; x.Options.UserNotPresent = true; return h.shows(t, leela, &x) },
		"somebody else's key":                     func() error { return h.shows(t, leela, other) },
		"somebody else's key that keeps no names": func() error { x := *other; x.Options.UserHandle = nil; return h.shows(t, leela, &x) },
		"a key that nobody has":                   func() error { return h.shows(t, leela, stranger) },
		"another's handle":                        func() error { x := *k; x.Options.UserHandle = other.Options.UserHandle; return h.shows(t, "", &x) },
		"no handle":                               func() error { x := *k; x.Options.UserHandle = nil; return showTo(h, t, leela, "", &x) },
		"a forged key":                            func() error { x := *k; x.key = stranger.key; x.key.ID = k.key.ID; return h.shows(t, leela, &x) },
		"a question to another":                   func() error { return showTo(h, t, leela, fry, k) },
		"a key asked for by one":                  func() error { return showTo(h, t, fry, "", k) },
		"no state":                                func() error { _, r := h.asked(t, leela, k); return h.show(leela, "", r) },
		"a state of our making":                   func() error { _, r := h.asked(t, leela, k); return h.show(leela, strings.Repeat("A", 200), r) },
		"another state":                           func() error { s, _ := h.asked(t, leela, k); _, r := h.asked(t, leela, k); return h.show(leela, s, r) },
		"a setup's state": func() error {
			s, _, err := h.BeginPasskey(t.Context(), leela, "x", "")
			_, r := h.asked(t, leela, k)
			return errors.Join(err, h.show(leela, s, r))
		},
		"nothing": func() error { return h.show(leela, "", nil) },
		"no JSON": func() error { s, _ := h.asked(t, leela, k); return h.show(leela, s, []byte("{}")) },
		"too much": func() error {
			s, r := h.asked(t, leela, k)
			return h.show(leela, s, append(r, make([]byte, maxResponse)...))
		},
	} {
		t.Run(name, func(t *testing.T) { wants(t, show(), signin.FactorFailed) })
	}
	if err := h.shows(t, leela, k); err != nil {
		t.Error("after all of these the right one came to", err)
	}
}

// showTo signs person in with the answer to a question that was put to whom.
func showTo(h *house, t *testing.T, person, whom string, k *token) error {
	state, response := h.asked(t, whom, k)
	return h.show(person, state, response)
}

func TestAChallengeIsAnsweredOnceAndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, k := newHouse(t), newToken()
		h.keyed(t, t.Context(), leela, k)
		state, response := h.asked(t, "", k) // a key without a counter, as synchronised ones are
		if err := h.show(leela, state, response); err != nil {
			t.Fatal(err)
		}
		wants(t, h.show(leela, state, response), signin.FactorFailed)
		state, response = h.asked(t, "", k)
		time.Sleep(ceremonyTime)
		wants(t, h.show(leela, state, response), signin.FactorFailed)
		if _, err := h.Owner(state, response); err == nil {
			t.Error("an old question has an owner")
		}
	})
}

func TestOfFiftyEqualAnswersOneWins(t *testing.T) {
	for name, counter := range map[string]uint32{"with a counter": 7, "without": 0} {
		t.Run(name, func(t *testing.T) {
			h, k := newHouse(t), newToken()
			h.keyed(t, t.Context(), leela, k)
			k.key.Counter = counter
			state, response := h.asked(t, leela, k)
			oneWins(t, func() error { return h.show(leela, state, response) })
		})
	}
}

func TestOfFiftyAnswersWithOneCounterOneWins(t *testing.T) {
	h, k := newHouse(t), newToken()
	h.keyed(t, t.Context(), leela, k)
	k.key.Counter = 7
	type answer struct {
		state    string
		response []byte
	}
	answers := make(chan answer, 50)
	for range 50 { // to a challenge each: a copy of the key, or the key and its copy
		state, response := h.asked(t, leela, k)
		answers <- answer{state, response}
	}
	oneWins(t, func() error {
		a := <-answers
		return h.show(leela, a.state, a.response)
	})
}

func TestACounterThatDoesNotGrowIsRefusedAndAnnounced(t *testing.T) {
	h, k := newHouse(t), newToken()
	k.key.Counter = 5
	h.keyed(t, t.Context(), leela, k)
	for _, counter := range []uint32{5, 4, 0} {
		h.told = nil
		k.key.Counter = counter
		wants(t, h.shows(t, leela, k), signin.FactorFailed)
		if !h.heard(": copy") {
			t.Errorf("counter %d after 5 was not announced", counter)
		}
	}
	k.key.Counter = 6
	if err := h.shows(t, leela, k); err != nil {
		t.Error("the real one:", err)
	}
}

func TestAKeyIsMadeForItsPersonAtOurPages(t *testing.T) {
	h := newHouse(t)
	begin := func(person string) (string, json.RawMessage) {
		state, options, err := h.BeginPasskey(t.Context(), person, person+"@example.org", "Leela")
		if err != nil {
			t.Fatal(err)
		}
		return state, options
	}
	finish := func(person, state string, response []byte) error {
		_, err := h.FinishPasskey(t.Context(), self, person, state, "", response)
		return err
	}
	for name, change := range map[string]func(*token){
		"another origin":        func(k *token) { k.at.Origin = "https://evil.example" },
		"another relying party": func(k *token) { k.at.ID = "evil.example" },
		"person not verified":   func(k *token) { k.Options.UserNotVerified = true },
	} {
		t.Run(name, func(t *testing.T) {
			k := newToken()
			change(k)
			state, options := begin(leela)
			wants(t, finish(leela, state, k.make(t, options)), signin.FactorFailed)
		})
	}
	k := newToken()
	state, options := begin(leela)
	response := k.make(t, options)
	wants(t, finish(fry, state, response), signin.FactorFailed)
	other, _ := begin(leela)
	wants(t, finish(leela, other, response), signin.FactorFailed) // another challenge
	wants(t, finish(leela, state, []byte("{}")), signin.FactorFailed)
	wants(t, finish(leela, state, make([]byte, maxResponse+1)), signin.FactorFailed)
	if err := finish(leela, "", response); !errors.Is(err, ErrSetupOld) {
		t.Errorf("without a state: %v", err)
	}
	if err := finish(leela, state, response); err != nil {
		t.Fatal(err)
	}
	again := withBoth(leela)
	if _, err := h.FinishPasskey(again, self, leela, state, "", response); !is(err, signin.FactorFailed) {
		t.Errorf("the same answer again: %v", err)
	}
	state, options = begin(fry) // a key of leela's that claims to be new
	wants(t, finish(fry, state, k.make(t, options)), signin.FactorFailed)

	var asked struct {
		PublicKey struct {
			Challenge              string
			User                   struct{ ID string }
			RP                     struct{ ID string }
			Attestation            string
			AuthenticatorSelection struct{ UserVerification, ResidentKey string }
			ExcludeCredentials     []struct{ ID string }
		}
	}
	_, options = begin(leela)
	if err := json.Unmarshal(options, &asked); err != nil {
		t.Fatal(err)
	}
	q := asked.PublicKey
	if q.RP.ID != rpID || q.AuthenticatorSelection.UserVerification != "required" || q.AuthenticatorSelection.ResidentKey != "required" ||
		len(q.ExcludeCredentials) != 1 || strings.Contains(q.User.ID, base64.RawURLEncoding.EncodeToString([]byte(leela))) || q.Attestation != "none" {
		t.Errorf("a page is asked %s", options)
	}
}

// Each answer to a passkey is checked without a budget, so none may be dear to check.
func TestAKeyThatIsDearToCheckIsNotKept(t *testing.T) {
	for size, want := range map[int]bool{512: true, 1024: true, 1200: false, 20000: false} {
		h := newHouse(t)
		state, options, err := h.BeginPasskey(withBoth(leela), leela, "leela@example.org", "")
		if err != nil {
			t.Fatal(err)
		}
		var answer map[string]any
		k := newToken()
		if err := json.Unmarshal(k.make(t, options), &answer); err != nil {
			t.Fatal(err)
		}
		response := answer["response"].(map[string]any)
		raw, err := base64.RawURLEncoding.DecodeString(response["attestationObject"].(string))
		if err != nil {
			t.Fatal(err)
		}
		var object map[string]any
		if err := webauthncbor.Unmarshal(raw, &object); err != nil {
			t.Fatal(err)
		}
		modulus := bytes.Repeat([]byte{0xff}, size)
		key, err := webauthncbor.Marshal(map[int]any{1: 3, 3: -257, -1: modulus, -2: []byte{1, 0, 1}})
		if err != nil {
			t.Fatal(err)
		}
		data := object["authData"].([]byte)
		object["authData"] = append(data[:len(data)-wholeKey:len(data)-wholeKey], key...)
		object["fmt"], object["attStmt"] = "none", map[string]any{}
		if raw, err = webauthncbor.Marshal(object); err != nil {
			t.Fatal(err)
		}
		response["attestationObject"] = base64.RawURLEncoding.EncodeToString(raw)
		sent, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.FinishPasskey(withBoth(leela), self, leela, state, "", sent)
		if (err == nil) != want || !want && !strings.Contains(err.Error(), "public part") {
			t.Errorf("an RSA key of %d bytes: %v", size, err)
		}
	}
}

func TestAQuestionDoesNotSayWhoHasAKey(t *testing.T) {
	h, k := newHouse(t), newToken()
	h.keyed(t, t.Context(), leela, k)
	ids := func(person string) (members []string, ids []string) {
		_, options, err := h.BeginAssertion(t.Context(), person)
		if err != nil {
			t.Fatal(err)
		}
		var q struct{ PublicKey map[string]any }
		if err := json.Unmarshal(options, &q); err != nil {
			t.Fatal(err)
		}
		for name := range q.PublicKey {
			members = append(members, name)
		}
		list, _ := q.PublicKey["allowCredentials"].([]any)
		for _, c := range list {
			one := c.(map[string]any)
			for name := range one {
				members = append(members, "key."+name)
			}
			ids = append(ids, one["id"].(string))
		}
		slices.Sort(members)
		return members, ids
	}
	real, keys := ids(leela)
	if len(keys) != 1 || keys[0] != base64.RawURLEncoding.EncodeToString(k.key.ID) {
		t.Fatalf("leela is asked for %v", keys)
	}
	seen := map[string]bool{}
	for _, person := range []string{fry, "nobody@example.org", "nobody2@example.org"} {
		members, made := ids(person)
		_, again := ids(person)
		if !slices.Equal(members, real) || len(made) != 1 || !slices.Equal(made, again) || seen[made[0]] {
			t.Errorf("%s is asked for %v, then %v, with %v; leela with %v", person, made, again, members, real)
		}
		seen[made[0]] = true
	}
	if members, _ := ids(""); slices.Contains(members, "allowCredentials") {
		t.Error("anybody is asked for a key by name")
	}
}

func TestAKeyMovedToAnothersRowOpensNothing(t *testing.T) {
	h, k := newHouse(t), newToken()
	h.keyed(t, t.Context(), fry, k)
	row, err := h.Store.FactorByKey(t.Context(), KindPasskey, k.key.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Store.Change(t.Context(), desk, "", func(tx *store.Tx) error { // somebody who can write the database
		if err := tx.DeleteFactor(fry, row.ID); err != nil {
			return err
		}
		row.Person = leela
		return tx.AddFactor(&row)
	}); err != nil {
		t.Fatal(err)
	}
	k.Options.UserHandle = h.handleOf(leela)
	state, response := h.asked(t, "", k)
	if who, err := h.Owner(state, response); err != nil || who != leela {
		t.Fatalf("the key did not move: it is %s's, %v", who, err)
	}
	if err := h.show(leela, state, response); err == nil {
		t.Error("signed in as leela with fry's key")
	}
}

func TestWithoutAPublicAddressThereAreNoPasskeys(t *testing.T) {
	h := newHouse(t)
	s, err := New(t.Context(), Options{Store: h.Store, Box: h.box, Print: h.Print})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.BeginPasskey(t.Context(), leela, "x", "")
	_, _, err2 := s.BeginAssertion(t.Context(), leela)
	_, err3 := s.FinishPasskey(t.Context(), self, leela, "", "", nil)
	for _, err := range []error{err, err2, err3} {
		if !errors.Is(err, ErrNoPasskeys) {
			t.Errorf("came to %v", err)
		}
	}
	if _, err := s.Passkey(t.Context(), leela, []byte("x\n{}")); !is(err, signin.FactorFailed) {
		t.Errorf("came to %v", err)
	}
}

// FuzzAnswers feeds browsers' answers to both readers. Nothing that is not
// signed for our challenge may be more than a refusal.
func FuzzAnswers(f *testing.F) {
	h, k := newHouse(f), newToken()
	creation, options, err := h.BeginPasskey(f.Context(), leela, "x", "")
	if err != nil {
		f.Fatal(err)
	}
	made := k.make(f, options)
	if _, err := h.FinishPasskey(f.Context(), self, leela, creation, "", made); err != nil {
		f.Fatal(err)
	}
	assertion, answer := h.asked(f, "", k)
	if err := h.show(leela, assertion, answer); err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{made, answer, []byte("{}"), []byte(`{"id":"","response":null}`), []byte(assertion + "{")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := h.FinishPasskey(withBoth(leela), self, leela, creation, "", b); !is(err, signin.FactorFailed) && !errors.Is(err, ErrSetupOld) {
			t.Errorf("making a key of %q came to %v", b, err)
		}
		for _, shown := range [][]byte{b, []byte(assertion + "\n" + string(b))} {
			if _, err := h.Passkey(t.Context(), leela, shown); !is(err, signin.FactorFailed) {
				t.Errorf("signing in with %q came to %v", shown, err)
			}
		}
		if who, err := h.Owner(assertion, b); err == nil && who != leela || err != nil && !is(err, signin.FactorFailed) {
			t.Errorf("the owner of %q is %s, %v", b, who, err)
		}
	})
}
