package config

import (
	"encoding"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policyfile"
	"github.com/portreeve/portreeve/internal/spelling"
)

// decoder puts a document's values into the options, going on after a fault
// so that all are told at once.
type decoder struct {
	doc      *policyfile.Document
	dir      string
	environ  map[string]string
	fromEnv  map[*policyfile.Node]string // the variable a value came from
	origins  map[string]string           // by JSON pointer
	faults   []error
	problems []Problem

	refusals Refusals // the site's, from which a listener's start
}

const maxFaults = 10 // told at once

func newDecoder(doc *policyfile.Document, dir string, environ []string) *decoder {
	d := &decoder{doc: doc, dir: dir, environ: map[string]string{}, fromEnv: map[*policyfile.Node]string{}, origins: map[string]string{}}
	for _, e := range environ {
		if name, value, ok := strings.Cut(e, "="); ok {
			d.environ[name] = value
		}
	}
	return d
}

func (d *decoder) fault(err error) {
	said := slices.ContainsFunc(d.faults, func(other error) bool { return other.Error() == err.Error() })
	if !said && len(d.faults) < maxFaults { // the site's refusals are read twice
		d.faults = append(d.faults, err)
	}
}

// wrong says what is wrong with a value: at its place in the file, or by the
// name of its variable.
func (d *decoder) wrong(n *policyfile.Node, pointer, format string, args ...any) {
	if name, ok := d.fromEnv[n]; ok {
		d.fault(fmt.Errorf("environment %s: %s", name, fmt.Sprintf(format, args...)))
		return
	}
	d.fault(d.doc.Fault(pointer, format, args...))
}

// config decodes the whole document, the site's refusals first.
func (d *decoder) config(c *Config) {
	root := d.doc.Root
	if n := root.Get("refusals"); n != nil {
		d.value(n, reflect.ValueOf(&c.Refusals).Elem(), "/refusals", "")
	}
	d.refusals = c.Refusals
	d.value(root, reflect.ValueOf(c).Elem(), "", "")
}

// hide keeps the secrets that stand in the document out of every excerpt.
func (d *decoder) hide(n *policyfile.Node, t reflect.Type) {
	if t == reflect.TypeFor[Secret]() {
		if n.Kind == policyfile.String {
			d.doc.Hide(n.Text)
		}
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		d.hide(n, t.Elem())
	case reflect.Slice:
		for _, item := range n.Items {
			d.hide(item, t.Elem())
		}
	case reflect.Map:
		for _, m := range n.Members {
			d.hide(m.Value, t.Elem())
		}
	case reflect.Struct:
		for _, m := range n.Members {
			if f, ok := fieldsOf(t).find(m.Name); ok {
				d.hide(m.Value, f.typ)
			}
		}
	}
}

// value decodes one value; oneof is the list of the words allowed, if any.
func (d *decoder) value(n *policyfile.Node, v reflect.Value, pointer, oneof string) {
	d.origins[pointer] = d.origin(n)
	if n.Kind == policyfile.Null {
		return // a key without a value: the default holds
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
		v.Set(defaultsOf(v.Type()))
	}
	switch v.Addr().Interface().(type) {
	case *Secret:
		d.secret(n, v, pointer)
		return
	case *netip.AddrPort, *netip.Prefix, *netip.Addr, *time.Duration, *URL, *Path, *Address, *Size, encoding.TextUnmarshaler:
		d.text(n, v, pointer)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, pointer)
	case reflect.Map:
		d.mapping(n, v, pointer)
	case reflect.Slice:
		d.list(n, v, pointer, oneof)
	default:
		d.scalar(n, v, pointer, oneof)
	}
}

func (d *decoder) origin(n *policyfile.Node) string {
	if name, ok := d.fromEnv[n]; ok {
		return name
	}
	return fmt.Sprintf("%s:%d", filepath.Base(d.doc.Name()), n.Pos.Line)
}

