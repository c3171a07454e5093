package importer

import (
	"errors"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
)

// dovecot reads Dovecot's lines. What other lines told of a session is kept
// until its login line comes: the program's IMAP ID, and why the password was refused.
type dovecot struct {
	sessions map[string]note
}

type note struct {
	id   []signin.Pair
	code signin.Code
}

// loginServices are the processes that write login lines.
var loginServices = map[string]protocol.Protocol{
	"imap-login":        protocol.IMAP,
	"pop3-login":        protocol.POP3,
	"submission-login":  protocol.Submission,
	"managesieve-login": protocol.Sieve,
}

// reasons are Dovecot's words, in login-common's
// client_get_extra_disconnect_reason, for a credential that was refused, and
// what they mean here. What is not among them tells of no sign-in: "no auth
// attempts", "disconnected before auth was ready", "aborted authentication".
var reasons = []struct {
	words string
	code  signin.Code
}{
	{"auth failed, ", signin.ObservedRefusal},
	{"authorization failed, ", signin.ObservedRefusal},
	{"user disabled", signin.UserDisabled},
	{"password expired", signin.PasswordExpired},
	{"login disabled", signin.ObservedRefusal},
	{"tried to use disallowed plaintext auth", signin.ObservedRefusal},
	{"tried to use disabled plaintext auth", signin.ObservedRefusal},
	{"tried to use unsupported auth mechanism", signin.ObservedRefusal},
	{"auth service reported temporary failure", signin.DirectoryAway},
	{"auth process communication failure", signin.DirectoryAway},
	{"internal failure, ", signin.BackendAway},
	{"proxy dest auth failed", signin.BackendAway},
}

// attempts is "3 attempts in 12 secs".
var attempts = regexp.MustCompile(`^(\d{1,6}) attempts in (\d{1,6}) secs`)

func (d *dovecot) parse(l line) (*record, error) {
	if l.program == "auth" || l.program == "auth-worker" {
		d.authLine(l.message)
		return nil, nil
	}
	p, ok := loginServices[l.program]
	if !ok {
		return nil, nil
	}
	what, fields, ok := cutFields(l.message)
	if !ok {
		return nil, nil
	}
	if id, ok := strings.CutPrefix(what, "ID sent: "); ok {
		n := d.sessions[fields.session]
		n.id = parseID(id)
		d.keep(fields.session, n)
		return nil, nil
	}
	r := &record{protocol: p, count: 1}
	if !r.outcome(what) {
		return nil, nil
	}
	n := d.sessions[fields.session]
	delete(d.sessions, fields.session)
	if r.id = n.id; n.code != 0 && r.code == signin.ObservedRefusal {
		r.code = n.code
	}
	return r, r.fill(fields)
}

// outcome reads the words before the fields, and says whether they tell of a
// sign-in. 2.3 says "Login", 2.4 "Logged in"; a proxy says where it went.
func (r *record) outcome(what string) bool {
	started := strings.HasPrefix(what, "proxy(") && strings.Contains(strings.ToLower(what), "): started proxying to ")
	if what == "Login" || what == "Logged in" || started {
		r.success = true
		return true
	}
	for _, reason := range reasons {
		i := strings.LastIndex(what, "("+reason.words)
		if i < 0 {
			continue
		}
		r.code = reason.code
		r.detail, _, _ = strings.Cut(what[i+1:], ")")
		if m := attempts.FindStringSubmatch(what[i+1+len(reason.words):]); m != nil {
			n, _ := strconv.ParseInt(m[1], 10, 64)
			secs, _ := strconv.Atoi(m[2])
			r.count, r.span = min(max(n, 1), maxCount), time.Duration(secs)*time.Second
		}
		return true
	}
	return false
}

// loginFields are the elements of login_log_format_elements.
type loginFields struct {
	user, method, rip, session string
	rest                       []string
}

