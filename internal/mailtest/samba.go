package mailtest

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"
)

// What every Samba of this package has.
const (
	SambaBase          = "DC=corp,DC=example,DC=org"
	SambaName          = "dc.corp.example.org" // in its certificate
	SambaAdmin         = "administrator@corp.example.org"
	SambaAdminPassword = "Adm1n.Pass.word"
	sambaProvision     = 3 * time.Minute // takes 20 s on an idle machine
)

// Samba is a running Active Directory domain controller, LDAP alone. It listens
// on the usual ports of a loopback address of its own, since it knows no other
// ports, and needs root for it.
type Samba struct {
	TLSURL    string
	Authority *Authority
	Dir       string

	mu sync.Mutex
}

const sambaConf = `[global]
netbios name = DC
realm = CORP.EXAMPLE.ORG
workgroup = CORP
server role = active directory domain controller
server services = ldap
dcerpc endpoint servers = -dnsserver
bind interfaces only = Yes
interfaces = %[2]s/8
lock directory = %[1]s
cache directory = %[1]s/cache
state directory = %[1]s/state
private dir = %[1]s/private
binddns dir = %[1]s/bind-dns
pid directory = %[1]s/run
ncalrpc dir = %[1]s/ncalrpc
ntp signd socket directory = %[1]s/run
winbindd socket directory = %[1]s/run
log file = %[1]s/log
posix:eadb = %[1]s/eadb.tdb
disable netbios = yes
tls enabled = yes
tls certfile = %[1]s/cert.pem
tls keyfile = %[1]s/key.pem
tls cafile = %[1]s/ca.pem
`

// StartSamba provisions a domain in a folder of its own, fills it, and starts
// its controller.
func StartSamba(t testing.TB, ldif string) *Samba {
	t.Helper()
	tool, binary := program(t, "samba-tool", "samba-common-bin"), program(t, "samba", "samba samba-ad-dc samba-ad-provision")
	program(t, "ldapmodify", "ldap-utils")
	if os.Getuid() != 0 {
		t.Fatal("samba knows the usual ports of LDAP only: run the tests as root")
	}
	dir := folder(t, "samba")
	address := fmt.Sprintf("127.%d.%d.1", 100+rand.IntN(100), 1+rand.IntN(250))
	s := &Samba{TLSURL: "ldaps://" + address, Authority: NewAuthority(t), Dir: dir}
	provision := exec.Command(tool, "domain", "provision", "--realm=CORP.EXAMPLE.ORG", "--domain=CORP", "--server-role=dc", "--dns-backend=NONE",
		"--adminpass="+SambaAdminPassword, "--targetdir="+dir, "--host-name=dc", "--host-ip="+address,
		"--option=posix:eadb="+filepath.Join(dir, "eadb.tdb"), "--option=interfaces="+address+"/8", "--option=bind interfaces only=yes")
	bounded(t, provision, sambaProvision)
	cert, key := s.Authority.Issue(t, SambaName)
	write(t, filepath.Join(dir, "cert.pem"), string(cert))
	write(t, filepath.Join(dir, "ca.pem"), string(s.Authority.PEM()))
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"run", "cache", "ncalrpc"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(dir, "smb.conf")
	write(t, conf, fmt.Sprintf(sambaConf, dir, address))
	cmd := exec.Command(binary, "-F", "-M", "single", "--no-process-group", "-s", conf)
	cmd.Dir = dir
	p := start(t, cmd)
	if !p.listening(t, address+":636") {
		t.Fatalf("samba did not start\n%s", readFile(filepath.Join(dir, "log")))
	}
	s.Modify(t, ldif)
	return s
}

// Modify changes entries as the administrator; ldif is as ldapmodify takes it.
func (s *Samba) Modify(t testing.TB, ldif string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	cmd := exec.Command("ldapmodify", "-x", "-H", s.TLSURL, "-D", SambaAdmin, "-w", SambaAdminPassword)
	cmd.Stdin = strings.NewReader(ldif)
	cmd.Env = append(os.Environ(), "LDAPTLS_CACERT="+filepath.Join(s.Dir, "ca.pem"), "LDAPTLS_REQCERT=never") // it is reached by an address that is in no certificate
	bounded(t, cmd, toolTime)
}

// Read gives attributes of an entry as ldapsearch prints them.
func (s *Samba) Read(t testing.TB, dn string, attributes ...string) string {
	t.Helper()
	cmd := exec.Command("ldapsearch", append([]string{"-LLL", "-x", "-H", s.TLSURL, "-D", SambaAdmin, "-w", SambaAdminPassword, "-s", "base", "-b", dn}, attributes...)...)
	cmd.Env = append(os.Environ(), "LDAPTLS_REQCERT=never")
	return bounded(t, cmd, toolTime)
}

// SambaPassword is a line that sets a password: unicodePwd, in quotes, UTF-16.
func SambaPassword(password string) string {
	var raw []byte
	for _, u := range utf16.Encode([]rune(`"` + password + `"`)) {
		raw = append(raw, byte(u), byte(u>>8))
	}
	return "unicodePwd:: " + base64.StdEncoding.EncodeToString(raw) + "\n"
}
