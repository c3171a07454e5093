package selfaudit

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/lint"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/scope"
)

// The kinds of findings about our own issuer of tokens.
const (
	DeviceCodeFar    = "device-code-far"
	TokenAsPassword  = "token-as-password"
	RegistrationOpen = "registration-open"
	ProgramUnused    = "program-unused"
	ConsentSkipped   = "consent-skipped"
	KeysOverdue      = "keys-overdue"
	IssuerPlain      = "issuer-plain"
	IssuerUncovered  = "issuer-uncovered"
	SecretOld        = "secret-old"
	ServiceAnywhere  = "service-anywhere"
	ScopeUnused      = "scope-unused"
)

// SecretAge is how old a program's secret may become.
const SecretAge = 365 * 24 * time.Hour

// Issuer is our own issuer of tokens, as it is set up.
type Issuer struct {
	URL string
	// Uncovered is its host, where we speak TLS there and no certificate holds it.
	Uncovered       string
	AnyRegisters    bool // programs of strangers register and ask people
	TokenAsPassword bool
	DeviceCode      bool
	// Opens says that its tokens open doors: some mail server takes them.
	Opens bool
	// KeysDue is when the keys that sign now should have been followed by others.
	KeysDue time.Time
	// Hosts are domains of ours; what lies in one is no third party's.
	Hosts    []string
	Programs []Program
}

// Program is a client of the issuer that did not come with the server.
type Program struct {
	ID, Name string
	Vouched  bool // made or allowed by an administrator
	SignsIn  bool // people or services sign in with it; what only asks about tokens leaves no trace
	Consent  bool // people are asked
	Hosts    []string
	Limit    scope.Set
	// Account is the id of the person whom it signs in as by itself.
	Account                   string
	Created, Used, SecretMade time.Time
	Granted                   scope.Set // by people, all together
	// Idle are the doors that were granted for longer than Unused, and that
	// nobody went through with it since.
	Idle []protocol.Protocol
}

// issued is what stands open at the issuer.
func issued(in *Input, t *thief) (all []Finding) {
	i := in.Issuer
	if i == nil {
		return nil
	}
	all = append(all, i.standing(in.Now)...)
	if i.DeviceCode && i.Opens {
		all = append(all, t.farCodes(in)...)
	}
	for n := range i.Programs {
		p := &i.Programs[n]
		all = append(all, p.standing(i, in.Now)...)
		if i.Opens {
			all = append(all, t.service(in, p)...)
		}
	}
	return all
}

// standing is what the issuer's own settings leave open.
func (i *Issuer) standing(now time.Time) (all []Finding) {
	add := func(kind string, s Severity, sentence, fix string) {
		all = append(all, Finding{Kind: kind, Severity: s, Subjects: []string{i.URL}, Sentence: sentence, Fix: fix})
	}
	if i.TokenAsPassword {
		add(TokenAsPassword, Warning, "An access token is taken where a password is expected, so that programs keep and log it as they do passwords.",
			"see who needs it, `portreeve signins list 'detail co \"a token in the password\"'`, and say `oauth: {token_as_password: false}` in the configuration; an app password works everywhere")
	}
	if i.AnyRegisters {
		add(RegistrationOpen, Note, "Any program of anybody's may register itself and ask people here for their mail; the page says that nobody has checked it.",
			"say `oauth: {registration: verified}` in the configuration; then `portreeve client list --state open` lists what asks (kind: registered), and `portreeve client allow ID` lets one in")
	}
	if !i.KeysDue.IsZero() && now.After(i.KeysDue) {
		add(KeysOverdue, Warning, "The keys that sign programs' tokens should have been followed by others on "+i.KeysDue.UTC().Format(time.DateOnly)+", which the server does by itself.",
			"`portreeve key rotate programs`, and look into the server's own log for why it did not")
	}
	if strings.HasPrefix(i.URL, "http://") {
		add(IssuerPlain, Warning, "The issuer's name is "+i.URL+", without TLS: tokens are good for programs on this machine alone.",
			"give public_url an https address in the configuration; `portreeve config check` says what is missing then")
	}
	if i.Uncovered != "" {
		add(IssuerUncovered, Warning, "No certificate holds the issuer's name "+i.Uncovered+": browsers and programs refuse it, or people learn to pass over the warning.",
			"give a certificate for it under tls in the configuration; `portreeve config check` says which names there are")
	}
	return all
}

