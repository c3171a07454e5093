package name

import (
	"strings"

	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// Delegated cuts a spelling that names two: who signs in, and whose mailbox is
// to be opened. ok is false where it names one. Neither part is canonical yet.
//
//	person\mailbox   Exchange; DOMAIN\person\mailbox too
//	person/mailbox   the same for programs that eat backslashes, where the
//	                 slash is no separator of the mail server's
//	mailbox*person   Dovecot's master user, as imapsync is given it
//
// DOMAIN\person stays what it is: a known name before the backslash, or one
// with a dot in it, is a domain. A mailbox without a domain is in the person's.
func (r Rules) Delegated(typed string) (person, mailbox string, ok bool) {
	if len(typed) > 2*maxTyped || plain(typed) {
		return "", "", false
	}
	s := strings.TrimSpace(norm.NFC.String(width.Fold.String(typed)))
	switch {
	case strings.Count(s, "*") == 1:
		mailbox, person, _ = strings.Cut(s, "*")
	case strings.Contains(s, `\`):
		person, mailbox = cutLast(s, `\`)
		if !r.isPerson(person, `\`) {
			return "", "", false
		}
	case strings.Contains(s, "/") && !strings.Contains(r.Separators, "/"):
		person, mailbox = cutLast(s, "/")
		if !r.isPerson(person, "/") {
			return "", "", false
		}
		person = strings.Replace(person, "/", `\`, 1)
	}
	if person == "" || mailbox == "" {
		return "", "", false
	}
	return person, r.inDomainOf(person, mailbox), true
}

// plain says that a spelling names one, which nearly every one does: nothing in
// it separates, nor could become what does.
func plain(typed string) bool {
	for i := range len(typed) {
		if c := typed[i]; c >= 0x80 || c == '*' || c == '\\' || c == '/' {
			return false
		}
	}
	return true
}

func cutLast(s, sep string) (before, after string) {
	i := strings.LastIndex(s, sep)
	return s[:i], s[i+len(sep):]
}

// isPerson says that what stands before the last separator is a person, not
// the domain of one.
func (r Rules) isPerson(before, sep string) bool {
	if before == "" {
		return false
	}
	if strings.ContainsAny(before, "@"+sep) {
		return true
	}
	_, err := r.ntDomain(before)
	return err != nil
}

func (r Rules) inDomainOf(person, mailbox string) string {
	if strings.Contains(mailbox, "@") {
		return mailbox
	}
	if a, err := r.Canonical(person); err == nil && a.Domain != "" {
		return mailbox + "@" + a.Domain
	}
	return mailbox
}
