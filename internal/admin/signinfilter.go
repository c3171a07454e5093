package admin

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/portreeve/portreeve/internal/filter"
	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// signInSchema is what a filter of the sign-in log may ask for: Graph's names,
// and a short word for each.
var signInSchema = filter.NewSchema([]filter.Property{
	{Name: "id", Kind: filter.KindString},
	{Name: "reference", Kind: filter.KindString, Aliases: []string{"ref"}},
	{Name: "createdDateTime", Kind: filter.KindTime, Aliases: []string{"at", "time"}},
	{Name: "userPrincipalName", Kind: filter.KindString, Aliases: []string{"user", "person", "upn"}},
	{Name: "userId", Kind: filter.KindString},
	{Name: "mailbox", Kind: filter.KindString},
	{Name: "typed", Kind: filter.KindString},
	{Name: "ipAddress", Kind: filter.KindString, Aliases: []string{"ip", "address"}},
	{Name: "location/countryOrRegion", Kind: filter.KindString, Aliases: []string{"country"}},
	{Name: "autonomousSystemNumber", Kind: filter.KindNumber, Aliases: []string{"asn"}},
	{Name: "networkOwner", Kind: filter.KindString},
	{Name: "clientAppUsed", Kind: filter.KindString},
	{Name: "protocol", Kind: filter.KindString, Values: protocol.Names()},
	{Name: "credential", Kind: filter.KindString, Values: []string{"password", "appPassword", "bearer", "certificate", "unknown"}},
	{Name: "mechanism", Kind: filter.KindString},
	{Name: "outcome", Kind: filter.KindString, Values: signin.Endings()},
	{Name: "status/errorCode", Kind: filter.KindNumber, Aliases: []string{"errorCode"}},
	{Name: "code", Kind: filter.KindString},
	{Name: "stage", Kind: filter.KindString},
	{Name: "by", Kind: filter.KindString},
	{Name: "detail", Kind: filter.KindString},
	{Name: "program", Kind: filter.KindString},
	{Name: "platform", Kind: filter.KindString, Aliases: []string{"deviceDetail/operatingSystem"}},
	{Name: "userAgent", Kind: filter.KindString},
	{Name: "ja4", Kind: filter.KindString},
	{Name: "listener", Kind: filter.KindString},
	{Name: "backend", Kind: filter.KindString},
	{Name: "source", Kind: filter.KindString},
	{Name: "observed", Kind: filter.KindBool},
	{Name: "wouldBlock", Kind: filter.KindBool},
	{Name: "knownNetwork", Kind: filter.KindBool},
	{Name: "isInteractive", Kind: filter.KindBool},
	{Name: "signInEventTypes", Kind: filter.KindList},
	{Name: "conditionalAccessStatus", Kind: filter.KindString, Values: []string{"success", "failure", "notApplied"}},
	{Name: "correlationId", Kind: filter.KindString},
	{Name: "grant", Kind: filter.KindString},
	{Name: "policyVersion", Kind: filter.KindNumber},
}, "userPrincipalName", "mailbox", "typed", "ipAddress", "program", "detail", "reference", "code", "protocol", "location/countryOrRegion", "networkOwner", "userAgent")

// signInLookup answers a filter from an event.
func signInLookup(e *signin.Event) filter.Lookup {
	f := &e.Facts
	return func(name string) filter.Value {
		switch name {
		case "id":
			return filter.String(e.ID.String())
		case "reference":
			return filter.String(string(e.ID.Reference()))
		case "createdDateTime":
			return filter.Time(e.At)
		case "userPrincipalName":
			return filter.OptionalString(e.User())
		case "mailbox":
			return filter.OptionalString(f.Address)
		case "userId":
			return filter.OptionalString(f.Person)
		case "typed":
			return filter.OptionalString(e.Typed)
		case "ipAddress":
			return addressValue(f.Addr)
		case "location/countryOrRegion":
			return filter.OptionalString(f.Country)
		case "autonomousSystemNumber":
			return filter.Number(float64(f.ASN))
		case "networkOwner":
			return filter.OptionalString(e.NetOwner)
		case "clientAppUsed":
			return filter.String(clientAppUsed(e))
		case "protocol":
			return filter.String(f.Protocol.String())
		case "credential":
			return filter.String(f.Credential.String())
		case "mechanism":
			return filter.OptionalString(e.Mechanism)
		}
		return moreLookup(e, name)
	}
}

func moreLookup(e *signin.Event, name string) filter.Value {
	f := &e.Facts
	switch name {
	case "outcome":
		return filter.String(e.Ending().String())
	case "status/errorCode":
		return filter.Number(float64(e.Code))
	case "code":
		return filter.String(e.Code.String())
	case "stage":
		return filter.String(e.Verdict.Stage.String())
	case "by":
		return filter.OptionalString(e.Verdict.By)
	case "detail":
		return filter.OptionalString(e.Detail)
	case "program":
		return filter.OptionalString(strings.TrimSpace(f.Program + " " + f.ProgramVersion))
	case "platform":
		return filter.OptionalString(platformOf(f))
	case "userAgent":
		return filter.OptionalString(e.Hints.UserAgent)
	case "ja4":
		return filter.OptionalString(e.TLS.JA4)
	case "listener":
		return filter.OptionalString(e.Listener)
	case "backend":
		return filter.OptionalString(e.Backend)
	case "source":
		return filter.String(e.Source)
	case "observed":
		return filter.Bool(e.Observed)
	case "wouldBlock":
		return filter.Bool(wouldBlock(e))
	case "knownNetwork":
		return filter.Bool(f.KnownNetwork)
	case "isInteractive":
		return filter.Bool(e.Interactive())
	case "signInEventTypes":
		if e.Interactive() {
			return filter.Strings([]string{"interactiveUser"})
		}
		return filter.Strings([]string{"nonInteractiveUser"})
	case "conditionalAccessStatus":
		return filter.String(conditionalAccessStatus(e))
	case "correlationId":
		return filter.String(e.Correlation.String())
	case "grant": // its id, as `session list --grants` has it, without the kind in front
		_, id, _ := strings.Cut(e.Grant, ":")
		return filter.OptionalString(id)
	case "policyVersion":
		return filter.Number(float64(e.Verdict.Version))
	}
	return filter.Null
}

