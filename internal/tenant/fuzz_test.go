package tenant

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// seeds are all files of testdata.
func seeds(f *testing.F, ending ...string) {
	f.Helper()
	err := fs.WalkDir(os.DirFS("testdata"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		for _, e := range ending {
			if strings.HasSuffix(name, e) {
				b, err := os.ReadFile("testdata/" + name)
				if err != nil {
					return err
				}
				f.Add(b)
			}
		}
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
}

// told checks what holds of any export: files and notes stand where they say.
func told(t *testing.T, name string, b []byte) {
	got, err := Read(fstest.MapFS{name: {Data: b}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Files) != 1 || got.SignIns == nil {
		t.Fatalf("read %+v", got.Files)
	}
	f := got.Files[0]
	if f.Kind == "" && len(got.Notes) == 0 {
		t.Error("a file was not read, and nothing says so")
	}
	kept := len(got.Policies) + len(got.Locations) + len(got.Strengths) + len(got.People) + len(got.Groups) + len(got.Roles) + len(got.Registrations) + got.SignIns.Len() +
		len(got.AuthPolicies) + len(got.ExchangeUsers) + len(got.ClientRules) + len(got.DeviceRules) + len(got.MobileDevices)
	if kept > f.Count {
		t.Errorf("%d objects were kept, and %d are told of", kept, f.Count)
	}
	for s := range got.SignIns.All() {
		if s.Time.IsZero() {
			t.Errorf("a sign-in without a time: %+v", s)
		}
	}
}

func FuzzJSON(f *testing.F) {
	seeds(f, ".json")
	f.Add([]byte(`[{"value":[{"id":"1"}],"x":"\u0041\\"}]{"records":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		told(t, "x.json", b)
		// What is valid JSON and no page is cut out as it stands.
		var o map[string]any
		if json.Unmarshal(b, &o) != nil || o == nil {
			return
		}
		if _, page := o["value"]; page {
			return
		}
		if _, page := o["records"]; page {
			return
		}
		n := 0
		if err := newJSONStream(bytes.NewReader(b)).records(func(raw []byte, _ int) error {
			n++
			if !json.Valid(raw) {
				t.Errorf("cut out %q", raw)
			}
			return nil
		}); err == nil && n != 1 {
			t.Errorf("%d records in %q", n, b)
		}
	})
}

func FuzzCSV(f *testing.F) {
	seeds(f, ".csv")
	f.Add([]byte("sep=;\nName;PrimarySmtpAddress;ImapEnabled\n\"a\"\"b\";c;True\n"))
	f.Fuzz(func(t *testing.T, b []byte) { told(t, "CASMailbox.csv", b); told(t, "signins.csv", b) })
}

func FuzzCLIXML(f *testing.F) {
	seeds(f, ".xml", ".clixml")
	f.Fuzz(func(t *testing.T, b []byte) { told(t, "x.clixml", b) })
}

func FuzzTime(f *testing.F) {
	for _, s := range []string{"9/14/2026, 6:41:12 AM", "/Date(1789368072000)/", "14.09.2026 06:41", "2026-09-14T06:41:12Z", "0/0/0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, order := range []dateOrder{monthFirst, dayFirst} {
			if at := parseTime(s, order); !at.IsZero() && !inRange(at) && at.Year() != 2200 && at.Year() != 1970 {
				t.Errorf("%q is read as %v", s, at)
			}
		}
	})
}
