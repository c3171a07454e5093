package server

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// spellings are 40 ways to type NAME, who is NAME@example.org.
var spellings = []string{
	"NAME", "Name", "name", " name", "name ", "name.", "\u00a0name",
	"name@example.org", "Name@Example.Org", "NAME@EXAMPLE.ORG", "name@example.org.", "name@example.org ",
	"name@example.com", "Name@EXAMPLE.com", "name@bücher.example", "name@BÜCHER.example", "name@xn--bcher-kva.example", "name@XN--BCHER-KVA.EXAMPLE",
	"name@bu\u0308cher.example", "name@example。org", "name+lists", "name+lists@example.org", "NAME+Lists@example.com", "name+a+b@example.org", "name+@example.org",
	`CORP\name`, `corp\Name`, `CORP\name@example.org`, `example.org\name`, `CORP\name+x@example.com`,
	"name@example.org@example.org", "name@example.com@Example.org", `CORP\name@example.org@example.com`,
	"ｎａｍｅ", "ＮＡＭＥ＠ｅｘａｍｐｌｅ．ｏｒｇ", "name＠example.org", `ＣＯＲＰ＼ｎａｍｅ`, "ｎame＋lists@example.org",
	"n.ame", "N.Ame@example.com",
}

const blockOne = `{"id":"44f7c0de-0004-4a00-9b00-000000000009","displayName":"All but Anna","state":"enabled",
"conditions":{"clientAppTypes":["all"],"users":{"includeUsers":["All"],"excludeUsers":["anna@example.org"]},"applications":{"includeApplications":["All"]}},
"grantControls":{"operator":"OR","builtInControls":["block"]}}`

func TestOneNameOnePersonOneVerdictHoweverItIsSpelt(t *testing.T) {
	if len(spellings) < 40 {
		t.Fatalf("only %d spellings", len(spellings))
	}
	s := sealed(t)
	for person, code := range map[string]signin.Code{"mary": signin.BlockedByPolicy, "anna": signin.OK} {
		for _, pattern := range spellings {
			typed := spell(pattern, person)
			o := s.gate.SignIn(t.Context(), signin.Attempt{At: time.Now(), Protocol: protocol.IMAP, Client: netip.MustParseAddrPort("192.0.2.9:1")},
				signin.NewCredential(policy.CredentialPassword, "PLAIN", typed, "", []byte("the right one")))
			if o.Facts.Address != person+"@example.org" || o.Code != code {
				t.Errorf("%q is %q and gets %v, want %v", typed, o.Facts.Address, o.Code, code)
			}
			if o.Typed != typed {
				t.Errorf("%q is logged as %q", typed, o.Typed)
			}
		}
	}
}

func TestOneGuessBudgetHoweverTheNameIsSpelt(t *testing.T) {
	s := sealed(t)
	compared := 0
	for i, pattern := range spellings {
		o := s.gate.SignIn(t.Context(), signin.Attempt{At: time.Now(), Protocol: protocol.IMAP, Client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(i), 7}), 1)},
			signin.NewCredential(policy.CredentialPassword, "PLAIN", spell(pattern, "anna"), "", []byte{'x', byte('0' + i)}))
		switch o.Code {
		case signin.WrongCredentials:
			compared++
		case signin.Throttled:
		default:
			t.Fatalf("%v", o.Code)
		}
	}
	if compared != 10 {
		t.Errorf("%d guesses were compared from %d networks under %d spellings, want 10", compared, len(spellings), len(spellings))
	}
}

// spell puts a person's name (of four letters) where a spelling has "name", in
// the same manner.
func spell(pattern, person string) string {
	upper := strings.ToUpper(person)
	title := upper[:1] + person[1:]
	return strings.NewReplacer("n.ame", person[:1]+"."+person[1:], "N.Ame", upper[:1]+"."+title[1:],
		"ｎame", wide(person[:1])+person[1:], "ｎａｍｅ", wide(person), "ＮＡＭＥ", wide(upper),
		"NAME", upper, "Name", title, "name", person).Replace(pattern)
}

// wide writes ASCII letters as their full-width forms.
func wide(s string) string {
	return strings.Map(func(r rune) rune { return r - '!' + '！' }, s)
}

// sealed is a server without doors, whose people have the password "the right one".
func sealed(t *testing.T) *Server {
	t.Helper()
	c, err := config.Parse("portreeve.yaml", t.TempDir(), []byte(`
default_domain: example.org
state: state
admin: {socket: s}
refusals: {floor: 1ms}
domains: {example.org: {aliases: [example.com, bücher.example], windows: [CORP]}}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := serving(t, c, io.Discard)
	err = s.store.Change(t.Context(), store.System, "", func(tx *store.Tx) error {
		for _, name := range []string{"mary", "anna"} {
			p := store.Person{Address: name + "@example.org", SecretKind: store.SecretArgon2id, Hash: store.Hash(secret.Hash([]byte("the right one"))), Origin: store.OriginLocal}
			if err := tx.AddPerson(&p); err != nil {
				return err
			}
			if err := tx.AddAlias(store.Alias{Address: name[:1] + "." + name[1:] + "@example.org", Person: p.ID}); err != nil {
				return err
			}
		}
		return tx.PutDocument(&store.Document{ID: "44f7c0de-0004-4a00-9b00-000000000009", Kind: store.Policy, Name: "All but Anna", State: "enabled", JSON: []byte(blockOne)})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.keeper.apply(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestATokenOfMaryPlusSomethingIsNotMarys(t *testing.T) {
	s := sealed(t)
	if a, err := s.names.Vouched("", "Mary@example.org"); err != nil || a != "mary@example.org" {
		t.Errorf("%q, %v", a, err)
	}
	if a, err := s.names.Vouched("", "mary+evil@example.org"); err == nil && a == "mary@example.org" {
		t.Error("whoever may choose that name at the issuer opens her mailbox")
	}
}
