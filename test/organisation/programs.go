package organisation

import (
	"crypto/tls"
	"math/rand/v2"
	"strings"
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// other marks another build of a program: it gives the same name and has
// another TLS library.
const other = "~"

// Program is how a mail program shows itself.
type Program struct {
	ID   []string // IMAP ID before signing in: keys and values; none: it sends none
	EHLO string
	// Hello makes the TLS hello that is like this program's and no other's.
	Hello func(*tls.Config)
}

// library is the suites that a TLS library offers; with tickets it is a later version.
func library(tickets bool, suites ...uint16) func(*tls.Config) {
	return func(c *tls.Config) {
		c.CipherSuites = suites
		if tickets {
			c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		}
	}
}

// bases are the programs by name. Suites are chosen so that each library has
// its own, as real ones do; which ones they are does not matter.
var bases = map[string]struct {
	id     []string
	suites []uint16
	other  []uint16
}{
	"outlook":             {nil, []uint16{0xc02f, 0xc02b, 0xc030}, []uint16{0xc02f, 0xc02b, 0xc030, 0xc013}},
	"thunderbird-windows": {[]string{"name", "Thunderbird", "version", "128.5.0"}, []uint16{0xc02f, 0xc02b, 0xcca9, 0xcca8, 0xc02c, 0xc030}, []uint16{0xc02f, 0xc02b, 0xcca9, 0xcca8}},
	"evolution":           {[]string{"name", "Evolution", "version", "3.46"}, []uint16{0xc02f, 0xc030, 0xcca8}, []uint16{0xc02f, 0xc030}},
	"apple-mail-mac":      {[]string{"name", "Mac OS X Mail", "version", "16.0", "os", "Mac OS X"}, []uint16{0xc02b, 0xc02f, 0xcca9}, []uint16{0xc02b, 0xc02f, 0xcca9, 0xc00a}},
	"apple-mail-ios":      {[]string{"name", "iPhone Mail", "version", "20F66", "os", "iOS"}, []uint16{0xc02b, 0xc02f, 0xcca9, 0xc02c}, []uint16{0xc02b, 0xc02f, 0xc02c}},
	"samsung":             {[]string{"name", "Samsung Email", "os", "Android"}, []uint16{0xc02b, 0xc02f, 0xcca8, 0xcca9}, []uint16{0xc02b, 0xc02f, 0xcca8}},
	"k-9":                 {nil, []uint16{0xc02b, 0xc02c, 0xc02f, 0xc030}, []uint16{0xc02b, 0xc02c, 0xc02f}},
	"gmail":               {nil, []uint16{0xc02b, 0xc02c, 0xcca9}, []uint16{0xc02b, 0xc02c}},
	"pop-fetcher":         {nil, []uint16{0xc030, 0xc02c, 0xcca8}, []uint16{0xc030, 0xc02c}},
	"python":              {nil, []uint16{0xc02f, 0xc030, 0xc02b, 0xc02c, 0xcca8, 0xcca9, 0xc013, 0xc014}, nil},
	"go":                  {[]string{"name", "go-imap"}, nil, nil},
	"impostor":            {[]string{"name", "Thunderbird", "version", "128.5.0"}, nil, nil}, // Go, under another name
}

// ProgramOf is how a program of the world shows itself.
func ProgramOf(name string) Program {
	base := strings.TrimRight(name, updated+other)
	b, known := bases[base]
	if !known {
		panic("no program " + name)
	}
	p := Program{ID: b.id, EHLO: "[192.168.1.20]", Hello: library(strings.HasSuffix(name, updated), b.suites...)}
	if strings.HasSuffix(name, other) {
		p.Hello = library(false, b.other...)
	}
	return p
}

// Programs are all names that sign-ins can have.
func Programs() (names []string) {
	for base, b := range bases {
		names = append(names, base, base+updated)
		if b.other != nil {
			names = append(names, base+other)
		}
	}
	return names
}
