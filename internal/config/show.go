package config

import (
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policyfile"
	"github.com/portreeve/portreeve/internal/protocol"
)

// Show prints the effective settings as YAML, each with where it comes from:
// a line of the file, a variable, or the default. Secrets are not shown. With
// changed set, what is only a default is left out.
func (c *Config) Show(w io.Writer, changed bool) error {
	p := &shower{c: c, changed: changed}
	p.structure(reflect.ValueOf(c).Elem(), "", 0, false)
	for _, l := range p.lines {
		text := l.text
		if l.origin != "" {
			text = fmt.Sprintf("%-*s # %s", originColumn, l.text, l.origin)
		}
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	return nil
}

const originColumn = 56 // where the origins stand, if the setting leaves room

type shower struct {
	c       *Config
	changed bool
	lines   []struct{ text, origin string }
}

func (p *shower) line(depth int, dash bool, text, origin string) {
	indent := strings.Repeat("  ", depth)
	if dash {
		indent = strings.Repeat("  ", depth-1) + "- "
	}
	p.lines = append(p.lines, struct{ text, origin string }{indent + text, origin})
}

// structure prints a struct's settings; the first takes the dash of a list.
func (p *shower) structure(v reflect.Value, pointer string, depth int, dash bool) {
	for _, f := range fieldsOf(v.Type()) {
		before := len(p.lines)
		p.setting(f.name, v.FieldByIndex(f.index), policyfile.Pointer(pointer, f.name), depth, dash)
		dash = dash && len(p.lines) == before
	}
	if dash {
		p.line(depth, true, "{}", "")
	}
}

func (p *shower) setting(name string, v reflect.Value, pointer string, depth int, dash bool) {
	origin := p.c.origins[pointer]
	if origin == "" {
		nothing := v.IsZero() && v.Kind() != reflect.Bool && v.Kind() != reflect.Int
		if origin = "default"; nothing || (p.changed && !p.touched(pointer)) {
			return
		}
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	if text, ok := scalarText(v); ok {
		p.line(depth, dash, name+": "+text, origin)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		p.line(depth, dash, name+":", "")
		p.structure(v, pointer, depth+1, false)
	case reflect.Map:
		p.mapping(name, v, pointer, depth, dash, origin)
	case reflect.Slice:
		p.list(name, v, pointer, depth, dash, origin)
	}
}

// touched says that something below a pointer was set.
func (p *shower) touched(pointer string) bool {
	for at := range p.c.origins {
		if strings.HasPrefix(at, pointer+"/") {
			return true
		}
	}
	return false
}

func (p *shower) mapping(name string, v reflect.Value, pointer string, depth int, dash bool, origin string) {
	if v.Len() == 0 {
		p.line(depth, dash, name+": {}", origin)
		return
	}
	p.line(depth, dash, name+":", "")
	keys := make(map[string]reflect.Value, v.Len())
	for _, k := range v.MapKeys() {
		keys[k.String()] = v.MapIndex(k)
	}
	for _, k := range sorted(keys) {
		p.setting(quoted(k), keys[k], policyfile.Pointer(pointer, k), depth+1, false)
	}
}

func (p *shower) list(name string, v reflect.Value, pointer string, depth int, dash bool, origin string) {
	if _, deep := inner(v.Type()); !deep || v.Len() == 0 {
		words := make([]string, v.Len())
		for i := range words {
			words[i], _ = scalarText(v.Index(i))
		}
		p.line(depth, dash, name+": ["+strings.Join(words, ", ")+"]", origin)
		return
	}
	p.line(depth, dash, name+":", "")
	for i := range v.Len() {
		p.structure(v.Index(i), fmt.Sprintf("%s/%d", pointer, i), depth+2, true)
	}
}

// scalarText is a value as the file would have it; false for those that hold others.
func scalarText(v reflect.Value) (string, bool) {
	switch x := v.Interface().(type) {
	case Secret:
		if !x.Set() {
			return `""`, true
		}
		return redacted, true
	case netip.AddrPort:
		if !x.IsValid() {
			return `""`, true
		}
		if x.Addr() == netip.IPv6Unspecified() {
			return fmt.Sprintf(`":%d"`, x.Port()), true
		}
		return strconv.Quote(x.String()), true
	case netip.Prefix, netip.Addr, Size:
		return fmt.Sprint(x), true
	case protocol.Protocol:
		return x.String(), true
	case time.Duration:
		return showDuration(x), true
	}
	switch v.Kind() {
	case reflect.String:
		return quoted(v.String()), true
	case reflect.Bool, reflect.Int:
		return fmt.Sprint(v.Interface()), true
	}
	return "", false
}

// quoted puts a text in quotes where YAML would read it otherwise.
func quoted(s string) string {
	plain := s != "" && !strings.ContainsAny(s, "#*&!|>'\"%@`{}[],?\\\n\t") && !strings.Contains(s, ": ") &&
		!strings.HasSuffix(s, ":") && !strings.HasPrefix(s, "-") && !strings.HasPrefix(s, ":") && strings.TrimSpace(s) == s
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		plain = false
	}
	switch strings.ToLower(s) {
	case "true", "false", "null", "~":
		plain = false
	}
	if plain {
		return s
	}
	return strconv.Quote(s)
}
