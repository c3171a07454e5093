package factor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"github.com/portreeve/portreeve/internal/store"
)

const (
	// ceremonyTime is from the question to the browser's answer: what WebAuthn
	// section 5.4 recommends at least where the person is verified.
	ceremonyTime = 5 * time.Minute
	// maxResponse bounds a browser's answer in bytes; with an attestation it
	// has about 2 KB.
	maxResponse = 64 << 10
	// maxPublicKey bounds a key's public part in bytes: RSA with 8192 bits and
	// COSE around it. One of 20 KB takes seconds to check each answer against.
	maxPublicKey = 1100
)

// relyingParty is us, to authenticators. The person must be verified by the key
// itself (finger, face, PIN), or a key would be one factor only; keys are
// discoverable, so that no name and no password is needed; and where a key was
// made is not asked, so its model is what it says it is.
func relyingParty(o *Options) *webauthn.Config {
	within := webauthn.TimeoutConfig{Timeout: ceremonyTime, TimeoutUVD: ceremonyTime}
	return &webauthn.Config{
		RPID: o.RPID, RPDisplayName: issuer(o.Name), RPOrigins: o.Origins,
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: protocol.ResidentKeyRequired(), ResidentKey: protocol.ResidentKeyRequirementRequired,
			UserVerification: protocol.VerificationRequired},
		Timeouts:                          webauthn.TimeoutsConfig{Login: within, Registration: within},
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore, // none is used
	}
}

// algorithms are those that every browser and key of the last years has one of.
var algorithms = []protocol.CredentialParameter{
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgEdDSA},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgRS256},
}

// keyRecord is what is kept, sealed, of a passkey. The public key is no secret;
// sealed, it cannot be exchanged by somebody who can write the database.
type keyRecord struct {
	Public   []byte   `json:"k"`
	Eligible bool     `json:"be"` // can be copied to other devices by its maker; never changes
	Format   string   `json:"f"`
	Ways     []string `json:"t,omitempty"` // transports: usb, nfc, internal …
}

// owner is a person as the library sees them.
type owner struct {
	handle             []byte
	address, shownName string
	keys               []webauthn.Credential
}

func (o *owner) WebAuthnID() []byte                         { return o.handle }
func (o *owner) WebAuthnName() string                       { return o.address }
func (o *owner) WebAuthnDisplayName() string                { return o.shownName }
func (o *owner) WebAuthnCredentials() []webauthn.Credential { return o.keys }

// handleOf is the name under which a key keeps a person: it says nothing to
// whoever finds the key.
func (s *Service) handleOf(person string) []byte { return s.print("user handle", person, nil) }

// keyOf makes the library's record of a stored passkey.
func (s *Service) keyOf(f *store.Factor) (webauthn.Credential, error) {
	plain, err := s.Box.Open(sealFor(KindPasskey, f.Person), f.Sealed)
	if err != nil {
		return webauthn.Credential{}, fmt.Errorf("opening passkey %s: %w", f.ID, err)
	}
	var k keyRecord
	if err := json.Unmarshal(plain, &k); err != nil {
		return webauthn.Credential{}, fmt.Errorf("reading passkey %s: %w", f.ID, err)
	}
	c := webauthn.Credential{ID: f.Key, PublicKey: k.Public, AttestationFormat: k.Format,
		Flags:         webauthn.CredentialFlags{UserPresent: true, UserVerified: true, BackupEligible: k.Eligible},
		Authenticator: webauthn.Authenticator{SignCount: uint32(f.Counter)}}
	for _, w := range k.Ways {
		c.Transport = append(c.Transport, protocol.AuthenticatorTransport(w))
	}
	return c, nil
}