// standing is what is to be said of one program by what is known of it.
func (p *Program) standing(i *Issuer, now time.Time) (all []Finding) {
	id := lint.ShellWord(p.ID)
	add := func(kind string, s Severity, fix, format string, args ...any) {
		all = append(all, Finding{Kind: kind, Severity: s, Subjects: []string{p.Name}, Sentence: fmt.Sprintf(format, args...), Fix: fix})
	}
	if last := latest(p.Created, p.Used); p.Vouched && p.SignsIn && now.Sub(last) > Unused {
		since := "for 90 days"
		if p.Used.IsZero() {
			since = "since it was made on " + p.Created.UTC().Format(time.DateOnly)
		}
		add(ProgramUnused, Note, "`portreeve client rm "+id+"`, unless it only asks what tokens are worth, as mail servers do", "Nobody signed in with the program %q %s.", p.Name, since)
	}
	if !p.SecretMade.IsZero() && now.Sub(p.SecretMade) > SecretAge {
		add(SecretOld, Warning, "`portreeve client secret "+id+" --overlap 7d`, and give the program the new one within a week",
			"The secret of the program %q was made on %s and is the same since.", p.Name, p.SecretMade.UTC().Format(time.DateOnly))
	}
	if foreign := i.foreign(p.Hosts); i.Opens && !p.Consent && len(foreign) > 0 && (p.Limit.Empty() || len(p.Limit.Protocols()) > 0) {
		add(ConsentSkipped, Warning, "if nobody here answers for that host, let it know who people are and no more: `portreeve client limit "+id+" openid email profile`",
			"People are not asked before the program %q gets their mail, and its answers go to %s, in none of your domains.", p.Name, words(foreign))
	}
	if len(p.Idle) > 0 {
		var names []string
		for _, d := range p.Idle {
			names = append(names, d.String())
		}
		add(ScopeUnused, Note, "`portreeve client limit "+id+" "+strings.Join(p.needed(), " ")+"`; people who connected it for more sign in once more",
			"People granted the program %q %s, and nobody used it for that in 90 days.", p.Name, words(names))
		all[len(all)-1].Protocols = names
	}
	return all
}

// needed are the scopes of what was granted and is used.
func (p *Program) needed() (list []string) {
	short := map[protocol.Protocol]string{protocol.IMAP: "imap", protocol.POP3: "pop", protocol.Submission: "smtp", protocol.Sieve: "sieve"}
	for _, w := range p.Granted.Words() {
		one, err := scope.Parse(w)
		if err != nil {
			continue
		}
		doors := one.Protocols()
		if !slices.ContainsFunc(doors, func(d protocol.Protocol) bool { return slices.Contains(p.Idle, d) }) {
			list = append(list, w)
			continue
		}
		for _, d := range doors { // of a scope that opens several, those that are used
			if name := short[d]; name != "" && !slices.Contains(p.Idle, d) {
				list = append(list, name)
			}
		}
	}
	if len(list) == 0 {
		list = append(list, "openid")
	}
	return distinct(list)
}