// cutFields divides a login line into its words and its fields. The user's
// name stands first among the fields and can hold anything, so the fields
// behind it are found from the end.
func cutFields(message string) (what string, f loginFields, ok bool) {
	const rip, method = ", rip=", ">, method="
	what, after, ok := strings.Cut(message, ": user=<")
	if !ok {
		return "", f, false
	}
	at := strings.LastIndex(after, rip)
	if at < 0 {
		return what, f, true
	}
	head := after[:at]
	if user, bare := strings.CutSuffix(head, ">"); bare {
		f.user = user
	} else if m := strings.LastIndex(head, method); m >= 0 {
		f.user, f.method = head[:m], head[m+len(method):]
	}
	for i, field := range strings.Split(after[at+len(rip):], ", ") {
		session, named := strings.CutPrefix(field, "session=<")
		switch {
		case i == 0:
			f.rip = field
		case named:
			f.session = strings.TrimSuffix(session, ">")
		default:
			f.rest = append(f.rest, field)
		}
	}
	return what, f, true
}

func (r *record) fill(f loginFields) error {
	r.typed, r.mechanism, r.session = f.user, strings.ToUpper(f.method), f.session
	addr, err := netip.ParseAddr(f.rip)
	if err != nil {
		return errors.New("the line has no client address (rip=)")
	}
	r.addr = addr.Unmap()
	for _, field := range f.rest {
		switch {
		case strings.HasPrefix(field, "TLSv"):
			r.tls = tlsVersion(field)
		case field == "TLS" || strings.HasPrefix(field, "TLS "), strings.HasPrefix(field, "TLS:"):
			r.tls = max(r.tls, unknownTLS)
		case strings.HasPrefix(field, "rport="):
			n, _ := strconv.ParseUint(field[len("rport="):], 10, 16)
			r.port = uint16(n)
		}
	}
	return nil
}

// tlsVersion reads "TLSv1.3 with cipher …" into crypto/tls's number.
func tlsVersion(s string) uint16 {
	word, _, _ := strings.Cut(s, " ")
	if v, ok := map[string]uint16{"TLSv1": 0x0301, "TLSv1.0": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}[word]; ok {
		return v
	}
	return unknownTLS
}

// authLine keeps why the auth process refused, with auth_verbose: the words
// behind "passwd-file(mary,192.0.2.1,<session>): ". They are compared and never
// kept, for auth_verbose_passwords puts passwords into them.
func (d *dovecot) authLine(message string) {
	head, why, ok := strings.Cut(message, ">): ")
	if !ok {
		return
	}
	session := head[strings.LastIndexByte(head, '<')+1:]
	n := d.sessions[session]
	switch {
	case strings.HasPrefix(why, "unknown user"), strings.HasPrefix(why, "Unknown user"):
		n.code = signin.UserUnknown
	case strings.HasPrefix(why, "Password mismatch"), strings.HasPrefix(why, "pam_authenticate() failed: Authentication failure"):
		n.code = signin.WrongCredentials
	default:
		return
	}
	d.keep(session, n)
}

// keep remembers a note until the login line comes; when too many wait, all
// are forgotten, and their sign-ins are told with less.
func (d *dovecot) keep(session string, n note) {
	const longestSession = 64 // bytes; Dovecot's have 16 to 32
	if session == "" || len(session) > longestSession {
		return
	}
	if len(d.sessions) >= maxNotes {
		clear(d.sessions)
	}
	d.sessions[session] = n
}

// parseID reads imap_id_log's "name=Thunderbird, version=153.7".
func parseID(s string) []signin.Pair {
	const most = 30 // pairs, RFC 2971 section 3.3
	var all []signin.Pair
	for _, field := range strings.Split(s, ", ") {
		key, value, ok := strings.Cut(field, "=")
		if ok && len(all) < most {
			all = append(all, signin.Pair{Key: strings.ToLower(key), Value: value})
		}
	}
	return all
}
