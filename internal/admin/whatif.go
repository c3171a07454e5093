package admin

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// imagined is one sign-in that never happened. What is not stated is unknown.
type imagined struct {
	User           string       `json:"user"`
	Protocol       string       `json:"protocol"`
	Credential     string       `json:"credential"`
	Mechanism      string       `json:"mechanism"`
	Listener       string       `json:"listener"`
	IP             string       `json:"ip"`
	Country        string       `json:"country"`
	ASN            uint32       `json:"asn"`
	Program        string       `json:"program"`
	ProgramVersion string       `json:"programVersion"`
	Platform       string       `json:"platform"`
	Methods        []string     `json:"methods"`
	AuthTime       *time.Time   `json:"authTime"`
	Flow           string       `json:"flow"`
	KnownNetwork   *bool        `json:"knownNetwork"`
	ViaWebmail     bool         `json:"viaWebmail"`
	Device         *deviceFacts `json:"device"`
	At             *time.Time   `json:"at"`
	Secret         string       `json:"secret"` // right, unless stated as wrong
	// Reference is a recorded sign-in to judge again by the rules in force, in place of all this.
	Reference string `json:"reference"`
	// More asks for what it depends on, and what would turn it round.
	More bool `json:"more"`
}

// foreseen is what would come of it.
type foreseen struct {
	Allowed     bool               `json:"allowed"`
	Effect      string             `json:"effect"`
	Stage       string             `json:"stage"`
	Meaning     meaning            `json:"meaning"`
	Known       bool               `json:"known"` // somebody has this name
	Facts       factsShown         `json:"facts"`
	Explanation policy.Explanation `json:"explanation"`
	Reply       replyShown         `json:"reply"`
	// Stranger is the reply from a network where the person has never signed in: what anybody would read.
	Stranger replyShown `json:"replyToStranger"`
	*beyond
}

type factsShown struct {
	Address       string   `json:"userPrincipalName"`
	Mailbox       string   `json:"mailbox,omitempty"` // where it is not the user's own
	Person        string   `json:"userId"`
	Groups        []string `json:"groups"`
	Protocol      string   `json:"protocol"`
	Credential    string   `json:"credential"`
	ClientAppUsed string   `json:"clientAppUsed"`
	IP            string   `json:"ipAddress"`
	Country       string   `json:"country"`
	ASN           uint32   `json:"asn"`
	Platform      string   `json:"platform"`
	Program       string   `json:"program"`
	Methods       []string `json:"methods"`
	KnownNetwork  bool     `json:"knownNetwork"`
}

// whatIf judges one imagined sign-in by the rules in force. Nothing is recorded.
func (a *api) whatIf(r *http.Request) (any, error) {
	var q imagined
	if err := decode(r, &q); err != nil {
		return nil, err
	}
	attempt, f, err := a.imagine(r, &q)
	if err != nil {
		return nil, err
	}
	return a.foresee(r, &q, attempt, f)
}

// imagine gathers the facts of a sign-in that is described, or recorded.
func (a *api) imagine(r *http.Request, q *imagined) (attempt signin.Attempt, f policy.Facts, err error) {
	if q.Reference != "" {
		e, err := a.findEvent(r.Context(), q.Reference)
		if err != nil {
			return attempt, f, err
		}
		attempt = signin.Attempt{ID: store.NewID(), At: e.At, Listener: e.Listener, Protocol: e.Facts.Protocol, Forwarder: e.Forwarder}
		attempt.Client, _ = netip.ParseAddrPort(e.Client)
		q.User, q.Mechanism = e.User(), e.Mechanism
		return attempt, e.Facts, a.note(r, "read", "signIn", e.ID.String(), "", nil)
	}
	attempt, kind, err := q.attempt()
	if err != nil {
		return attempt, f, err
	}
	f, err = a.Gate.Imagine(r.Context(), attempt, q.User, kind)
	var impossible *gate.ImpossibleName
	if errors.As(err, &impossible) {
		return attempt, f, bad("user", "%v", err)
	} else if err != nil {
		return attempt, f, err
	}
	return attempt, f, q.state(&f)
}

// attempt reads where somebody knocks and with what.
func (q *imagined) attempt() (signin.Attempt, policy.CredentialKind, error) {
	a := signin.Attempt{ID: store.NewID(), At: time.Now(), Listener: q.Listener}
	if q.At != nil {
		a.At = *q.At
	}
	if q.User == "" {
		return a, 0, bad("user", "say who signs in")
	}
	p, ok := protocol.Parse(q.Protocol)
	if !ok && q.Protocol != "" {
		return a, 0, bad("protocol", "the protocol is one of %s, not %q", strings.Join(protocol.Names(), ", "), q.Protocol)
	}
	a.Protocol = p
	kind, ok := policy.ParseCredentialKind(q.Credential)
	if q.Credential == "token" {
		kind, ok = policy.CredentialBearer, true
	}
	if !ok && q.Credential != "" {
		return a, 0, bad("credential", "the credential is password, appPassword, bearer or certificate, not %q", q.Credential)
	}
	if q.IP != "" {
		ip, err := netip.ParseAddr(q.IP)
		if err != nil {
			return a, 0, bad("ip", "%q is no address", q.IP)
		}
		a.Client = netip.AddrPortFrom(ip, 0)
	}
	if q.ViaWebmail {
		a.Forwarder = "imagined"
	}
	return a, kind, nil
}

