package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/portreeve/portreeve/internal/alarm"
	"github.com/portreeve/portreeve/internal/selfaudit"
	"github.com/portreeve/portreeve/internal/store"
)

// selfAudit is what stands open, seen as a thief would.
func (a *api) selfAudit(r *http.Request) (any, error) {
	found, err := a.SelfAudit(r.Context(), true)
	if err != nil {
		return nil, err
	}
	names := a.naming(r.Context())
	for i := range found {
		if w := found[i].Witness; w != nil {
			for j := range w.Past {
				w.Past[j] = names.text(w.Past[j])
			}
		}
	}
	return list(append([]selfaudit.Finding{}, found...)), nil
}

// alarmTargets lists where alarms go; what of the addresses is secret is not told.
func (a *api) alarmTargets(r *http.Request) (any, error) {
	all, err := a.Alarms.Targets(r.Context())
	if err != nil {
		return nil, err
	}
	return list(all), nil
}

// newTarget is a target with the secret of its signatures, which is shown this once.
type newTarget struct {
	store.AlarmTarget
	Secret string `json:"signingSecret,omitempty"`
}

// wanted is where alarms are to go: an https address, or mailto: and a mail address.
type wanted struct {
	Name  string   `json:"name"`
	URL   string   `json:"url"`
	Kinds []string `json:"kinds"` // empty: all
}

func (a *api) addAlarmTarget(r *http.Request) (any, error) {
	var q wanted
	if err := decode(r, &q); err != nil {
		return nil, err
	}
	t, secret, err := a.Alarms.Add(r.Context(), actor(r), r.Header.Get("X-Reason"), q.Name, q.URL, q.Kinds)
	var fault *alarm.Fault
	switch {
	case errors.As(err, &fault):
		return nil, bad(fault.Member, "%s", fault.Text)
	case errors.Is(err, store.ErrExists):
		return nil, conflict("alarms go to a %s already", q.Name).then("`portreeve alarm delete %s` ends that", shellWord(q.Name))
	case err != nil:
		return nil, err
	}
	return created{newTarget{t, secret}}, nil
}

// alarmTarget finds the target that a path names.
func (a *api) alarmTarget(r *http.Request) (store.AlarmTarget, error) {
	t, err := a.Alarms.Target(r.Context(), r.PathValue("id"))
	if errors.Is(err, store.ErrNotFound) {
		return t, (&Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: "alarms go to no " + r.PathValue("id")}).then("`portreeve alarm list` lists where they go")
	}
	return t, err
}

func (a *api) deleteAlarmTarget(r *http.Request) (any, error) {
	t, err := a.alarmTarget(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Alarms.Delete(r.Context(), actor(r), r.Header.Get("X-Reason"), t)
}

func (a *api) testAlarmTarget(r *http.Request) (any, error) {
	t, err := a.alarmTarget(r)
	if err != nil {
		return nil, err
	}
	if err := a.Alarms.Try(r.Context(), t); err != nil {
		return nil, &Error{Status: http.StatusBadGateway, Code: "BadGateway", Message: "the test did not arrive at " + t.Name + ": " + err.Error()}
	}
	return t, a.note(r, "test", "alarm", t.ID, t.Name, nil)
}

// deliveryRow is an alarm on its way.
type deliveryRow struct {
	ID      string          `json:"id"`
	At      time.Time       `json:"at"`
	Kind    string          `json:"kind"`
	Target  string          `json:"target"` // name
	State   string          `json:"state"`
	Tries   int             `json:"tries"`
	Next    *time.Time      `json:"next,omitempty"`
	Fault   string          `json:"fault,omitempty"`
	Payload json.RawMessage `json:"payload"`
}

func (a *api) alarmDeliveries(r *http.Request) (any, error) {
	state := r.URL.Query().Get("state")
	switch state {
	case "", store.Waiting, store.Delivered, store.Dead:
	default:
		return nil, bad("state", "a state is %s, %s or %s", store.Waiting, store.Delivered, store.Dead)
	}
	top, err := number(r.URL.Query().Get("top"), 100, 1, maxAudits)
	if err != nil {
		return nil, bad("top", "%v", err)
	}
	all, err := a.Store.Deliveries(r.Context(), state, top)
	if err != nil {
		return nil, err
	}
	targets, err := a.Alarms.Targets(r.Context())
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, t := range targets {
		names[t.ID] = t.Name
	}
	rows := []deliveryRow{}
	for _, d := range all {
		row := deliveryRow{ID: d.ID, At: d.At.UTC(), Kind: d.Kind, Target: names[d.Target], State: d.State, Tries: d.Tries, Fault: d.Fault, Payload: d.Payload}
		if next := d.Next.UTC(); d.State == store.Waiting {
			row.Next = &next
		}
		rows = append(rows, row)
	}
	return list(rows), nil
}

func (a *api) replayAlarms(r *http.Request) (any, error) {
	var q struct {
		ID string `json:"id"` // empty: all that were given up
	}
	if err := decode(r, &q); err != nil {
		return nil, err
	}
	n, err := a.Alarms.Replay(r.Context(), q.ID)
	if err != nil {
		return nil, err
	}
	if n == 0 && q.ID != "" {
		return nil, (&Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: "no alarm " + q.ID + " was given up"}).then("`portreeve alarm deliveries --state dead` lists those that were")
	}
	return map[string]any{"replayed": n}, a.note(r, "replay", "alarm", q.ID, "", map[string]any{"replayed": n})
}