func (d *decoder) structure(n *policyfile.Node, v reflect.Value, pointer string) {
	if !d.is(n, policyfile.Object, pointer) {
		return
	}
	fields := fieldsOf(v.Type())
	for _, m := range n.Members {
		at := policyfile.Pointer(pointer, m.Name)
		f, ok := fields.find(m.Name)
		if !ok {
			d.fault(d.doc.NameFault(at, "there is no setting %q here%s", m.Name, spelling.DidYouMean(m.Name, fields.names())))
			continue
		}
		d.value(m.Value, v.FieldByIndex(f.index), at, f.oneof)
	}
}

func (d *decoder) mapping(n *policyfile.Node, v reflect.Value, pointer string) {
	if !d.is(n, policyfile.Object, pointer) {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, m := range n.Members {
		e := reflect.New(v.Type().Elem()).Elem()
		e.Set(defaultsOf(e.Type()))
		d.value(m.Value, e, policyfile.Pointer(pointer, m.Name), "")
		v.SetMapIndex(reflect.ValueOf(m.Name), e)
	}
}

func (d *decoder) list(n *policyfile.Node, v reflect.Value, pointer, oneof string) {
	if name, ok := d.fromEnv[n]; ok { // "a, b": texts only, see overlay
		n = listOf(n.Text)
		for _, item := range n.Items {
			d.fromEnv[item] = name
		}
	}
	if n.Kind == policyfile.String || n.Kind == policyfile.Number {
		n = &policyfile.Node{Kind: policyfile.List, Pos: n.Pos, Items: []*policyfile.Node{n}} // one of it needs no brackets
	}
	if !d.is(n, policyfile.List, pointer) {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Items), len(n.Items)))
	for i, item := range n.Items {
		e := v.Index(i)
		e.Set(defaultsOf(e.Type()))
		if l, ok := e.Addr().Interface().(*Listener); ok {
			l.Refusals = d.refusals
		}
		d.value(item, e, fmt.Sprintf("%s/%d", pointer, i), oneof)
	}
}

func (d *decoder) is(n *policyfile.Node, k policyfile.Kind, pointer string) bool {
	if n.Kind != k {
		d.wrong(n, pointer, "%s is expected here, not %s", k, n.Kind)
	}
	return n.Kind == k
}

// text decodes the types that are written as a text.
func (d *decoder) text(n *policyfile.Node, v reflect.Value, pointer string) {
	if n.Kind != policyfile.String && n.Kind != policyfile.Number {
		d.wrong(n, pointer, "a text is expected here, not %s", n.Kind)
		return
	}
	var err error
	switch p := v.Addr().Interface().(type) {
	case *netip.AddrPort:
		*p, err = parseListen(n.Text)
	case *netip.Prefix:
		*p, err = parsePrefix(n.Text)
	case *netip.Addr:
		if *p, err = netip.ParseAddr(n.Text); err != nil {
			err = fmt.Errorf("%q is no IP address", n.Text)
		}
	case *time.Duration:
		*p, err = parseDuration(n.Text)
	case *URL:
		*p, err = parseURL(strings.TrimSuffix(n.Text, "/"))
	case *Address:
		*p, err = parseAddress(n.Text)
	case *Size:
		*p, err = parseSize(n.Text)
	case *Path:
		*p = d.path(n.Text)
	case encoding.TextUnmarshaler:
		err = p.UnmarshalText([]byte(n.Text))
	}
	if err != nil {
		d.wrong(n, pointer, "%v", err)
	}
}

func (d *decoder) path(s string) Path {
	if s == "" || filepath.IsAbs(s) {
		return Path(s)
	}
	return Path(filepath.Join(d.dir, s))
}

