package test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/portreeve/portreeve/test/organisation"
)

const (
	monthsSeed    = 7
	sampledOwners = 120 // sign-ins of owners that are made over real connections too
	connections   = 8   // at once
	replayTime    = 10 * time.Minute
)

// monthsPeople is how large the organisation is. 5,000 people make 750,000
// sign-ins, which take ten minutes to write and to judge on two busy cores.
func monthsPeople() int {
	if long() {
		return 5000
	}
	return 500
}

// mustPass is how many of the owners' sign-ins of the second month must pass, as
// a share, while nobody does anything. Few people know less of one another: of
// 500, one with a new computer is half a thousandth.
func mustPass() float64 {
	if long() {
		return 0.99
	}
	return 0.985
}

// mustApproving is the same if people approve within half a day what they are
// asked about.
const mustApproving = 0.99

// months is an organisation with a door in front of its mail.
type months struct {
	*site
	spec   organisation.Spec
	world  *organisation.World
	replay string // the program that fills and judges
}

// Two months of an organisation: what was in use in the first is adopted, and in
// the second a stolen password opens nothing, while people's programs go on.
func TestAStolenPasswordOpensNothingAndNoPhoneStops(t *testing.T) {
	began := time.Now()
	m := startMonths(t)
	m.fill(t)
	t.Logf("the first month, %d sign-ins, is in the log after %v", len(m.world.First), time.Since(began).Round(time.Second))
	old := m.preview(t)
	m.adopt(t, old)
	m.do(t, "policy", "enable", templateName)
	m.steal(t)
	sample := m.owners(t)
	m.deny(t)
	m.stop(t)
	m.judge(t, sample)
	t.Logf("%v in all", time.Since(began).Round(time.Second))
}

const templateName = "A password alone opens nothing"

// quickDir is a folder in memory where there is one: two months are much to write.
func quickDir(t *testing.T) string {
	if dir, err := os.MkdirTemp("/dev/shm", "portreeve-months"); err == nil {
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		return dir
	}
	return t.TempDir()
}

func startMonths(t *testing.T) *months {
	m := &months{spec: organisation.Spec{Seed: monthsSeed, Sample: sampledOwners, People: monthsPeople(), Now: time.Now().Add(-time.Minute).Truncate(time.Second), Hellos: map[string]string{}}}
	m.replay = filepath.Join(t.TempDir(), "replay")
	cmd := exec.Command("go", "build", "-o", m.replay, "./organisation/replay")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building replay: %v\n%s", err, out)
	}
	m.world = organisation.Make(m.spec)
	mailboxes := map[string]string{}
	for _, p := range m.world.People {
		mailboxes[p.Address] = password
	}
	state := filepath.Join(quickDir(t), "state")
	check(t, os.Mkdir(state, 0o700))
	countries, owners := m.places(t)
	m.site = startSite(t, siteOptions{Login: masterLogin, Hasty: true, Floor: "300ms", People: mailboxes, Backend: plainEndpoints,
		Door: doorOptions{State: state, Behind: true, Extra: fmt.Sprintf("geo: {country: %s, asn: %s}\n", countries, owners)}})
	return m
}

// plainEndpoints are the backend's services without a PROXY header: Postfix
// takes none of an IPv6 client on an IPv4 connection.
func plainEndpoints(s *site) string {
	return fmt.Sprintf(`    imap: {address: %q, tls: none}
    pop3: {address: %q, tls: none}
    sieve: {address: %q, tls: none}
    submission: {address: %q, tls: none}
`, s.dovecot.IMAP, s.dovecot.POP3, s.dovecot.Sieve, s.postfix.Submission)
}

// places writes the files that say where the made-up networks are.
func (m *months) places(t *testing.T) (countries, owners string) {
	dir := t.TempDir()
	write := func(name, kind string, record func(organisation.Network) mmdbtype.DataType) string {
		tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, BuildEpoch: time.Now().Unix(), IncludeReservedNetworks: true})
		check(t, err)
		for _, n := range m.world.Networks {
			_, network, err := net.ParseCIDR(n.Prefix.String())
			check(t, err)
			check(t, tree.Insert(network, record(n)))
		}
		f, err := os.Create(filepath.Join(dir, name))
		check(t, err)
		defer f.Close()
		_, err = tree.WriteTo(f)
		check(t, err)
		return f.Name()
	}
	countries = write("country.mmdb", "GeoLite2-Country", func(n organisation.Network) mmdbtype.DataType {
		return mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(n.Country)}}
	})
	return countries, write("asn.mmdb", "GeoLite2-ASN", func(n organisation.Network) mmdbtype.DataType {
		return mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(n.ASN), "autonomous_system_organization": mmdbtype.String(n.Owner)}
	})
}

