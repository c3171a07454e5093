package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/portreeve/portreeve/internal/policyset"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// folder is a folder of policy files as a request brings it, and what is to be
// done with it.
type folder struct {
	Files  map[string]string `json:"files"`  // texts, by names relative to the folder
	Commit string            `json:"commit"` // of the checkout that the folder is
	// Days says over which recorded sign-ins a plan is judged; -1: over none.
	Days    int  `json:"days"`
	Preview bool `json:"preview"` // kinds of sign-ins instead of each
	// Plan and ServerVersion are those of the plan that is to be carried out;
	// without one it is whatever is to be done now.
	Plan          string `json:"plan"`
	ServerVersion int64  `json:"serverVersion"`
	Force         bool   `json:"force"` // though a test fails
}

const (
	maxCommit = 200 // bytes of a commit's name
	// maxLooked bounds the texts of a folder, in bytes, of who may only look:
	// while a YAML text is read it takes 150 times the memory.
	maxLooked = 4 << 20
)

// readFolder reads a request and the folder in it. What is wrong with the files
// is told as their reader tells it, with lines and carets.
func (a *api) readFolder(r *http.Request) (*folder, *policyset.Set, error) {
	var f folder
	if err := decode(r, &f); err != nil {
		return nil, nil, err
	}
	if f.Days < -1 || f.Days > replayMost {
		return nil, nil, bad("days", "days go up to %d", replayMost)
	}
	if f.Days == 0 {
		f.Days = replayDays
	}
	if len(f.Commit) > maxCommit {
		return nil, nil, bad("commit", "a commit has at most %d bytes", maxCommit)
	}
	set, err := a.readTexts(r, f.Files)
	if err != nil {
		return nil, nil, err
	}
	if len(set.Objects) == len(set.Of(policyset.Test)) {
		return nil, nil, bad("files", "there are no policies, locations, strengths, authentication policies or switches in the folder").
			then("`portreeve pull DIR` writes those of the server; `portreeve apply --release` lets go of what a folder managed")
	}
	return &f, set, nil
}

// readTexts reads a folder's files, one folder at a time.
func (a *api) readTexts(r *http.Request, files map[string]string) (*policyset.Set, error) {
	size := 0
	for _, text := range files {
		size += len(text)
	}
	if size > maxLooked && !mayDecide(r) {
		return nil, bad("files", "a folder of more than %d MB is planned by a token of the role administrator, or on the server", maxLooked>>20)
	}
	select {
	case a.folders <- struct{}{}:
		defer func() { <-a.folders }()
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	set, err := policyset.ReadTexts(files)
	if err == nil {
		_, err = set.Source() // what is said twice of one holder
	}
	if err != nil {
		return nil, bad("", "%v", err)
	}
	return set, nil
}

// kinds are a folder's kinds as they are stored.
var kinds = map[policyset.Kind]store.DocumentKind{policyset.Policy: store.Policy, policyset.Location: store.Location, policyset.Strength: store.Strength,
	policyset.AuthenticationPolicy: store.AuthenticationPolicy}

// idFor is the id of an object that a file calls by a word: the same on every
// server, so that what one was told holds for the next.
func idFor(kind store.DocumentKind, word string) string {
	sum := sha256.Sum256([]byte("portreeve policy file\x00" + string(kind) + "\x00" + strings.ToLower(word)))
	var id signin.ID
	copy(id[:], sum[:])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // a UUID of one's own making: version 8, RFC 9562 section 5.8
	return id.String()
}

// isID says that a word is an id as objects have them here.
func isID(word string) bool {
	_, err := signin.ParseID(word)
	return err == nil
}

// desired is the text that an object of the folder has on the server: with the
// server's id in the place of the file's word for it, in references too.
func desired(o *policyset.Object, id string, refs map[policyset.Kind]map[string]string) (json.RawMessage, error) {
	if o.Kind == policyset.AuthenticationPolicy {
		return o.Spec, nil // Exchange's have no id in them here
	}
	text, err := prependMember(o.JSON(), "id", quoted(id))
	if err != nil || o.Kind != policyset.Policy {
		return typed(text, o.Kind == policyset.Location), err
	}
	return referring(text, refs[policyset.Location], refs[policyset.Strength])
}

// referring puts ids in the place of the words by which a policy names locations
// and a strength.
func referring(text []byte, locations, strengths map[string]string) (_ []byte, err error) {
	for _, list := range []string{"includeLocations", "excludeLocations"} {
		if text, err = within(text, []string{"conditions", "locations", list}, func(raw []byte) ([]byte, error) { return renamed(raw, locations) }); err != nil {
			return nil, err
		}
	}
	return within(text, []string{"grantControls", "authenticationStrength", "id"}, func(raw []byte) ([]byte, error) { return renamed(raw, strengths) })
}

// typed gives a named location the type by which Graph's tools read it.
func typed(text json.RawMessage, location bool) json.RawMessage {
	all, err := membersOf(text)
	if err != nil || !location || typeOf(all) == "" {
		return text
	}
	if with, err := prependMember(text, "@odata.type", quoted(typeOf(all))); err == nil {
		return with
	}
	return text
}

// within edits a member inside members, if it is there, and leaves every other
// byte as it is.
func within(object []byte, path []string, edit func([]byte) ([]byte, error)) ([]byte, error) {
	if len(path) == 0 {
		return edit(object)
	}
	all, err := membersOf(object)
	if err != nil {
		return object, nil // null, say: what is wrong with it was told when it was read
	}
	m := find(all, path[0])
	if m == nil {
		return object, nil
	}
	inner, err := within(object[m.start:m.end], path[1:], edit)
	if err != nil {
		return nil, err
	}
	return splice(object, m.start, m.end, inner), nil
}

// renamed puts ids in the place of words, in a text or a list of texts.
func renamed(raw []byte, ids map[string]string) ([]byte, error) {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		if id := ids[strings.ToLower(one)]; id != "" {
			return quoted(id), nil
		}
		return raw, nil
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		return raw, nil
	}
	hit := false
	for i, word := range list {
		if id := ids[strings.ToLower(word)]; id != "" {
			list[i], hit = id, true
		}
	}
	if !hit {
		return raw, nil
	}
	return json.Marshal(list)
}

