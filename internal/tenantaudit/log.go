package tenantaudit

import (
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/tenant"
)

// mostShown is how many sign-ins of one kind are kept as evidence: the newest.
const mostShown = 5

// logFacts is what one pass over the log gathers.
type logFacts struct {
	from, to    time.Time // the window
	first, last time.Time // of the rows in it
	counted     int
	silent      int // rows that say nothing of how they ended
	nobody      int // rows of a person nobody can name
	days        map[string]*Day
	met         map[exclusionKey]bool // exclusions that a sign-in needed
	replayed    map[replayKey][]uint64
	clients     remembered[client] // of clientAppUsed
	ews         remembered[bool]   // of user agents and applications
}

// personLog is what the log says of one person.
type personLog struct {
	single, old, smtp, ews, unknown shown
	eas, token                      shown
	passwords                       [clientOthers + 1]int // sign-ins that went through, by client
	successes                       int
}

// shown counts sign-ins and keeps the newest.
type shown struct {
	count    int
	newest   time.Time
	rows     []Evidence
	programs map[string]bool
	clients  map[string]bool
}

func (s *shown) add(r *tenant.SignIn, says string) {
	s.count++
	if r.Time.After(s.newest) {
		s.newest = r.Time
	}
	if s.programs == nil {
		s.programs, s.clients = map[string]bool{}, map[string]bool{}
	}
	if program := programOf(r); program != "" && len(s.programs) < 20 {
		s.programs[program] = true
	}
	if len(s.clients) < 20 {
		s.clients[r.ClientApp] = true
	}
	at := r.Time
	e := Evidence{File: r.File, Line: r.Line, SignIn: r.ID, At: &at, Says: says}
	if len(s.rows) < mostShown {
		s.rows = append(s.rows, e)
		return
	}
	oldest := 0
	for i := range s.rows {
		if s.rows[i].At.Before(*s.rows[oldest].At) {
			oldest = i
		}
	}
	if s.rows[oldest].At.Before(at) {
		s.rows[oldest] = e
	}
}

// evidence is newest first.
func (s *shown) evidence() []Evidence {
	rows := slices.Clone(s.rows)
	slices.SortStableFunc(rows, func(a, b Evidence) int { return b.At.Compare(*a.At) })
	return rows
}

// programOf is what a row says of the program, shortened.
func programOf(r *tenant.SignIn) string {
	for _, s := range []string{r.UserAgent, r.App, r.ClientApp} {
		if !saysNothing(s) {
			return shorten(s, 80)
		}
	}
	return ""
}

// shorten cuts a text to so many characters.
func shorten(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// window is the part of the log that counts.
func (a *audit) window() (from, to time.Time) {
	to = a.options.At
	if to.IsZero() {
		_, to = a.t.SignIns.Span()
	}
	return to.Add(-a.options.Last), to
}

// readLog goes over the log once.
func (a *audit) readLog() {
	l := &logFacts{days: map[string]*Day{}, met: map[exclusionKey]bool{}, replayed: map[replayKey][]uint64{}, clients: remembered[client]{ask: clientOf}, ews: remembered[bool]{ask: tellsEWS}}
	a.log = l
	l.from, l.to = a.window()
	ex := newExclusions(a)
	for s := range a.t.SignIns.All() {
		if s.Time.Before(l.from) || s.Time.After(l.to) {
			continue
		}
		if l.counted == 0 || s.Time.Before(l.first) {
			l.first = s.Time
		}
		if l.counted == 0 || s.Time.After(l.last) {
			l.last = s.Time
		}
		l.counted++
		if s.ServicePrincipal || s.Event == "servicePrincipal" || s.Event == "managedIdentity" {
			continue
		}
		if s.Outcome == tenant.OutcomeUnknown {
			l.silent++
		}
		if !s.Succeeded() {
			continue
		}
		p := a.signer(&s)
		if p == nil {
			l.nobody++
			continue
		}
		a.readRow(p, &s)
		ex.need(p, &s)
	}
	if l.silent > 0 {
		a.note("sign-ins", counted(l.silent, "sign-in says", "sign-ins say")+" neither a code nor a word of how it ended: not counted as one that went through", tenant.Source{})
	}
	if l.nobody > 0 {
		a.note("sign-ins", counted(l.nobody, "sign-in does", "sign-ins do")+" not say whose it is", tenant.Source{})
	}
}

// signer is who signed in; somebody who is in no other export is made known.
func (a *audit) signer(s *tenant.SignIn) *person {
	id, upn := lower(s.UserID), lower(s.UPN)
	if p := a.byID[id]; p != nil && id != "" {
		return p
	}
	if p := a.byUPN[upn]; p != nil && upn != "" {
		return p
	}
	if upn == "" {
		return nil
	}
	p := &person{id: id, upn: upn}
	if id != "" {
		a.byID[id] = p
	}
	a.byUPN[upn] = p
	return p
}

func (a *audit) readRow(p *person, s *tenant.SignIn) {
	c := a.log.clients.of(s.ClientApp)
	if p.log == nil {
		p.log = &personLog{}
	}
	l, mail := p.log, toExchange(s)
	l.successes++
	single := strings.EqualFold(s.Requirement, "singleFactorAuthentication")
	if c.legacy() || mail {
		day := a.day(s.Time)
		switch {
		case c.legacy():
			day.Legacy++
		case single:
			day.Single++
		default:
			day.Other++
		}
	}
	if c.legacy() {
		l.passwords[c]++
		l.old.add(s, "signed in over "+shorten(s.ClientApp, 40)+" with a password")
	}
	if c.legacy() || single && mail {
		l.single.add(s, "signed in over "+clientWord(s)+" on one factor")
	}
	switch {
	case c == clientSMTP:
		l.smtp.add(s, "sent mail over "+shorten(s.ClientApp, 40)+" with a password")
	case c == clientEWS:
		l.ews.add(s, "signed in over Exchange Web Services with a password")
	case !c.legacy() && mail && (a.log.ews.of(s.UserAgent) || a.log.ews.of(s.App)):
		l.ews.add(s, "signed in by token as "+programOf(s))
	}
	if c == clientUnnamed || c == clientOthers && saysNothing(s.UserAgent) {
		l.unknown.add(s, "signed in with no program named")
	}
	if c == clientEAS {
		l.eas.add(s, "signed in over ActiveSync with a password")
	}
	if !c.legacy() && nativeMail(s) {
		l.token.add(s, "signed in by token as "+shorten(s.App, 40))
	}
}

func clientWord(s *tenant.SignIn) string {
	if saysNothing(s.ClientApp) {
		return "a client that is not named"
	}
	return shorten(s.ClientApp, 40)
}

func (a *audit) day(at time.Time) *Day {
	name := at.UTC().Format(time.DateOnly)
	d := a.log.days[name]
	if d == nil {
		d = &Day{Day: name}
		a.log.days[name] = d
	}
	return d
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

// thousands writes 12345 as 12,345.
func thousands(n int) string {
	if n < 0 {
		return "-" + thousands(-n)
	}
	s := ""
	for ; n >= 1000; n /= 1000 {
		s = "," + string([]byte{'0' + byte(n/100%10), '0' + byte(n/10%10), '0' + byte(n%10)}) + s
	}
	digits := []byte{}
	for ; n > 0 || len(digits) == 0; n /= 10 {
		digits = append([]byte{'0' + byte(n%10)}, digits...)
	}
	return string(digits) + s
}