// connect signs somebody in from an address, as a balancer passes it on, with a
// program's own words and TLS hello.
func (m *months) connect(protocol, program string, addr netip.Addr, person, secret string) (answer string, err error) {
	address := m.Behind[protocol]
	if protocol == "imap" {
		address = m.Proxied
	}
	c, err := from(netip.MustParseAddr("127.9.0.1"), address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	header := fmt.Sprintf("PROXY TCP4 %s 127.0.0.1 40000 993\r\n", addr)
	if addr.Is6() {
		header = fmt.Sprintf("PROXY TCP6 %s ::1 40000 993\r\n", addr)
	}
	if _, err := c.Write([]byte(header)); err != nil {
		return "", err
	}
	shown, conf := organisation.ProgramOf(program), m.tls()
	shown.Hello(conf)
	s := tls.Client(c, conf)
	k := &knock{Conn: s, r: bufio.NewReader(s), protocol: protocol}
	greeted := dialogues[protocol].last
	if protocol == "imap" {
		greeted = func(l string) bool { return strings.HasPrefix(l, "* ") }
	}
	if _, err := k.read(greeted); err != nil {
		return "", fmt.Errorf("greeting: %w", err)
	}
	hello := ""
	switch {
	case protocol == "submission":
		hello = "EHLO " + shown.EHLO
	case protocol == "imap" && len(shown.ID) > 0:
		hello = `a ID ("` + strings.Join(shown.ID, `" "`) + `")`
	}
	if hello != "" {
		if _, _, err := k.say(hello); err != nil {
			return "", err
		}
	}
	answer, _, err = k.signIn(person, secret)
	return answer, err
}

// hellos finds out what each program's TLS hello looks like to the door.
func (m *months) hellos(t *testing.T) {
	names := map[string]string{}
	for i, program := range organisation.Programs() {
		name := fmt.Sprintf("probe%02d@example.org", i)
		names[name] = program
		if _, err := m.connect("imap", program, netip.MustParseAddr("192.0.2.9"), name, "wrong"); err != nil {
			t.Fatalf("%s: %v", program, err)
		}
	}
	var list struct {
		Value []struct {
			User      string `json:"userPrincipalName"`
			Portreeve struct {
				TLS struct {
					JA4 string `json:"ja4"`
				} `json:"tls"`
			} `json:"portreeve"`
		} `json:"value"`
	}
	for end := time.Now().Add(logWait * 4); len(m.spec.Hellos) < len(names) && time.Now().Before(end); time.Sleep(10 * pollTime) {
		m.read(t, &list, "signins", "list", "--limit", "200")
		for _, e := range list.Value {
			if program := names[e.User]; program != "" && e.Portreeve.TLS.JA4 != "" {
				m.spec.Hellos[program] = e.Portreeve.TLS.JA4
			}
		}
	}
	if len(m.spec.Hellos) < len(names) {
		t.Fatalf("the log has %d of %d hellos", len(m.spec.Hellos), len(names))
	}
	for _, pair := range [][2]string{{"thunderbird-windows", "thunderbird-windows+"}, {"thunderbird-windows", "thunderbird-windows~"}, {"thunderbird-windows", "impostor"}, {"apple-mail-ios", "samsung"}} {
		if m.spec.Hellos[pair[0]] == m.spec.Hellos[pair[1]] {
			t.Fatalf("%s and %s have the same hello: nothing would be tested", pair[0], pair[1])
		}
	}
}

// fill puts the first month into the log while the door is closed.
func (m *months) fill(t *testing.T) {
	m.hellos(t)
	m.stop(t)
	m.run(t, "fill")
	m.begin(t)
}

func (m *months) run(t *testing.T, what string) []byte {
	spec, err := json.Marshal(m.spec)
	check(t, err)
	cmd := exec.Command(m.replay, what, m.State)
	var out, faults bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(spec), &out, &faults
	check(t, cmd.Start())
	timer := time.AfterFunc(replayTime, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("replay %s: %v\n%s", what, err, faults.String())
	}
	return out.Bytes()
}

// suspect is what adoption says looks like somebody else.
type suspect struct {
	ID, Address, Program, Country string
	Reasons                       []string
}

type adoption struct {
	SignIns, Pass int64
	Share         float64
	WindowCount   int
	Suspicious    []suspect
	Left          []struct{ Address, Why, Do string }
}

// preview asks for the template and for what adoption would do, before
// anything is adopted, and returns the thieves that are named.
func (m *months) preview(t *testing.T) adoption {
	var made struct {
		Policy  struct{ State string }
		Preview struct{ SignIns, Pass int64 }
	}
	m.read(t, &made, "policy", "new", "--template", "password-alone-opens-nothing")
	if made.Policy.State != "enabledForReportingButNotEnforced" || made.Preview.Pass != 0 || made.Preview.SignIns < int64(len(m.world.First))*99/100 {
		t.Errorf("the template: %+v of %d sign-ins; without windows none of them would pass", made, len(m.world.First))
	}
	var dry adoption
	m.read(t, &dry, "approval", "adopt", "--seen", "30d", "--dry-run")
	var windows struct{ Value []any }
	m.read(t, &windows, "approval", "list", "--windows")
	if len(windows.Value) != 0 {
		t.Errorf("a dry run made %d windows", len(windows.Value))
	}
	for _, l := range dry.Left {
		if l.Why == "" || l.Do == "" {
			t.Errorf("%s is refused, without what to do: %+v", l.Address, l)
		}
	}
	return dry
}

// adopt adopts, and holds what was named before against who was at it.
func (m *months) adopt(t *testing.T, dry adoption) {
	named := map[string]bool{}
	for _, s := range dry.Suspicious {
		named[s.Address] = true
	}
	for _, x := range m.world.Thefts {
		if address := m.world.People[x.Person].Address; x.Old && !named[address] {
			t.Errorf("the thief in %s's account is not named: %s", address, x.How)
		}
		delete(named, m.world.People[x.Person].Address)
	}
	if len(named) > monthsPeople()/100 {
		t.Errorf("%d people who are no thieves are named as suspicious", len(named))
	}
	var done adoption
	m.read(t, &done, "approval", "adopt", "--seen", "30d")
	if done.WindowCount == 0 || done.WindowCount < dry.WindowCount*99/100 {
		t.Errorf("%d windows were made, %d foreseen", done.WindowCount, dry.WindowCount)
	}
	var after struct {
		Preview struct{ Share float64 }
	}
	m.read(t, &after, "policy", "new", "--template", "password-alone-opens-nothing", "--dry-run")
	t.Logf("adopted: %d windows; %.2f %% of the first month's sign-ins would pass, by the template's preview %.2f %%; %d others than the five are named as suspicious",
		done.WindowCount, 100*done.Share, 100*after.Preview.Share, len(named))
	if after.Preview.Share < done.Share-0.005 || after.Preview.Share > done.Share+0.005 {
		t.Errorf("adoption foresees %.4f, the template's preview %.4f", done.Share, after.Preview.Share)
	}
}

// each does something for each of a list, a few at a time.
func each[T any](list []T, do func(T)) {
	var wg sync.WaitGroup
	room := make(chan bool, connections)
	for _, x := range list {
		room <- true
		wg.Go(func() { do(x); <-room })
	}
	wg.Wait()
}

// steal tries all stolen passwords over real connections.
func (m *months) steal(t *testing.T) {
	var tries []organisation.SignIn
	opened := map[int]bool{}
	for _, x := range m.world.Thefts {
		tries = append(tries, x.Tries...)
	}
	var mu sync.Mutex
	each(tries, func(s organisation.SignIn) {
		answer, err := m.connect(s.Protocol, s.Program, s.Addr, m.world.People[s.Person].Address, password)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil:
			t.Errorf("%s over %s: %v", s.Note, s.Protocol, err)
		case in(answer):
			opened[s.Person] = true
			t.Errorf("a thief is let in: %s, over %s from %s", s.Note, s.Protocol, s.Addr)
		case !strings.Contains(answer, "PR50126"):
			t.Errorf("a thief learns something from %q", answer)
		}
	})
	fresh, near := 0, 0
	for _, x := range m.world.Thefts {
		if !x.Old {
			fresh++
			if x.Near {
				near++
			}
		}
	}
	if len(m.world.Thefts) != 40 || fresh != 35 || near != 10 {
		t.Errorf("%d thefts, %d of them new, %d of those near", len(m.world.Thefts), fresh, near)
	}
	t.Logf("%d passwords tried %d times over real connections, %d opened", len(m.world.Thefts), len(tries), len(opened))
}

