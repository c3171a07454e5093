package alarm

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

var root = store.Actor{UID: 0, Name: "root"}

// post is what a receiver got.
type post struct {
	header http.Header
	body   string
}

// desk is a service, its store and a receiver that answers as it is told.
type desk struct {
	t *testing.T
	*Service
	s       *store.Store
	answers []int // 200 when they are used up
	mu      sync.Mutex
	got     []post
	faults  []string
	now     []Condition
	url     string
	dir     string
}

func sit(t *testing.T) *desk {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Options{Dir: dir})
	check(t, err)
	t.Cleanup(func() { _ = s.Close() })
	box, err := secret.OpenBox(filepath.Join(dir, "key"))
	check(t, err)
	d := &desk{t: t, s: s, dir: dir}
	d.Service = New(Options{Store: s, Box: box, Version: "test", Now: func(context.Context) []Condition { return d.now },
		Fault: func(what string, err error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.faults = append(d.faults, what+": "+err.Error())
		}})
	receiver := httptest.NewServer(d)
	t.Cleanup(receiver.Close)
	d.url = receiver.URL
	return d
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.got = append(d.got, post{r.Header, string(body)})
	code := http.StatusOK
	if len(d.answers) > 0 {
		code, d.answers = d.answers[0], d.answers[1:]
	}
	if code == http.StatusFound {
		w.Header().Set("Location", d.url+"/elsewhere")
	}
	w.WriteHeader(code)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (d *desk) add(kinds ...string) (secret string) {
	d.t.Helper()
	_, secret, err := d.Add(d.t.Context(), root, "", "ops", d.url+"/hook?token=s3cret", kinds)
	check(d.t, err)
	return secret
}

// round is a look and a round of deliveries, whatever is waited for being due.
func (d *desk) round() {
	d.t.Helper()
	check(d.t, d.look(d.t.Context()))
	check(d.t, d.exclusions(d.t.Context(), time.Now()))
	due, err := d.s.Deliveries(d.t.Context(), store.Waiting, 100)
	check(d.t, err)
	now := time.Now()
	for i := range due {
		due[i].Next = now
		check(d.t, d.s.Write(d.t.Context(), func(tx *store.Tx) error { return tx.PutDelivery(&due[i]) }))
	}
	check(d.t, d.deliver(d.t.Context()))
}

func (d *desk) kinds() (all []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.got {
		var x payload
		check(d.t, json.Unmarshal([]byte(p.body), &x))
		all = append(all, string(x.Type))
	}
	return all
}

func (d *desk) expect(want ...string) {
	d.t.Helper()
	if got := d.kinds(); strings.Join(got, " ") != strings.Join(want, " ") {
		d.t.Fatalf("the receiver heard %q, not %q; faults %q", got, want, d.faults)
	}
}

func putPolicy(text string) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		return tx.PutDocument(&store.Document{ID: "p1", Kind: store.Policy, Name: "Office only", State: "enabled", JSON: json.RawMessage(text)})
	}
}

const office = `{"id": "p1", "displayName": "Office only", "state": "enabled", "conditions": {"users": {"includeUsers": ["All"], "excludeUsers": ["scanner"]}, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["all"]},
	"grantControls": {"operator": "OR", "builtInControls": ["block"]}, "portreeve": {"exclusions": [{"id": "scanner", "owner": "ana", "reason": "old", "expires": %q}]}}`

// Signatures are those that another implementation makes of the same bytes.
func TestWebhooksAreSignedAsTheStandardSays(t *testing.T) {
	d := sit(t)
	signing := d.add()
	target, err := d.Target(t.Context(), "OPS")
	check(t, err)
	check(t, d.Try(t.Context(), target))
	p := d.got[0]
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(signing, "whsec_"))
	check(t, err)
	if len(key) < 24 {
		t.Errorf("the key has %d bytes", len(key))
	}
	cmd := exec.Command("openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", "hexkey:"+hex.EncodeToString(key), "-binary")
	cmd.Stdin = strings.NewReader(p.header.Get("webhook-id") + "." + p.header.Get("webhook-timestamp") + "." + p.body)
	sum, err := cmd.Output()
	check(t, err)
	if want := "v1," + base64.StdEncoding.EncodeToString(sum); p.header.Get("webhook-signature") != want {
		t.Errorf("signature %q, openssl says %q", p.header.Get("webhook-signature"), want)
	}
	if target.Shown != d.url+"/…" {
		t.Errorf("the address is shown as %q", target.Shown)
	}
}

