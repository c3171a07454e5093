package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tenantFolder is a small export: one person whom nothing protects, whose name
// is hostile, and who scans by SMTP AUTH.
func tenantFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"users.json":                     `[{"id":"u1","userPrincipalName":"ann@x.example","displayName":"=HYPERLINK(\"http://x\") \u001b]0;x\u0007 <script>alert(1)</script> \u202egro","accountEnabled":true,"userType":"Member"}]`,
		"conditionalAccessPolicies.json": `{"value":[]}`,
		"CASMailbox.csv":                 "\"PrimarySmtpAddress\",\"ImapEnabled\",\"PopEnabled\"\r\n\"ann@x.example\",\"True\",\"False\"\r\n",
		"signIns.json":                   `{"value":[{"id":"s1","createdDateTime":"2026-09-10T08:00:00Z","userPrincipalName":"ann@x.example","userId":"u1","clientAppUsed":"Authenticated SMTP","userAgent":"BAV2ROPC","resourceId":"00000002-0000-0ff1-ce00-000000000000","appId":"00000002-0000-0ff1-ce00-000000000000","ipAddress":"203.0.113.9","status":{"errorCode":0}}]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func runTenant(t *testing.T, args ...string) (code int, out, complaints string) {
	t.Helper()
	t.Setenv("PORTREEVE_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	var o, e bytes.Buffer
	code = Run(t.Context(), args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func TestAuditTenantSpeaksEveryForm(t *testing.T) {
	dir := tenantFolder(t)
	code, out, complaints := runTenant(t, "audit", "tenant", dir)
	if code != exitOK || !strings.Contains(out, "password-only") || !strings.Contains(out, "ann@x.example: activesync, ews, imap") || !strings.Contains(out, "witness: ") {
		t.Errorf("%d %s\n%s", code, complaints, out)
	}
	if strings.ContainsAny(out, "\x1b\x07\u202e") {
		t.Errorf("a display name steers the terminal: %q", out)
	}
	code, out, _ = runTenant(t, "audit", "tenant", dir, "-o", "json")
	var report struct {
		Findings  []struct{ Kind, Subject string }
		Mailboxes []struct {
			User      string
			Protocols map[string]struct{ Password, Token, SaidBy string }
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitOK || len(report.Findings) < 4 || len(report.Mailboxes) != 1 {
		t.Fatalf("%d %v %s", code, err, out)
	}
	if p := report.Mailboxes[0].Protocols; p["imap"].Password != "open" || p["pop"].Password != "closed" || p["pop"].SaidBy != "mailbox: PopEnabled is False" {
		t.Errorf("%+v", p)
	}
	_, out, _ = runTenant(t, "audit", "tenant", dir, "-o", "csv")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) != len(report.Findings)+1 || rows[0][0] != "kind" || strings.Contains(out, ",\"=") || strings.Contains(out, ",=") {
		t.Errorf("%v %s", err, out)
	}
	_, out, _ = runTenant(t, "audit", "tenant", dir, "-o", "html")
	if !strings.HasPrefix(out, "<!doctype html>") || strings.Contains(out, "<script") || !strings.Contains(out, "&lt;script&gt;") {
		t.Errorf("the page lets a display name in: %s", out)
	}
	_, out, _ = runTenant(t, "audit", "tenant", dir, "-o", "ndjson")
	if n := strings.Count(out, "\n"); n != len(report.Findings) {
		t.Errorf("%d lines: %s", n, out)
	}
}

func TestAuditTenantTellsByItsExitCode(t *testing.T) {
	dir := tenantFolder(t)
	if code, _, _ := runTenant(t, "audit", "tenant", dir, "--exit-code"); code != exitPending {
		t.Errorf("with findings: %d", code)
	}
	if code, _, complaints := runTenant(t, "audit", "tenant", dir, "--exit-code", "--kind", "deleted-reference"); code != exitOK {
		t.Errorf("without: %d %s", code, complaints)
	}
	if code, out, _ := runTenant(t, "audit", "tenant", dir, "--at", "2025-01-01", "-o", "csv", "--kind", "breaks-smtp-end"); code != exitOK || strings.Count(out, "\n") != 1 {
		t.Errorf("a window before the log: %d %s", code, out)
	}
	for _, wrong := range [][]string{{"-o", "pdf"}, {"--kind", "pasword-only"}, {"--last", "soon"}, {"--last", "0d"}, {"--at", "teatime"}} {
		if code, _, complaints := runTenant(t, append([]string{"audit", "tenant", dir}, wrong...)...); code != exitUsage {
			t.Errorf("%v: %d %s", wrong, code, complaints)
		}
	}
}

func TestAuditTenantSaysWhatToExport(t *testing.T) {
	empty := t.TempDir()
	code, _, complaints := runTenant(t, "audit", "tenant", empty)
	if code != exitUsage || !strings.Contains(complaints, "is empty") || !strings.Contains(complaints, "Get-CASMailbox -ResultSize Unlimited") || !strings.Contains(complaints, "docs/audit-tenant.md") {
		t.Errorf("%d %s", code, complaints)
	}
	if err := os.WriteFile(filepath.Join(empty, "shopping.txt"), []byte("milk"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, complaints = runTenant(t, "audit", "tenant", empty); code != exitUsage || !strings.Contains(complaints, "shopping.txt") {
		t.Errorf("%d %s", code, complaints)
	}
	if code, _, complaints = runTenant(t, "audit", "tenant", filepath.Join(empty, "nowhere")); code != exitNotFound {
		t.Errorf("%d %s", code, complaints)
	}
}