func addressValue(a netip.Addr) filter.Value {
	if !a.IsValid() {
		return filter.Null
	}
	return filter.String(a.String())
}

// signInQuery is a filter as far as the database can answer it, and the rest.
type signInQuery struct {
	stored store.EventFilter
	rest   *filter.Expr // nil: nothing
}

func (q *signInQuery) match(e *signin.Event) bool {
	return q.rest == nil || q.rest.Match(signInLookup(e))
}

// readSignInQuery reads $filter (OData), filter (SCIM or plain words), since,
// until, user, protocol and outcome; all of them must hold.
func (a *api) readSignInQuery(r *http.Request) (signInQuery, error) {
	var q signInQuery
	v := r.URL.Query()
	for name, grammar := range map[string]filter.Grammar{"$filter": filter.OData, "filter": filter.LogSearch} {
		text := strings.TrimSpace(v.Get(name))
		if text == "" {
			continue
		}
		e, err := filter.Parse(grammar, text, signInSchema)
		if err != nil {
			return q, badFilter(name, err, signInSchema)
		}
		q.narrow(e)
	}
	var err error
	if s := v.Get("since"); s != "" {
		if q.stored.From, err = since(s); err != nil {
			return q, bad("since", "%v", err)
		}
	}
	if s := v.Get("until"); s != "" {
		if q.stored.To, err = until(s); err != nil {
			return q, bad("until", "%v", err)
		}
	}
	if err := inOrder(q.stored.From, q.stored.To); err != nil {
		return q, err
	}
	for _, name := range []string{"user", "protocol", "outcome", "code", "program", "ip"} {
		for _, value := range v[name] {
			if err := q.shortcut(name, value); err != nil {
				return q, err
			}
		}
	}
	if u := q.stored.User; u != "" {
		if address, err := a.Canonical(u); err == nil {
			q.stored.User = address
		}
	}
	return q, nil
}

// mostNamed is how many names an error lists; more hide the error.
const mostNamed = 40

// badFilter shows where a filter is wrong; whoever asks for what is not there
// is told what is.
func badFilter(target string, err error, schema *filter.Schema) error {
	if s, ok := err.(*filter.SyntaxError); ok {
		e := bad(target, "%s\n%s", s.Error(), s.Caret())
		if strings.HasPrefix(s.Message, "there is no property") {
			if names := schema.Names(); len(names) <= mostNamed {
				return e.then("the properties are %s", strings.Join(names, ", "))
			}
			return e.then("the command's --help shows how a filter is written, with the usual properties")
		}
		return e
	}
	return bad(target, "%v", err)
}

// shortcut is a flag of the command line.
func (q *signInQuery) shortcut(name, value string) error {
	switch name {
	case "user":
		q.stored.User = value
	case "protocol":
		p, err := readProtocol(name, value)
		if err != nil {
			return err
		}
		q.stored.Protocols = append(q.stored.Protocols, p)
	case "outcome":
		o, ok := signin.ParseEnding(value)
		if !ok {
			return bad(name, "outcome is one of %s, not %q", strings.Join(signin.Endings(), ", "), value)
		}
		q.stored.Outcome = o
	case "code":
		c, ok := signin.ParseCode(value)
		if !ok {
			return bad(name, "there is no code %q", value).then("a code is PR53003, or 53003; docs/codes.md lists them all")
		}
		q.stored.Codes = append(q.stored.Codes, c)
	case "program":
		q.stored.Program = value
	case "ip":
		p, ok := network.Parse(value)
		if !ok {
			return bad(name, "%q is neither an address nor a network", value)
		}
		q.stored.Network = p
	}
	return nil
}

// unknownNames says of which people and mailboxes that a search named there are
// none, so that nobody takes a slip of the pen for silence.
func (a *api) unknownNames(r *http.Request, q *signInQuery) (notes []string) {
	for _, name := range append([]string{q.stored.User, q.stored.Mailbox}, namedIn(q.rest)...) {
		if name == "" {
			continue
		}
		if _, err := a.findPerson(r, name); err != nil {
			notes = append(notes, err.Error()+", and no sign-in that was asked for names it")
		}
	}
	return notes
}

// namedIn are the people and mailboxes that a filter compares with.
func namedIn(e *filter.Expr) (names []string) {
	if e == nil {
		return nil
	}
	for _, k := range e.Kids {
		names = append(names, namedIn(k)...)
	}
	if e.Op == filter.Eq && !e.Negated && (e.Name == "userPrincipalName" || e.Name == "mailbox") && len(e.Values) == 1 {
		names = append(names, e.Values[0].Text())
	}
	return names
}
