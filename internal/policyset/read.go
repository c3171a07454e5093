package policyset

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/portreeve/portreeve/internal/policyfile"
	"github.com/portreeve/portreeve/internal/spelling"
)

const (
	// maxFiles bounds the files of a folder; 10,000 policies with a file each fit.
	maxFiles = 20_000
	// maxBytes bounds a folder's files together; 10,000 policies have about 15 MB.
	maxBytes = 64 << 20
	// maxObjects bounds a folder's objects.
	maxObjects = 50_000
)

// ReadPath reads a folder or a file by its path, which faults then show.
func ReadPath(path string) (*Set, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return readFolder(path)
	}
	r := reader{set: &Set{Files: []string{path}}}
	text, err := r.file(os.DirFS(filepath.Dir(path)), filepath.Base(path))
	if err != nil {
		return nil, err
	}
	r.text(path, text)
	return r.done()
}

// readFolder reads a folder and nothing that links lead to outside it: it may be
// a stranger's change that is looked over, and faults show lines of what is read.
func readFolder(path string) (*Set, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	set, err := read(root.FS(), path)
	if err == nil && len(set.Files) == 0 {
		return nil, fmt.Errorf("%s holds no policy file: they end in .yaml, .yml or .json", path)
	}
	return set, err
}

// Read reads every .yaml, .yml and .json file of a folder and of those in it,
// but for hidden ones. What is wrong with any of them is an Errors.
func Read(folder fs.FS) (*Set, error) { return read(folder, "") }

func read(folder fs.FS, under string) (*Set, error) {
	names, err := List(folder)
	if err != nil {
		return nil, err
	}
	r := reader{set: &Set{}}
	for _, name := range names {
		text, err := r.file(folder, name)
		if err != nil {
			return nil, err
		}
		shown := filepath.Join(under, name)
		r.set.Files = append(r.set.Files, shown)
		r.text(shown, text)
	}
	return r.done()
}

// Parse reads one file's text as a folder of that file.
func Parse(name string, text []byte) (*Set, error) {
	r := reader{set: &Set{Files: []string{name}}}
	r.text(name, text)
	return r.done()
}

// List names the policy files of a folder, sorted.
func List(folder fs.FS) (names []string, err error) {
	err = fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir() || !IsFile(name):
			return nil
		}
		if info, err := fs.Stat(folder, name); err != nil {
			return err
		} else if !info.Mode().IsRegular() { // a pipe would be waited for
			return nil
		}
		if names = append(names, name); len(names) > maxFiles {
			return fmt.Errorf("a folder of policies has at most %d files", maxFiles)
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}

// IsFile says that a file's name is one of a policy file.
func IsFile(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(path.Ext(name)))
}

// reader gathers objects and faults.
type reader struct {
	set    *Set
	faults Errors
	bytes  int
}

func (r *reader) file(folder fs.FS, name string) ([]byte, error) {
	f, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(maxBytes-r.bytes)+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if r.bytes += len(text); r.bytes > maxBytes {
		return nil, fmt.Errorf("reading %s: a folder of policies has at most %d MB", name, maxBytes>>20)
	}
	return text, nil
}

func (r *reader) text(name string, text []byte) {
	docs, err := policyfile.Parse(name, text)
	if err != nil {
		r.faults.add(err)
		return
	}
	for _, doc := range docs {
		r.document(doc)
	}
}

func (r *reader) done() (*Set, error) {
	if len(r.faults) == 0 {
		r.unique()
		for _, o := range r.set.Objects {
			for _, err := range o.check() {
				r.faults.add(err)
			}
		}
	}
	if err := r.faults.err(); err != nil {
		return nil, err
	}
	return r.set, nil
}

// document takes one document apart.
func (r *reader) document(doc *policyfile.Document) {
	root := doc.Root
	switch {
	case root.Kind == policyfile.List:
		r.all(doc, root, "")
	case root.Kind != policyfile.Object:
		r.faults.add(doc.Fault("", "a policy file holds mappings, not %s", root.Kind))
	case root.Get("kind") != nil:
		r.envelope(doc)
	case root.Get("value") != nil && root.Get("value").Kind == policyfile.List:
		r.all(doc, root.Get("value"), "/value")
	default:
		r.bare(doc, root, "")
	}
}

func (r *reader) all(doc *policyfile.Document, list *policyfile.Node, base string) {
	for i, item := range list.Items {
		r.bare(doc, item, base+"/"+strconv.Itoa(i))
	}
}

// bare takes an object as Graph or Exchange gives it.
func (r *reader) bare(doc *policyfile.Document, n *policyfile.Node, base string) {
	if n.Kind != policyfile.Object {
		r.faults.add(doc.Fault(base, "an object is expected here, not %s", n.Kind))
		return
	}
	kind, known := kindOf(n)
	if !known {
		r.faults.add(doc.Fault(base, "what this is cannot be told: write kind (%s) and spec, or an object as Graph gives it", kindWords()))
		return
	}
	r.keep(&Object{Kind: kind, doc: doc, base: base}, n)
}

// kindOf tells an object without a kind by its members.
func kindOf(n *policyfile.Node) (Kind, bool) {
	has := func(name string) bool { return n.Get(name) != nil }
	kind := ""
	if t := n.Get("@odata.type"); t != nil {
		kind = t.Text
	}
	switch {
	case strings.HasSuffix(kind, "amedLocation"), has("ipRanges"), has("countriesAndRegions"):
		return Location, true
	case has("allowedCombinations"):
		return Strength, true
	case has("conditions"), has("grantControls"):
		return Policy, true
	}
	for _, m := range n.Members {
		for _, family := range []string{"AllowBasicAuth", "BlockLegacyAuth", "BlockModernAuth"} {
			if strings.HasPrefix(m.Name, family) {
				return AuthenticationPolicy, true
			}
		}
	}
	return "", false
}

