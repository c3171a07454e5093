package main

import (
	"context"
	"time"
)

// The issuer's pages are shown to one address 60 times at once and then once a
// second, to nobody sooner. The suite's browser is one address.
const (
	pagesAtOnce   = 60
	pagesForVisit = 4  // that come before somebody is signed in, whose browser is not held up
	pagesForOne   = 16 // of a module: four visits
)

// pace holds the suite's browser to what the issuer allows.
type pace struct {
	left float64 // pages that it may still see at once
	at   time.Time
}

func (p *pace) now() float64 {
	now := time.Now()
	p.left = min(pagesAtOnce, p.left+now.Sub(p.at).Seconds())
	p.at = now
	return p.left
}

// wait waits until a module may begin.
func (p *pace) wait(ctx context.Context) error {
	lacking := pagesForOne - p.now()
	if lacking <= 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(lacking * float64(time.Second))):
		return nil
	}
}

// visited counts what a module's browser has seen.
func (p *pace) visited(log []entry) {
	p.now()
	for _, e := range log {
		if e.Source == "WebRunner" && e.Message == "Scripted browser HTTP request" {
			p.left -= pagesForVisit
		}
	}
}
