package store

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

var update = flag.Bool("update", false, "write a golden file that is not there yet")

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

var testTime = time.Date(2026, 3, 4, 9, 30, 15, 123456789, time.UTC)

// fullEvent has every member set; what it holds stands in the golden file and
// must not change.
func fullEvent() signin.Event {
	yes := true
	id := signin.ID{1, 0x92, 0xf0, 0xc4, 0x7c, 0x1e, 0x7a, 0xaa, 0x8f, 0x3b, 0x2d, 0x1c, 0x4b, 0x5a, 0x69, 0x78}
	d := &policy.Device{DeviceID: "d1", DisplayName: "Leela's", EnrollmentProfileName: "e", Manufacturer: "Planet Express", Model: "Ship",
		OperatingSystem: "Linux", OperatingSystemVersion: "6", MDMAppID: "m", DeviceOwnership: "Company", ProfileType: "RegisteredDevice",
		TrustType: "AzureAD", IsCompliant: &yes, PhysicalIDs: []string{"[a]"}, SystemLabels: []string{"x", ""}}
	d.ExtensionAttributes[0], d.ExtensionAttributes[14] = "first", "last"
	return signin.Event{
		ID: id, At: testTime, Last: testTime.Add(time.Hour), Count: 17, Correlation: signin.ID{9: 1}, Source: "gate", Observed: true,
		Typed: "Leela@Example.org", Mechanism: "LOGIN",
		Facts: policy.Facts{At: testTime.Add(-time.Millisecond), Person: "0192f0c4-7c1e-7aaa-8f3b-2d1c4b5a6978", Address: "leela@example.org",
			Domain: "example.org", Guest: policy.OtherExternalUser, Groups: []string{"0192f0c4-7c1e-7aaa-8f3b-2d1c4b5a6979", "a name", "\x00odd", "\x01odder"},
			Roles: []string{"62e90394-69f5-4237-9190-012177145e10"}, Protocol: protocol.Submission, Credential: policy.CredentialAppPassword, Mechanism: "PLAIN",
			Addr: netip.MustParseAddr("2001:db8::7"), ViaWebmail: true, Country: "DE", ASN: 4200000000, Platform: policy.PlatformMacOS,
			Program: "Apple Mail", ProgramVersion: "16.0", ProgramConfidence: 85, KnownNetwork: true, Proven: true,
			Methods: policy.MethodPassword | policy.MethodBoundAppPassword, AuthTime: testTime.Add(-90 * time.Minute), Flow: policy.DeviceCodeFlow, Device: d},
		Verdict: policy.Verdict{Effect: policy.Interrupt, Stage: policy.StageConditionalAccess, By: "0192f0c4-7c1e-7aaa-8f3b-2d1c4b5a6970", Code: 50076,
			Version: 1 << 40, Until: testTime.Add(12 * time.Hour)},
		Applied: policy.Bits{Applied: []uint64{1, 1 << 63}, Satisfied: []uint64{0, 5}, Interrupted: []uint64{7}, Unknown: []uint64{0}},
		Code:    signin.BlockedByPolicy, Detail: "why, at length",
		Steps:    []signin.Step{{Name: signin.StepWho, Result: "known", Took: 1234}, {Name: signin.StepVerify, Result: "something new", Took: 2 * time.Second}},
		Listener: "submissions", Client: "[2001:db8::7]:40001", Forwarder: "roundcube", NetOwner: "Example Net",
		TLS:     signin.TLS{Version: 0x304, Cipher: 0x1301, ServerName: "mail.example.org", JA4: "t13d1516h2_8daaf6152771_b186095e22b6", Resumed: true, Certificate: []byte{0x30, 1, 2}},
		Hints:   signin.Hints{IMAPID: []signin.Pair{{Key: "name", Value: "Mail"}, {Key: "", Value: "x"}}, EHLO: "[192.0.2.1]", UserAgent: "UA/1"},
		Backend: "dovecot-1", Methods: policy.MethodPassword,
	}
}

// typicalEvent is what a day's log is full of.
func typicalEvent() signin.Event {
	e := fullEvent()
	e.Facts.Device, e.Facts.Roles, e.Facts.Guest, e.Observed, e.Forwarder = nil, nil, 0, false, ""
	e.Facts.Groups = e.Facts.Groups[:1]
	e.Verdict = policy.Verdict{Effect: policy.Allow, Version: 12}
	e.Code, e.Detail, e.TLS.Certificate, e.Methods, e.Mechanism = 0, "", nil, e.Facts.Methods, "PLAIN"
	e.Hints = signin.Hints{IMAPID: []signin.Pair{{Key: "name", Value: "Thunderbird"}, {Key: "version", Value: "128.3.1"}}}
	e.Steps = nil
	for _, n := range []signin.StepName{signin.StepWho, signin.StepGuard, signin.StepPreauth, signin.StepVerify, signin.StepEvaluate} {
		e.Steps = append(e.Steps, signin.Step{Name: n, Result: "allow", Took: 34_567})
	}
	bits := make([]uint64, 16) // 1,000 policies
	bits[3], bits[9] = 1<<17, 1<<60
	e.Applied = policy.Bits{Applied: bits, Satisfied: bits, Interrupted: make([]uint64, 16), Unknown: make([]uint64, 16)}
	return e
}