func kindWords() string {
	var all []string
	for _, k := range Kinds {
		all = append(all, string(k))
	}
	return strings.Join(all, ", ")
}

// envelopes are the members of our own documents.
var envelopes = map[Kind][]string{Test: {"kind", "id", "name", "given", "assume", "tests"}}

// envelope takes a document with a kind.
func (r *reader) envelope(doc *policyfile.Document) {
	root := doc.Root
	k := root.Get("kind")
	kind := Kind(k.Text)
	if k.Kind != policyfile.String || !slices.Contains(Kinds, kind) {
		var words []string
		for _, k := range Kinds {
			words = append(words, string(k))
		}
		r.faults.add(doc.Fault("/kind", "there is no kind %q: there are %s%s", k.Text, kindWords(), spelling.DidYouMean(k.Text, words)))
		return
	}
	known := envelopes[kind]
	if known == nil {
		known = []string{"kind", "id", "spec", "x-portreeve"}
	}
	for _, m := range root.Members {
		if !slices.Contains(known, m.Name) {
			r.faults.add(doc.NameFault(policyfile.Pointer("", m.Name), "a document of kind %s has no member %q%s", kind, m.Name, spelling.DidYouMean(m.Name, known)))
			return
		}
	}
	o := &Object{Kind: kind, doc: doc}
	spec := root
	if kind != Test {
		o.base = "/spec"
		if spec = root.Get("spec"); spec == nil || spec.Kind != policyfile.Object {
			r.faults.add(doc.Fault("/spec", "a document of kind %s needs a spec, a mapping", kind))
			return
		}
	}
	if own := root.Get("x-portreeve"); own != nil {
		o.own = "/x-portreeve"
		if spec.Get("portreeve") != nil {
			r.faults.add(doc.Fault(o.own, "the spec has a member portreeve already: write one of the two"))
			return
		}
	}
	r.keep(o, spec)
}

// keep notes an object with what identifies it.
func (r *reader) keep(o *Object, spec *policyfile.Node) {
	o.File, o.Line = o.doc.Name(), spec.Pos.Line
	if o.base == "/spec" || o.Kind == Test {
		o.Line = o.doc.Root.Pos.Line
	}
	idName, nameName := "id", "displayName"
	if o.Kind == AuthenticationPolicy {
		idName, nameName = "Guid", "Name"
	}
	own := ""
	if o.base == "/spec" {
		own = r.word(o.doc, o.doc.Root.Get("id"), "/id")
	}
	if o.Kind != Switches {
		o.ID = r.word(o.doc, spec.Get(idName), o.base+"/"+idName)
	}
	if o.Kind != Switches && o.Kind != Test {
		o.Name = r.word(o.doc, spec.Get(nameName), o.base+"/"+nameName)
	}
	switch {
	case own != "" && o.ID != "" && !strings.EqualFold(own, o.ID):
		r.faults.add(o.doc.Fault("/id", "the id is %q here and %q in the spec", own, o.ID))
	case own != "":
		o.ID = own
	}
	if o.Spec = policyfile.JSON(spec); o.base == "" && spec == o.doc.Root {
		o.Spec = o.doc.JSON() // to the byte
	}
	if r.set.Objects = append(r.set.Objects, o); len(r.set.Objects) == maxObjects+1 {
		r.faults.add(fmt.Errorf("%s: a folder of policies has at most %d objects", o.Place(), maxObjects))
	}
}

// maxName bounds ids and names, in bytes.
const maxName = 256

// word is an id or a name: a text, or nothing.
func (r *reader) word(doc *policyfile.Document, n *policyfile.Node, pointer string) string {
	switch {
	case n == nil || n.Kind == policyfile.Null:
		return ""
	case n.Kind != policyfile.String && n.Kind != policyfile.Number:
		r.faults.add(doc.Fault(pointer, "this is a text, not %s", n.Kind))
		return ""
	case len(n.Text) > maxName:
		r.faults.add(doc.Fault(pointer, "this has at most %d bytes", maxName))
		return ""
	}
	return n.Text
}

// unique finds two objects of one kind with one id, or one name.
func (r *reader) unique() {
	type key struct {
		kind Kind
		word string
	}
	ids, names := map[key]*Object{}, map[key]*Object{}
	tell := func(seen map[key]*Object, o *Object, what, word string) {
		if word == "" {
			return
		}
		k := key{o.Kind, strings.ToLower(word)}
		if first := seen[k]; first != nil {
			r.faults.add(o.doc.FaultAt(o.pos(what), "the %s %q stands here and at %s: the %s of a %s is its own", what, word, first.Place(), what, o.Kind.Word()))
			return
		}
		seen[k] = o
	}
	for _, o := range r.set.Objects {
		tell(ids, o, "id", o.ID)
		tell(names, o, "name", o.Name)
	}
}

// pos is where the object's id or name stands, or else the object itself.
func (o *Object) pos(what string) policyfile.Pos {
	pointers := map[string][]string{
		"id":   {"/id", o.base + "/id", o.base + "/Guid"},
		"name": {o.base + "/displayName", o.base + "/Name"},
	}[what]
	for _, p := range pointers {
		if o.has(p) {
			return o.doc.Pos(p)
		}
	}
	return o.doc.Pos(o.base)
}

// has says that the document holds a value at a pointer of simple names.
func (o *Object) has(pointer string) bool {
	n := o.doc.Root
	for _, token := range strings.Split(pointer, "/")[1:] {
		next := n.Get(token)
		if i, err := strconv.Atoi(token); next == nil && err == nil && i >= 0 && i < len(n.Items) {
			next = n.Items[i]
		}
		if n = next; n == nil {
			return false
		}
	}
	return true
}