// state puts what was stated into the facts.
func (q *imagined) state(f *policy.Facts) error {
	if q.Country != "" {
		if f.Country = strings.ToUpper(q.Country); !isCountry(f.Country) {
			return bad("country", "%q is no country: write two letters, such as DE", q.Country)
		}
	}
	if q.ASN != 0 {
		f.ASN = q.ASN
	}
	if q.Program != "" {
		f.Program, f.ProgramVersion, f.ProgramConfidence = q.Program, q.ProgramVersion, 100
	}
	if q.KnownNetwork != nil {
		f.KnownNetwork = *q.KnownNetwork
	}
	if q.Platform != "" {
		p, ok := policy.ParsePlatform(q.Platform)
		if !ok {
			return bad("platform", "there is no platform %q; there are android, iOS, windows, windowsPhone, macOS and linux", q.Platform)
		}
		f.Platform = p
	}
	f.Mechanism, f.Proven = q.Mechanism, q.Secret != "wrong"
	return q.prove(f)
}

// prove puts what hangs on the secret into the facts.
func (q *imagined) prove(f *policy.Facts) error {
	if q.Secret != "" && q.Secret != "right" && q.Secret != "wrong" {
		return bad("secret", "the secret is right or wrong")
	}
	if len(q.Methods) == 0 && f.Proven && f.Credential == policy.CredentialPassword {
		f.Methods, f.AuthTime = policy.MethodPassword, f.At
	}
	for _, name := range q.Methods {
		m, ok := policy.ParseMethod(name)
		if !ok {
			return bad("methods", "there is no authentication method %q; there are password, softwareOath, fido2, microsoftAuthenticatorPush …", name)
		}
		f.Methods |= m
	}
	if q.AuthTime != nil {
		f.AuthTime = *q.AuthTime
	}
	switch q.Flow {
	case "", "none":
	case "deviceCodeFlow":
		f.Flow = policy.DeviceCodeFlow
	case "authenticationTransfer":
		f.Flow = policy.AuthenticationTransfer
	default:
		return bad("flow", "the flow is deviceCodeFlow or authenticationTransfer")
	}
	f.Device = q.Device.device()
	return nil
}

// outcome is what would come of it.
func (a *api) outcome(r *http.Request, q *imagined, attempt signin.Attempt, f policy.Facts) signin.Outcome {
	o := signin.Outcome{Attempt: attempt, Typed: q.User, Mechanism: q.Mechanism, Facts: f, Reference: attempt.ID.Reference()}
	o.Verdict = policy.Judge(a.Gate.Snapshot(), &f, &o.Applied)
	o.Code = signin.Code(o.Verdict.Code)
	if !o.Verdict.Allowed() && o.Code == signin.OK {
		o.Code = signin.BlockedByPolicy
	}
	early := o.Verdict.Stage != policy.StageNone && o.Verdict.Stage != policy.StageConditionalAccess
	if code := a.unprovenBy(r, &f); code != signin.OK && !early {
		o.Code, o.Verdict.Stage, o.Verdict.Effect = code, policy.StageNone, policy.Block
	}
	if early {
		o.Facts.Proven = false // the secret is not looked at
	}
	return o
}

func (a *api) foresee(r *http.Request, q *imagined, attempt signin.Attempt, f policy.Facts) (any, error) {
	s := a.Gate.Snapshot()
	o := a.outcome(r, q, attempt, f)
	out := foreseen{Allowed: o.Code == signin.OK, Effect: o.Verdict.Effect.String(), Stage: o.Verdict.Stage.String(), Meaning: meaningOf(o.Code),
		Known: f.Person != "", Facts: a.shownFor(r, &f), Explanation: policy.Explain(s, &f)}
	a.naming(r.Context()).explain(&out.Explanation)
	out.Reply = a.replyTo(&o)
	o.Facts.KnownNetwork = false
	out.Stranger = a.replyTo(&o)
	if q.More {
		out.beyond = a.beyond(r, q, &f, o.Code)
	}
	return out, nil
}

// unprovenBy is why the credential would not prove anybody.
func (a *api) unprovenBy(r *http.Request, f *policy.Facts) signin.Code {
	if !f.Proven {
		return signin.WrongCredentials
	}
	if f.Person == "" {
		return signin.UserUnknown
	}
	if p, err := a.Store.Person(r.Context(), f.Person); err == nil && p.Disabled {
		return signin.UserDisabled
	}
	return signin.OK
}

// shownFor shows a delegate under their own name.
func (a *api) shownFor(r *http.Request, f *policy.Facts) factsShown {
	x := shown(f)
	if f.Mailbox == "" {
		return x
	}
	if p, err := a.Store.Person(r.Context(), f.Person); err == nil {
		x.Address, x.Mailbox = p.Address, f.Address
	}
	return x
}

func shown(f *policy.Facts) factsShown {
	x := factsShown{Address: f.Address, Person: f.Person, Groups: append([]string{}, f.Groups...), Protocol: f.Protocol.String(), Credential: f.Credential.String(),
		ClientAppUsed: clientAppUsed(&signin.Event{Facts: *f}), Country: f.Country, ASN: f.ASN, Platform: platformOf(f),
		Program: strings.TrimSpace(f.Program + " " + f.ProgramVersion), Methods: append([]string{}, f.Methods.Names()...), KnownNetwork: f.KnownNetwork}
	if f.Addr.IsValid() {
		x.IP = f.Addr.String()
	}
	return x
}
