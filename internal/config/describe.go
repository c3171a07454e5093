package config

import (
	"embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/spelling"
)

//go:embed options*.go
var manualSources embed.FS

// manual is the comments of options*.go: by "Listener" and by "Listener.TLS".
var manual = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	sources, _ := manualSources.ReadDir(".") // an embedded folder can be read
	for _, s := range sources {
		text, _ := manualSources.ReadFile(s.Name())
		file, err := parser.ParseFile(token.NewFileSet(), s.Name(), text, parser.ParseComments)
		if err != nil {
			panic(err) // it was compiled
		}
		describe(file, all)
	}
	return all
})

func describe(file *ast.File, all map[string]string) {
	ast.Inspect(file, func(n ast.Node) bool {
		d, ok := n.(*ast.GenDecl)
		if !ok {
			return true
		}
		for _, spec := range d.Specs {
			t, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			all[t.Name.Name] = d.Doc.Text()
			if s, ok := t.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					for _, name := range f.Names {
						all[t.Name.Name+"."+name.Name] = f.Doc.Text()
					}
				}
			}
		}
		return false
	})
}

// Entry is one setting of the manual.
type Entry struct {
	Path    string // listeners[].address
	Type    string // "a list of networks"
	Default string // as the file would have it; empty if there is none
	Words   []string
	Text    string
	Env     string // the variable that overrides it

	within string // the Go name of the struct it is a member of
}

// Manual lists the settings below a path ("" is all), each struct before its members.
func Manual(path string) ([]Entry, error) {
	var all []Entry
	add(&all, defaultsOf(reflect.TypeFor[Config]()), "", prefix)
	if path == "" {
		return all, nil
	}
	var some []Entry
	var paths []string
	for _, e := range all {
		bare := brackets.ReplaceAllString(e.Path, "")
		paths = append(paths, bare)
		if bare == path || e.Path == path || strings.HasPrefix(bare, path+".") {
			some = append(some, e)
		}
	}
	if some == nil {
		return nil, fmt.Errorf("there is no setting %q%s", path, spelling.DidYouMean(path, paths))
	}
	return some, nil
}

var brackets = regexp.MustCompile(`\[\]|\.NAME`)

// add lists the settings of a struct, which holds its defaults.
func add(all *[]Entry, base reflect.Value, path, env string) {
	for _, f := range fieldsOf(base.Type()) {
		e := Entry{Path: path + f.name, Type: typeName(f.typ), Env: env + variable(f.name), within: base.Type().Name()}
		e.Text = sentence(manual()[e.within+"."+f.goName], f)
		if f.oneof != "" {
			e.Words = strings.Split(f.oneof, ",")
		}
		v := base.FieldByIndex(f.index)
		below, deep := inner(f.typ)
		if !deep {
			e.Default = defaultText(v)
			if f.typ.Kind() == reflect.Map {
				e.Env = ""
			}
			*all = append(*all, e)
			continue
		}
		e.Env = ""
		*all = append(*all, e)
		switch f.typ.Kind() {
		case reflect.Slice:
			add(all, defaultsOf(below), path+f.name+"[].", env+variable(f.name)+"_NAME_")
		case reflect.Map:
			add(all, defaultsOf(below), path+f.name+".NAME.", env+variable(f.name)+"_NAME_")
		case reflect.Pointer:
			add(all, defaultsOf(below), path+f.name+".", env+variable(f.name)+"_")
		default:
			add(all, v, path+f.name+".", env+variable(f.name)+"_")
		}
	}
}

func defaultText(v reflect.Value) string {
	if v.IsZero() && v.Kind() != reflect.Bool {
		return ""
	}
	if s, ok := scalarText(v); ok {
		return s
	}
	var words []string
	for i := range v.Len() {
		s, _ := scalarText(v.Index(i))
		words = append(words, s)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// sentence makes a manual's sentence of a comment: "ClientCA is" is for
// readers of the code, "client_ca is" for readers of the file.
func sentence(comment string, f field) string {
	text := strings.Join(strings.Fields(comment), " ")
	if rest, ok := strings.CutPrefix(text, f.goName); ok {
		text = "`" + f.name + "`" + rest
	}
	return text
}

func typeName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Secret]():
		return "secret"
	case reflect.TypeFor[URL]():
		return "address (https://…)"
	case reflect.TypeFor[Path]():
		return "file"
	case reflect.TypeFor[Address]():
		return "host:port"
	case reflect.TypeFor[netip.AddrPort]():
		return "address:port"
	case reflect.TypeFor[netip.Addr]():
		return "address"
	case reflect.TypeFor[netip.Prefix]():
		return "network"
	case reflect.TypeFor[time.Duration]():
		return "time (2.2s, 30m, 7d)"
	case reflect.TypeFor[Size]():
		return "size (512MB, 20GB)"
	case reflect.TypeFor[protocol.Protocol]():
		return "protocol"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Slice:
		return "list of " + strings.Replace(typeName(t.Elem())+"s", "ss", "sses", 1)
	case reflect.Map:
		return "NAME: " + typeName(t.Elem())
	case reflect.Struct:
		return "mapping"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "number"
	}
	return "text"
}

// Describe is the annotated reference below a path, for a terminal.
func Describe(path string) (string, error) {
	entries, err := Manual(path)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%s  (%s)\n", e.Path, e.facts())
		for _, line := range wrap(strings.ReplaceAll(e.Text, "`", ""), 74) {
			b.WriteString("    " + line + "\n")
		}
		if e.Env != "" {
			b.WriteString("    " + e.Env + "\n")
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// facts are type, words and default in one line.
func (e Entry) facts() string {
	s := e.Type
	if len(e.Words) > 0 {
		s = strings.Join(e.Words, " | ")
		if strings.HasPrefix(e.Type, "list") {
			s = "list of " + s
		}
	}
	if e.Default != "" {
		s += ", default " + e.Default
	}
	return s
}

func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}

// Reference is docs/configuration.md. The settings of a struct that stands in
// several places are listed at the first.
func Reference() string {
	entries, _ := Manual("") // no path, no fault
	var b strings.Builder
	b.WriteString(referenceHead)
	first := map[string]string{}
	for _, e := range entries {
		parent := e.Path[:strings.LastIndexByte(e.Path, '.')+1]
		if first[e.within] == "" {
			first[e.within] = parent
		}
		switch {
		case parent == "":
			fmt.Fprintf(&b, "\n## %s\n\n%s *(%s)*\n\n", e.Path, e.Text, e.facts())
		case first[e.within] == parent:
			fmt.Fprintf(&b, "- `%s` (%s): %s\n", e.Path, e.facts(), e.Text)
		case !strings.HasSuffix(b.String(), seeAbove(first[e.within])):
			b.WriteString(seeAbove(first[e.within]))
		}
	}
	return b.String()
}

func seeAbove(path string) string {
	return "  Its settings are those of `" + strings.TrimSuffix(path, ".") + "`.\n"
}

//go:embed reference.md
var referenceHead string
