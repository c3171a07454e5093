package filter

import (
	"cmp"
	"strconv"
	"strings"
	"time"
)

// Kind is what a value is.
type Kind uint8

// The kinds. The zero value is null.
const (
	KindNull Kind = iota
	KindUnknown
	KindBool
	KindNumber
	KindString
	KindTime
	KindList
)

var kindNames = [...]string{"null", "unknown", "true or false", "a number", "text", "a time", "a list"}

func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		k = KindUnknown
	}
	return kindNames[k]
}

// Value is a property's value or a constant; its zero value is null.
type Value struct {
	kind    Kind
	num     float64 // number; 1 or 0 of a bool
	str     string
	at      int64 // nanoseconds since 1970
	list    []string
	objects []Lookup
}

// Null is the value of what is not there.
var Null = Value{}

// NotKnown is the value of what may be there but cannot be seen: a list that
// an export turned into a type name, or a fact that hangs on a secret.
var NotKnown = Value{kind: KindUnknown}

// Bool makes a truth value.
func Bool(b bool) Value {
	if b {
		return Value{kind: KindBool, num: 1}
	}
	return Value{kind: KindBool}
}

// OptionalBool makes a truth value, or null of nil.
func OptionalBool(b *bool) Value {
	if b == nil {
		return Null
	}
	return Bool(*b)
}

// Number makes a number.
func Number(n float64) Value { return Value{kind: KindNumber, num: n} }

// String makes a text, which may be empty.
func String(s string) Value { return Value{kind: KindString, str: s} }

// OptionalString makes a text, or null of an empty one.
func OptionalString(s string) Value {
	if s == "" {
		return Null
	}
	return String(s)
}

// Time makes a time; the zero time is null.
func Time(t time.Time) Value {
	if t.IsZero() {
		return Null
	}
	return Value{kind: KindTime, at: t.UnixNano()}
}

// Strings makes a list of texts; an empty one is null.
func Strings(list []string) Value {
	if len(list) == 0 {
		return Null
	}
	return Value{kind: KindList, list: list}
}

// Objects makes a list of things with properties of their own, for Any; an empty one is null.
func Objects(list []Lookup) Value {
	if len(list) == 0 {
		return Null
	}
	return Value{kind: KindList, objects: list}
}

// Kind, and the value by its kind.
func (v Value) Kind() Kind        { return v.kind }
func (v Value) Bool() bool        { return v.num != 0 }
func (v Value) Number() float64   { return v.num }
func (v Value) Time() time.Time   { return time.Unix(0, v.at).UTC() }
func (v Value) Strings() []string { return v.list }
func (v Value) Objects() []Lookup { return v.objects }

// Text is the value as it would be written, without quotes.
func (v Value) Text() string {
	switch v.kind {
	case KindBool:
		if v.num != 0 {
			return "True"
		}
		return "False"
	case KindNumber:
		return strconv.FormatFloat(v.num, 'f', -1, 64)
	case KindTime:
		return v.Time().Format(time.RFC3339Nano)
	case KindList:
		return strings.Join(v.list, ",")
	}
	return v.str
}

// equal compares a property with a constant, giving way to the property's kind
// as PowerShell and Graph do: "True" is $true, 1 is $true, "5" is 5.
func (v Value) equal(c Value) bool {
	if v.kind == KindNull || c.kind == KindNull {
		return false
	}
	switch v.kind {
	case KindList:
		for _, s := range v.list {
			if equalText(s, c) {
				return true
			}
		}
		return false
	case KindString:
		return equalText(v.str, c)
	case KindBool:
		b, ok := c.asBool()
		return ok && b == v.Bool()
	}
	order, ok := v.order(c)
	return ok && order == 0
}

func equalText(s string, c Value) bool {
	switch c.kind {
	case KindString:
		return strings.EqualFold(s, c.str)
	case KindNumber:
		n, err := strconv.ParseFloat(s, 64)
		return err == nil && n == c.num
	case KindTime:
		t, ok := parseTime(s)
		return ok && t.UnixNano() == c.at
	}
	return strings.EqualFold(s, c.Text())
}

// order compares with a constant; false if the two cannot be put in order.
func (v Value) order(c Value) (int, bool) {
	switch v.kind {
	case KindNumber, KindBool:
		n, ok := c.asNumber()
		return cmp.Compare(v.num, n), ok
	case KindTime:
		at, ok := c.asTime()
		return cmp.Compare(v.at, at), ok
	case KindString:
		if c.kind == KindNumber {
			n, err := strconv.ParseFloat(v.str, 64)
			return cmp.Compare(n, c.num), err == nil
		}
		return compareFold(v.str, c.Text()), c.kind == KindString || c.kind == KindTime
	}
	return 0, false
}

func (v Value) asBool() (b, ok bool) {
	switch v.kind {
	case KindBool, KindNumber:
		return v.num != 0, true
	case KindString:
		switch lower(strings.TrimPrefix(v.str, "$")) {
		case "true", "1":
			return true, true
		case "false", "0":
			return false, true
		}
	}
	return false, false
}

func (v Value) asNumber() (float64, bool) {
	switch v.kind {
	case KindNumber, KindBool:
		return v.num, true
	case KindString:
		n, err := strconv.ParseFloat(v.str, 64)
		return n, err == nil
	}
	return 0, false
}

func (v Value) asTime() (int64, bool) {
	switch v.kind {
	case KindTime:
		return v.at, true
	case KindString:
		t, ok := parseTime(v.str)
		return t.UnixNano(), ok
	}
	return 0, false
}

// anyText asks about the text, or about each member of a list. Null has no text.
func (v Value) anyText(ask func(string) bool) bool {
	switch v.kind {
	case KindNull, KindUnknown:
		return false
	case KindList:
		for _, s := range v.list {
			if ask(s) {
				return true
			}
		}
		return false
	case KindString:
		return ask(v.str)
	}
	return ask(v.Text())
}

// timeLayouts are how filters write times; without a zone it is UTC.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02 15:04", "2006-01-02"}

func parseTime(s string) (time.Time, bool) {
	if len(s) < len("2006-01-02") || len(s) > 40 || s[0] < '0' || s[0] > '9' {
		return time.Time{}, false
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1900 && t.Year() < 2200 { // what UnixNano can hold
			return t, true
		}
	}
	return time.Time{}, false
}
