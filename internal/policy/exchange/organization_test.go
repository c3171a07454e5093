package exchange

import (
	"strings"
	"testing"
)

func TestOrganizationSettings(t *testing.T) {
	for text, want := range map[string]string{
		`{"MapiHttpEnabled": true, "ewsEnabled": null, "DefaultAuthenticationPolicy": "Block basic", "Name": "x"}`: "- yes Block basic",
		"\"Name\",\"EwsEnabled\",\"MapiHttpEnabled\",\"DefaultAuthenticationPolicy\"\r\n\"x\",\"False\",,\r\n":     "no - ",
		"#TYPE x\r\n\"SmtpClientAuthenticationDisabled\"\r\n\"True\"\r\n":                                          "- - ",
	} {
		o, err := ReadOrganization(strings.NewReader(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := word(o.Switches["EwsEnabled"]) + " " + word(o.Switches["MapiHttpEnabled"]) + " " + o.DefaultAuthenticationPolicy; got != want {
			t.Errorf("%q: %s", text, got)
		}
		if _, said := o.Switches["SmtpClientAuthenticationDisabled"]; said != strings.Contains(text, "Smtp") {
			t.Errorf("%q: %v", text, o.Switches)
		}
	}
	for _, bad := range []string{"", "{", `{"EwsEnabled": "maybe"}`, `{"DefaultAuthenticationPolicy": 3}`, "EwsEnabled\nmaybe\n", "EwsEnabled\nTrue\nTrue\n"} {
		if _, err := ReadOrganization(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
