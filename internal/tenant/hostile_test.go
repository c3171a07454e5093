package tenant

import (
	"fmt"
	"strings"
	"testing"
)

// What a stranger made to fill memory ends in a note, and what stood before it is kept.
func TestHostileExportsAreBounded(t *testing.T) {
	const before = "[" + person + ",\n"
	clixml := func(inner string) string {
		return `<Objs xmlns="x"><Obj RefId="0"><Props><S N="id">1</S><S N="userPrincipalName">a@example.org</S><B N="accountEnabled">true</B></Props></Obj>` + "\n" + inner + "</Objs>"
	}
	for _, c := range []struct {
		name, file, content, says string
		line                      int
	}{
		{"an object of millions of parts", "users.json", before + `{"id":"2","x":[` + strings.Repeat("1,", maxValues) + "1]}]", "more than 1048576 parts", 2},
		{"brackets without end", "users.json", before + strings.Repeat(`{"a":`, 1000), "deeper", 2},
		{"a row without end", "users.csv", "id,userPrincipalName,accountEnabled\n1,a@example.org,True\n\"" + strings.Repeat("x", maxRow+1), "larger than 4 MB", 3},
		{"columns without end", "users.csv", "id,userPrincipalName,accountEnabled\n1,a@example.org,True\n" + strings.Repeat(",", maxColumns), "more than 1024 cells", 3},
		{"a text without end", "users.xml", clixml(`<Obj RefId="1"><Props><S N="id">` + strings.Repeat("x", maxRow+128<<10) + "</S></Props></Obj>"), "larger than 4 MB", 2},
		{"a tag without end", "users.xml", clixml(`<Obj RefId="` + strings.Repeat("x", maxRow+128<<10) + `"></Obj>`), "larger than 4 MB", 0},
		{"an object of millions of parts in XML", "users.xml", clixml(`<Obj RefId="1"><Props>` + strings.Repeat("<Nil/>", maxXMLNodes) + "</Props></Obj>"), "more than", 2},
		{"elements without end", "users.xml", clixml(strings.Repeat("<Obj><LST>", 200)), "deeper", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := read(t, map[string]string{c.file: c.content})
			noted(t, got, c.file, c.line, c.says)
			if len(got.People) != 1 {
				t.Errorf("%d people were kept", len(got.People))
			}
		})
	}
}

func TestLongTextsAreCut(t *testing.T) {
	long := strings.Repeat("ü", maxText)
	got := read(t, map[string]string{"users.json": `[{"id":"1","userPrincipalName":"` + long + `","accountEnabled":true}]`,
		"signIns.json": `[{"id":"1","createdDateTime":"2026-11-20T09:00:00Z","clientAppUsed":"IMAP4","userAgent":"` + long + `"},{"id":"2","createdDateTime":"2026-11-20T09:00:00Z","clientAppUsed":"IMAP4","userAgent":"` + long + `x"}]`})
	if n := len(got.People[0].UPN); n != maxText {
		t.Errorf("a name of %d bytes is kept", n)
	}
	for s := range got.SignIns.All() {
		if n := len(s.UserAgent); n != maxText {
			t.Errorf("a user agent of %d bytes is kept", n)
		}
	}
}

func TestManyNotesAreCounted(t *testing.T) {
	got := read(t, map[string]string{"users.json": "[" + strings.TrimSuffix(strings.Repeat("{\"accountEnabled\":true,\"userPrincipalName\":null},\n", 1000), ",\n") + "]"})
	if len(got.Notes) != maxFileNotes+1 || !strings.Contains(got.Notes[maxFileNotes].Text, "900 more notes") {
		t.Errorf("%d notes, the last %q", len(got.Notes), got.Notes[len(got.Notes)-1].Text)
	}
}

// Refs to objects of Refs to objects say much in few bytes: what they stand for
// is counted as if it stood there.
func TestRefsOfRefsDoNotGrow(t *testing.T) {
	var b strings.Builder
	b.WriteString(`<Objs xmlns="x"><Obj RefId="0"><Props><S N="Id">11111111-1111-1111-1111-111111111111</S><S N="DisplayName">x</S><S N="State">enabled</S><Obj N="a" RefId="100"><LST><S>All</S><S>All</S></LST></Obj>`)
	for i := range 4 {
		fmt.Fprintf(&b, `<Obj N="a" RefId="%d"><LST>%s</LST></Obj>`, 101+i, strings.Repeat(fmt.Sprintf(`<Ref RefId="%d"/>`, 100+i), 30))
	}
	b.WriteString(`<Obj N="Conditions" RefId="300"><Props><Obj N="Users" RefId="301"><Props><Ref N="IncludeUsers" RefId="104"/></Props></Obj></Props></Obj></Props></Obj></Objs>`)
	got := read(t, map[string]string{"policies.xml": b.String()})
	if len(got.Policies) != 1 || len(got.Policies[0].Raw) > 64<<10 {
		t.Errorf("%d policies", len(got.Policies))
		for _, p := range got.Policies {
			t.Errorf("of %d bytes, out of %d", len(p.Raw), b.Len())
		}
	}
}
