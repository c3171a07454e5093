package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/grant"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/secret"
	"github.com/portreeve/portreeve/internal/server"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/token"
)

const (
	bearers     = 2000            // access tokens, each of a grant of its own
	refreshTime = 4 * time.Second // measured
	seenRounds  = 100
)

// ownTokens times what our own issuer's tokens cost: verifying one on the way of
// a sign-in, with its grant, and refreshing at the token endpoint, each refresh
// judged under 1,000 policies and durable, with its event, before the answer.
func ownTokens(ctx context.Context, f figures) error {
	if err := verifying(ctx, f); err != nil {
		return err
	}
	return refreshing(ctx, f)
}

// granted makes a grant of somebody's.
func granted(ctx context.Context, grants *grant.Service, who *store.Person) (grant.Grant, error) {
	asked, err := scope.Parse("imap pop smtp offline_access")
	if err != nil {
		return grant.Grant{}, err
	}
	return grants.Issue(ctx, grant.Grant{Person: who.ID, Address: who.Address, Client: client.Mail, Scope: asked, Offline: true, Kind: grant.KindCode,
		Methods: policy.MethodPassword | policy.MethodSoftwareOath, AuthTime: time.Now()})
}

// residents makes people, and returns them as they are kept.
func residents(ctx context.Context, s *store.Store, n int) ([]store.Person, error) {
	list := make([]store.Person, n)
	err := s.Change(ctx, store.System, "bench", func(tx *store.Tx) error {
		for i := range list {
			list[i] = store.Person{Address: person(i), SecretKind: store.SecretBackend, Origin: store.OriginLocal}
			if err := tx.AddPerson(&list[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

func verifying(ctx context.Context, f figures) error {
	dir, err := os.MkdirTemp(".", ".tokens-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := store.Open(ctx, store.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer s.Close()
	box, err := secret.OpenBox(dir + "/master.key")
	if err != nil {
		return err
	}
	keys, err := token.OpenKeyring(token.KeyringOptions{Path: dir + "/issuer.keys"}, box)
	if err != nil {
		return err
	}
	grants, err := grant.Open(ctx, grant.Options{Store: s, Box: box, Keys: keys, Issuer: issuer})
	if err != nil {
		return err
	}
	defer grants.Close()
	who, err := residents(ctx, s, bearers)
	if err != nil {
		return err
	}
	shown := make([][]byte, bearers)
	for i := range shown {
		g, err := granted(ctx, grants, &who[i])
		if err != nil {
			return err
		}
		access, _, err := grants.Access(g, grant.AccessFor{ClientID: client.Mail})
		if err != nil {
			return err
		}
		shown[i] = []byte(access)
	}
	own := token.NewOwn(issuer, issuer+"/mail", keys)
	from := netip.MustParseAddr("192.0.2.1")
	all := func() error {
		for _, b := range shown {
			c, err := own.Verify(ctx, b)
			if err == nil {
				_, err = grants.Standing(c.Grant, protocol.IMAP, from)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	began := time.Now()
	if err := all(); err != nil {
		return err
	}
	f["bearer_cold_us"] = float64(time.Since(began).Microseconds()) / bearers
	began = time.Now()
	for range seenRounds {
		if err := all(); err != nil {
			return err
		}
	}
	f["bearer_seen_us"] = float64(time.Since(began).Microseconds()) / bearers / seenRounds
	return nil
}

// refreshing asks the token endpoint in process, without TLS.
func refreshing(ctx context.Context, f figures) error {
	dir, err := os.MkdirTemp(".", ".refreshes-") // beside us: on a real disk, which /tmp may not be
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	at := free.Addr().String()
	_ = free.Close()
	text := fmt.Sprintf("state: .\nadmin: {socket: s}\npublic_url: http://%s\npublic: {address: %q, tls: none}\n", at, at)
	c, err := config.Parse("portreeve.yaml", dir, []byte(text), nil)
	if err != nil {
		return err
	}
	if err := beforehand(ctx, dir); err != nil {
		return err
	}
	s, err := server.New(ctx, server.Options{Config: c, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		return err
	}
	run, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(run) }()
	s.Gate().SetPolicy(reportOnly(1000))
	rate, err := refreshAll(ctx, s)
	stop()
	if fault := <-ended; err == nil {
		err = fault
	}
	if fault := s.Close(); err == nil {
		err = fault
	}
	f["refreshes_per_s"] = rate
	return err
}

// beforehand keeps the people before the server reads them.
func beforehand(ctx context.Context, dir string) error {
	s, err := store.Open(ctx, store.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = residents(ctx, s, atOnce)
	return err
}

func refreshAll(ctx context.Context, s *server.Server) (float64, error) {
	var done atomic.Int64
	var fault atomic.Pointer[string]
	began := time.Now()
	var wg sync.WaitGroup
	for i := range atOnce {
		text, err := first(ctx, s, person(i))
		if err != nil {
			return 0, err
		}
		wg.Go(func() {
			for time.Since(began) < refreshTime && fault.Load() == nil {
				if text, err = refresh(s.Pages(), text, i); err != nil {
					why := err.Error()
					fault.Store(&why)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if why := fault.Load(); why != nil {
		return 0, fmt.Errorf("a refresh was refused: %s", *why)
	}
	return float64(done.Load()) / time.Since(began).Seconds(), nil
}

// first is the first refresh token of a new grant.
func first(ctx context.Context, s *server.Server, address string) (string, error) {
	who, err := s.Person(ctx, address)
	if err != nil {
		return "", err
	}
	g, err := granted(ctx, s.Grants(), &who)
	if err != nil {
		return "", err
	}
	return s.Grants().RefreshToken(g)
}

// refresh redeems a refresh token and returns its successor.
func refresh(h http.Handler, text string, i int) (string, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {client.Mail}, "refresh_token": {text}}
	r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = fmt.Sprintf("10.1.%d.1:4711", i)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var answer struct {
		RefreshToken string `json:"refresh_token"`
		AccessToken  string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK || answer.AccessToken == "" || answer.RefreshToken == "" || answer.RefreshToken == text {
		return "", fmt.Errorf("%d: %.300s", w.Code, w.Body)
	}
	return answer.RefreshToken, nil
}
