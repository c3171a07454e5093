// Package alarm tells administrators what they would rather hear than find:
// that policy was changed or taken back, that an exclusion runs out, that an
// account of last resort was used, that a mail server can be reached around the
// gate, that the journal fills, that a mail server or a directory is away.
//
// What happened is written with the targets it is to go to, in one transaction,
// and tried until it arrives or a day is over: nothing is lost when we, or they,
// are down for a while, and nothing is told twice. Where the database itself
// cannot be written, alarms of what is so now are sent at once, unwritten.
//
// Webhooks follow the Standard Webhooks specification, version 1: the receiver
// tells by the signature that it was us and by the id that it knows an alarm already.
package alarm

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/spelling"
	"github.com/portreeve/portreeve/internal/store"
)

// Kind is what sort of thing happened.
type Kind string

// The kinds. Those that are so for a while have one for their end.
const (
	PolicyChanged     Kind = "policy.changed"
	PolicyReverted    Kind = "policy.reverted"
	ExclusionExpiring Kind = "exclusion.expiring"
	ExclusionExpired  Kind = "exclusion.expired"
	BreakGlassUsed    Kind = "breakglass.used"
	BypassFound       Kind = "bypass.found"
	BypassClosed      Kind = "bypass.closed"
	JournalFilling    Kind = "journal.filling"
	JournalDrained    Kind = "journal.drained"
	BackendAway       Kind = "backend.away"
	BackendBack       Kind = "backend.back"
	DirectoryAway     Kind = "directory.away"
	DirectoryBack     Kind = "directory.back"
	Test              Kind = "alarm.test"
)

// Kinds are all that can be asked for; a test goes to whom it is meant for.
var Kinds = []Kind{PolicyChanged, PolicyReverted, ExclusionExpiring, ExclusionExpired, BreakGlassUsed, BypassFound, BypassClosed,
	JournalFilling, JournalDrained, BackendAway, BackendBack, DirectoryAway, DirectoryBack}

// over is the kind of the end of a condition.
var over = map[Kind]Kind{BypassFound: BypassClosed, JournalFilling: JournalDrained, BackendAway: BackendBack, DirectoryAway: DirectoryBack}

// Condition is something that is so now.
type Condition struct {
	Kind     Kind
	About    string // what it is so of, such as a backend's name; with Kind it is one of its kind
	Sentence string
}

// Options are what the service needs.
type Options struct {
	Store *store.Store
	Box   *secret.Box
	// Mail sends a mail to an administrator; nil where no mail server is configured.
	Mail func(ctx context.Context, to, subject, text string) error
	// Now says what is so now: journal, backends, directories.
	Now func(ctx context.Context) []Condition
	// Around says where the gate can be got around; it takes seconds, and is asked rarely.
	Around func(ctx context.Context) []Condition
	// Fault is told of what cannot be done.
	Fault func(what string, err error)
	// Client speaks to webhooks; nil: one that follows no redirects.
	Client *http.Client
	// Version is ours, for the User-Agent.
	Version string
}

// Service raises alarms and brings them where they go. It is safe for concurrent use.
type Service struct {
	Options
	wake chan struct{}
	mu   sync.Mutex
	told map[string]time.Time // when a fault was told
	held map[string]*outcome  // of tries, which could not be written; by heldKey

	// What Run alone uses.
	seen    map[string]time.Time // since when a condition was seen, by its mark
	foreign map[string]*spoken   // what was told without being written, by mark and kind
	around  []Condition          // as found last
	looked  time.Time            // when that was
}

