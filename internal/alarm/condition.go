package alarm

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/store"
)

// conditions raises what has become so, and what is so no more.
func (s *Service) conditions(ctx context.Context, targets []store.AlarmTarget, marks map[string]string, found []Condition) error {
	now := time.Now()
	is := map[string]Condition{}
	for _, c := range append(found, s.around...) {
		is[isMark+string(c.Kind)+" "+c.About] = c
	}
	for mark := range s.seen {
		if _, still := is[mark]; !still {
			delete(s.seen, mark)
		}
	}
	for mark, c := range is {
		if _, known := s.seen[mark]; !known {
			s.seen[mark] = now
		}
		_, ended := s.foreign[mark+" "+string(over[c.Kind])]
		if marks[mark] != "" && !ended || now.Sub(s.seen[mark]) < steady {
			continue
		}
		if err := s.turn(ctx, targets, mark, c.Kind, c.About, c.Sentence, now); err != nil {
			return err
		}
	}
	for mark := range s.begun(marks) {
		kind, about, _ := strings.Cut(strings.TrimPrefix(mark, isMark), " ")
		end, ends := over[Kind(kind)]
		if _, still := is[mark]; still || !strings.HasPrefix(mark, isMark) || !ends || end == BypassClosed && s.looked.IsZero() {
			continue
		}
		if err := s.turn(ctx, targets, mark, end, about, endings[end](about), now); err != nil {
			return err
		}
	}
	return nil
}

var endings = map[Kind]func(string) string{
	BypassClosed:   func(about string) string { return about + " cannot be reached around the gate any more." },
	JournalDrained: func(string) string { return "The journal of sign-ins is empty again." },
	BackendBack:    func(about string) string { return about + " is back." },
	DirectoryBack:  func(about string) string { return "The directory " + about + " is back." },
}

// begun are the marks of what was told to have begun, written or not.
func (s *Service) begun(marks map[string]string) map[string]string {
	all := maps.Clone(marks)
	for _, x := range s.foreign {
		if _, begins := over[x.kind]; begins {
			all[x.mark] = ""
		}
	}
	return all
}

// spoken is an alarm that was sent without being written.
type spoken struct {
	store.Alarm
	mark string
	kind Kind
	told []string // ids of the targets where it arrived
}

// turn raises that something began or ended to be so. Where that cannot be
// written, it is sent once without: a full disk is what somebody wants to hear
// of. Once it can be, it is written as what those have who heard it.
func (s *Service) turn(ctx context.Context, targets []store.AlarmTarget, mark string, k Kind, about, sentence string, now time.Time) error {
	key := mark + " " + string(k)
	x := s.foreign[key]
	if x == nil {
		a, err := happened(k, key+" "+now.UTC().Format(time.RFC3339Nano), now, detail{Sentence: sentence, About: about})
		if err != nil {
			return err
		}
		x = &spoken{Alarm: a, mark: mark, kind: k}
	}
	err := s.writeTurn(ctx, x)
	if err == nil {
		s.unsay(mark)
		return nil
	}
	if ctx.Err() != nil || s.foreign[key] != nil {
		return err
	}
	s.unsay(mark)
	s.foreign[key] = x
	s.speak(ctx, targets, x)
	return err
}

// writeTurn writes an alarm of something that began or ended, and that it did.
func (s *Service) writeTurn(ctx context.Context, x *spoken) error {
	value := x.At.UTC().Format(time.RFC3339)
	if _, begins := over[x.kind]; !begins {
		value = ""
	}
	writing, cancel := context.WithTimeout(ctx, writingTime)
	defer cancel()
	return s.Store.Write(writing, func(tx *store.Tx) error {
		if _, err := tx.Raise(x.Alarm); err != nil {
			return err
		}
		for _, target := range x.told {
			if err := tx.PutDelivery(&store.Delivery{Alarm: x.Alarm, Target: target, State: store.Delivered, Tries: 1, Next: x.At}); err != nil {
				return err
			}
		}
		return tx.SetAlarmMark(x.mark, value)
	})
}

// unsay forgets what was told of a mark without being written.
func (s *Service) unsay(mark string) {
	maps.DeleteFunc(s.foreign, func(_ string, x *spoken) bool { return x.mark == mark })
}

// speak sends an alarm once to all who want its kind, side by side.
func (s *Service) speak(ctx context.Context, targets []store.AlarmTarget, x *spoken) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range targets {
		t := &targets[i]
		if t.Gone || len(t.Kinds) > 0 && !slices.Contains(t.Kinds, string(x.kind)) {
			continue
		}
		wg.Go(func() {
			err := s.send(ctx, t, &store.Delivery{Alarm: x.Alarm, Target: t.ID})
			if err != nil {
				s.report("cannot tell "+t.Name, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			x.told = append(x.told, t.ID)
		})
	}
	wg.Wait()
}