func TestAnEventComesBackAsItWas(t *testing.T) {
	bare := signin.Event{ID: fullEvent().ID}
	nameless := fullEvent()
	nameless.Mechanism, nameless.Client, nameless.Facts.Addr, nameless.Verdict.Code = "", "pipe", netip.Addr{}, 0
	before := fullEvent()
	before.At = time.Date(1969, 1, 1, 0, 0, 0, 1, time.UTC)
	delegate := fullEvent()
	delegate.Grant = "apppw:k3x9"
	delegate.Facts.Key = "2fc0579f-8113-47ea-b116-bb5a8db9202a"
	delegate.Actor, delegate.Facts.Mailbox, delegate.Facts.MailboxGroups = "fry@example.org", "0192f0c4-7c1e-7aaa-8f3b-2d1c4b5a6971", []string{"a name"}
	for name, want := range map[string]signin.Event{"delegate": delegate, "full": fullEvent(), "typical": typicalEvent(), "bare": bare, "nameless": nameless, "before 1970": before} {
		got, err := ReadEvent(AppendEvent([]byte("x"), &want)[1:])
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, got, sameAddr); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestAnEventOfTheFirstFormatStaysReadable(t *testing.T) {
	path := filepath.Join("testdata", "event-v1.golden")
	want := fullEvent()
	if _, err := os.Stat(path); *update && os.IsNotExist(err) {
		if err := os.WriteFile(path, []byte(hex.Dump(AppendEvent(nil, &want))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dump, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var blob []byte
	for line := range strings.Lines(string(dump)) {
		if len(line) < 60 {
			break
		}
		b, err := hex.DecodeString(strings.ReplaceAll(line[8:58], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		blob = append(blob, b...)
	}
	got, err := ReadEvent(blob)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, sameAddr); d != "" {
		t.Error(d)
	}
}

func TestWhatANewerProgramWroteIsPassedOver(t *testing.T) {
	want := typicalEvent()
	b := AppendEvent(nil, &want)
	b = binary.AppendUvarint(b, 900<<1)
	b = binary.AppendUvarint(b, 5)
	b = binary.AppendUvarint(b, 901<<1|1)
	b = append(binary.AppendUvarint(b, 3), "new"...)
	got, err := ReadEvent(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, sameAddr); d != "" {
		t.Error(d)
	}
	e := encoder{[]byte{blobVersion}}
	e.always(tagPlatform, 300)              // a platform that does not fit
	e.always(tagMechanism, 1_000_000)       // a word that is not known here
	e.textAlways(tagProtocol, "telepathy")  // a protocol likewise
	e.textAlways(tagCredential, "passwish") // and a credential
	if got, err = ReadEvent(e.b); err != nil {
		t.Fatal(err)
	}
	if f := got.Facts; f.Platform != policy.PlatformUnknown || f.Mechanism != "" || f.Protocol != protocol.Unknown || f.Credential != policy.CredentialUnknown {
		t.Errorf("%+v", f)
	}
	if _, err := ReadEvent([]byte{blobVersion + 1, 2, 2}); err == nil {
		t.Error("a blob of another version was read")
	}
}

func TestATypicalBlobIsSmall(t *testing.T) {
	e := typicalEvent()
	if n := len(appendFacts(nil, &e)); n > 300 {
		t.Errorf("%d bytes", n)
	} else {
		t.Logf("%d bytes with 1,000 policies", n)
	}
}

func TestWhatStrangersMakeLongIsCut(t *testing.T) {
	e := signin.Event{}
	long := strings.Repeat("ü", 100_000)
	e.Typed, e.Detail, e.Listener, e.Hints.EHLO, e.Hints.UserAgent, e.Facts.Address, e.TLS.ServerName = long, long, long, long, long, long, long
	for range 1000 {
		e.Hints.IMAPID = append(e.Hints.IMAPID, signin.Pair{Key: long, Value: long})
		e.Steps = append(e.Steps, signin.Step{Name: signin.StepName(long), Result: long})
	}
	e.TLS.Certificate = make([]byte, 100_000)
	b := AppendEvent(nil, &e)
	if len(b) > 40_000 {
		t.Errorf("%d bytes", len(b))
	}
	got, err := ReadEvent(b)
	if err != nil || got.Detail != strings.Repeat("ü", maxText/2) {
		t.Errorf("%d bytes of detail, %v", len(got.Detail), err)
	}
}

func TestDamagedBlobsAreErrorsAndNothingWorse(t *testing.T) {
	e := fullEvent()
	whole := AppendEvent(nil, &e)
	refused := 0
	read := func(b []byte) {
		_, err := ReadEvent(b)
		if err != nil && !errors.Is(err, errBlob) {
			t.Errorf("%x: %v", b, err)
		}
		if err != nil {
			refused++
		}
	}
	for i := range whole {
		read(whole[:i])
		b := bytes.Clone(whole)
		b[i] ^= byte(1 + rand.IntN(255))
		read(b)
	}
	if refused < len(whole)/2 { // a field may be cut off or changed and still be one
		t.Errorf("%d of %d damaged blobs are refused", refused, 2*len(whole))
	}
}

func FuzzReadEvent(f *testing.F) {
	for _, e := range []signin.Event{fullEvent(), typicalEvent(), {}} {
		f.Add(AppendEvent(nil, &e))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ReadEvent(b)
		if err != nil {
			return
		}
		// What can be read can be written, and is then the same for good.
		once := AppendEvent(nil, &e)
		e2, err := ReadEvent(once)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if twice := AppendEvent(nil, &e2); !bytes.Equal(once, twice) {
			t.Errorf("written twice, it differs:\n%x\n%x", once, twice)
		}
	})
}

func BenchmarkAppendEvent(b *testing.B) {
	e := typicalEvent()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendEvent(buf[:0], &e)
	}
}

func BenchmarkReadEvent(b *testing.B) {
	e := typicalEvent()
	blob := AppendEvent(nil, &e)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadEvent(blob); err != nil {
			b.Fatal(err)
		}
	}
}
