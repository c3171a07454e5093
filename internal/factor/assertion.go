package factor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/store"
)

// ownerPatience is how long Owner waits for the database.
const ownerPatience = 5 * time.Second

// BeginAssertion makes what a page hands to navigator.credentials.get, as
// {"publicKey": …}, and a state that goes back with the answer. Without a person
// any key that knows this site may answer. With one, theirs are named; whoever
// has none gets one that does not exist, always the same, so that the question
// does not say who has a key.
func (s *Service) BeginAssertion(ctx context.Context, person string) (state string, options json.RawMessage, err error) {
	if s.web == nil {
		return "", nil, ErrNoPasskeys
	}
	var with []webauthn.LoginOption
	if person != "" {
		named, err := s.allowed(ctx, person)
		if err != nil {
			return "", nil, err
		}
		with = append(with, webauthn.WithAllowedCredentials(named))
	}
	assertion, session, err := s.web.BeginDiscoverableLogin(with...)
	if err != nil {
		return "", nil, fmt.Errorf("asking for a passkey: %w", err)
	}
	if options, err = json.Marshal(assertion); err != nil {
		return "", nil, fmt.Errorf("asking for a passkey: %w", err)
	}
	state, err = s.begin(sealAnswer, ceremony{Person: person, Challenge: session.Challenge}, ceremonyTime)
	return state, options, err
}

// allowed are a person's keys, by id alone: how they are reached would tell
// real ones from the one that is made up.
func (s *Service) allowed(ctx context.Context, person string) ([]protocol.CredentialDescriptor, error) {
	keys, err := s.keys(ctx, person)
	if err != nil {
		return nil, err
	}
	var named []protocol.CredentialDescriptor
	for i := range keys {
		named = append(named, protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: keys[i].ID})
	}
	if len(named) == 0 {
		named = append(named, protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: s.madeUp(person)})
	}
	return named, nil
}

// madeUp is the id of a key that nobody has, of a length that keys in use have.
func (s *Service) madeUp(person string) []byte {
	var id []byte
	for i := range byte(4) {
		id = append(id, s.print("made-up key", person, []byte{i})...)
	}
	lengths := []int{16, 20, 32, 64} // Google's and iCloud's, Windows', security keys'
	return id[:lengths[s.print("made-up length", person, nil)[0]%4]]
}

// Owner says whose key answered a question that was put to anybody. The answer
// is not verified yet: that is Passkey's part. Nobody's key is a refusal.
func (s *Service) Owner(state string, response []byte) (person string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), ownerPatience)
	defer cancel()
	if _, err := s.resume(sealAnswer, state); err != nil {
		return "", wrong("%v", err)
	}
	_, f, err := s.read(ctx, response)
	return f.Person, err
}

// read parses a browser's answer and finds the key that it names.
func (s *Service) read(ctx context.Context, response []byte) (*protocol.ParsedCredentialAssertionData, store.Factor, error) {
	if s.web == nil || len(response) > maxResponse {
		return nil, store.Factor{}, wrong("the browser's answer has %d bytes", len(response))
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return nil, store.Factor{}, wrong("reading the browser's answer: %.300v", err)
	}
	f, err := s.Store.FactorByKey(ctx, KindPasskey, parsed.RawID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, store.Factor{}, wrong("nobody has this key")
	}
	return parsed, f, err
}

// Passkey verifies a key's answer. What is shown is the state, and the answer's
// JSON after it, with or without a line break between.
func (s *Service) Passkey(ctx context.Context, person string, stateAndResponse []byte) (policy.Methods, error) {
	at := max(bytes.IndexByte(stateAndResponse, '{'), 0)
	c, err := s.resume(sealAnswer, string(bytes.TrimSpace(stateAndResponse[:at])))
	if err != nil {
		return 0, wrong("%v", err)
	}
	parsed, f, err := s.read(ctx, stateAndResponse[at:])
	switch {
	case err != nil:
		return 0, err
	case f.Person != person:
		return 0, wrong("the key is somebody else's")
	case c.Person != "" && c.Person != person:
		return 0, wrong("the question was put to somebody else")
	}
	key, err := s.keyOf(&f)
	if err != nil {
		return 0, err
	}
	signed, err := s.verify(&c, person, key, parsed)
	if err != nil {
		return 0, wrong("the answer does not fit: %.300v", err)
	}
	return s.useKey(ctx, &c, &f, signed, parsed.Response.AuthenticatorData.Counter)
}

// KeyModel is the model (AAGUID) of the key that answered, as it said when it was
// set up; empty if that is not known or the key says none. It is for answers
// that Passkey has found right.
func (s *Service) KeyModel(ctx context.Context, stateAndResponse []byte) string {
	_, f, err := s.read(ctx, stateAndResponse[max(bytes.IndexByte(stateAndResponse, '{'), 0):])
	if err != nil || f.AAGUID == uuid.Nil.String() {
		return ""
	}
	return f.AAGUID
}

// verify checks challenge, origin, relying party, verification of the person
// and signature.
func (s *Service) verify(c *ceremony, person string, key webauthn.Credential, parsed *protocol.ParsedCredentialAssertionData) (*webauthn.Credential, error) {
	o := &owner{handle: s.handleOf(person), keys: []webauthn.Credential{key}}
	session := webauthn.SessionData{Challenge: c.Challenge, RelyingPartyID: s.RPID, UserVerification: protocol.VerificationRequired}
	if c.Person != "" {
		session.UserID = o.handle
		return s.web.ValidateLogin(o, session, parsed)
	}
	_, signed, err := s.web.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) { return o, nil }, session, parsed)
	return signed, err
}

// errCounter says that a counter did not grow.
var errCounter = errors.New("the key's counter did not grow")

// useKey makes the use of a key durable: the challenge is answered, and the
// counter only grows. Where it does not, there may be a copy of the key.
func (s *Service) useKey(ctx context.Context, c *ceremony, f *store.Factor, signed *webauthn.Credential, counter uint32) (policy.Methods, error) {
	err := errCounter
	if !signed.Authenticator.CloneWarning {
		err = s.Store.Write(ctx, func(tx *store.Tx) error {
			if err := s.answered(tx, c); err != nil {
				return err
			}
			grown, err := tx.UseCounter(f.ID, counter, time.Now())
			if err == nil && !grown {
				return errCounter
			}
			return err
		})
	}
	if errors.Is(err, errCounter) {
		s.Tell(f.Person, News{Kind: NewsCopy, Name: f.Name})
		return 0, wrong("the key's counter did not grow: %d after %d, there may be a copy of the key", counter, f.Counter)
	}
	if err != nil {
		return 0, err
	}
	return policy.MethodFIDO2, nil
}