// sampled is an owner's sign-in over a real connection and what came of it.
type sampled struct {
	n      int
	in     bool
	answer string
}

// owners signs some owners in over real connections, as in the second month.
func (m *months) owners(t *testing.T) (all []sampled) {
	for _, n := range m.world.Sampled(m.spec.Seed, m.spec.Sample) {
		all = append(all, sampled{n: n})
	}
	numbers := make([]int, len(all))
	for i := range numbers {
		numbers[i] = i
	}
	var mu sync.Mutex
	each(numbers, func(i int) {
		s := m.world.Second[all[i].n]
		answer, err := m.connect(s.Protocol, s.Program, s.Addr, m.world.People[s.Person].Address, password)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.Errorf("an owner over %s: %v", s.Protocol, err)
		}
		all[i].in, all[i].answer = in(answer), answer
	})
	return all
}

// deny finds a thief's request at his victim's, denies it, and holds that his
// network is no longer listened to.
func (m *months) deny(t *testing.T) {
	theft := m.world.Thefts[len(m.world.Thefts)-1]
	victim, try := m.world.People[theft.Person].Address, theft.Tries[0]
	var list struct {
		Value []struct{ ID, State, Protocol, IPAddress, Why string }
	}
	m.read(t, &list, "approval", "list", victim, "--requests")
	i := slices.IndexFunc(list.Value, func(x struct{ ID, State, Protocol, IPAddress, Why string }) bool {
		return x.State == "waiting" && x.Protocol == try.Protocol && x.IPAddress == try.Addr.String()
	})
	if i < 0 {
		t.Fatalf("the thief's request does not wait: %+v", list.Value)
	}
	m.do(t, "approval", "deny", list.Value[i].ID)
	if answer, err := m.connect(try.Protocol, try.Program, try.Addr, victim, password); err != nil || in(answer) || !strings.Contains(answer, "PR50126") {
		t.Errorf("after it was denied: %q, %v", answer, err)
	}
	m.signIn(t, victim, "PR1082")
}