func (d *decoder) scalar(n *policyfile.Node, v reflect.Value, pointer, oneof string) {
	_, lenient := d.fromEnv[n] // a variable is always a text
	switch v.Kind() {
	case reflect.String:
		if n.Kind != policyfile.String {
			d.wrong(n, pointer, "a text is expected here, not %s: put it in quotes", n.Kind)
			return
		}
		v.SetString(n.Text)
	case reflect.Bool:
		b, err := strconv.ParseBool(n.Text)
		if n.Kind != policyfile.Bool && (!lenient || err != nil) {
			d.wrong(n, pointer, "true or false is expected here, not %q", n.Text)
			return
		}
		v.SetBool(b)
	case reflect.Int:
		i, err := strconv.ParseInt(n.Text, 10, 32)
		if n.Kind != policyfile.Number && !lenient || err != nil || i < 0 {
			d.wrong(n, pointer, "a whole number is expected here, not %q", n.Text)
			return
		}
		v.SetInt(i)
	default:
		panic("config: no way to read a " + v.Type().String())
	}
	if words := strings.Split(oneof, ","); oneof != "" && !slices.Contains(words, n.Text) {
		d.wrong(n, pointer, "%q is none of %s%s", n.Text, strings.Join(words, ", "), spelling.DidYouMean(n.Text, words))
	}
}

// secret reads a literal, {file: …}, {env: …} or {credential: …}.
func (d *decoder) secret(n *policyfile.Node, v reflect.Value, pointer string) {
	s, err := d.readSecret(n)
	if err != nil {
		d.wrong(n, pointer, "%v", err)
		return
	}
	if s.from == "literal" {
		d.problems = append(d.problems, Problem{Pointer: pointer, Warning: true,
			Text: "a secret in the configuration file: keep it in a file of its own, {file: …}, or as {credential: …}"})
	}
	if path, ok := strings.CutPrefix(s.from, "file "); ok {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 != 0 {
			d.problems = append(d.problems, Problem{Pointer: pointer, Warning: true,
				Text: fmt.Sprintf("everybody on this machine can read %s (mode %04o): chmod 600 it", path, info.Mode().Perm())})
		}
	}
	v.Set(reflect.ValueOf(s))
}

var secretKinds = []string{"file", "env", "credential"}

func (d *decoder) readSecret(n *policyfile.Node) (Secret, error) {
	if n.Kind == policyfile.String {
		if name, ok := d.fromEnv[n]; ok {
			return Secret{n.Text, "environment " + name}, nil
		}
		return Secret{n.Text, "literal"}, nil
	}
	if n.Kind != policyfile.Object || len(n.Members) != 1 || n.Members[0].Value.Kind != policyfile.String {
		return Secret{}, fmt.Errorf("a secret is {file: PATH}, {env: NAME}, {credential: NAME}, or a text in quotes")
	}
	name := n.Members[0].Value.Text
	switch kind := n.Members[0].Name; kind {
	case "file":
		return secretFile(string(d.path(name)))
	case "env":
		value, ok := d.environ[name]
		if !ok || value == "" {
			return Secret{}, fmt.Errorf("the environment has no %s", name)
		}
		return Secret{value, "environment " + name}, nil
	case "credential":
		dir := d.environ["CREDENTIALS_DIRECTORY"]
		if dir == "" {
			return Secret{}, fmt.Errorf("there is no $CREDENTIALS_DIRECTORY: systemd sets it where the unit has LoadCredential=%s", name)
		}
		if strings.ContainsAny(name, `/\`) {
			return Secret{}, fmt.Errorf("%q is no name of a credential", name)
		}
		return secretFile(filepath.Join(dir, name))
	default:
		return Secret{}, fmt.Errorf("a secret is not kept in a %q%s", kind, spelling.DidYouMean(kind, secretKinds))
	}
}

const maxSecret = 64 << 10 // bytes

func secretFile(path string) (Secret, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Secret{}, err
	}
	if info.Size() > maxSecret {
		return Secret{}, fmt.Errorf("%s is too large for a secret", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Secret{}, err
	}
	s := strings.TrimRight(string(b), "\r\n")
	if s == "" {
		return Secret{}, fmt.Errorf("%s is empty", path)
	}
	return Secret{s, "file " + path}, nil
}
