package authn

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/token"
)

// ledger is a ledger of grants that holds a few.
type ledger map[string]grant.Standing

func (l ledger) Standing(id string, _ protocol.Protocol, from netip.Addr) (grant.Standing, error) {
	st, ok := l[id]
	switch {
	case id == "away":
		return st, errors.New("the ledger cannot be read")
	case id == "bound" && from != netip.MustParseAddr("192.0.2.200"):
		return grant.Standing{}, &grant.Refusal{Code: signin.GrantElsewhere}
	case !ok:
		return st, &grant.Refusal{Code: signin.GrantEnded}
	}
	return st, nil
}

// granted is a world where we issue tokens ourselves. Each token is called as its grant.
func granted() (*world, *Verifier) {
	w := newWorld()
	proven := time.Unix(900_000, 0)
	standing := func(local string) grant.Standing {
		return grant.Standing{Person: "id-" + local, Address: local + "@example.org", Methods: policy.MethodPassword | policy.MethodFIDO2, Key: "blue", AuthTime: proven, Flow: policy.DeviceCodeFlow, Client: "7"}
	}
	l := ledger{"mary": standing("mary"), "sec": standing("sec"), "off": standing("off"), "omar": standing("omar"), "bound": standing("mary"), "away": {},
		"moved": {Person: "id-mary", Address: "mary.old@example.org"}, "gone": {Person: "id-left", Address: "left@example.org"}, "heir": {Person: "id-left", Address: "omar@example.org"}}
	for id := range l {
		s, _ := scope.Parse("imap")
		w.tokens[id] = token.Claims{Own: true, Grant: id, Scope: s.String(), Scopes: s, Address: "ceo@example.org"} // the address in a token of ours is nobody's word
	}
	w.tokens["ended"] = token.Claims{Own: true, Grant: "ended", Scopes: w.tokens["mary"].Scopes}
	s, _ := scope.Parse("smtp openid")
	w.tokens["sends"] = token.Claims{Own: true, Grant: "mary", Scope: s.String(), Scopes: s}
	v := w.verifier()
	v.Grants, v.ClientName = l, func(id string) string { return "Program " + id }
	return w, v
}

// What a token of ours opens, its grant says, whoever stands in the token.
func TestOurTokensProveWhatTheirGrantsSay(t *testing.T) {
	for _, c := range []struct {
		name, authcid, authzid, token string
		want                          signin.Code
		person                        string
	}{
		{"her own", "mary", "", "mary", signin.OK, "id-mary"},
		{"her own, after her address has changed", "mary", "", "moved", signin.OK, "id-mary"},
		{"another's", "mary", "", "omar", signin.TokenOfAnother, ""},
		{"named in the token alone", "ceo", "", "mary", signin.TokenOfAnother, ""},
		{"a delegate's", "mary", "", "sec", signin.OK, "id-sec"},
		{"a delegate's, named", "sec", "mary", "sec", signin.OK, "id-sec"},
		{"a delegate's, beside a third name", "omar", "mary", "sec", signin.TokenOfAnother, ""},
		{"nobody's mailbox", "nobody", "", "mary", signin.TokenOfAnother, ""},
		{"of a disabled person", "off", "", "off", signin.UserDisabled, ""},
		{"of somebody who left", "mary", "", "gone", signin.TokenOfAnother, ""},
		{"of somebody who left, whose address another has now", "omar", "", "heir", signin.TokenOfAnother, ""},
		{"of a grant that ended", "mary", "", "ended", signin.GrantEnded, ""},
		{"bound to another network", "mary", "", "bound", signin.GrantElsewhere, ""},
		{"for sending, shown to IMAP", "mary", "", "sends", signin.ScopeMissing, ""},
		{"while the ledger is away", "mary", "", "away", -signin.InternalFault, ""},
	} {
		w, v := granted()
		p, err := w.show(v, policy.CredentialBearer, c.authcid, c.authzid, c.token)
		if codeOf(err) != c.want || err == nil && p.Person != c.person {
			t.Errorf("%s: %+v, %v; want %s", c.name, p, err, c.want)
		}
		if c.token == "mary" && err == nil && (p.Methods != policy.MethodPassword|policy.MethodFIDO2 || p.Key != "blue" || p.AuthTime != time.Unix(900_000, 0) ||
			p.Flow != policy.DeviceCodeFlow || p.Client != "Program 7" || p.Grant != "oauth:mary" || p.Issuer != "") {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
}

// A session lasts as long as the grant, and no longer than a delegate's right.
func TestASessionEndsWithTheGrantOrTheRight(t *testing.T) {
	day := time.Unix(1_086_400, 0)
	for name, c := range map[string]struct{ grant, right, want time.Time }{
		"neither ends": {}, "the grant ends": {grant: day, want: day}, "the right ends first": {grant: day, right: day.Add(-time.Hour), want: day.Add(-time.Hour)},
		"the right ends later": {grant: day, right: day.Add(time.Hour), want: day},
	} {
		w, v := granted()
		st := v.Grants.(ledger)["sec"]
		st.Until, w.right = c.grant, c.right
		v.Grants.(ledger)["sec"] = st
		if p, err := w.show(v, policy.CredentialBearer, "mary", "", "sec"); err != nil || !p.Until.Equal(c.want) {
			t.Errorf("%s: until %v, %v", name, p.Until, err)
		}
	}
}

// A revocation counts before the ledger has heard of it.
func TestARevokedGrantOfOursIsRefused(t *testing.T) {
	w, v := granted()
	w.revoked["oauth:mary"] = true
	if _, err := w.show(v, policy.CredentialBearer, "mary", "", "mary"); codeOf(err) != signin.GrantEnded {
		t.Error(err)
	}
	v.Grants = nil
	if _, err := w.show(v, policy.CredentialBearer, "mary", "", "mary"); codeOf(err) != signin.TokenInvalid {
		t.Errorf("without an issuer: %v", err)
	}
}
