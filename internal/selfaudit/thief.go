package selfaudit

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/location"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
)

// thief is everything that somebody with a password can choose: addresses, one of
// each class that locations tell apart, countries, what the program says it is,
// and when. What no policy asks for is one choice.
type thief struct {
	rules     *policy.Snapshot
	doors     []protocol.Protocol
	now       time.Time
	addresses []netip.Addr
	names     [][]string // of the named locations that each lies in
	outside   []bool     // it lies in none of them by its address, and is on the internet
	countries []string
	platforms []policy.Platform
	programs  []string
	asns      []uint32
	webmail   []bool
	times     []time.Time

	own   map[string]bool   // people whom the rules name by themselves, by id or address
	lots  bool              // a policy is for a share of people
	known map[string]*reach // by class of people
}

// foreign are countries for a witness, should no location name them.
var foreign = []string{"BR", "VN", "US", "AQ"}

const (
	someASN = 64511       // RFC 5398: in nobody's hands
	step    = time.Minute // hours begin and end at one
	week    = 7 * 24 * time.Hour
)

func newThief(in *Input) *thief {
	src := in.Rules.Source()
	t := &thief{rules: in.Rules, now: in.Now, platforms: []policy.Platform{policy.PlatformUnknown}, programs: []string{""}, asns: []uint32{0}, webmail: []bool{false}, times: []time.Time{in.Now}}
	for _, d := range in.Doors {
		if !slices.Contains(t.doors, d) {
			t.doors = append(t.doors, d)
		}
	}
	slices.Sort(t.doors)
	t.addresses = in.Rules.Networks()
	for _, a := range t.addresses {
		var in []string
		for i := range src.Locations {
			if n := &src.Locations[i]; len(n.Ranges) > 0 && n.Contains(a, "") {
				in = append(in, n.DisplayName)
			}
		}
		slices.Sort(in)
		t.names, t.outside = append(t.names, in), append(t.outside, len(in) == 0)
	}
	named := in.Rules.Countries()
	for _, c := range foreign {
		if !slices.Contains(named, c) {
			t.countries = append(t.countries, c)
			break
		}
	}
	t.countries = kinds(src.Locations, append(append(t.countries, named...), ""))
	t.own = map[string]bool{}
	for _, p := range src.Policies {
		if p.State == policy.Enabled {
			t.askedBy(&p, in.Webmail)
		}
		t.single(&p)
	}
	for id := range src.Mailboxes {
		t.own[id] = true
	}
	return t
}

// kinds are countries, one of each kind that locations tell apart.
func kinds(locations []location.Named, all []string) (out []string) {
	seen := map[string]bool{}
	for _, c := range all {
		in := make([]byte, len(locations))
		for i := range locations {
			in[i] = map[bool]byte{true: '1', false: '0'}[locations[i].ContainsCountry(c)]
		}
		if !seen[string(in)] {
			seen[string(in)] = true
			out = append(out, c)
		}
	}
	return out
}

// single notes whom a policy names by themselves. All others who are in the same
// groups are one to it.
func (t *thief) single(p *policy.Policy) {
	t.lots = t.lots || p.Conditions.Portreeve.Share != nil
	if u := p.Conditions.Users; u != nil {
		for _, word := range append(slices.Clone(u.Include.Users), u.Exclude.Users...) {
			t.own[strings.ToLower(word)] = true
		}
	}
}

// class is the same for people whom the rules do not tell apart.
func (t *thief) class(p *Person) string {
	key := fmt.Sprint(p.Domain, " ", p.Guest, " ", strings.Join(p.Groups, " "), " ", strings.Join(p.Roles, " "))
	if t.lots || t.own[strings.ToLower(p.ID)] || t.own[strings.ToLower(p.Address)] {
		key += " " + p.ID
	}
	return key
}

// askedBy adds the choices that a policy tells apart.
func (t *thief) askedBy(p *policy.Policy, webmail bool) {
	if p.Conditions.Platforms != nil && len(t.platforms) == 1 {
		t.platforms = append(t.platforms, policy.PlatformWindows, policy.PlatformMacOS, policy.PlatformIOS, policy.PlatformAndroid, policy.PlatformLinux, policy.PlatformWindowsPhone)
	}
	o := &p.Conditions.Portreeve
	if o.Programs != nil {
		t.programs = append(t.programs, "some-program")
		for _, w := range append(slices.Clone(o.Programs.Include), o.Programs.Exclude...) {
			t.programs = append(t.programs, strings.ToLower(w))
		}
		t.programs = distinct(t.programs)
	}
	if o.ASNs != nil {
		t.asns = distinct(append(append(append(t.asns, someASN), o.ASNs.Include...), o.ASNs.Exclude...))
	}
	if o.ViaWebmail != nil && webmail && len(t.webmail) == 1 {
		t.webmail = append(t.webmail, true)
	}
	if o.Hours != nil && len(t.times) == 1 {
		seen := map[string]bool{fmt.Sprint(t.rules.Phase(t.now)): true}
		for at := t.now.Truncate(step).Add(step); at.Before(t.now.Add(week)); at = at.Add(step) {
			if phase := fmt.Sprint(t.rules.Phase(at)); !seen[phase] {
				seen[phase] = true
				t.times = append(t.times, at)
			}
		}
	}
}

