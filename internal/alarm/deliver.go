package alarm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/store"
)

const (
	postTime  = 15 * time.Second // one try, as Standard Webhooks has it
	dueMost   = 64               // tries of one round
	bodyRead  = 4 << 10          // of an answer, which is only read so that the connection can be used again
	faultMost = 200              // characters of a fault that are kept
)

// waits are how long after a try the next one is: a day in all. Then the alarm
// is dead for this target until it is replayed.
var waits = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 8 * time.Hour}

// errGone says that the receiver wants no more: 410.
var errGone = errors.New("410 Gone: the receiver wants no more alarms")

// deliver tries what is due.
func (s *Service) deliver(ctx context.Context) error {
	all, err := s.Store.AlarmTargets(ctx)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { s.report("cannot deliver alarms", s.deliverTo(ctx, &all[i])) })
	}
	wg.Wait()
	return nil
}

// deliverTo tries what is due for one target in its order, up to the first that
// does not arrive: one who is away is not waited for again and again. One who is
// slow has the time of one try; what is left comes in the next round, so that it
// holds nobody else up.
func (s *Service) deliverTo(ctx context.Context, t *store.AlarmTarget) error {
	began := time.Now()
	due, err := s.Store.DueDeliveries(ctx, t.ID, began, dueMost)
	if err != nil {
		return err
	}
	for i := range due {
		if !s.attempt(ctx, t, &due[i]) || time.Since(began) > postTime {
			break
		}
	}
	return nil
}

// outcome is how a try went.
type outcome struct {
	store.Delivery
	gone bool // the receiver wants no more
}

// attempt is one try, and what it changes. It says whether the alarm arrived.
// What was tried and could not be written down is not tried again for that.
func (s *Service) attempt(ctx context.Context, t *store.AlarmTarget, d *store.Delivery) (arrived bool) {
	o, held := s.heldBack(d)
	if !held || o.State == store.Waiting && !o.Next.After(time.Now()) {
		if held {
			*d = o.Delivery
		}
		err := s.send(ctx, t, d)
		if err != nil && ctx.Err() != nil {
			return false // we stop; it is tried again after the next start
		}
		o = s.judge(t, d, err)
	}
	s.settle(ctx, t, o)
	return o.State == store.Delivered
}

// judge is what the result of a try means.
func (s *Service) judge(t *store.AlarmTarget, d *store.Delivery, err error) *outcome {
	o := &outcome{*d, errors.Is(err, errGone)}
	switch {
	case err == nil:
		o.State, o.Fault = store.Delivered, ""
	case o.gone || d.Tries >= len(waits):
		o.State, o.Fault = store.Dead, short(err)
		s.Fault("alarm "+d.Kind+" was given up for "+t.Name, err)
	default:
		o.Next, o.Fault = time.Now().Add(waits[d.Tries]), short(err)
	}
	o.Tries++
	return o
}

// settle writes an outcome, even as we stop: what arrived is not told again by
// the next start. What cannot be written is held back.
func (s *Service) settle(ctx context.Context, t *store.AlarmTarget, o *outcome) {
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), writingTime)
	defer cancel()
	err := s.Store.Write(writing, func(tx *store.Tx) error {
		if err := tx.PutDelivery(&o.Delivery); err != nil || !o.gone {
			return err
		}
		return tx.MarkGone(t.ID, o.Fault)
	})
	s.mu.Lock()
	if err == nil {
		delete(s.held, heldKey(&o.Delivery))
	} else {
		s.held[heldKey(&o.Delivery)] = o // at most dueMost a target: no more are due while these are
	}
	s.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		s.report("cannot write how an alarm was delivered", err)
	}
}

// heldBack is the outcome of the last try, if it could not be written.
func (s *Service) heldBack(d *store.Delivery) (*outcome, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, is := s.held[heldKey(d)]
	return o, is
}

func heldKey(d *store.Delivery) string { return d.ID + " " + d.Target }

// send sends an alarm to a target, once.
func (s *Service) send(ctx context.Context, t *store.AlarmTarget, d *store.Delivery) error {
	plain, err := s.Box.Open(sealedFor, t.Sealed)
	if err != nil {
		return fmt.Errorf("opening the address of %s: %w", t.Name, err)
	}
	var w whither
	if err := json.Unmarshal(plain, &w); err != nil {
		return fmt.Errorf("reading the address of %s: %w", t.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, postTime)
	defer cancel()
	if to, is := strings.CutPrefix(w.URL, "mailto:"); is {
		if s.Mail == nil {
			return errors.New("no mail server is configured to send notices by")
		}
		subject, body := text(&d.Alarm)
		return s.Mail(ctx, to, subject, body)
	}
	return s.post(ctx, w, &d.Alarm)
}

// post is a webhook: everything but 2xx is a failure, redirects too.
func (s *Service) post(ctx context.Context, w whither, a *store.Alarm) error {
	now := time.Now()
	signature, err := sign(w.Secret, a.ID, now, a.Payload)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(a.Payload))
	if err != nil {
		return errors.New("the address cannot be asked") // the error would tell the address
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Portreeve/"+s.Version)
	req.Header.Set("webhook-id", a.ID)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("webhook-signature", signature)
	resp, err := s.Client.Do(req)
	if err != nil {
		return withoutAddress(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, bodyRead))
	switch {
	case resp.StatusCode == http.StatusGone:
		return errGone
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return fmt.Errorf("the receiver answered %s", resp.Status)
	}
	return nil
}

// withoutAddress is an error of net/http less the address, which may be secret.
func withoutAddress(err error) error {
	var u interface{ Unwrap() error }
	if errors.As(err, &u) && u.Unwrap() != nil {
		return u.Unwrap()
	}
	return err
}

func short(err error) string {
	r := []rune(err.Error())
	return string(r[:min(len(r), faultMost)])
}
