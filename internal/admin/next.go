package admin

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/portreeve/portreeve/internal/spelling"
	"github.com/portreeve/portreeve/internal/store"
)

// listing are the commands that list what there is of a kind, by the words that
// errors call it.
var listing = map[string]string{
	"app password":            "portreeve apppw list",
	"authentication policy":   "portreeve authpolicy list",
	"authentication strength": "portreeve strength list",
	"directory":               "portreeve directory list",
	"domain":                  "portreeve domain list",
	"grant":                   "portreeve session list --grants",
	"group":                   "portreeve group list",
	"named location":          "portreeve location list",
	"person":                  "portreeve user list",
	"policy":                  "portreeve policy list",
	"policy or location":      "portreeve policy lint",
	"program":                 "portreeve client list",
	"sign-in":                 "portreeve signins list",
	"template":                "portreeve policy new --list",
}

// notFound says that nothing has a name, which of the names there are was
// probably meant, and what lists them.
func notFound(what, name string, names ...string) *Error {
	e := &Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: fmt.Sprintf("there is no %s %q%s", what, name, spelling.DidYouMean(name, names))}
	if c := listing[what]; c != "" {
		e.Next = fmt.Sprintf("`%s` lists what there is", c)
	}
	return e
}

// conflict says that something stands in the way of a change.
func conflict(format string, args ...any) *Error {
	return &Error{Status: http.StatusConflict, Code: "Conflict", Message: fmt.Sprintf(format, args...)}
}

// thereAlready says what has a name already, without what the database says of it.
func thereAlready(err error) *Error {
	what, _, _ := strings.Cut(err.Error(), ": "+store.ErrExists.Error())
	address, owner, ok := strings.Cut(what, " belongs to ")
	switch {
	case !ok:
		return conflict("%s: it is there already", what)
	case address == owner:
		return conflict("there is a person %s already", owner).then("`portreeve user show %s` shows them, `portreeve user set --help` tells what can be changed", shellWord(owner))
	}
	return conflict("%s is an address of %s already", address, owner).then("`portreeve user set %s --remove-alias %s` takes it away from them", shellWord(owner), shellWord(address))
}

// then adds the next step to an error.
func (e *Error) then(format string, args ...any) *Error {
	e.Next = fmt.Sprintf(format, args...)
	return e
}

// shellWord is a word as a shell takes it, for commands in sentences.
func shellWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=:@%+,", r))
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