func TestAChangeOfPolicyIsToldOnce(t *testing.T) {
	d := sit(t)
	ctx := store.WithReason(t.Context(), "CHG-1")
	check(t, d.s.Change(ctx, root, "", putPolicy(fmt.Sprintf(office, "2030-01-01")))) // before anybody wanted to hear
	d.add()
	check(t, d.s.Change(ctx, root, "CHG-2", putPolicy(fmt.Sprintf(office, "2031-01-01"))))
	check(t, d.s.Change(store.WithOrigin(t.Context(), store.OriginRevert), store.System, "", putPolicy(fmt.Sprintf(office, "2030-01-01"))))
	d.round()
	d.round()
	d.expect("policy.changed", "policy.reverted")
	if !strings.Contains(d.got[0].body, `"reason":"CHG-2"`) || !strings.Contains(d.got[0].body, `"about":"Office only"`) {
		t.Errorf("told: %s", d.got[0].body)
	}
	if again := New(d.Options); again.look(t.Context()) != nil || again.deliver(t.Context()) != nil || len(d.got) != 2 {
		t.Errorf("after a restart it was told again: %d", len(d.got))
	}
}

func TestWhatDoesNotArriveIsTriedForADayThenReplayed(t *testing.T) {
	d := sit(t)
	d.add(string(PolicyChanged))
	for range len(waits) + 1 {
		d.answers = append(d.answers, http.StatusInternalServerError)
	}
	d.answers[1] = http.StatusFound // is not followed
	check(t, d.s.Change(t.Context(), root, "", putPolicy(fmt.Sprintf(office, "2031-01-01"))))
	for range len(waits) + 3 {
		d.round()
	}
	if len(d.got) != len(waits)+1 {
		t.Fatalf("it was tried %d times", len(d.got))
	}
	ids := map[string]bool{}
	for _, p := range d.got {
		ids[p.header.Get("webhook-id")] = true
	}
	st, err := d.State(t.Context())
	check(t, err)
	if len(ids) != 1 || st.Dead != 1 || st.Waiting != 0 || len(d.faults) != 1 {
		t.Fatalf("%d ids, %+v, %q", len(ids), st, d.faults)
	}
	if n, err := d.Replay(t.Context(), ""); err != nil || n != 1 {
		t.Fatalf("%d replayed, %v", n, err)
	}
	d.round()
	if st, _ := d.State(t.Context()); st.Dead != 0 || st.Waiting != 0 || len(d.got) != len(waits)+2 {
		t.Errorf("after the replay %+v, %d tries", st, len(d.got))
	}
	total := time.Duration(0)
	for _, w := range waits {
		total += w
	}
	if total < 20*time.Hour || total > 30*time.Hour {
		t.Errorf("it is tried for %s", total)
	}
}

func TestAReceiverThatIsGoneIsLeftAlone(t *testing.T) {
	d := sit(t)
	d.add()
	d.answers = []int{http.StatusGone}
	check(t, d.s.Change(t.Context(), root, "", putPolicy(fmt.Sprintf(office, "2031-01-01"))))
	d.round()
	check(t, d.s.Change(t.Context(), root, "", putPolicy(fmt.Sprintf(office, "2032-01-01"))))
	d.round()
	target, err := d.Target(t.Context(), "ops")
	check(t, err)
	if len(d.got) != 1 || !target.Gone {
		t.Errorf("%d posts, gone %v", len(d.got), target.Gone)
	}
}

func TestExclusionsAreToldBeforeAndAfterTheirEnd(t *testing.T) {
	d := sit(t)
	d.add(string(ExclusionExpiring), string(ExclusionExpired))
	now := time.Now()
	check(t, d.s.Change(t.Context(), root, "", putPolicy(fmt.Sprintf(office, now.Add(20*24*time.Hour).UTC().Format(time.RFC3339)))))
	for _, days := range []int{0, 5, 7, 12, 14, 19, 21, 22} {
		check(t, d.exclusions(t.Context(), now.Add(time.Duration(days)*24*time.Hour+time.Minute)))
	}
	check(t, d.deliver(t.Context()))
	all, err := d.s.Deliveries(t.Context(), "", 10)
	check(t, err)
	var got []string
	for i := len(all) - 1; i >= 0; i-- {
		got = append(got, fmt.Sprintf("%s %.0f", all[i].Kind, all[i].At.Sub(now).Hours()/24))
	}
	if want := "exclusion.expiring 7, exclusion.expiring 14, exclusion.expiring 19, exclusion.expired 21"; strings.Join(got, ", ") != want {
		t.Errorf("told %q, not %q", got, want)
	}
}

