package discovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Verdict says how a record stands.
type Verdict string

// The verdicts.
const (
	OK        Verdict = "ok"
	Missing   Verdict = "missing"
	Different Verdict = "different"
	Unknown   Verdict = "unknown" // the resolver did not say
)

// Checked is a record and what was found in its place.
type Checked struct {
	Record
	Verdict Verdict  `json:"verdict"`
	Found   []string `json:"found"` // as zone files have it
	Note    string   `json:"note,omitempty"`
}

// maxSilences is to how many questions a resolver may be silent that answers
// others: some drop what they do not like.
const maxSilences = 2

// Check looks for each record. It ends early if the resolver is silent.
func Check(ctx context.Context, r *Resolver, records []Record) ([]Checked, error) {
	var all []Checked
	silences := 0
	for _, want := range records {
		c, err := r.check(ctx, want)
		if ctx.Err() != nil {
			return all, ctx.Err()
		}
		if errors.Is(err, ErrSilent) {
			if silences++; len(all) < silences || silences > maxSilences {
				return all, err
			}
		}
		if err != nil {
			c = Checked{Record: want, Verdict: Unknown, Note: err.Error()}
			if errors.Is(err, errLoop) || errors.Is(err, errAliases) {
				c.Verdict = Different
			}
		}
		if c.Found == nil {
			c.Found = []string{}
		}
		all = append(all, c)
	}
	return all, nil
}

func (r *Resolver) check(ctx context.Context, want Record) (Checked, error) {
	if want.Type == "CNAME" {
		return r.checkAlias(ctx, want)
	}
	kind, ok := dns.StringToType[want.Type]
	if !ok {
		return Checked{}, fmt.Errorf("there is no record type %q", want.Type)
	}
	f, err := r.lookup(ctx, want.Name, kind)
	if err != nil {
		return Checked{}, err
	}
	c := Checked{Record: want, Found: shown(f.records)}
	switch {
	case len(f.records) == 0 && want.None:
		c.Verdict, c.Note = OK, "there is none, which programs take for the same"
	case len(f.records) == 0:
		c.Verdict = Missing
	case want.Type == "SRV":
		c.Verdict = sameServices(f.records, want.Data)
	default:
		c.Verdict = sameText(f.records, want.Data)
	}
	return c, nil
}

// sameServices wants all that is found to lead where it should; priority and
// weight mean nothing among one.
func sameServices(rrs []dns.RR, data string) Verdict {
	_, want, _ := strings.Cut(data, " ")
	_, want, _ = strings.Cut(want, " ")
	for _, rr := range rrs {
		if s, ok := rr.(*dns.SRV); !ok || data == nowhere && s.Target != "." || data != nowhere && !strings.EqualFold(fmt.Sprintf("%d %s", s.Port, s.Target), want) {
			return Different
		}
	}
	return OK
}

// sameText wants the text among what is found: while it changes there are two.
func sameText(rrs []dns.RR, data string) Verdict {
	want := fieldsOf(strings.Trim(data, `"`))
	for _, rr := range rrs {
		if t, ok := rr.(*dns.TXT); ok && slices.Equal(fieldsOf(strings.Join(t.Txt, "")), want) {
			return OK
		}
	}
	return Different
}

// fieldsOf are a text's tags without the space around them.
func fieldsOf(text string) []string {
	var all []string
	for f := range strings.SplitSeq(text, ";") {
		if f = strings.TrimSpace(f); f != "" {
			all = append(all, f)
		}
	}
	return all
}

// checkAlias wants a name to lead to a host: by CNAMEs, or by having addresses
// of the host and no others, which says the same where a CNAME cannot stand.
func (r *Resolver) checkAlias(ctx context.Context, want Record) (Checked, error) {
	c := Checked{Record: want, Verdict: Missing}
	host := dns.CanonicalName(want.Data)
	f, err := r.lookup(ctx, want.Name, dns.TypeA)
	if slices.Contains(f.aliases, host) && !errors.Is(err, ErrSilent) { // who has one zone alone need not know the host
		c.Verdict, c.Found = OK, f.aliases
		return c, nil
	}
	if err != nil {
		return c, err
	}
	have, err := r.addresses(ctx, want.Name)
	if err != nil {
		return c, err
	}
	switch {
	case len(f.aliases) > 0:
		c.Verdict, c.Found = Different, firstOf(f.aliases)
	case len(have) > 0:
		c.Verdict, c.Found = Different, firstOf(have)
	default:
		return c, nil
	}
	theirs, err := r.addresses(ctx, host)
	if err != nil {
		return c, err
	}
	if len(have) > 0 && !slices.ContainsFunc(have, func(a string) bool { return !slices.Contains(theirs, a) }) {
		c.Verdict, c.Note = OK, "it has the addresses of "+strings.TrimSuffix(want.Data, ".")
	}
	return c, nil
}

// addresses are a name's, of both families.
func (r *Resolver) addresses(ctx context.Context, name string) ([]string, error) {
	var all []string
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		f, err := r.lookup(ctx, name, kind)
		if err != nil {
			return nil, err
		}
		for _, rr := range f.records {
			all = append(all, dataOf(rr))
		}
	}
	return all, nil
}

func shown(rrs []dns.RR) []string {
	var all []string
	for _, rr := range rrs {
		all = append(all, dataOf(rr))
	}
	return firstOf(all)
}

func firstOf(all []string) []string {
	if len(all) > maxShown {
		return append(all[:maxShown:maxShown], fmt.Sprintf("and %d more", len(all)-maxShown))
	}
	return all
}

// dataOf is a record without its head, cut to what can be told.
func dataOf(rr dns.RR) string {
	if t, ok := rr.(*dns.TXT); ok && len(strings.Join(t.Txt, "")) > maxShownTXT {
		return fmt.Sprintf("%q…", strings.Join(t.Txt, "")[:maxShownTXT])
	}
	return strings.TrimPrefix(rr.String(), rr.Header().String())
}
