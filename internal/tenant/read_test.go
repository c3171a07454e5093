package tenant

import (
	"os"
	"testing"
)

func TestExamples(t *testing.T) {
	got, err := Read(os.DirFS("testdata/examples"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range got.Files {
		t.Logf("%+v", f)
	}
	for _, n := range got.Notes {
		t.Logf("%+v", n)
	}
	for s := range got.SignIns.All() {
		t.Logf("%+v", s)
	}
	t.Logf("%+v", got.Mailboxes)
}
