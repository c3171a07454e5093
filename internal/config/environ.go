package config

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/portreeve/portreeve/internal/policyfile"
)

// prefix begins every variable. One rule maps the rest: the names on the way
// to the setting in capitals, joined by "_", everything that is no letter or
// digit being "_" too; an item of a list by its name, else by its number from
// 0. PORTREEVE_LISTENERS_IMAP_ADDRESS, PORTREEVE_BACKENDS_MAIN_LOGIN. With
// _FILE behind it, the variable names a file that holds the value. Items and
// entries must exist in the file; lists are separated by commas.
const prefix = "PORTREEVE_"

// ours are variables that are no settings.
var ours = []string{"PORTREEVE_CONFIG", "PORTREEVE_SOCKET", "PORTREEVE_URL", "PORTREEVE_TOKEN"}

// overlay puts the variables' values into the document.
func (d *decoder) overlay() {
	names := make([]string, 0, len(d.environ))
	for name := range d.environ {
		if strings.HasPrefix(name, prefix) && !slices.Contains(ours, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		value := d.environ[name]
		rest := strings.TrimPrefix(name, prefix)
		if d.set(d.doc.Root, reflect.TypeFor[Config](), "", rest, name, value) {
			continue
		}
		if of, ok := strings.CutSuffix(rest, "_FILE"); ok {
			b, err := os.ReadFile(value)
			if err != nil {
				d.fault(fmt.Errorf("environment %s: %w", name, err))
				continue
			}
			if d.set(d.doc.Root, reflect.TypeFor[Config](), "", of, name, strings.TrimRight(string(b), "\r\n")) {
				continue
			}
		}
		d.problems = append(d.problems, Problem{Warning: true, Text: fmt.Sprintf("environment %s names no setting", name)})
	}
}

// set finds the setting that rest names below n, which holds a t, and sets it.
func (d *decoder) set(n *policyfile.Node, t reflect.Type, pointer, rest, name, value string) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Struct && n.Kind == policyfile.Object:
		for _, f := range fieldsOf(t) {
			if after, ok := step(rest, f.name); ok && d.setMember(n, f, pointer, after, name, value) {
				return true
			}
		}
	case t.Kind() == reflect.Map:
		for _, m := range n.Members {
			if after, ok := step(rest, m.Name); ok && after != "" && d.set(m.Value, t.Elem(), policyfile.Pointer(pointer, m.Name), after, name, value) {
				return true
			}
		}
	case t.Kind() == reflect.Slice:
		for i, item := range n.Items {
			token := strconv.Itoa(i)
			if own := item.Get("name"); own != nil {
				token = own.Text
			}
			if after, ok := step(rest, token); ok && after != "" && d.set(item, t.Elem(), fmt.Sprintf("%s/%d", pointer, i), after, name, value) {
				return true
			}
		}
	}
	return false
}

// setMember goes on into a member of a struct, or sets it.
func (d *decoder) setMember(n *policyfile.Node, f field, pointer, after, name, value string) bool {
	at := policyfile.Pointer(pointer, f.name)
	child := n.Get(f.name)
	_, deeper := inner(f.typ)
	if after != "" {
		if !deeper {
			return false
		}
		if child == nil && f.typ.Kind() == reflect.Struct {
			child = &policyfile.Node{Kind: policyfile.Object}
			if !d.set(child, f.typ, at, after, name, value) {
				return false
			}
			n.Members = append(n.Members, policyfile.Member{Name: f.name, Value: child})
			return true
		}
		return child != nil && d.set(child, f.typ, at, after, name, value)
	}
	if deeper || f.typ.Kind() == reflect.Map {
		return false
	}
	d.override(n, f, at, name, value)
	return true
}

// override sets one value. What stands in the file as well is a fault for a
// secret and worth a warning otherwise.
func (d *decoder) override(n *policyfile.Node, f field, at, name, value string) {
	fresh := &policyfile.Node{Kind: policyfile.String, Text: value}
	d.fromEnv[fresh] = name
	for i, m := range n.Members {
		if m.Name != f.name {
			continue
		}
		if f.typ == reflect.TypeFor[Secret]() {
			d.fault(d.doc.NameFault(at, "this secret is set by the environment (%s) as well: keep one", name))
		}
		d.problems = append(d.problems, Problem{Pointer: at, Warning: true, Text: fmt.Sprintf("the environment (%s) overrides this", name)})
		n.Members[i].Value = fresh
		return
	}
	n.Members = append(n.Members, policyfile.Member{Name: f.name, Value: fresh})
}

// step takes a name off the front of rest.
func step(rest, name string) (after string, ok bool) {
	v := variable(name)
	if rest == v {
		return "", true
	}
	return strings.CutPrefix(rest, v+"_")
}

// listOf makes a list of "a, b".
func listOf(text string) *policyfile.Node {
	n := &policyfile.Node{Kind: policyfile.List}
	for _, word := range strings.Split(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			n.Items = append(n.Items, &policyfile.Node{Kind: policyfile.String, Text: word})
		}
	}
	return n
}
