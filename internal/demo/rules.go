package demo

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/store"
)

// The names of what the story speaks of; the rules themselves stand in the
// folder rules, as Microsoft Graph and Exchange write them.
const (
	retirePasswords   = "Retire passwords"
	retirePasswordsID = "0d0c0de0-0001-4000-8000-000000000001"
	secondFactor      = "Second factor with a token"
)

//go:embed rules/*.json
var ruleFiles embed.FS

// excludedFor is how long Zoidberg's exclusion lasts.
const excludedFor = 30 * 24 * time.Hour

// putRules writes the rules into an empty store.
func putRules(ctx context.Context, s *store.Store, now time.Time) error {
	return s.Change(ctx, store.System, "demo", func(tx *store.Tx) error {
		for _, f := range []struct {
			kind store.DocumentKind
			file string
		}{
			{store.Location, "planet-office"},
			{store.Policy, "retire-passwords"},
			{store.Policy, "second-factor"},
			{store.Policy, "scanners"},
			{store.AuthenticationPolicy, "no-pop3"},
		} {
			d, err := readRule(f.kind, f.file, now)
			if err != nil {
				return err
			}
			if err := tx.PutDocument(&d); err != nil {
				return err
			}
		}
		return assign(tx)
	})
}

// assign gives the crew their authentication policy, and closes one door of
// one mailbox.
func assign(tx *store.Tx) error {
	crew, err := tx.Group("Crew")
	if err != nil {
		return err
	}
	if err := tx.PutAssignment(store.Assignment{Scope: store.GroupScope, Subject: crew.ID, Policy: "No POP3 with a password"}); err != nil {
		return err
	}
	kif, err := tx.Person(address("kif"))
	if err != nil {
		return err
	}
	off := false
	return tx.PutSwitch(store.Mailbox, kif.ID, "PopEnabled", &off)
}

func readRule(kind store.DocumentKind, file string, now time.Time) (store.Document, error) {
	raw, err := ruleFiles.ReadFile("rules/" + file + ".json")
	if err != nil {
		return store.Document{}, err
	}
	text := strings.ReplaceAll(string(raw), "{{expires}}", now.Add(excludedFor).UTC().Format(time.RFC3339))
	var head struct{ ID, GUID, DisplayName, Name, State string }
	if err := json.Unmarshal([]byte(text), &head); err != nil {
		return store.Document{}, fmt.Errorf("reading rule %s: %w", file, err)
	}
	return store.Document{Kind: kind, ID: head.ID + head.GUID, Name: head.DisplayName + head.Name, State: head.State, JSON: json.RawMessage(text)}, nil
}
