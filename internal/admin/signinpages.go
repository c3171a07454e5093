package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// signInOptions are the system query options that sign-ins know. They are
// neither counted nor skipped: there may be many millions.
var signInOptions = []string{"$filter", "$orderby", "$select", "$top", "$skiptoken"}

// signInOrder reads which way a list of sign-ins goes; the newest first unless
// asked otherwise.
func signInOrder(v url.Values) (oldestFirst bool, err error) {
	for name := range v {
		if strings.HasPrefix(name, "$") && !slices.Contains(signInOptions, name) {
			return false, bad(name, "%s is not understood of sign-ins; %s are, and @odata.nextLink leads on", name, strings.Join(signInOptions, ", "))
		}
	}
	orders, err := readOrder(v.Get("$orderby"), []string{"createdDateTime"})
	return len(orders) > 0 && !orders[0].down, err
}

// oldest reads a page of sign-ins, the oldest first. Its tokens say where it
// stopped: after so many of the sign-ins of one moment.
func (a *api) oldest(ctx context.Context, q *signInQuery, token string, top int) (events []signin.Event, next string, err error) {
	var at int64
	var told int
	if token != "" {
		if _, err := fmt.Sscanf(token, "asc.%d.%d", &at, &told); err != nil || told < 0 {
			return nil, "", bad("$skiptoken", "this is none of our tokens")
		}
		if from := time.Unix(0, at); from.After(q.stored.From) {
			q.stored.From = from
		}
	}
	same := 0 // sign-ins of the moment at, so far
	for e, err := range a.Store.AllEvents(ctx, q.stored) {
		if err != nil {
			return nil, "", err
		}
		if n := e.At.UnixNano(); n != at {
			at, same = n, 0
			told = 0
		}
		if same++; same <= told || !q.match(e) {
			continue
		}
		if len(events) == top { // there is one more: it begins the next page
			last := events[len(events)-1].At.UnixNano()
			if last != at {
				return events, fmt.Sprintf("asc.%d.0", at), nil
			}
			return events, fmt.Sprintf("asc.%d.%d", at, same-1), nil
		}
		events = append(events, *e)
	}
	return events, "", nil
}

// selected are rows with only the members asked for.
func selected[T any](rows []T, fields []string) ([]json.RawMessage, error) {
	out := []json.RawMessage{}
	for i := range rows {
		text, err := json.Marshal(rows[i])
		if err == nil {
			text, err = chosen(text, fields)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

// newest reads a page of sign-ins, the newest first.
func (a *api) newest(ctx context.Context, q *signInQuery, token string, top int) ([]signin.Event, string, error) {
	from, err := store.ParseCursor(token)
	if err != nil {
		return nil, "", bad("$skiptoken", "%v", err)
	}
	events, next, err := a.page(ctx, q, from, top)
	if err != nil || next == (store.Cursor{}) {
		return events, "", err
	}
	return events, next.String(), nil
}
