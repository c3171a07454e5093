package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Objects are kept byte by byte as they came, so changing one means editing its
// text: members that a change does not name stay as they are written, unknown
// ones too, in their order.

// jsonMember is a member of an object and where it stands in its text.
type jsonMember struct {
	name       string
	keyAt      int // of the opening quote
	start, end int // of the value
}

// membersOf reads an object's members. An object with one name twice is
// refused, since readers disagree on which one counts.
func membersOf(object []byte) ([]jsonMember, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("an object is expected")
	}
	var all []jsonMember
	seen := map[string]bool{}
	for d.More() {
		before := int(d.InputOffset())
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		if seen[name] {
			return nil, fmt.Errorf("the member %q stands there twice", name)
		}
		seen[name] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		end := int(d.InputOffset())
		all = append(all, jsonMember{name, before + bytes.IndexByte(object[before:], '"'), end - len(value), end})
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return all, nil
}

func find(all []jsonMember, name string) *jsonMember {
	for i := range all {
		if all[i].name == name {
			return &all[i]
		}
	}
	return nil
}

// setMember gives a member a value, in its place, or appends it in the way the
// members before it are written.
func setMember(object []byte, name string, value []byte) ([]byte, error) {
	all, err := membersOf(object)
	if err != nil {
		return nil, err
	}
	if m := find(all, name); m != nil {
		return splice(object, m.start, m.end, value), nil
	}
	key, err := json.Marshal(name)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		at := bytes.IndexByte(object, '{') + 1
		return splice(object, at, at, concat(key, []byte(":"), value)), nil
	}
	last := all[len(all)-1]
	before := last.keyAt
	for before > 0 && strings.IndexByte(" \t\r\n", object[before-1]) >= 0 {
		before--
	}
	between := object[last.keyAt:last.start]
	colon := between[bytes.LastIndexByte(between, ':'):]
	return splice(object, last.end, last.end, concat([]byte(","), object[before:last.keyAt], key, colon, value)), nil
}

// prependMember puts a member first, as readers expect of an id.
func prependMember(object []byte, name string, value []byte) ([]byte, error) {
	all, err := membersOf(object)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 || find(all, name) != nil {
		return setMember(object, name, value)
	}
	key, err := json.Marshal(name)
	if err != nil {
		return nil, err
	}
	at := bytes.IndexByte(object, '{') + 1
	space := object[at:all[0].keyAt]
	between := object[all[0].keyAt:all[0].start]
	colon := between[bytes.LastIndexByte(between, ':'):]
	return splice(object, all[0].keyAt, all[0].keyAt, concat(key, colon, value, []byte(","), space)), nil
}

// dropMembers takes out the members that gone names.
func dropMembers(object []byte, gone func(name string) bool) ([]byte, error) {
	for {
		all, err := membersOf(object)
		if err != nil {
			return nil, err
		}
		at := -1
		for i := range all {
			if gone(all[i].name) {
				at = i
				break
			}
		}
		switch {
		case at < 0:
			return object, nil
		case at > 0:
			object = splice(object, all[at-1].end, all[at].end, nil)
		case len(all) > 1:
			object = splice(object, all[0].keyAt, all[1].keyAt, nil)
		default:
			object = splice(object, all[0].keyAt, all[0].end, nil)
		}
	}
}

// merge changes the members that patch names: objects member by member,
// everything else, lists too, as a whole. That is OData's PATCH.
func merge(object, patch []byte) ([]byte, error) {
	changes, err := membersOf(patch)
	if err != nil {
		return nil, err
	}
	if _, err := membersOf(object); err != nil {
		return nil, err
	}
	for _, c := range changes {
		value := patch[c.start:c.end]
		all, err := membersOf(object)
		if err != nil {
			return nil, err
		}
		if m := find(all, c.name); m != nil && value[0] == '{' && object[m.start] == '{' {
			if value, err = merge(object[m.start:m.end], value); err != nil {
				return nil, fmt.Errorf("/%s: %w", c.name, err)
			}
		}
		if object, err = setMember(object, c.name, value); err != nil {
			return nil, err
		}
	}
	return object, nil
}

// chosen is an object with only the members named, in its own order.
func chosen(object []byte, names []string) (json.RawMessage, error) {
	return dropMembers(object, func(name string) bool {
		for _, n := range names {
			if strings.EqualFold(strings.TrimSpace(n), name) {
				return false
			}
		}
		return !strings.HasPrefix(name, "@odata.")
	})
}

// textMember is a text member of an object, empty if there is none.
func textMember(object []byte, name string) string {
	all, err := membersOf(object)
	if err != nil {
		return ""
	}
	var s string
	if m := find(all, name); m != nil && json.Unmarshal(object[m.start:m.end], &s) != nil {
		return ""
	}
	return s
}

func splice(b []byte, start, end int, with []byte) []byte {
	return concat(b[:start], with, b[end:])
}

func concat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func quoted(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil { // a string is never refused
		return []byte(`""`)
	}
	return b
}
