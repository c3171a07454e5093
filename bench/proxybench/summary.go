package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"maps"
	"math"
	"os"
	"slices"
)

// summaryMain boils results down to the figures that have goals:
// proxybench summary -of portreeve -ref nginx -out peers.json RESULTS...
func summaryMain(args []string) {
	fs := flag.NewFlagSet("summary", flag.ExitOnError)
	of := fs.String("of", "portreeve", "whose figures")
	ref := fs.String("ref", "nginx", "compared with whom")
	out := fs.String("out", "", "where to; without it they are only printed")
	fs.Parse(args)
	var rows []row
	for _, name := range fs.Args() {
		b, err := os.ReadFile(name)
		var r report
		if err == nil {
			err = json.Unmarshal(b, &r)
		}
		if err != nil {
			log.Fatalf("%s: %v", name, err)
		}
		rows = append(rows, r.Rows...)
	}
	f := figures(rows, *of, *ref)
	b, _ := json.MarshalIndent(f, "", "  ")
	fmt.Printf("%s\n", b)
	if *out != "" {
		if err := os.WriteFile(*out, append(b, '\n'), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(goals)) {
		if v, there := f[name]; there && v > goals[name] {
			fmt.Fprintf(os.Stderr, "over its goal: %s is %v, the goal is %v\n", name, v, goals[name])
		}
	}
}

// goals are docs/performance.md's: at most this.
var goals = map[string]float64{
	"login_tls": 0.80, "login_tls_resumed": 0.65, "login_plain": 1.10, "login_tls_p50": 0.15, "login_tls_mlkem": 1.0,
	"stream_tls": 0.55, "stream_plain": 0.35, "noop16_tls": 1.0, "noop16_plain": 1.15, "idle_tls_kb": 8, "idle_plain_kb": 2.5, "empty_rss_mb": 60,
	"after_crowd": 3, "descriptors_tls": 2, "descriptors_plain": 2, "storm_p95": 2, "attack_p99": 1.5, "attack_asked_backend": 0,
}

// figures are medians over rounds: ratios to the reference where a goal is one.
func figures(rows []row, of, ref string) map[string]float64 {
	middle := func(scenario, target, column string) (float64, bool) {
		var v []float64
		for _, r := range rows {
			if x, there := r.Result[column]; there && r.Scenario == scenario && r.Target == target {
				v = append(v, x)
			}
		}
		if len(v) == 0 {
			return 0, false
		}
		return median(v), true
	}
	f := map[string]float64{}
	ratio := func(name, scenario, against, column string) {
		ours, there := middle(scenario, of, column)
		theirs, known := middle(against, ref, column)
		if there && known && theirs > 0 {
			f[name] = round(ours / theirs)
		}
	}
	ratio("login_tls", "login-imap-tls", "login-imap-tls", "cpu_ms/login")
	ratio("login_tls_resumed", "login-imap-tls-resumed", "login-imap-tls-resumed", "cpu_ms/login")
	ratio("login_plain", "login-imap-plaintext", "login-imap-plaintext", "cpu_ms/login")
	ratio("login_tls_p50", "login-imap-tls", "login-imap-tls", "p50_ms")
	ratio("login_tls_mlkem", "login-imap-tls-mlkem", "login-imap-tls", "cpu_ms/login")
	ratio("stream_tls", "stream-tls", "stream-tls", "cpu_s/GB")
	ratio("stream_plain", "stream-plaintext", "stream-plaintext", "cpu_s/GB")
	ratio("noop16_tls", "noop16-tls", "noop16-tls", "cpu_us/rt")
	ratio("noop16_plain", "noop16-plaintext", "noop16-plaintext", "cpu_us/rt")
	for name, at := range map[string][2]string{
		"login_tls_cpu_ms": {"login-imap-tls", "cpu_ms/login"}, "login_plain_cpu_ms": {"login-imap-plaintext", "cpu_ms/login"},
		"login_tls_p50_ms": {"login-imap-tls", "p50_ms"}, "login_xoauth2_cpu_ms": {"login-imap-tls-xoauth2", "cpu_ms/login"},
		"idle_tls_kb": {"idle-tls", "pss_KB/conn"}, "idle_plain_kb": {"idle-plaintext", "pss_KB/conn"}, "empty_rss_mb": {"empty", "rss_MB"},
		"after_crowd": {"memory-return", "after/before"}, "descriptors_tls": {"descriptors-tls", "fds/conn"}, "descriptors_plain": {"descriptors-plaintext", "fds/conn"},
		"storm_p95": {"storm", "p95_ratio"}, "storm_rows": {"storm", "rows"}, "storm_attempts": {"storm", "attempts"}, "storm_closed_ms": {"storm", "closed_ms"},
		"storm_others_failed": {"storm", "others_failed"}, "attack_p99": {"attack", "p99_ratio"}, "attack_cpu_ms": {"attack", "cpu_ms/attempt"},
		"attack_asked_backend": {"attack", "asked_late"},
	} {
		if v, there := middle(at[0], of, at[1]); there {
			f[name] = round(v)
		}
	}
	return f
}

// round keeps three digits behind the point: more would be noise.
func round(v float64) float64 { return math.Round(v*1000) / 1000 }
