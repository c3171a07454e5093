package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	loggedWithin = 3 * time.Second // refusals are written behind, a fifth of a second
	lookEvery    = 20 * time.Millisecond
)

// errNotLogged says that the log lacks what should be in it.
var errNotLogged = errors.New("what happened is not in the log")

// until looks again and again until something is so.
func (t *story) until(ctx context.Context, so func() (bool, error)) error {
	for end := time.Now().Add(loggedWithin); ; {
		if ok, err := so(); ok || err != nil {
			return err
		}
		if time.Now().After(end) {
			return errNotLogged
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// logged finds the newest entry of the story with a code.
func (t *story) logged(ctx context.Context, user, code string) (found entry, err error) {
	err = t.until(ctx, func() (bool, error) {
		all, err := t.api.since(ctx, t.began, user)
		for _, e := range all {
			if e.Own.Code == code {
				found = e
				return true, nil
			}
		}
		return false, err
	})
	return found, err
}

// Act 6. One log, with every policy's verdict on every sign-in.
func (t *story) logHasIt(ctx context.Context) error {
	all, err := t.api.since(ctx, t.began, "")
	if err != nil {
		return err
	}
	guessed, rows := 0, 0
	for i := len(all) - 1; i >= 0; i-- {
		if e := &all[i]; e.User == address("zoidberg") && e.Own.Outcome == "refused" {
			guessed += e.Own.Count
			rows++
			continue
		}
		t.s.say("%s", all[i].brief())
	}
	t.s.say("… and %d refusals for zoidberg, in %d rows", guessed, rows)
	e, err := t.api.whole(ctx, t.ref)
	if err != nil {
		return err
	}
	t.s.say("")
	t.whole(&e)
	t.s.claim(guessed == guesses+1, "no refusal is missing, and equal ones share a row")
	t.s.claim(explained(&e), "each policy has its verdict, and every condition what it needed and saw")
	return nil
}

// brief is an entry in one line.
func (e *entry) brief() string {
	who, _, _ := strings.Cut(e.User, "@")
	return fmt.Sprintf("%s %-8s %-10s %-19s %-8s %s", e.At.Local().Format(time.TimeOnly), who, e.Own.Protocol,
		strings.TrimSpace(e.Own.Program.Family+" "+e.Own.Program.Version), e.ending(), e.Own.Reference)
}

// ending is what an entry came to.
func (e *entry) ending() string {
	if e.Own.Outcome == "allowed" {
		return "allowed"
	}
	return e.Own.Code
}

// whole shows one entry in full.
func (t *story) whole(e *entry) {
	t.s.say("%s: %s, %s by %s, from %s, TLS %s", e.Own.Reference, e.Own.Protocol, e.Own.Credential, e.Own.Mechanism, e.Address, e.Own.TLS.Version)
	var steps []string
	for _, s := range e.Own.Steps {
		steps = append(steps, fmt.Sprintf("%s: %s, %.2f ms", s.Name, s.Result, s.Millis))
	}
	t.s.paragraph("  ", "", strings.Join(steps, " · "))
	for _, v := range e.Story.Explanation.Policies {
		t.s.paragraph("  ", "", fmt.Sprintf("%-30s %s", v.Name, v.Result))
		for _, c := range v.Conditions {
			mark, colour := "    + ", "32"
			if c.Result != "satisfied" {
				mark, colour = "    - ", "31"
			}
			t.s.paragraph(mark, colour, fmt.Sprintf("%s: needs %s; is %s", c.Name, c.Needed, c.Seen))
		}
	}
}

// explained says whether an entry tells of every policy what decided it.
func explained(e *entry) bool {
	policies := e.Story.Explanation.Policies
	for _, v := range policies {
		if v.Result == "" || len(v.Conditions) == 0 {
			return false
		}
		for _, c := range v.Conditions {
			if c.Needed == "" || c.Seen == "" || c.Result == "" {
				return false
			}
		}
	}
	return len(policies) == 3
}