func distinct[T comparable](all []T) (out []T) {
	for _, x := range all {
		if !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}

// way is one way in: the facts of a sign-in that is let in.
type way struct {
	policy.Facts
	where []string
}

// reach is where a password alone gets in.
type reach struct {
	t        *thief
	anywhere []way // one of each protocol
	from     []way // one of each protocol and class of network, where anywhere is closed
}

// reach is where a password of somebody's alone gets in.
func (t *thief) reach(p *Person) *reach {
	key := t.class(p)
	if t.known[key] == nil {
		if t.known == nil {
			t.known = map[string]*reach{}
		}
		t.known[key] = t.look(p)
	}
	return t.known[key].of(p)
}

// of is the same reach as somebody's of the same class.
func (r *reach) of(p *Person) *reach {
	out := &reach{t: r.t, anywhere: slices.Clone(r.anywhere), from: slices.Clone(r.from)}
	for _, ways := range [][]way{out.anywhere, out.from} {
		for i := range ways {
			ways[i].Person, ways[i].Address = p.ID, p.Address
		}
	}
	return out
}

func (t *thief) look(p *Person) *reach {
	r := &reach{t: t}
	for _, d := range t.doors {
		open := false
		for i := range t.addresses {
			if !t.outside[i] {
				continue
			}
			if w, ok := t.search(p, d, i); ok {
				r.anywhere, open = append(r.anywhere, w), true
				break
			}
		}
		for i := range t.addresses {
			if open || t.outside[i] {
				continue
			}
			if w, ok := t.search(p, d, i); ok {
				r.from = append(r.from, w)
			}
		}
	}
	return r
}

// search tries every choice from one class of network.
func (t *thief) search(p *Person, d protocol.Protocol, class int) (way, bool) {
	f := policy.Facts{Person: p.ID, Address: p.Address, Domain: p.Domain, Guest: p.Guest, Groups: p.Groups, Roles: p.Roles, Protocol: d, Credential: policy.CredentialPassword,
		Mechanism: "PLAIN", Proven: true, Methods: policy.MethodPassword, Addr: t.addresses[class]}
	return t.choose(f, class, t.passes)
}

// passes says that the rules let somebody in.
func (t *thief) passes(f *policy.Facts) bool { return policy.Judge(t.rules, f, nil).Allowed() }

// anywhere tries every choice from every class of network that is in no named one.
func (t *thief) anywhere(f policy.Facts, pass func(*policy.Facts) bool) (way, bool) {
	for class := range t.addresses {
		if !t.outside[class] {
			continue
		}
		f.Addr = t.addresses[class]
		if w, ok := t.choose(f, class, pass); ok {
			return w, true
		}
	}
	return way{}, false
}

// choose tries every choice that a thief has besides the address.
func (t *thief) choose(f policy.Facts, class int, pass func(*policy.Facts) bool) (way, bool) {
	for _, f.At = range t.times {
		f.AuthTime = f.At
		for _, f.ViaWebmail = range t.webmail {
			for _, f.Platform = range t.platforms {
				for _, f.Program = range t.programs {
					for _, f.ASN = range t.asns {
						for _, f.Country = range t.countries {
							if pass(&f) {
								return way{f, t.names[class]}, true
							}
						}
					}
				}
			}
		}
	}
	return way{}, false
}

// finding is what is open to one person's password, from anywhere or only from
// named places; nil if nothing is.
func (r *reach) finding(p *Person, anywhere bool) *Finding {
	ways, kind, severity := r.from, PasswordOnlyFrom, Warning
	if anywhere {
		ways, kind, severity = r.anywhere, PasswordOnly, Danger
	}
	if len(ways) == 0 {
		return nil
	}
	f := &Finding{Kind: kind, Severity: severity, Subjects: []string{p.Address}, Witness: r.t.witness(&ways[0]),
		Fix: "ask more than a password of them, without stopping what is in use: `portreeve policy new --template password-alone-opens-nothing`"}
	for i := range ways {
		f.Protocols = append(f.Protocols, ways[i].Protocol.String())
		f.Where = append(f.Where, ways[i].where...)
	}
	slices.Sort(f.Protocols)
	f.Protocols = slices.Compact(f.Protocols)
	slices.Sort(f.Where)
	f.Where = slices.Compact(f.Where)
	if anywhere {
		f.Where = []string{"anywhere"}
	}
	return f
}

// said is the finding's sentence.
func (f *Finding) said() string {
	from := "from anywhere"
	if f.Kind == PasswordOnlyFrom {
		from = "from " + words(f.Where)
	}
	return fmt.Sprintf("A password alone opens the mailbox of %s over %s, %s.", counted(len(f.Subjects), "person", "people"), words(f.Protocols), from)
}

// witness is a way in, and what each policy in force said to it.
func (t *thief) witness(w *way) *Witness {
	x := &Witness{User: w.Address, Protocol: w.Protocol.String(), Address: w.Addr.String(), Country: w.Country, Program: w.Program, ASN: w.ASN, Webmail: w.ViaWebmail, Past: []string{}}
	if w.Platform != policy.PlatformUnknown {
		x.Platform = w.Platform.String()
	}
	if !w.At.Equal(t.now) {
		at := w.At.UTC()
		x.At = &at
	}
	for _, p := range t.rules.Conditions(&w.Facts) {
		if p.State != "enabled" {
			continue
		}
		why := "asks for nothing that a password lacks"
		for _, c := range p.Conditions {
			if c.Result == "notSatisfied" {
				why = "does not apply: " + c.Name + " needs " + c.Needed
				break
			}
		}
		x.Past = append(x.Past, quoted(p.Name)+" "+why)
	}
	if len(x.Past) == 0 {
		x.Past = append(x.Past, "no policy is in force")
	}
	return x
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func quoted(s string) string { return `"` + s + `"` }

func words(all []string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}
