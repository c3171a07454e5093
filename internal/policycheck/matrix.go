package policycheck

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/span"
)

// signInMembers are what can be said of a sign-in.
var signInMembers = []string{"user", "mailbox", "protocol", "credential", "mechanism", "ip", "country", "asn", "program", "programVersion", "platform",
	"mfa", "methods", "key", "authTime", "flow", "knownNetwork", "viaWebmail", "device", "time", "secret"}

// matrix reads a test's sign-ins: one, or one for each combination in "for".
func (r *reader) matrix(v *graph.Value) (all []SignIn) {
	base := v.Member("signin")
	if !r.members(base, "a sign-in", signInMembers...) {
		return nil
	}
	axes := v.Member("for")
	if absent(axes) {
		axes = &graph.Value{Kind: graph.Object}
	}
	if !r.members(axes, "for", signInMembers...) {
		return nil
	}
	total := 1
	for _, x := range axes.Members {
		if x.Value.Kind != graph.List || len(x.Value.Items) == 0 {
			r.fault(x.Value, "for %s is a list of the values to try", x.Name)
			return nil
		}
		if base.Member(x.Name) != nil {
			r.fault(x.Value, "%s is said in signin already", x.Name)
			return nil
		}
		if total *= len(x.Value.Items); total > maxMatrix {
			r.fault(axes, "a matrix has at most %d sign-ins", maxMatrix)
			return nil
		}
	}
	if r.signIns += total; r.signIns > maxSignIns {
		r.fault(axes, "a document has at most %d sign-ins", maxSignIns)
		return nil
	}
	for n := range total {
		one := &graph.Value{Kind: graph.Object, Pointer: base.Pointer, Members: slices.Clone(base.Members)}
		rest, labels := n, []string{}
		stride := total
		for _, x := range axes.Members {
			stride /= len(x.Value.Items)
			value := x.Value.Items[rest/stride]
			rest %= stride
			one.Members = append(one.Members, graph.Member{Name: x.Name, Value: value})
			labels = append(labels, x.Name+"="+label(value))
		}
		s := r.signIn(one)
		s.Label = strings.Join(labels, " ")
		all = append(all, s)
	}
	return all
}

func label(v *graph.Value) string {
	if v.Kind != graph.List {
		return v.Text
	}
	var all []string
	for _, x := range v.Items {
		all = append(all, x.Text)
	}
	return strings.Join(all, "+")
}

// signIn reads one sign-in of a test.
func (r *reader) signIn(v *graph.Value) SignIn {
	s := r.partial(v)
	if s.User == "" {
		r.fault(v, "say who signs in: user, with an address of given.people, or %s", Stranger)
	}
	return s
}

// partial reads what is stated of a sign-in.
func (r *reader) partial(v *graph.Value) SignIn {
	s := SignIn{AuthAgo: -1, stated: map[string]bool{}}
	for _, m := range v.Members {
		s.stated[m.Name] = !absent(m.Value)
	}
	s.User, s.Mailbox = r.who(v, "user"), r.who(v, "mailbox")
	if m := v.Member("protocol"); !absent(m) {
		p, ok := protocol.Parse(r.word(m, "protocol"))
		if !ok && m.Kind == graph.String {
			r.fault(m, "there is no protocol %q: there are %s%s", m.Text, strings.Join(protocol.Names(), ", "), meant(m.Text, protocol.Names()))
		}
		s.Protocol = p
	}
	s.Credential = r.credential(v)
	s.Wrong = r.choice(v, "secret", "right", "wrong") == "wrong"
	f := &s.Facts
	f.Mechanism, f.Program, f.ProgramVersion, f.Key = r.text(v, "mechanism"), r.text(v, "program"), r.text(v, "programVersion"), strings.ToLower(r.text(v, "key"))
	if f.Program != "" {
		f.ProgramConfidence = 100 // it is stated
	}
	f.KnownNetwork, f.ViaWebmail = yes(r.flag(v, "knownNetwork")), yes(r.flag(v, "viaWebmail"))
	f.At = r.moment(v.Member("time"), "time")
	r.place(v, f)
	if w := r.text(v, "platform"); w != "" {
		p, ok := policy.ParsePlatform(w)
		if !ok {
			r.fault(v.Member("platform"), "there is no platform %q: there are android, iOS, windows, windowsPhone, macOS and linux", w)
		}
		f.Platform = p
	}
	switch r.choice(v, "flow", "none", "deviceCodeFlow", "authenticationTransfer") {
	case "deviceCodeFlow":
		f.Flow = policy.DeviceCodeFlow
	case "authenticationTransfer":
		f.Flow = policy.AuthenticationTransfer
	}
	s.Methods = s.stated["methods"]
	f.Methods, s.MFA = r.methods(v.Member("methods"), "methods"), r.mfa(v.Member("mfa"))
	r.authTime(v.Member("authTime"), &s)
	f.Device = r.device(v.Member("device"))
	return s
}

