package config

import (
	"fmt"
	"net/url"
	"reflect"
	"time"
)

// DefaultFile is where the configuration is looked for.
const DefaultFile = "/etc/portreeve/portreeve.yaml"

// The floors of refusals. Dovecot 2.3 answers a wrong password after 1.2 to
// 2.2 s; behind a Postfix with 100 guessers at once up to 2.56 s were measured.
const (
	floorWithBackend = 2600 * time.Millisecond
	floorAlone       = 500 * time.Millisecond
)

// defaults is what holds where the file says nothing.
func defaults() Config {
	return Config{
		Public:    Public{TLS: "implicit"},
		Approval:  Approval{Days: 30, IdleDays: 45, Waiting: 24 * time.Hour, DenyDays: 90, Place: "network"},
		Languages: Languages{Default: "en"},
		Notices:   Notices{TLS: "starttls"},
		Tokens:    Tokens{Algorithm: "ES256"},
		OAuth:     OAuth{Enabled: true, AccessToken: 10 * time.Minute, Algorithm: "ES256", RefreshIdle: 90 * 24 * time.Hour, Registration: "open", Registrations: 20, DeviceCode: true},
		Names:     Names{Detail: "+"},
		Refusals:  Refusals{IMAPCode: "UNAVAILABLE", IMAPAlert: true, POP3Code: "SYS/PERM", SMTPCode: "5.7.8"},
		Limits:    Limits{PerSource: 100, Unauthenticated: 20_000, SignInTime: 3 * time.Minute},
		Log:       Log{Format: "json", Syslog: "/dev/log", Level: "info", Days: 400, Size: 20 << 30, Unrecorded: "refuse"},
		Database:  "sqlite",
		State:     "/var/lib/portreeve",
		Admin:     Admin{Socket: "/run/portreeve/portreeve.sock", Group: "portreeve"},
	}
}

// defaultsOf is the same for one of several: a listener, a backend.
func defaultsOf(t reflect.Type) reflect.Value {
	var v any
	switch t {
	case reflect.TypeFor[Config]():
		v = defaults()
	case reflect.TypeFor[Listener]():
		v = Listener{TLS: "implicit", Refusals: defaults().Refusals}
	case reflect.TypeFor[Backend]():
		v = Backend{Login: "password", Token: Token{Mechanism: "OAUTHBEARER"}}
	case reflect.TypeFor[Endpoint]():
		v = Endpoint{TLS: "implicit"}
	case reflect.TypeFor[Issuer]():
		v = Issuer{SessionMax: 24 * time.Hour, Claims: Claims{Address: "email"}}
	case reflect.TypeFor[Directory]():
		v = Directory{Schema: "openldap", Poll: 10 * time.Second, Timeout: 5 * time.Second, GuessBudget: 3, GuessWindow: 30 * time.Minute,
			Groups: DirectoryGroups{Name: "cn", By: "members"}}
	case reflect.TypeFor[SignIn]():
		v = SignIn{Scopes: []string{"email", "profile"}}
	case reflect.TypeFor[Forwarder]():
		v = Forwarder{Pass: "none"}
	default:
		return reflect.Zero(t)
	}
	return reflect.ValueOf(v)
}

// fill sets what depends on other settings. What is set already stays.
func (c *Config) fill() {
	if c.Hostname == "" {
		if u, err := url.Parse(string(c.PublicURL)); err == nil {
			c.Hostname = u.Hostname()
		}
	}
	if c.Directories == nil {
		c.Directories = []Directory{{Kind: "local"}}
		if len(c.Backends) > 0 {
			c.Directories = append(c.Directories, Directory{Kind: "backend"})
		}
	}
	for i := range c.Directories {
		c.Directories[i].fill(c.DefaultDomain)
	}
	if c.Refusals.Floor == 0 {
		c.Refusals.Floor = floorAlone
		if c.BackendChecksPasswords() {
			c.Refusals.Floor = floorWithBackend
		}
	}
	used := map[string]bool{}
	for i := range c.Listeners {
		l := &c.Listeners[i]
		if l.Name == "" {
			l.Name = fmt.Sprintf("%s-%d", l.Protocol, l.Address.Port())
			for n := 2; used[l.Name]; n++ {
				l.Name = fmt.Sprintf("%s-%d-%d", l.Protocol, l.Address.Port(), n)
			}
		}
		used[l.Name] = true
		if l.DefaultDomain == "" {
			l.DefaultDomain = c.DefaultDomain
		}
		if l.Refusals.Floor == 0 {
			l.Refusals.Floor = c.Refusals.Floor
		}
	}
	for name, i := range c.Issuers {
		i.SignIn.fill(name)
	}
	for name, b := range c.Backends {
		if b.Token.Audience == "" {
			b.Token.Audience = name
		}
		if b.Hello == "" {
			b.Hello = c.Hostname
		}
		c.Backends[name] = b
	}
	if c.Observe.DefaultDomain == "" {
		c.Observe.DefaultDomain = c.DefaultDomain
	}
}

// BackendChecksPasswords says that wrong passwords take as long as the mail
// server takes to refuse them.
func (c *Config) BackendChecksPasswords() bool {
	for _, d := range c.Directories {
		if d.Kind == "backend" {
			return len(c.Backends) > 0
		}
	}
	return false
}
