package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	stormOthers  = 8               // people whom nothing happens to
	stormReturn  = 2 * time.Second // within which all come back
	stormEvery   = 5 * time.Second // and then try again
	stormLasts   = time.Minute
	stormDummy   = 25 * time.Second // of the same load on the dummy: five rounds of it tell as much
	stormTLS     = 2000             // of them over TLS
	stormPerson  = "storm%d@example.org"
	stormOther   = "calm%d@example.org"
	stormTimeout = 20 * time.Second // for one try, and for all to be closed
)

// stormScenario closes a crowd by a policy. All of them come back within two
// seconds with the password that is refused now, and then every five seconds for
// a minute. Other people sign in meanwhile; their 95th percentile is compared
// with that under the same load on a dummy port.
func stormScenario() Scenario {
	return Scenario{
		Name: "storm", Doc: "a policy closes -storm connections; all come back, again and again, and other people's sign-ins are timed",
		Cols: []string{"p95_ratio", "p95_ms", "p95_dummy_ms", "p95_calm_ms", "others", "others_failed", "closed_ms", "attempts", "refused", "rows", "counted"},
		Once: true,
		Run: func(t Target) (Result, error) {
			socket := flagAdmin[t.Name]
			if socket == "" || *flagDummy == 0 {
				return nil, fmt.Errorf("%w: no -admin %s=SOCKET, or no -dummy", errSkip, t.Name)
			}
			return storm(t, Target{"dummy", "127.0.0.1", *flagDummy}, adminAt(socket))
		},
	}
}

func storm(t, dummy Target, a admin) (Result, error) {
	r := Result{}
	for i := range stormOthers { // they exist before the policy that spares them
		if _, err := Session(t, Opt{Proto: "imap", TLS: true, Mech: "login", Pass: "good", User: fmt.Sprintf(stormOther, i)}); err != nil {
			return nil, err
		}
	}
	calm, _ := others(t, func() { time.Sleep(4 * time.Second) })
	r["p95_calm_ms"] = pct(calm, .95)
	under, _ := others(t, func() { comeBack(dummy, *flagStorm, stormDummy) })
	r["p95_dummy_ms"] = pct(under, .95)
	time.Sleep(2 * time.Second)

	var c crowd
	defer c.leave()
	if err := c.join(t, *flagStorm, func(i int) Opt {
		return Opt{Proto: "imap", TLS: i < stormTLS, Mech: "login", User: fmt.Sprintf(stormPerson, i)}
	}); err != nil {
		return nil, err
	}
	ended := make(chan bool, len(c.conns))
	for _, k := range c.conns {
		go func() {
			io.Copy(io.Discard, k.c)
			k.Close() // its descriptor is needed for coming back
			ended <- true
		}()
	}
	time.Sleep(3 * time.Second)
	began := time.Now()
	id, err := a.cut()
	if err != nil {
		return nil, err
	}
	defer a.mend(id)
	late := time.After(stormTimeout)
	for i := range c.conns {
		select {
		case <-ended:
		case <-late:
			return nil, fmt.Errorf("after %v %d of %d connections are still open", stormTimeout, len(c.conns)-i, len(c.conns))
		}
	}
	r["closed_ms"] = float64(time.Since(began).Microseconds()) / 1000
	var attempts, refused int64
	lat, failed := others(t, func() { attempts, refused = comeBack(t, *flagStorm, stormLasts) })
	r["p95_ms"], r["others"], r["others_failed"] = pct(lat, .95), float64(len(lat)), float64(failed)
	r["p95_ratio"] = r["p95_ms"] / r["p95_dummy_ms"]
	r["attempts"], r["refused"] = float64(attempts), float64(refused)
	time.Sleep(2 * time.Second) // refusals are written behind
	r["rows"], r["counted"], err = a.refusals(began)
	return r, err
}

