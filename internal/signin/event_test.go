package signin

import (
	"testing"

	"github.com/portreeve/portreeve/internal/policy"
)

// Every sign-in ends in one way, which is a word that can be asked for.
func TestEveryEndingHasAWord(t *testing.T) {
	ended := func(c Code, effect policy.Effect, proven bool, mechanism string) Ending {
		e := &Event{Code: c, Mechanism: mechanism, Verdict: policy.Verdict{Effect: effect}}
		e.Facts.Proven = proven
		return e.Ending()
	}
	for name, got := range map[string][2]Ending{
		"let in":                              {ended(OK, policy.Allow, true, "PLAIN"), EndAllowed},
		"a wrong password":                    {ended(WrongCredentials, policy.Allow, false, "PLAIN"), EndRefused},
		"blocked":                             {ended(BlockedByPolicy, policy.Block, true, "PLAIN"), EndRefused},
		"a mail program that cannot be asked": {ended(MFARequired, policy.Block, true, "PLAIN"), EndRefused},
		"a browser that can":                  {ended(MFARequired, policy.Interrupt, true, "portal"), EndInterrupted},
		"a second factor that was registered": {ended(FactorNeeded, policy.Interrupt, true, "portal"), EndInterrupted},
		"a newer proof":                       {ended(SignInTooOld, policy.Interrupt, true, AuthorizationCode), EndInterrupted},
		"terms of use":                        {ended(TermsOfUseNeeded, policy.Interrupt, true, "portal"), EndInterrupted},
		"asked elsewhere, in a past log":      {ended(FactorNeeded, policy.Allow, false, ""), EndInterrupted},
		"asked, with nothing proven":          {ended(WrongCredentials, policy.Interrupt, false, "portal"), EndRefused},
		"a service that nobody can ask":       {ended(MFARequired, policy.Interrupt, true, ClientCredentials), EndRefused},
		"a second factor that was wrong":      {ended(FactorFailed, policy.Interrupt, true, "portal"), EndRefused},
		"our own fault":                       {ended(InternalFault, policy.Allow, false, "PLAIN"), EndTrouble},
	} {
		if got[0] != got[1] {
			t.Errorf("%s ended %s, want %s", name, got[0], got[1])
		}
	}
	for _, word := range Endings() {
		if e, ok := ParseEnding(word); !ok || e.String() != word {
			t.Errorf("%s reads as %v, %v", word, e, ok)
		}
	}
	for _, word := range []string{"", "any", "refuse"} {
		if e, ok := ParseEnding(word); ok {
			t.Errorf("%q reads as %v", word, e)
		}
	}
}

// A program's name comes back from the log as it was, whatever it holds.
func TestForClientNamesTheProgram(t *testing.T) {
	for _, name := range []string{"Thunderbird", `Quoted "mail": program`, "Größe", ""} {
		for _, why := range []string{"", "it is at 192.0.2.1"} {
			e := Event{Detail: ForClient(name, why)}
			if got, ok := e.ForClient(); !ok || got != name {
				t.Errorf("%s: %q, %v", e.Detail, got, ok)
			}
		}
	}
	for _, detail := range []string{"", "client", "client Thunderbird", "the mail server is away"} {
		if got, ok := (&Event{Detail: detail}).ForClient(); ok {
			t.Errorf("%q names %q", detail, got)
		}
	}
}
