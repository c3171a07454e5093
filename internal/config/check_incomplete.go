package config

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Incomplete is what was begun in the configuration and lacks a piece, and a
// state folder that is not ours alone: what `config check` warns of and `status`
// goes on telling.
func (c *Config) Incomplete() []Problem {
	k := &checker{c: c}
	k.incomplete()
	return k.placed()
}

func (k *checker) incomplete() {
	k.state()
	k.publicPieces()
	k.issuerPieces()
}

// state refuses a folder in which others could put a database or a key of theirs.
func (k *checker) state() {
	dir := string(k.c.State)
	i, err := os.Stat(dir)
	if err != nil || !i.IsDir() {
		return // it is made, or the start says what is wrong
	}
	if m := i.Mode(); m.Perm()&0o002 != 0 {
		k.wrong("/state", "everybody on this machine may write into %s (mode %s), and so exchange the database and the keys: `chmod 700 %s`, or name a folder in it, which is made with mode 0700", dir, modeOf(m), dir)
	}
}

// modeOf is a mode as chmod takes it.
func modeOf(m fs.FileMode) string {
	sticky := 0
	if m&fs.ModeSticky != 0 {
		sticky = 0o1000
	}
	return fmt.Sprintf("%04o", int(m.Perm())|sticky)
}

// publicPieces warns of half of what the portal needs.
func (k *checker) publicPieces() {
	p := &k.c.Public
	switch there := p.Address.IsValid(); {
	case there && k.c.PublicURL == "":
		k.warn("/public", "without public_url the pages of refusals are all there is: no portal, no sign-in of programs with a browser, nothing that sets programs up. Say how the listener is reached: public_url: https://door.example.org")
	case !there && k.written("/public"):
		k.warn("/public", "without address nothing of it is used: nobody listens for the public pages. Say public: {address: \":443\"}")
	}
	switch a := p.Authority; {
	case a == "":
	case strings.Contains(a, "-----BEGIN") || strings.Contains(a, "://") || strings.ContainsAny(a, "\r\n"):
		k.warn("/public/authority", "this is the path of a file on people's machines, such as /usr/local/share/ca-certificates/ours.crt; nothing is fetched or sent")
	case !strings.HasPrefix(a, "/") && !windowsPath(a):
		k.warn("/public/authority", "Thunderbird looks for %q in a folder of its own: give the whole path on people's machines, such as /usr/local/share/ca-certificates/ours.crt", a)
	}
	if s := p.ProfileSigner; (s.Certificate == "") != (s.Key == "") {
		k.warn("/public/profile_signer", "a certificate and its key are needed: profiles stay unsigned")
	}
}

// windowsPath says that a path begins with a drive or a server.
func windowsPath(s string) bool {
	return strings.HasPrefix(s, `\\`) || len(s) > 2 && s[1] == ':' && (s[2] == '\\' || s[2] == '/')
}

// issuerPieces warns of an issuer that somebody wrote down and that is not there,
// or whose tokens open nothing.
func (k *checker) issuerPieces() {
	c := k.c
	if !c.OAuth.Enabled || !k.written("/oauth") {
		return
	}
	switch {
	case c.OwnIssuer() && !c.TakesOwnTokens():
		k.warn("/oauth", "%s", TokensOpenNothing)
	case c.OwnIssuer():
	case !c.Public.Address.IsValid():
		k.warn("/oauth", "no tokens are issued: public has no address. Say public: {address: \":443\"} and public_url: https://door.example.org, or oauth: {enabled: false}")
	case c.PublicURL == "":
		k.warn("/oauth", "no tokens are issued: public_url, which is the issuer's name, is missing")
	}
}

// TokensOpenNothing is said where tokens are issued that no mail server takes.
const TokensOpenNothing = "the tokens of our issuer open no mailbox: every backend has `login: password`, and takes nothing else; docs/backends.md tells of `login: master`"

// TakesOwnTokens says that some backend can be signed in to with something else
// than a person's own password, so that a token of ours opens a door.
func (c *Config) TakesOwnTokens() bool {
	for _, b := range c.Backends {
		if b.Login != "password" {
			return true
		}
	}
	return false
}

// written says that a setting, or one below it, was written by somebody.
func (k *checker) written(at string) bool {
	for pointer := range k.c.origins {
		if pointer == at || strings.HasPrefix(pointer, at+"/") {
			return true
		}
	}
	return false
}