// Members that say how an object came to be and not what it is. Graph and
// Exchange write them; they are the server's.
var ofServer = map[string]bool{"id": true, "Guid": true, "createdDateTime": true, "modifiedDateTime": true}

// essence is what of an object's text two versions are compared by.
func essence(text json.RawMessage) any {
	v := valueOf(text)
	if object, ok := v.(map[string]any); ok {
		for name := range object {
			if ofServer[name] || strings.HasPrefix(name, "@") {
				delete(object, name)
			}
		}
	}
	return said(v)
}

// said is a value without the members that are null, which say nothing.
func said(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if inner == nil {
				delete(v, name)
				continue
			}
			v[name] = said(inner)
		}
	case []any:
		for i := range v {
			v[i] = said(v[i])
		}
	}
	return v
}

// essentials compares two texts by what they say.
func essentials(before, after json.RawMessage) []difference {
	all := []difference{}
	differ("", essence(before), essence(after), &all)
	return all
}

// dated gives a text the times that the server keeps.
func dated(text, before json.RawMessage, now string) (json.RawMessage, error) {
	all, err := membersOf(text)
	if err != nil {
		return nil, err
	}
	was, _ := membersOf(before) // none if there was no object
	if find(all, "createdDateTime") == nil {
		made := quoted(now)
		if m := find(was, "createdDateTime"); m != nil {
			made = before[m.start:m.end]
		}
		if len(was) == 0 || find(was, "createdDateTime") != nil {
			if text, err = setMember(text, "createdDateTime", made); err != nil {
				return nil, err
			}
		}
	}
	if len(was) > 0 && (find(was, "modifiedDateTime") != nil || find(all, "modifiedDateTime") != nil) {
		return setMember(text, "modifiedDateTime", quoted(now))
	}
	return text, nil
}

// faulted is a fault of the folder's at an object's place, as a request's error.
func faulted(o *policyset.Object, pointer, format string, args ...any) *Error {
	return bad("", "%v", o.Fault(pointer, format, args...))
}

// digest names a plan by everything that it hangs on.
func digest(parts ...any) (string, error) {
	h := sha256.New()
	for _, p := range parts {
		b, err := json.Marshal(p)
		if err != nil {
			return "", fmt.Errorf("naming a plan: %w", err)
		}
		h.Write(b)
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:planBytes]), nil
}

// planBytes is how much of the digest names a plan.
const planBytes = 16

// errRolledBack ends a transaction that only looked at what would be.
var errRolledBack = errors.New("nothing is to be kept")