// foreign are hosts that lie in no domain of ours.
func (i *Issuer) foreign(hosts []string) (list []string) {
	for _, h := range hosts {
		_, err := netip.ParseAddr(h)
		ours := slices.ContainsFunc(i.Hosts, func(d string) bool { return d != "" && (h == d || err != nil && strings.HasSuffix(h, "."+d)) })
		if !ours && !slices.Contains(list, h) {
			list = append(list, h)
		}
	}
	slices.Sort(list)
	return list
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// farCodes are those whom a code can be had typed in by that a program far away
// shows: a policy in force names the flow and lets it pass, so that browser and
// program need not be in one place.
func (t *thief) farCodes(in *Input) []Finding {
	var naming, called []string
	for _, p := range t.rules.Policies() {
		if p.State == policy.Enabled && p.Conditions.TransferMethods&policy.DeviceCodeFlow != 0 {
			naming, called = append(naming, p.DisplayName), append(called, quoted(p.DisplayName))
		}
	}
	if len(naming) == 0 {
		return nil
	}
	f := Finding{Kind: DeviceCodeFar, Severity: Warning, Where: []string{"anywhere"}}
	open := map[string]bool{} // by class of people
	for i := range in.People {
		p := &in.People[i]
		class := t.class(p)
		if _, known := open[class]; !known {
			open[class] = slices.ContainsFunc(t.doors, func(d protocol.Protocol) bool { return t.farCode(p, d) })
		}
		if open[class] {
			f.Subjects = append(f.Subjects, p.Address)
		}
	}
	if len(f.Subjects) == 0 {
		return nil
	}
	who := counted(len(f.Subjects), "person", "people")
	if len(f.Subjects) == len(in.People) {
		f.Severity, who = Danger, "everybody"
	}
	slices.Sort(f.Subjects)
	f.Sentence = "Whoever has " + who + " type in a code that a program far away shows gets their mail: " + words(called) + " lets codes count from one place to another."
	f.Fix = "keep the flow to people and places that need it, or take it out of the policy; without, a code counts where browser and program are in one place: `portreeve policy show " + lint.ShellWord(naming[0]) + "`"
	return []Finding{f}
}

// farCode says that somebody who proves all that they can is let in from far away
// by a code.
func (t *thief) farCode(p *Person, d protocol.Protocol) bool {
	f := policy.Facts{Person: p.ID, Address: p.Address, Domain: p.Domain, Guest: p.Guest, Groups: p.Groups, Roles: p.Roles, Protocol: d, Credential: policy.CredentialBearer,
		Mechanism: "device_code", Proven: true, Methods: ^policy.Methods(0), Flow: policy.DeviceCodeFlow}
	_, ok := t.anywhere(f, func(f *policy.Facts) bool {
		var b policy.Bits
		return policy.Judge(t.rules, f, &b).Allowed() && t.rules.FlowNamed(&b, policy.DeviceCodeFlow)
	})
	return ok
}

// service says that a program's secret alone opens a mailbox from anywhere.
func (t *thief) service(in *Input, p *Program) []Finding {
	at := slices.IndexFunc(in.People, func(q Person) bool { return q.ID == p.Account })
	if p.Account == "" || at < 0 {
		return nil
	}
	q := &in.People[at]
	var doors []string
	for _, d := range t.doors {
		f := policy.Facts{Person: q.ID, Address: q.Address, Domain: q.Domain, Guest: q.Guest, Groups: q.Groups, Roles: q.Roles, Protocol: d, Credential: policy.CredentialBearer,
			Mechanism: "client_credentials", Proven: true}
		if !p.Limit.Empty() && !p.Limit.Covers(d) {
			continue
		}
		if _, ok := t.anywhere(f, t.passes); ok {
			doors = append(doors, d.String())
		}
	}
	if len(doors) == 0 {
		return nil
	}
	return []Finding{{Kind: ServiceAnywhere, Severity: Warning, Subjects: []string{q.Address}, Protocols: doors, Where: []string{"anywhere"},
		Sentence: fmt.Sprintf("The secret of the program %q opens the mailbox of %s over %s, from anywhere.", p.Name, q.Address, words(doors)),
		Fix:      "hold the account to one network: `portreeve group add services`, `portreeve group add-member services " + lint.ShellWord(q.Address) + "`, `portreeve policy new --template scanners-one-network --set group=services --set network=192.0.2.0/24`"}}
}
