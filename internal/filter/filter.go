// Package filter reads the small filter languages that administrators already
// know into one syntax tree, and asks that tree whether a thing matches:
// Entra's device rules, Exchange's OPATH and Where-Object spellings, the
// OData $filter of Microsoft Graph, the SCIM form of sign-in log searches, and
// plain words ("imap off").
//
// A tree knows names and constants only; the values come from a Lookup, so the
// same tree judges a device, filters mailboxes or becomes a query. Text, depth
// and names are bounded, and every syntax error says where it is.
package filter

import "fmt"

// Grammar is the language a filter is written in.
type Grammar uint8

// The grammars.
const (
	// Device is Entra's device filter: device.trustType -eq "ServerAD".
	Device Grammar = iota
	// OPATH is Exchange's -Filter and Where-Object: ImapEnabled -eq $true, $_.MapiHttpEnabled -ne $null.
	OPATH
	// OData is Graph's $filter: startswith(userPrincipalName,'ana') and createdDateTime ge 2026-09-14.
	OData
	// SCIM is RFC 7644's: outcome eq "refused" and protocol eq "pop3".
	SCIM
	// Words is "imap off", "protocol:pop3" and free text, all of which must hold.
	Words
	// MailboxSearch is OPATH where an OPATH operator stands in it, else Words.
	MailboxSearch
	// LogSearch is SCIM where a SCIM operator stands in it, else Words.
	LogSearch
)

const (
	// maxDeviceRule is Entra's limit, in characters.
	maxDeviceRule = 3072
	// maxText bounds every other filter, in bytes; a command line or query string holds no more.
	maxText = 8192
	// maxDepth bounds nesting of parentheses and negations, so that a filter cannot exhaust the stack.
	maxDepth = 64
	// maxLeaves bounds comparisons, so that one filter cannot make a search of a big log endless.
	maxLeaves = 512
)

// dialect is what one grammar does its own way; the and/or/not skeleton is shared.
type dialect struct {
	hyphen bool // operators may be written -eq
	bare   bool // operators may be written eq
	escape byte // inside double quotes; 0 is none but the doubled quote
	leaf   func(*parser) (*Expr, error)
}

func (g Grammar) dialect() dialect {
	switch g {
	case Device: // as for dynamic groups, the hyphen may be left out
		return dialect{hyphen: true, bare: true, escape: '`', leaf: (*parser).deviceLeaf}
	case OPATH:
		return dialect{hyphen: true, escape: '`', leaf: (*parser).opathLeaf}
	case OData:
		return dialect{bare: true, leaf: (*parser).odataLeaf}
	case SCIM:
		return dialect{bare: true, escape: '\\', leaf: (*parser).scimLeaf}
	default:
		return dialect{bare: true, leaf: (*parser).wordLeaf}
	}
}

// Parse reads text. With a schema, names are checked and put into the schema's
// spelling; without one any name is taken as it stands. The error is a
// *SyntaxError.
func Parse(g Grammar, text string, s *Schema) (*Expr, error) {
	if err := checkSize(g, text); err != nil {
		return nil, err
	}
	switch g {
	case MailboxSearch:
		g = choose(OPATH, text)
	case LogSearch:
		g = choose(SCIM, text)
	}
	if g == OPATH {
		return parseOPATH(text, s)
	}
	return parse(g, text, 0, len(text), s)
}

// ParseDevice reads an Entra device rule. The names a Lookup is asked for are
// those of DeviceAttributes, without "device.".
func ParseDevice(rule string) (*Expr, error) { return Parse(Device, rule, deviceSchema) }

func checkSize(g Grammar, text string) error {
	if len(text) > maxText {
		return &SyntaxError{Text: text, Offset: maxText, Message: fmt.Sprintf("a filter has at most %d bytes", maxText)}
	}
	if g != Device {
		return nil
	}
	n := 0
	for at := range text {
		if n++; n > maxDeviceRule {
			return &SyntaxError{Text: text, Offset: at, Message: fmt.Sprintf("a device rule has at most %d characters", maxDeviceRule)}
		}
	}
	return nil
}

// choose picks g if one of its operators stands in the text, else Words.
func choose(g Grammar, text string) Grammar {
	lex := lexer{text: text, end: len(text), escape: g.dialect().escape}
	for first := true; ; first = false {
		t, err := lex.next()
		switch {
		case err != nil || t.kind == tokEnd:
			return Words
		case g == OPATH && t.marksOPATH(first), g == SCIM && !first && t.kind == tokWord && scimOps[lower(t.text)].known:
			return g
		case g == OPATH && first && t.kind == tokString && lex.at == len(text) && len(text) > 2:
			return choose(g, text[1:len(text)-1]) // the whole filter in quotes
		}
	}
}
