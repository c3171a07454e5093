package admin_test

import (
	"encoding/json"
	"strings"
	"testing"
)

const importPath = "/portreeve/v1/people/import"

// answer is want as text.
func (o *office) answer(status int, method, path, body string) []byte {
	o.t.Helper()
	got, b := o.do(method, path, body)
	if got != status {
		o.t.Fatalf("%s %s: %d instead of %d: %s", method, path, got, status, b)
	}
	return b
}

func (o *office) person(address string) (p struct {
	DisplayName string
	Disabled    bool
	SecretKind  string
	Aliases     []string
	Groups      []string
}) {
	o.t.Helper()
	if err := json.Unmarshal(o.answer(200, "GET", "/portreeve/v1/people/"+address, ""), &p); err != nil {
		o.t.Fatal(err)
	}
	return p
}

func TestAListOfPeople(t *testing.T) {
	o := open(t, "")
	o.want(201, "POST", "/portreeve/v1/groups", `{"name": "Sales"}`)
	o.want(201, "POST", "/portreeve/v1/people", `{"address": "anna@example.org", "displayName": "Anna"}`)
	file := "\ufeffAddress;DisplayName;passwordhash;groups;aliases;disabled\r\n" +
		"mary;Mary;{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0;\"Sales\";\"m@example.org;mm@example.org\";no\r\n" +
		"ANNA@example.org;;;sales;;TRUE\r\n"
	dry := string(o.answer(200, "POST", importPath+"?dryRun=true", file))
	if !strings.Contains(dry, `"added":1,"changed":1,"unchanged":0`) {
		t.Errorf("tried: %s", dry)
	}
	o.want(404, "GET", "/portreeve/v1/people/mary@example.org", "")
	if done := string(o.answer(200, "POST", importPath, file)); !strings.Contains(done, `"rows":2,"added":1,"changed":1`) {
		t.Errorf("done: %s", done)
	}
	m, a := o.person("mm@example.org"), o.person("anna@example.org")
	if m.DisplayName != "Mary" || m.SecretKind != "imported" || len(m.Aliases) != 2 || len(m.Groups) != 1 || m.Disabled {
		t.Errorf("made %+v", m)
	}
	if a.DisplayName != "Anna" || !a.Disabled || len(a.Groups) != 1 {
		t.Errorf("changed %+v", a)
	}
	if again := string(o.answer(200, "POST", importPath, file)); !strings.Contains(again, `"added":0,"changed":0,"unchanged":2`) {
		t.Errorf("again: %s", again)
	}
	o.want(200, "POST", importPath+"?makeGroups=true", "address,groups\nmary,New;Sales\n")
	if m := o.person("mary@example.org"); len(m.Groups) != 2 {
		t.Errorf("groups %v", m.Groups)
	}
}

// Whatever is wrong with a list is told with its line, all of it, and nothing
// is changed.
func TestABadListOfPeopleChangesNothing(t *testing.T) {
	o := open(t, "")
	o.want(201, "POST", "/portreeve/v1/people", `{"address": "anna@example.org", "addAliases": ["a@example.org"]}`)
	for what, c := range map[string]struct {
		file string
		says []string
	}{
		"several": {"address,groups,aliases,disabled,passwordHash,backend\n" +
			"first@example.org,,k@example.org,,,\n" + // good
			"no name,,,,,\n" +
			"b@example.org,None,,,,\n" +
			"c@example.org,,a@example.org,,,\n" +
			"d@example.org,,,perhaps,,\n" +
			"e@example.org,,,,{NONE}x,\n" +
			"f@example.org,,,,,nowhere\n" +
			"first@example.org,,,,,\n" +
			"k@example.org,,,,,\n" +
			"\"g@example.org\",,\"h@example.org;\n i j\",,,\n" +
			"last*@example.org,,,,,\n",
			[]string{"line 3: ", "line 4: there is no group \\\"None\\\"", "line 5: a@example.org is anna@example.org's already", "line 6: disabled is true or false", "line 7: ", "line 8: there is no backend", "line 9: first@example.org stands in line 2 already",
				"line 10: k@example.org is another address of first@example.org", "line 11: ", "line 13: "}},
		"no header":        {"mary@example.org,Mary\n", []string{"there is no column"}},
		"misspelt column":  {"address,displayname,grups\n", []string{"grups", "groups"}},
		"column twice":     {"address,Address\n", []string{"twice"}},
		"no address":       {"displayName\nMary\n", []string{"no column address"}},
		"too many cells":   {"address,disabled\nfirst@example.org,no,no\n", []string{"line 2 has 3 cells"}},
		"a stray quote":    {"address,displayName\nfirst@example.org,a \"b\"\n", []string{"line 2"}},
		"an open quote":    {"address,displayName\nfirst@example.org,\"b\n", []string{"line 2"}},
		"another encoding": {"address,displayName\nfirst@example.org,M\xfcller\n", []string{"UTF-8"}},
		"nothing":          {"", []string{"first line"}},
	} {
		answer := string(o.answer(400, "POST", importPath, c.file))
		for _, s := range c.says {
			if !strings.Contains(answer, s) {
				t.Errorf("%s: %q is not said: %s", what, s, answer)
			}
		}
		o.want(404, "GET", "/portreeve/v1/people/first@example.org", "")
	}
	if list := string(o.answer(200, "GET", "/portreeve/v1/people", "")); strings.Count(list, `"address"`) != 1 {
		t.Errorf("people there are: %s", list)
	}
}