// judge judges all of the owners' second month.
func (m *months) judge(t *testing.T, sample []sampled) {
	var r struct {
		SignIns, Pass, Approving          int64
		People, Thieves, Neighbours, Open int
		Twins, TwinsOpen                  int
		Refused                           []struct {
			Address, Program, Note, What, Do string
			Count                            int64
		}
		Alone []int
	}
	check(t, json.Unmarshal(m.run(t, "judge"), &r))
	unattended, attended := float64(r.Pass)/float64(r.SignIns), float64(r.Approving)/float64(r.SignIns)
	t.Logf("the second month: %d sign-ins of owners, %.2f %% pass if nobody does anything, %.2f %% if people approve what they are asked about; %d people are refused something",
		r.SignIns, 100*unattended, 100*attended, r.People)
	t.Logf("of %d people with a computer at home, %d have a window that a thief with the same program in the same part of their provider's network would pass; of %d with a telephone, %d one that the same telephone somewhere in the country would",
		r.Neighbours, r.Open, r.Twins, r.TwinsOpen)
	why := map[string]int64{}
	for _, x := range r.Refused {
		why[x.Note+": "+x.What+" → "+x.Do] += x.Count
		if x.What == "" || x.Do == "" {
			t.Errorf("%s is refused, without what to do", x.Address)
		}
	}
	for what, n := range why {
		t.Logf("%6d %s", n, what)
	}
	if r.Thieves != 0 {
		t.Errorf("%d tries of thieves pass", r.Thieves)
	}
	if unattended < mustPass() || attended < mustApproving {
		t.Errorf("only %.2f %% of the owners' sign-ins pass, %.2f %% if people approve what they are asked about", 100*unattended, 100*attended)
	}
	for _, s := range sample {
		if out := slices.Contains(r.Alone, s.n); s.in == out {
			t.Errorf("sign-in %d was let in over a real connection: %v (%q); judged in process: %v; it is %+v", s.n, s.in, s.answer, !out, m.world.Second[s.n])
		}
	}
}
