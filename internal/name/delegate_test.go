package name

import "testing"

func TestDelegated(t *testing.T) {
	site := Rules{DefaultDomain: "example.org", NTDomains: map[string]string{"CORP": "example.org"}}
	for _, c := range []struct{ typed, person, mailbox string }{
		{`mary@example.org\sales@example.org`, "mary@example.org", "sales@example.org"},
		{`mary@example.net\sales`, "mary@example.net", "sales@example.net"},
		{`mary\sales`, "mary", "sales@example.org"},
		{`CORP\mary\sales`, `CORP\mary`, "sales@example.org"},
		{`mary@example.org＼sales`, "mary@example.org", "sales@example.org"}, // full width
		{"mary@example.org/sales@example.org", "mary@example.org", "sales@example.org"},
		{"CORP/mary/sales", `CORP\mary`, "sales@example.org"},
		{"sales@example.org*imapsync", "imapsync", "sales@example.org"},
		// These name one, or nobody.
		{`CORP\mary`, "", ""},
		{`example.net\mary`, "", ""},
		{"CORP/mary", "", ""},
		{"mary@example.org", "", ""},
		{`\mary`, "", ""},
		{`mary\`, "", ""},
		{"a*b*c", "", ""},
		{"*", "", ""},
		{"/", "", ""},
		{"", "", ""},
	} {
		person, mailbox, ok := site.Delegated(c.typed)
		if person != c.person || mailbox != c.mailbox || ok != (c.person != "") {
			t.Errorf("%q: %q opens %q, %v", c.typed, person, mailbox, ok)
		}
	}
	site.Separators = "/"
	if _, _, ok := site.Delegated("mary@example.org/sales"); ok {
		t.Error("a separator of the mail server's is taken for ours")
	}
}

// Whatever is typed, what comes out of both steps holds nothing that a mail
// server would take for a second name.
func FuzzDelegated(f *testing.F) {
	for _, s := range []string{`mary@example.org\sales`, "a*b", "a/b/c", `\\`, "＊", "a\\b*c", "x@y/z@w"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		r := Rules{DefaultDomain: "example.org", NTDomains: map[string]string{"CORP": "example.org"}, Detail: "+"}
		person, mailbox, ok := r.Delegated(typed)
		if !ok {
			return
		}
		for _, part := range []string{person, mailbox} {
			a, err := r.Canonical(part)
			if err != nil {
				continue
			}
			for _, bad := range `*%\/` {
				for _, c := range a.Full {
					if c == bad {
						t.Fatalf("%q became %q", typed, a.Full)
					}
				}
			}
		}
	})
}