func TestEveryUseOfAnAccountOfLastResortIsTold(t *testing.T) {
	d := sit(t)
	d.add(string(BreakGlassUsed))
	p := store.Person{Address: "glass@example.org"}
	check(t, d.s.Change(t.Context(), root, "", func(tx *store.Tx) error { return errors.Join(tx.AddPerson(&p), tx.AddAdministrator(p, true)) }))
	put := func(n byte, proven bool, code signin.Code) {
		now := time.Now()
		e := &signin.Event{ID: signin.NewID(now.UnixMilli(), [10]byte{9: n}), At: now, Last: now, Count: 1, Source: "gate", Typed: p.Address, Code: code}
		e.Facts = policy.Facts{At: now, Person: p.ID, Address: p.Address, Proven: proven}
		check(t, d.s.Write(t.Context(), func(tx *store.Tx) error { return tx.PutEvent(e) }))
	}
	put(1, true, signin.OK)
	put(2, true, 53003)
	put(3, false, 50126) // a guess
	put(4, true, signin.FactorNeeded)
	d.round()
	d.round()
	d.expect("breakglass.used", "breakglass.used", "breakglass.used")
	if !slices.ContainsFunc(d.got, func(p post) bool {
		return strings.Contains(p.body, "showed the right secret and was asked for more (PR50074)")
	}) {
		t.Errorf("an interrupted sign-in is not told as one: %v", d.got)
	}
}

func TestWhatIsAwayIsToldOnceAndItsReturnToo(t *testing.T) {
	d := sit(t)
	d.add()
	d.now = []Condition{{BackendAway, "main (imap)", "The mail server is away."}}
	d.round()
	d.expect() // not yet: it may be started anew
	d.now = nil
	d.round()
	d.now = []Condition{{BackendAway, "main (imap)", "The mail server is away."}}
	d.round()
	for mark := range d.seen {
		d.seen[mark] = time.Now().Add(-steady)
	}
	d.round()
	d.round()
	d.expect("backend.away")
	again := New(d.Options) // a restart in between tells nothing anew
	for range 2 {
		check(t, again.look(t.Context()))
		for mark := range again.seen {
			again.seen[mark] = time.Now().Add(-steady)
		}
	}
	d.round()
	d.expect("backend.away")
	d.now = nil
	d.round()
	d.round()
	d.expect("backend.away", "backend.back")
}

// A database that cannot be written is what somebody wants to hear of.
func TestAFullJournalIsToldWithoutTheDatabase(t *testing.T) {
	d := sit(t)
	d.add()
	targets, err := d.Targets(t.Context())
	check(t, err)
	check(t, d.s.Close())
	for range 2 {
		if err := d.turn(t.Context(), targets, "is:x", JournalFilling, "journal", "It fills.", time.Now()); err == nil {
			t.Error("a closed store was written")
		}
	}
	d.expect("journal.filling")
}

func TestTargetsThatCannotBe(t *testing.T) {
	d := sit(t)
	for where, member := range map[string]string{
		"http://192.0.2.1/x": "url", "ftp://x": "url", "": "url", "https://": "url", "https://u:p@example.org/": "url",
		"mailto:nobody": "url", "mailto:a@example.org": "url", "https://" + strings.Repeat("x", 2000): "url",
	} {
		_, _, err := d.Add(t.Context(), root, "", "x", where, nil)
		var f *Fault
		if !errors.As(err, &f) || f.Member != member {
			t.Errorf("%q: %v", where, err)
		}
	}
	if _, _, err := d.Add(t.Context(), root, "", "x", "https://example.org", []string{"policy.change"}); err == nil || !strings.Contains(err.Error(), "policy.changed") {
		t.Errorf("a kind misspelt: %v", err)
	}
	if _, _, err := d.Add(t.Context(), root, "", "", "https://example.org", nil); err == nil {
		t.Error("no name")
	}
}
