package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// moduleTime is how long a module may take; the longest waits for 30 seconds.
const moduleTime = 3 * time.Minute

// plan is one of the suite's, and how it is run.
type plan struct {
	name    string
	variant map[string]string
	// told says that its programs hear by the back channel of grants that end. Of
	// the other plans' modules, those that have a grant ended do not expect it.
	told bool
	// only are the modules of it that are run; nil: all.
	only []string
}

var (
	discovery = map[string]string{"server_metadata": "discovery", "client_registration": "static_client"}
	logout    = map[string]string{"client_registration": "static_client", "response_type": "code"}
	// whole is the plan of all modules, as the basic one runs them.
	whole = map[string]string{"client_registration": "static_client", "response_type": "code", "response_mode": "default", "client_auth_type": "client_secret_basic"}
)

// plans are those that we mean to hold, and what others of their modules can be run
// by themselves. Programs on the web are added by an administrator, so that they
// run with static clients.
var plans = []plan{
	{"oidcc-config-certification-test-plan", nil, false, nil},
	{"oidcc-basic-certification-test-plan", discovery, false, nil},
	{"oidcc-formpost-basic-certification-test-plan", discovery, false, nil},
	{"oidcc-rp-initiated-logout-certification-test-plan", logout, false, nil},
	{"oidcc-backchannel-rp-initiated-logout-certification-test-plan", logout, true, nil},
	{"oidcc-test-plan", whole, false, []string{"oidcc-server-rotate-keys", "oidcc-redirect-uri-query-added"}},
}

// module is one of a plan's.
type module struct {
	Name    string            `json:"testModule"`
	Variant map[string]string `json:"variant"`
}

// entry is one line of a module's log.
type entry struct {
	Source  string `json:"src"`
	Message string `json:"msg"`
	Result  string `json:"result"`
}

func (s *suite) runPlans(ctx context.Context, parts []string, i *issuer) (good bool, err error) {
	var server struct{ Version string }
	if err := s.ask(ctx, http.MethodGet, "server", nil, nil, &server); err != nil {
		return false, err
	}
	fmt.Println("OpenID's conformance suite", server.Version)
	good, ran := true, false
	for n, p := range plans {
		if len(parts) > 0 && !slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(p.name, part) }) {
			continue
		}
		configuration, err := i.configuration(ctx, n, p, s.callbacks())
		if err != nil {
			return false, err
		}
		fine, err := s.runPlan(ctx, p, configuration, i)
		if err != nil {
			return false, fmt.Errorf("%s: %w", p.name, err)
		}
		good, ran = good && fine, true
	}
	if !ran {
		return false, fmt.Errorf("no plan is called something like %q", parts)
	}
	return good, nil
}

func (s *suite) runPlan(ctx context.Context, p plan, configuration map[string]any, i *issuer) (good bool, err error) {
	query := url.Values{"planName": {p.name}}
	if p.variant != nil {
		variant, err := json.Marshal(p.variant)
		if err != nil {
			return false, err
		}
		query.Set("variant", string(variant))
	}
	var made struct {
		ID      string   `json:"id"`
		Modules []module `json:"modules"`
	}
	if err := s.ask(ctx, http.MethodPost, "plan", query, configuration, &made); err != nil {
		return false, err
	}
	if p.only != nil {
		made.Modules = slices.DeleteFunc(made.Modules, func(m module) bool { return !slices.Contains(p.only, m.Name) })
	}
	fmt.Printf("\n%s: %d modules\n", p.name, len(made.Modules))
	counts := map[string]int{}
	for _, m := range made.Modules {
		result, log, err := s.runModule(ctx, made.ID, m, i)
		if err != nil {
			return false, fmt.Errorf("%s: %w", m.Name, err)
		}
		counts[result]++
		fmt.Printf("  %-9s %s\n", result, m.Name)
		for _, e := range log {
			if slices.Contains([]string{"WARNING", "FAILURE"}, e.Result) {
				fmt.Printf("            %s %s: %s\n", strings.ToLower(e.Result), e.Source, e.Message)
			}
		}
	}
	fmt.Print(" ")
	for _, result := range results {
		fmt.Printf(" %s %d", strings.ToLower(result), counts[result])
	}
	fmt.Println()
	return counts["PASSED"]+counts["WARNING"]+counts["REVIEW"]+counts["SKIPPED"] == len(made.Modules), nil
}

// results are what a module can come to. REVIEW is a pass where a person has to look
// at the page that was shown. What does not end is called STUCK, here.
var results = []string{"PASSED", "WARNING", "REVIEW", "SKIPPED", "FAILED", "STUCK"}

// runModule runs one module and returns what it came to, with its log, which is
// kept in a file.
func (s *suite) runModule(ctx context.Context, planID string, m module, i *issuer) (result string, log []entry, err error) {
	variant, err := json.Marshal(m.Variant)
	if err != nil {
		return "", nil, err
	}
	var made struct {
		ID string `json:"id"`
	}
	if err := s.ask(ctx, http.MethodPost, "runner", url.Values{"test": {m.Name}, "plan": {planID}, "variant": {string(variant)}}, nil, &made); err != nil {
		return "", nil, err
	}
	result, err = s.follow(ctx, made.ID, i)
	if err != nil {
		return "", nil, err
	}
	var raw []json.RawMessage
	if err := s.ask(ctx, http.MethodGet, "log/"+made.ID, nil, nil, &raw); err != nil {
		return "", nil, err
	}
	text, err := json.MarshalIndent(raw, "", " ")
	if err != nil {
		return "", nil, err
	}
	for _, line := range raw {
		var e entry
		if json.Unmarshal(line, &e) == nil {
			log = append(log, e)
		}
	}
	return result, log, os.WriteFile(filepath.Join(s.logs, m.Name+"-"+planID+".json"), text, 0o600)
}

// follow waits for a module's end. The one that waits to be started wants the keys
// turned first.
func (s *suite) follow(ctx context.Context, id string, i *issuer) (result string, err error) {
	for end := time.Now().Add(moduleTime); time.Now().Before(end); {
		var info struct{ Status, Result string }
		if err := s.ask(ctx, http.MethodGet, "info/"+id, nil, nil, &info); err != nil {
			return "", err
		}
		switch info.Status {
		case "FINISHED":
			return info.Result, nil
		case "INTERRUPTED":
			return "FAILED", nil
		case "CONFIGURED":
			if err := i.do(ctx, "", nil, "key", "rotate", "programs"); err != nil {
				return "", err
			}
			var started any
			if err := s.ask(ctx, http.MethodPost, "runner/"+id, nil, nil, &started); err != nil {
				return "", err
			}
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(pollTime):
		}
	}
	return "STUCK", nil
}