// mfa are methods proven besides; none and false are none.
func (r *reader) mfa(m *graph.Value) policy.Methods {
	if !absent(m) && (m.Kind == graph.Bool && m.Text == "false" || m.Text == "none") {
		return 0
	}
	return r.methods(m, "mfa")
}

// who is an address of the fixtures, or the stranger.
func (r *reader) who(v *graph.Value, name string) string {
	typed := strings.ToLower(r.text(v, name))
	if typed == "" || typed == Stranger && name == "user" {
		return typed
	}
	var known []string
	for i := range r.people {
		p := &r.people[i]
		local, _, _ := strings.Cut(p.Address, "@")
		if typed == p.Address || typed == local && r.alone(local) {
			return p.Address
		}
		known = append(known, p.Address)
	}
	r.fault(v.Member(name), "%q is none of given.people%s", typed, meant(typed, append(known, Stranger)))
	return typed
}

// alone says that no two people have this name before their @.
func (r *reader) alone(local string) bool {
	n := 0
	for i := range r.people {
		if strings.HasPrefix(r.people[i].Address, local+"@") {
			n++
		}
	}
	return n == 1
}

func (r *reader) credential(v *graph.Value) policy.CredentialKind {
	w := r.text(v, "credential")
	if w == "" {
		return policy.CredentialUnknown
	}
	if same(w, "token") {
		return policy.CredentialBearer
	}
	k, ok := policy.ParseCredentialKind(w)
	if !ok {
		known := []string{"password", "appPassword", "token", "bearer", "certificate", "passkey", "temporaryAccessPass"}
		r.fault(v.Member("credential"), "there is no credential %q: there are %s%s", w, strings.Join(known, ", "), meant(w, known))
	}
	return k
}

// choice is one of a few words.
func (r *reader) choice(v *graph.Value, name string, words ...string) string {
	w := r.text(v, name)
	if w != "" && !slices.Contains(words, w) {
		r.fault(v.Member(name), "%s is %s, not %q%s", name, strings.Join(words, " or "), w, meant(w, words))
	}
	return w
}

func (r *reader) place(v *graph.Value, f *policy.Facts) {
	if w := r.text(v, "ip"); w != "" {
		a, err := netip.ParseAddr(w)
		if err != nil {
			r.fault(v.Member("ip"), "%q is no address", w)
		}
		f.Addr = a.Unmap()
	}
	if f.Country = strings.ToUpper(r.text(v, "country")); f.Country != "" && len(f.Country) != 2 {
		r.fault(v.Member("country"), "%q is no country: write two letters, such as DE", f.Country)
	}
	if m := v.Member("asn"); !absent(m) {
		n, err := strconv.ParseUint(m.Text, 10, 32)
		if err != nil {
			r.fault(m, "asn is the number of a network, such as 64496")
		}
		f.ASN = uint32(n)
	}
}

// authTime is a moment, or how long before the sign-in.
func (r *reader) authTime(m *graph.Value, s *SignIn) {
	if absent(m) {
		return
	}
	if ago, err := span.Parse(m.Text); err == nil && m.Kind == graph.String {
		s.AuthAgo = ago
		return
	}
	s.Facts.AuthTime = r.moment(m, "authTime")
}

// device is what is known of a device, by Graph's names.
func (r *reader) device(m *graph.Value) *policy.Device {
	if absent(m) || !r.members(m, "a device", "deviceId", "displayName", "operatingSystem", "operatingSystemVersion", "manufacturer", "model", "trustType", "isCompliant", "deviceOwnership") {
		return nil
	}
	return &policy.Device{DeviceID: r.text(m, "deviceId"), DisplayName: r.text(m, "displayName"), OperatingSystem: r.text(m, "operatingSystem"),
		OperatingSystemVersion: r.text(m, "operatingSystemVersion"), Manufacturer: r.text(m, "manufacturer"), Model: r.text(m, "model"),
		TrustType: r.text(m, "trustType"), IsCompliant: r.flag(m, "isCompliant"), DeviceOwnership: r.text(m, "deviceOwnership")}
}
