package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/portreeve/portreeve/internal/config"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/policytest"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/server"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	signers  = 100             // people with a token each
	atOnce   = 64              // sign-ins under way
	signTime = 4 * time.Second // measured
	issuer   = "https://id.example.org"
)

// signIns times gate.SignIn with everything on: bearer tokens seen before,
// 1,000 policies, every event durable before the call returns.
func signIns(ctx context.Context, f figures) error {
	dir, err := os.MkdirTemp(".", ".signins-") // beside us: on a real disk, which /tmp may not be
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tokens, err := prepare(ctx, dir)
	if err != nil {
		return err
	}
	done, took, err := hammer(ctx, dir, tokens)
	if err != nil {
		return err
	}
	rows, err := count(ctx, dir)
	if err != nil {
		return err
	}
	if rows != done {
		return fmt.Errorf("%d sign-ins were answered, %d are in the log after reopening", done, rows)
	}
	f["signins_per_s"] = float64(done) / took.Seconds()
	return nil
}

// prepare makes the people and their tokens.
func prepare(ctx context.Context, dir string) ([][]byte, error) {
	s, err := store.Open(ctx, store.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := s.Change(ctx, store.System, "bench", func(tx *store.Tx) error {
		for i := range signers {
			if err := tx.AddPerson(&store.Person{Address: person(i), SecretKind: store.SecretBackend, Origin: store.OriginLocal}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "jwks.json"), jwks, 0o600); err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	if err != nil {
		return nil, err
	}
	tokens := make([][]byte, signers)
	for i := range tokens {
		now := time.Now().Unix()
		t, err := jwt.Signed(signer).Claims(map[string]any{"iss": issuer, "aud": "mail", "sub": person(i), "email": person(i), "iat": now, "exp": now + 3600}).Serialize()
		if err != nil {
			return nil, err
		}
		tokens[i] = []byte(t)
	}
	return tokens, nil
}

// reportOnly is a snapshot of random policies that are all judged and refuse nobody.
func reportOnly(n int) *policy.Snapshot {
	src := policytest.Source(seed, n, signers)
	for i := range src.Policies {
		src.Policies[i].State = policy.ReportOnly
	}
	s, _ := policy.Compile(policy.Source{Version: 1, Policies: src.Policies, Locations: src.Locations, Strengths: src.Strengths, Names: src.Names})
	return s
}

// hammer signs people in from many addresses and returns how many were let in.
func hammer(ctx context.Context, dir string, tokens [][]byte) (int64, time.Duration, error) {
	text := fmt.Sprintf("state: %s\nadmin: {socket: %s}\nissuers: {id: {issuer: %q, jwks_file: %s, audience: [mail]}}\n",
		".", "s", issuer, "jwks.json")
	c, err := config.Parse("portreeve.yaml", dir, []byte(text), nil)
	if err != nil {
		return 0, 0, err
	}
	s, err := server.New(ctx, server.Options{Config: c, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		return 0, 0, err
	}
	run, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(run) }()
	s.Gate().SetPolicy(reportOnly(1000))
	var n, done atomic.Int64
	var fault atomic.Pointer[string]
	one := func() {
		i := n.Add(1)
		who := int(i) % signers
		a := signin.Attempt{At: time.Now(), Protocol: protocol.IMAP, Listener: "imap", // a new address each time: no row is shared
			Client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 4711)}
		cred := signin.NewCredential(policy.CredentialBearer, "XOAUTH2", person(who), "", append([]byte(nil), tokens[who]...))
		if o := s.Gate().SignIn(ctx, a, cred); o.Allowed() {
			done.Add(1)
		} else {
			why := o.Code.String() + " " + o.Detail
			fault.Store(&why)
		}
	}
	for range signers { // tokens seen before
		one()
	}
	began := time.Now()
	warm := done.Load()
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for time.Since(began) < signTime && fault.Load() == nil {
				one()
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	stop()
	if err := <-ended; err != nil {
		return 0, 0, err
	}
	if err := s.Close(); err != nil {
		return 0, 0, err
	}
	if why := fault.Load(); why != nil {
		return 0, 0, fmt.Errorf("a sign-in was refused: %s", *why)
	}
	// The rate leaves the first ones out, the count of rows does not.
	return done.Load(), time.Duration(float64(took) * float64(done.Load()) / float64(done.Load()-warm)), nil
}

// count counts the rows after opening the database again.
func count(ctx context.Context, dir string) (int64, error) {
	s, err := store.Open(ctx, store.Options{Dir: dir})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	var rows int64
	var at store.Cursor
	for {
		list, next, err := s.Events(ctx, store.EventFilter{}, at, 1000)
		if err != nil {
			return 0, err
		}
		rows += int64(len(list))
		if next == (store.Cursor{}) {
			return rows, nil
		}
		at = next
	}
}