// keys are a person's passkeys.
func (s *Service) keys(ctx context.Context, person string) ([]webauthn.Credential, error) {
	rows, err := s.Store.Factors(ctx, person)
	if err != nil {
		return nil, err
	}
	var keys []webauthn.Credential
	for i := range rows {
		if rows[i].Kind != KindPasskey {
			continue
		}
		k, err := s.keyOf(&rows[i])
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// BeginPasskey makes what a page hands to navigator.credentials.create, as
// {"publicKey": …}, and a state that goes back with the answer.
func (s *Service) BeginPasskey(ctx context.Context, person, address, displayName string) (state string, options json.RawMessage, err error) {
	if s.web == nil {
		return "", nil, ErrNoPasskeys
	}
	o := &owner{handle: s.handleOf(person), address: address, shownName: displayName}
	if o.shownName == "" {
		o.shownName = address
	}
	if o.keys, err = s.keys(ctx, person); err != nil {
		return "", nil, err
	}
	creation, session, err := s.web.BeginRegistration(o, webauthn.WithCredentialParameters(algorithms),
		webauthn.WithExclusions(webauthn.Credentials(o.keys).CredentialDescriptors()))
	if err != nil {
		return "", nil, fmt.Errorf("making a passkey: %w", err)
	}
	if options, err = json.Marshal(creation); err != nil {
		return "", nil, fmt.Errorf("making a passkey: %w", err)
	}
	state, err = s.begin(sealCreation, ceremony{Person: person, Challenge: session.Challenge}, ceremonyTime)
	return state, options, err
}

// FinishPasskey keeps the key that a browser made. response is the JSON of the
// PublicKeyCredential. Errors besides refusals: ErrSetupOld, ErrTooMany.
func (s *Service) FinishPasskey(ctx context.Context, who store.Actor, person, state, name string, response []byte) (Factor, error) {
	if s.web == nil {
		return Factor{}, ErrNoPasskeys
	}
	c, err := s.resume(sealCreation, state)
	if err != nil {
		return Factor{}, err
	}
	if c.Person != person {
		return Factor{}, wrong("the ceremony is of somebody else")
	}
	made, err := s.created(&c, response)
	if err != nil {
		return Factor{}, err
	}
	f := store.Factor{Person: person, Kind: KindPasskey, Name: named(name, "Passkey"), Key: made.ID, Counter: int64(made.Authenticator.SignCount)}
	if id, err := uuid.FromBytes(made.Authenticator.AAGUID); err == nil {
		f.AAGUID = id.String()
	}
	if f.Sealed, err = s.sealKey(person, made); err != nil {
		return Factor{}, err
	}
	err = s.enrol(ctx, who, &f, func(tx *store.Tx) error { return s.answered(tx, &c) })
	if errors.Is(err, store.ErrExists) {
		return Factor{}, wrong("this key is set up already")
	}
	return shown(&f), err
}

// created verifies a new key's answer.
func (s *Service) created(c *ceremony, response []byte) (*webauthn.Credential, error) {
	if len(response) > maxResponse {
		return nil, wrong("the browser's answer has %d bytes", len(response))
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return nil, wrong("reading the browser's answer: %.300v", err)
	}
	if n := len(parsed.Response.AttestationObject.AuthData.AttData.CredentialPublicKey); n > maxPublicKey {
		return nil, wrong("the new key's public part has %d bytes", n)
	}
	o := &owner{handle: s.handleOf(c.Person)}
	made, err := s.web.CreateCredential(o, webauthn.SessionData{Challenge: c.Challenge, RelyingPartyID: s.RPID, UserID: o.handle,
		UserVerification: protocol.VerificationRequired, CredParams: algorithms}, parsed)
	if err != nil {
		return nil, wrong("the new key does not fit: %.300v", err)
	}
	return made, nil
}

func (s *Service) sealKey(person string, k *webauthn.Credential) ([]byte, error) {
	r := keyRecord{Public: k.PublicKey, Eligible: k.Flags.BackupEligible, Format: k.AttestationFormat}
	for _, w := range k.Transport {
		if t := string(w); len(r.Ways) < 8 && len(t) < 32 && !slices.Contains(r.Ways, t) {
			r.Ways = append(r.Ways, t)
		}
	}
	plain, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("sealing a passkey: %w", err)
	}
	return s.Box.Seal(sealFor(KindPasskey, person), plain), nil
}

// answered marks a challenge as answered, once.
func (s *Service) answered(tx *store.Tx, c *ceremony) error {
	first, err := tx.Answer(s.print("challenge", "", []byte(c.Challenge)), c.ends(), time.Now())
	if err == nil && !first {
		return wrong("the challenge was answered before")
	}
	return err
}
