package oauth

import (
	"net/http"
	"runtime"
	"testing"

	"github.com/portreeve/portreeve/internal/client"
)

// BenchmarkRefresh is the whole of a refresh: the form, the gate's judgement and
// its event, the rotation, the new tokens. Each program has a grant of its own.
func BenchmarkRefresh(b *testing.B) {
	w := newWorld(b)
	b.SetParallelism(max(1, 40/runtime.GOMAXPROCS(0))) // a person has fifty grants at most
	b.RunParallel(func(p *testing.PB) {
		a := w.signedIn("scope", "imap smtp offline_access")
		for p.Next() {
			if a = w.token("grant_type", "refresh_token", "client_id", client.Mail, "refresh_token", a.text("refresh_token")); a.StatusCode != http.StatusOK {
				b.Errorf("%d %s", a.StatusCode, a.body)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "refreshes/s")
}