// New makes a service; nothing is raised before Run.
func New(o Options) *Service {
	if o.Client == nil {
		o.Client = &http.Client{Timeout: postTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Service{Options: o, wake: make(chan struct{}, 1), seen: map[string]time.Time{}, foreign: map[string]*spoken{}, told: map[string]time.Time{}, held: map[string]*outcome{}}
}

const (
	maxTargets  = 32
	maxName     = 64
	maxAddress  = 1024
	secretBytes = 24 // Standard Webhooks: 24 to 64
	secretMark  = "whsec_"
	sealedFor   = "alarm target"
)

// whither is what of a target is sealed: addresses of webhooks often hold a
// secret of the receiver.
type whither struct {
	URL    string `json:"url"`
	Secret string `json:"secret,omitempty"`
}

// Fault is what is wrong with a target that is asked for.
type Fault struct{ Member, Text string }

func (f *Fault) Error() string { return f.Text }

// Add makes a target; where is an https address, or mailto: and a mail address.
// It returns the secret that a webhook's receiver verifies signatures with, which
// is shown nowhere again.
func (s *Service) Add(ctx context.Context, who store.Actor, reason, name, where string, kinds []string) (t store.AlarmTarget, signing string, err error) {
	if name == "" || len(name) > maxName || oneLine(name) != name || strings.TrimSpace(name) != name {
		return t, "", &Fault{"name", fmt.Sprintf("a name has 1 to %d characters that can be typed", maxName)}
	}
	for _, k := range kinds {
		if !slices.Contains(Kinds, Kind(k)) {
			return t, "", &Fault{"kinds", fmt.Sprintf("there is no alarm %q%s", k, spelling.DidYouMean(k, words(Kinds)))}
		}
	}
	shown, err := s.showable(where)
	if err != nil {
		return t, "", err
	}
	all, err := s.Store.AlarmTargets(ctx)
	if err != nil {
		return t, "", err
	}
	if len(all) >= maxTargets {
		return t, "", &Fault{"", fmt.Sprintf("there are %d targets already, which is as many as there can be", maxTargets)}
	}
	w := whither{URL: where}
	if !mails(where) {
		var random [secretBytes]byte
		_, _ = rand.Read(random[:])
		w.Secret = secretMark + base64.StdEncoding.EncodeToString(random[:])
	}
	plain, err := json.Marshal(w)
	if err != nil {
		return t, "", err
	}
	t = store.AlarmTarget{Name: name, Shown: shown, Sealed: s.Box.Seal(sealedFor, plain), Kinds: kinds}
	last, err := s.Store.LastAudit(ctx)
	if err != nil {
		return t, "", err
	}
	return t, w.Secret, s.Store.Change(ctx, who, reason, func(tx *store.Tx) error {
		if err := tx.AddAlarmTarget(&t); err != nil || len(all) > 0 {
			return err
		}
		// What was before somebody wanted to hear is not told.
		if err := tx.SetAlarmMark(auditMark, strconv.FormatInt(last, 10)); err != nil {
			return err
		}
		return tx.SetAlarmMark(signInMark, time.Now().Add(late).UTC().Format(time.RFC3339Nano))
	})
}

func mails(where string) bool { return strings.HasPrefix(where, "mailto:") }

// showable checks an address, and returns it without what may be secret in it.
func (s *Service) showable(where string) (string, error) {
	if len(where) > maxAddress {
		return "", &Fault{"url", fmt.Sprintf("an address has at most %d characters", maxAddress)}
	}
	if to, is := strings.CutPrefix(where, "mailto:"); is {
		if a, err := mail.ParseAddress(to); err != nil || a.Address != to {
			return "", &Fault{"url", fmt.Sprintf("%q is no mail address", to)}
		}
		if s.Mail == nil {
			return "", &Fault{"url", "no mail server is configured to send notices by: see notices in the configuration"}
		}
		return where, nil
	}
	u, err := url.Parse(where)
	if err != nil || u.Host == "" || u.Fragment != "" || u.User != nil {
		return "", &Fault{"url", "an alarm goes to an https address or to a mail address"}
	}
	if !network.Safe(u) {
		return "", &Fault{"url", "an alarm goes over https; only to this machine itself it may go over http"}
	}
	shown := u.Scheme + "://" + u.Host
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		shown += "/…"
	}
	return shown, nil
}

// Targets lists where alarms go.
func (s *Service) Targets(ctx context.Context) ([]store.AlarmTarget, error) {
	return s.Store.AlarmTargets(ctx)
}

// Target finds one by name or id; store.ErrNotFound if there is none.
func (s *Service) Target(ctx context.Context, name string) (store.AlarmTarget, error) {
	all, err := s.Store.AlarmTargets(ctx)
	if err != nil {
		return store.AlarmTarget{}, err
	}
	i := slices.IndexFunc(all, func(t store.AlarmTarget) bool { return t.ID == name || strings.EqualFold(t.Name, name) })
	if i < 0 {
		return store.AlarmTarget{}, store.ErrNotFound
	}
	return all[i], nil
}

// Delete takes a target away.
func (s *Service) Delete(ctx context.Context, who store.Actor, reason string, t store.AlarmTarget) error {
	return s.Store.Change(ctx, who, reason, func(tx *store.Tx) error { return tx.DeleteAlarmTarget(t) })
}

// Try sends a test to a target now, and says what came of it.
func (s *Service) Try(ctx context.Context, t store.AlarmTarget) error {
	a, err := happened(Test, "test:"+rand.Text(), time.Now(), detail{Sentence: "This is a test: alarms arrive here."})
	if err != nil {
		return err
	}
	return s.send(ctx, &t, &store.Delivery{Alarm: a, Target: t.ID})
}

// Replay has what was given up tried anew: one alarm or, without an id, all.
func (s *Service) Replay(ctx context.Context, id string) (n int64, err error) {
	err = s.Store.Write(ctx, func(tx *store.Tx) (err error) { n, err = tx.ReplayDead(id, time.Now()); return err })
	s.rouse()
	return n, err
}

// State is how alarms stand.
type State struct {
	Targets int   `json:"targets"`
	Waiting int64 `json:"waiting"`
	Dead    int64 `json:"dead"` // given up
}

// State says how alarms stand.
func (s *Service) State(ctx context.Context) (st State, err error) {
	all, err := s.Store.AlarmTargets(ctx)
	st.Targets = len(all)
	if err != nil || st.Targets == 0 {
		return st, err
	}
	waiting, err := s.Store.CountDeliveries(ctx, store.Waiting)
	dead, again := s.Store.CountDeliveries(ctx, store.Dead)
	st.Waiting, st.Dead = waiting, dead
	return st, errors.Join(err, again)
}

func (s *Service) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func words(kinds []Kind) []string {
	all := make([]string, len(kinds))
	for i, k := range kinds {
		all[i] = string(k)
	}
	return all
}
