package admin

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// difference is one member that two texts of an object do not share.
type difference struct {
	Pointer string          `json:"pointer"`
	Before  json.RawMessage `json:"before,omitempty"` // absent: it was not there
	After   json.RawMessage `json:"after,omitempty"`
}

// differences lists the members in which two objects differ, by their names. No
// text is an object without members. Lists are compared as a whole unless they
// are as long and hold objects.
func differences(before, after json.RawMessage) []difference {
	all := []difference{}
	differ("", valueOf(before), valueOf(after), &all)
	return all
}

// absent is the value of a member that is not there; null is one that is.
type absent struct{}

func valueOf(text json.RawMessage) any {
	if len(text) == 0 {
		return map[string]any{}
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return string(text)
	}
	return v
}

func differ(pointer string, before, after any, all *[]difference) {
	if one, ok := before.(map[string]any); ok {
		if two, ok := after.(map[string]any); ok {
			differObjects(pointer, one, two, all)
			return
		}
	}
	if one, ok := before.([]any); ok {
		if two, ok := after.([]any); ok && len(one) == len(two) && len(one) > 0 && objects(one) && objects(two) {
			for i := range one {
				differ(pointer+"/"+strconv.Itoa(i), one[i], two[i], all)
			}
			return
		}
	}
	x, y := written(before), written(after)
	if !bytes.Equal(x, y) {
		*all = append(*all, difference{pointer, x, y})
	}
}

func differObjects(pointer string, before, after map[string]any, all *[]difference) {
	names := slices.AppendSeq(slices.Collect(maps.Keys(before)), maps.Keys(after))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		x, inOne := before[name]
		y, inTwo := after[name]
		if !inOne {
			x = absent{}
		}
		if !inTwo {
			y = absent{}
		}
		differ(pointer+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name), x, y, all)
	}
}

func objects(list []any) bool {
	return !slices.ContainsFunc(list, func(v any) bool { _, ok := v.(map[string]any); return !ok })
}

// written is a value's text, with members in the order of their names.
func written(v any) json.RawMessage {
	if _, not := v.(absent); not {
		return nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil { // what was decoded is encoded
		return nil
	}
	return bytes.TrimSpace(b.Bytes())
}