// others signs other people in all the while that during runs.
func others(t Target, during func()) ([]time.Duration, int64) {
	var mu sync.Mutex
	var all []time.Duration
	var failed atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan bool)
	for i := range stormOthers {
		wg.Go(func() {
			o := Opt{Proto: "imap", TLS: true, Mech: "login", Pass: "good", User: fmt.Sprintf(stormOther, i), Source: fmt.Sprintf("127.0.3.%d", 1+i), Within: stormTimeout}
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(150+rand.IntN(100)) * time.Millisecond):
				}
				t0 := time.Now()
				if _, err := Session(t, o); err != nil {
					failed.Add(1)
					continue
				}
				mu.Lock()
				all = append(all, time.Since(t0))
				mu.Unlock()
			}
		})
	}
	during()
	close(stop)
	wg.Wait()
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	return all, failed.Load()
}

// comeBack has n programs try once within stormReturn and then every stormEvery.
func comeBack(t Target, n int, lasts time.Duration) (attempts, refused int64) {
	var tried, no atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(stormReturn + lasts)
	for i := range n {
		wg.Go(func() {
			o := Opt{Proto: "imap", TLS: i < stormTLS, Mech: "login", Pass: "good", User: fmt.Sprintf(stormPerson, i), Source: source(i), Within: stormTimeout}
			time.Sleep(time.Duration(rand.Int64N(int64(stormReturn))))
			for next := time.Now(); next.Before(end); {
				tried.Add(1)
				if refusedOnce(t, o) {
					no.Add(1)
				}
				next = next.Add(stormEvery)
				time.Sleep(time.Until(next))
			}
		})
	}
	wg.Wait()
	return tried.Load(), no.Load()
}

func refusedOnce(t Target, o Opt) bool {
	c, err := Dial(t, o)
	if err != nil {
		return false
	}
	defer c.Close()
	err = c.Auth(o)
	return err != nil && strings.Contains(err.Error(), " NO ")
}

// admin is Portreeve's local socket.
type admin struct{ http.Client }

func adminAt(socket string) admin {
	return admin{http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}}
}

func (a admin) ask(method, path string, body any, into any) error {
	b, _ := json.Marshal(body)
	if body == nil {
		b = nil
	}
	req, err := http.NewRequest(method, "http://portreeve"+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s %s", method, path, resp.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

const policies = "/v1.0/identity/conditionalAccess/policies"

// cut blocks everybody but the others.
func (a admin) cut() (id string, err error) {
	var spared []string
	for i := range stormOthers {
		spared = append(spared, fmt.Sprintf(stormOther, i))
	}
	var made struct{ ID string }
	err = a.ask("POST", policies, map[string]any{"displayName": "Storm", "state": "enabled",
		"conditions": map[string]any{"clientAppTypes": []string{"all"}, "applications": map[string]any{"includeApplications": []string{"All"}},
			"users": map[string]any{"includeUsers": []string{"All"}, "excludeUsers": spared}},
		"grantControls": map[string]any{"operator": "OR", "builtInControls": []string{"block"}}}, &made)
	return made.ID, err
}

func (a admin) mend(id string) { _ = a.ask("DELETE", policies+"/"+id, nil, nil) }

// refusals counts the rows that the storm left in the sign-in log, and the
// sign-ins counted in them.
func (a admin) refusals(since time.Time) (rows, counted float64, err error) {
	next := "/v1.0/auditLogs/signIns?$top=999&$filter=" + url.QueryEscape("createdDateTime ge "+since.UTC().Format(time.RFC3339)+" and status/errorCode eq 53003")
	for next != "" {
		var page struct {
			Value []struct {
				Portreeve struct{ Count float64 }
			}
			Next string `json:"@odata.nextLink"`
		}
		if err := a.ask("GET", next, nil, &page); err != nil {
			return rows, counted, err
		}
		for _, e := range page.Value {
			rows++
			counted += max(1, e.Portreeve.Count)
		}
		_, next, _ = strings.Cut(page.Next, "http://portreeve")
	}
	return rows, counted, nil
}
