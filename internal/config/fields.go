package config

import (
	"reflect"
	"strings"
)

// field is one setting of a struct.
type field struct {
	name   string // in the file
	goName string
	oneof  string
	index  []int
	typ    reflect.Type
}

type fields []field

// fieldsOf lists a struct's settings, in the order of the manual.
func fieldsOf(t reflect.Type) (all fields) {
	for _, f := range reflect.VisibleFields(t) {
		if name := f.Tag.Get("yaml"); name != "" {
			all = append(all, field{name, f.Name, f.Tag.Get("oneof"), f.Index, f.Type})
		}
	}
	return all
}

func (all fields) find(name string) (field, bool) {
	for _, f := range all {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

func (all fields) names() (names []string) {
	for _, f := range all {
		names = append(names, f.name)
	}
	return names
}

// inner is the struct that a setting holds one or several of, if it does.
func inner(t reflect.Type) (reflect.Type, bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	return t, t.Kind() == reflect.Struct && len(fieldsOf(t)) > 0
}

// variable is a name as it stands in an environment variable.
func variable(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
}
