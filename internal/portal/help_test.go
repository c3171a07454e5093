package portal

import (
	"net/netip"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

var (
	approvalNetwork = netip.MustParsePrefix("198.51.100.0/24")
	deniedNetwork   = netip.MustParsePrefix("233.252.0.0/24")

	references = regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}`)
	tokens     = regexp.MustCompile(`name="token" value="[^"]*"`)
	addresses  = regexp.MustCompile(`name="address" value="[^"]*"`)

	everybody = &policy.Users{Include: policy.People{All: true}}
	windowed  = &policy.Strength{ID: "granted", Combinations: []policy.Combination{{Methods: policy.MethodPassword | policy.MethodApprovalWindow}, {Methods: policy.MethodFIDO2},
		{Methods: policy.MethodPassword | policy.MethodSoftwareOath}}}
	// approvalNeeded lets a password alone open nothing.
	approvalNeeded = policy.Policy{ID: "strict", State: policy.Enabled, Grant: &policy.Grant{Controls: policy.ControlStrength, Strength: windowed}, Conditions: policy.Conditions{Users: everybody}}
	blockBrowsers  = policy.Policy{ID: "shut", State: policy.Enabled, Grant: &policy.Grant{Controls: policy.ControlBlock}, Conditions: policy.Conditions{Users: everybody,
		Applications: &policy.Applications{Include: []string{protocol.Portal.AppID()}}}}
)

func clientAt(addr string) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), 40000)
}

// ask has a program show the right password, and wait to be approved.
func (w *world) ask(t testing.TB, addr string) signin.Reference {
	t.Helper()
	id := signin.NewID(time.Now().UnixMilli(), [10]byte{1, 2, 3, byte(len(addr)), addr[len(addr)-1]})
	w.approvals.Ask(approval.Knock{ID: id, Reference: id.Reference(), At: time.Now(), Person: leela, Protocol: protocol.IMAP, Program: "fetchmail", Addr: netip.MustParseAddr(addr)})
	return id.Reference()
}

// journal keeps what is written down of sessions.
type journal struct {
	mu  sync.Mutex
	all []signin.SessionEvent
}

func (j *journal) Session(e signin.SessionEvent) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.all = append(j.all, e)
}

func (j *journal) list() []signin.SessionEvent {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.all)
}
