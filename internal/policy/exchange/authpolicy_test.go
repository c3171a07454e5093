package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/protocol"
)

func readPolicies(t *testing.T, raw []byte) []*AuthenticationPolicy {
	t.Helper()
	all, err := ReadAuthenticationPolicies(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAuthenticationPoliciesAreWrittenAsTheyWereRead(t *testing.T) {
	raw := sample(t, "authpolicy-ps7.json")
	if got := WriteAuthenticationPolicies(readPolicies(t, raw)); !bytes.Equal(got, raw) {
		t.Errorf("became\n%s", got)
	}
	var want, got bytes.Buffer
	ps5 := bytes.TrimPrefix(sample(t, "authpolicy-ps5.json"), []byte(bomUTF8))
	if err := errors.Join(json.Compact(&want, ps5), json.Compact(&got, readPolicies(t, ps5)[0].JSON())); err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Errorf("became\n%s", got.String())
	}
}

func TestAuthenticationPolicySwitches(t *testing.T) {
	ps7, ps5 := readPolicies(t, sample(t, "authpolicy-ps7.json")), readPolicies(t, sample(t, "authpolicy-ps5.json"))
	csv := readPolicies(t, sample(t, "authpolicy.csv"))
	wide := readPolicies(t, form{UTF16LE, true}.encode(string(sample(t, "authpolicy-ps7.json"))))
	for _, c := range []struct {
		p                *AuthenticationPolicy
		on               protocol.Protocol
		password, modern string
	}{
		{ps7[0], protocol.IMAP, "yes", "-"},
		{ps7[0], protocol.POP3, "no", "-"},
		{ps7[0], protocol.Submission, "yes", "-"},
		{ps7[0], protocol.EWS, "no", "-"},
		{ps7[0], protocol.Sieve, "-", "-"},
		{ps7[0], protocol.Webmail, "-", "-"},
		{ps7[1], protocol.IMAP, "no", "-"},
		{ps7[1], protocol.POP3, "-", "-"},
		{wide[0], protocol.IMAP, "yes", "-"},
		{ps5[0], protocol.IMAP, "no", "yes"},
		{ps5[0], protocol.POP3, "no", "no"},
		{ps5[0], protocol.EWS, "yes", "-"},
		{csv[0], protocol.IMAP, "yes", "-"},
		{csv[0], protocol.POP3, "no", "-"},
		{csv[0], protocol.Submission, "-", "-"},
	} {
		if got := word(c.p.Password(c.on)); got != c.password {
			t.Errorf("%s, %s: password %s", c.p.Name, c.on, got)
		}
		if got := word(c.p.Modern(c.on)); got != c.modern {
			t.Errorf("%s, %s: modern %s", c.p.Name, c.on, got)
		}
	}
	if ps7[0].ID != "cc100000-0000-4000-8000-000000000001" || ps5[0].Name != "Block Legacy Auth" || csv[0].Name != "Scanners" {
		t.Error("names")
	}
}

func TestTheFamilyThatRefusesWins(t *testing.T) {
	for _, c := range []struct {
		allow, block bool
		want         string
	}{{true, false, "yes"}, {true, true, "no"}, {false, false, "no"}, {false, true, "no"}} {
		p := NewAuthenticationPolicy("1", "x", map[string]bool{"AllowBasicAuthImap": c.allow, "BlockLegacyAuthImap": c.block})
		if got := word(p.Password(protocol.IMAP)); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestSetChangesOneMember(t *testing.T) {
	raw := string(sample(t, "authpolicy-ps7.json"))
	all := readPolicies(t, []byte(raw))
	no := false
	if err := errors.Join(all[0].Set("allowbasicauthimap", &no), all[1].Set("BlockModernAuthSieve", nil)); err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(raw, `"AllowBasicAuthImap": true`, `"AllowBasicAuthImap": false`, 1)
	want = strings.Replace(want, "000000000002\"\n", "000000000002\",\n    \"BlockModernAuthSieve\": null\n", 1)
	if got := string(WriteAuthenticationPolicies(all)); got != want {
		t.Errorf("became\n%s", got)
	}
	if all[0].Set("AllowBasicAuthFax", &no) == nil {
		t.Error("an unknown switch was set")
	}
}

func TestAuthenticationPoliciesAsCSV(t *testing.T) {
	c, err := AuthenticationPoliciesCSV(readPolicies(t, sample(t, "authpolicy-ps5.json")))
	if err != nil {
		t.Fatal(err)
	}
	again := readPolicies(t, c.Bytes())
	if len(again) != 1 || len(again[0].Switches) != 10 || word(again[0].Modern(protocol.POP3)) != "no" {
		t.Errorf("%s", c.Bytes())
	}
}

func TestFaultyAuthenticationPolicies(t *testing.T) {
	for text, want := range map[string]Error{
		"[{\n  \"Name\": \"x\",\n  \"AllowBasicAuthImap\": \"perhaps\"\n}]": {Line: 3, Column: 34, Field: "AllowBasicAuthImap"},
		"{\n\"Name\": \"x\", \"name\": \"y\"}":                              {Line: 2, Column: 20, Field: "name"},
		"{\"AllowBasicAuthImap\": true}":                                    {Line: 1, Column: 29, Field: "Name"},
		"[{\"Name\": \"x\"}":                                                {Line: 1, Column: 15},
		"{\"Name\": \"x\"} {}":                                              {Line: 1, Column: 16},
		"[3]":                                                               {Line: 1, Column: 3},
		"{\"Name\": 3}":                                                     {Line: 1, Column: 11, Field: "Name"},
		"Name,AllowBasicAuthImap\r\nx,perhaps\r\n":                          {Line: 2, Column: 3, Field: "AllowBasicAuthImap"},
		"Identity,AllowBasicAuthImap\r\nx,True\r\n":                         {Line: 1, Field: "Name"},
	} {
		_, err := ReadAuthenticationPolicies(strings.NewReader(text))
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if e.Line != want.Line || e.Column != want.Column || e.Field != want.Field {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzReadAuthenticationPolicies(f *testing.F) {
	for _, name := range []string{"authpolicy-ps7.json", "authpolicy-ps5.json", "authpolicy.csv"} {
		f.Add(sample(f, name))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		all, err := ReadAuthenticationPolicies(bytes.NewReader(raw))
		if err != nil {
			return
		}
		again, err := ReadAuthenticationPolicies(bytes.NewReader(WriteAuthenticationPolicies(all)))
		if err != nil || len(again) != len(all) {
			t.Fatalf("%q: %v", raw, err)
		}
	})
}
