package gate

import (
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/signin"
)

func TestAnOverstepIsWrittenDownUnderTheSignIn(t *testing.T) {
	h, g := open(policies())
	a := attempt()
	a.Correlation = NewID(a.At)
	o := g.SignIn(t.Context(), a, password("mary@example.org", "right"))
	if !o.Allowed() {
		t.Fatal(o.Code)
	}
	r := g.Overstep(o, signin.AppPasswordSender, "envelope sender <boss@example.org>")
	if len(h.refusal) != 1 {
		t.Fatalf("%d refusals are written down", len(h.refusal))
	}
	e := h.refusal[0]
	if e.Code != signin.AppPasswordSender || e.Facts.Person != "mary" || e.Correlation != o.Correlation || e.ID == o.Attempt.ID || e.Detail == "" ||
		e.Succeeded() || len(e.Steps) != 1 || e.Steps[0].Name != signin.StepSend {
		t.Errorf("written down is %+v", e)
	}
	if !strings.HasPrefix(r.Text, "PR1073 ") || !strings.Contains(r.Text, string(e.ID.Reference())) {
		t.Errorf("told is %q", r.Text)
	}
}
