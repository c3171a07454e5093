package tenant

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/policy/exchange"
)

const (
	maxFiles     = 10_000
	maxFileNotes = 100       // of one file; the rest is counted
	maxObjects   = 4 << 20   // of all files, sign-ins apart
	maxDocuments = 512 << 20 // bytes of policies, locations and strengths as they came
)

// Read reads every file of a folder and of the folders in it. The error is one
// of the folder itself: what single files have wrong with them are notes.
func Read(fsys fs.FS) (*Tenant, error) {
	r := newReader(fsys)
	if err := r.folder(); err != nil {
		return nil, err
	}
	r.finish()
	return r.t, nil
}

func newReader(fsys fs.FS) *reader {
	r := &reader{t: &Tenant{SignIns: NewSignInLog()}, fsys: fsys, seen: map[string]Source{}, texts: map[string]string{}, mailboxes: map[string]int{}}
	r.keep = r.t.SignIns.Add
	r.again = func() (io.Reader, error) { return fsys.Open(r.file.Path) }
	return r
}

type reader struct {
	t         *Tenant
	fsys      fs.FS
	file      *File // that is being read
	noted     int   // notes of that file
	objects   int   // met, sign-ins apart
	documents int   // bytes kept of policies, locations and strengths
	seen      map[string]Source
	texts     map[string]string // of which there are few, kept once
	mailboxes map[string]int    // place in t.Mailboxes by what tells them apart; -1: by nothing
	pages     []string          // files whose last page says that there is another
	dates     dateOrder
	keep      func(*SignIn)
	again     func() (io.Reader, error) // the file once more, from its beginning
}

func (r *reader) folder() error {
	count := 0
	err := fs.WalkDir(r.fsys, ".", func(name string, d fs.DirEntry, err error) error {
		base := path.Base(name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (base == "__MACOSX" || len(base) > 1 && base[0] == '.'):
			return fs.SkipDir
		case d.IsDir() || base[0] == '.':
			return nil
		}
		if count++; count > maxFiles {
			return fmt.Errorf("more than %d files", maxFiles)
		}
		r.begin(name)
		if !d.Type().IsRegular() {
			r.note(0, "", "this is no regular file and was not read")
			return nil
		}
		r.readFile()
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the folder of the export: %w", err)
	}
	return nil
}

func (r *reader) begin(name string) {
	r.t.Files = append(r.t.Files, File{Path: name})
	r.file, r.noted = &r.t.Files[len(r.t.Files)-1], 0
}

// ReadFiles reads files by their paths, as if they were all that a folder holds.
func ReadFiles(paths ...string) (*Tenant, error) {
	r := newReader(osFiles{})
	for _, name := range paths {
		if _, err := os.Stat(name); err != nil {
			return nil, err
		}
		r.begin(name)
		r.readFile()
	}
	r.finish()
	return r.t, nil
}

// osFiles opens any path.
type osFiles struct{}

func (osFiles) Open(name string) (fs.File, error) { return os.Open(name) }

// note keeps what is to be told, up to a bound for each file.
func (r *reader) note(line int, object, format string, args ...any) {
	if r.noted++; r.noted > maxFileNotes {
		return
	}
	r.t.Notes = append(r.t.Notes, Note{Source{r.file.Path, line}, object, fmt.Sprintf(format, args...)})
}

func (r *reader) readFile() {
	if !slices.Contains(endings, strings.ToLower(path.Ext(r.file.Path))) {
		r.note(0, "", "this was not read: exports end in %s", strings.Join(endings, ", "))
		return
	}
	f, err := r.fsys.Open(r.file.Path)
	if err != nil {
		r.failed(0, err)
		return
	}
	defer f.Close()
	b := utf8Text(&bounded{r: f, left: maxUnpacked})
	form := formOf(b)
	r.file.Form = string(form)
	switch form {
	case formJSON:
		err = r.readJSON(b)
	case formCSV:
		err = r.readCSV(b)
	case formCLIXML:
		err = r.readCLIXML(b)
	case formZip:
		r.note(0, "", "an archive within the export: unpack it, or give it alone")
	default:
		r.empty(b)
	}
	var fault *jsonFault
	switch {
	case errors.Is(err, errNotRecognised):
	case errors.As(err, &fault):
		r.failed(fault.line, err)
	case err != nil:
		r.failed(0, err)
	case r.file.Kind == "" && (form == formJSON || form == formCLIXML):
		r.empty(b)
	}
	if more := r.noted - maxFileNotes; more > 0 {
		r.noted = 0
		r.note(0, "", "%d more notes about this file were left out", more)
	}
}

// endings are those of files that are read.
var endings = []string{".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".xml", ".clixml"}

// empty is a file in which there is nothing: its name says of what.
func (r *reader) empty(b *bufio.Reader) {
	if head, _ := b.Peek(1); len(head) > 0 {
		r.note(0, "", "this is neither JSON, CSV nor CLIXML, and was not read")
		return
	}
	if r.file.Kind = byName(r.file.Path, nil); r.file.Kind == "" {
		r.note(0, "", "there is nothing in this file")
	}
}

func (r *reader) failed(line int, err error) {
	r.file.Failed = true
	r.note(line, "", "%v; the %d objects before it were taken", err, r.file.Count)
}

var errNotRecognised = errors.New("not recognised")

// kindOf decides by the first record what the file is.
func (r *reader) kindOf(v *value, class string, line int) error {
	if r.file.Kind != "" {
		return nil
	}
	if r.file.Kind = recognise(v, class, r.file.Path); r.file.Kind != "" {
		return nil
	}
	r.note(line, "", "not recognised as one of the exports that are read: %s", r.shown(v))
	return errNotRecognised
}

// shown names a record's first members, so that somebody can tell what it is.
func (r *reader) shown(v *value) string {
	var all []string
	for i := range v.members {
		if name := v.members[i].name; len(name) < 60 && len(all) < 6 {
			all = append(all, name)
		}
	}
	if len(all) == 0 {
		return "it has no members"
	}
	return "it has " + strings.Join(all, ", ")
}

func (r *reader) readJSON(b *bufio.Reader) error {
	j := newJSONStream(b)
	err := j.records(func(raw []byte, line int) error {
		var want wanted
		switch r.file.Kind {
		case SignIns:
			want = signInMembers
		case Groups, DirectoryRoles:
			want = groupMembers
		}
		s := string(raw)
		v, err := parseJSON(s, want)
		var at *offsetError
		if errors.As(err, &at) {
			r.note(line+strings.Count(s[:min(at.offset, len(s))], "\n"), "", "this object was left out: %v", err)
			return nil
		}
		if err := r.kindOf(&v, "", line); err != nil {
			return err
		}
		r.take(&v, s, line)
		return nil
	})
	if err == nil && j.next && r.file.Kind != "" {
		r.pages = append(r.pages, r.file.Path)
	}
	return err
}

func (r *reader) readCLIXML(b *bufio.Reader) error {
	return newCLIXMLStream(b).records(func(v *value, class string, line int) error {
		if err := r.kindOf(v, class, line); err != nil {
			return err
		}
		r.take(v, "", line)
		return nil
	})
}

func (r *reader) readCSV(b *bufio.Reader) error {
	c, err := newCSVStream(b)
	if err != nil {
		return err
	}
	v := value{kind: object}
	for _, name := range c.header {
		v.members = append(v.members, member{name: name})
	}
	if err := r.kindOf(&v, c.Type, 1); err != nil {
		return err
	}
	if r.file.Kind == SignIns {
		if r.dates, err = r.datesOf(c.header); err != nil {
			return err
		}
	}
	for {
		line, err := c.next()
		var bad *rowError
		switch {
		case errors.As(err, &bad):
			r.note(line, "", "%s", bad.message)
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return &jsonFault{line, err.Error()}
		}
		c.record(&v)
		r.take(&v, "", line)
	}
}

// take hands a record to the mapping of its kind; raw is its JSON, if it was that.
func (r *reader) take(v *value, raw string, line int) {
	if v.kind != object {
		r.note(line, "", "an object is expected here")
		return
	}
	if r.file.Kind != SignIns {
		if r.objects++; r.objects > maxObjects {
			r.note(line, "", "more than %d objects: this was left out", maxObjects)
			return
		}
	}
	if r.documents > maxDocuments && slices.Contains([]Kind{ConditionalAccessPolicies, NamedLocations, AuthenticationStrengths}, r.file.Kind) {
		r.note(line, "", "the policies, locations and strengths before this have more than %d MB: it was left out", maxDocuments>>20)
		return
	}
	if mappings[r.file.Kind](r, v, raw, line) {
		r.file.Count++
	}
}

// once says that an object of that id was not met before. A second one is
// noted and left out: nobody can say which of the two holds.
func (r *reader) once(k Kind, id string, line int) bool {
	if id == "" {
		return true
	}
	key := string(k) + "\x00" + strings.ToLower(id)
	if first, twice := r.seen[key]; twice {
		r.note(line, id, "an object of this id stands in %s already, in line %d: this one was left out", first.File, first.Line)
		return false
	}
	r.seen[key] = r.source(line)
	return true
}

func (r *reader) source(line int) Source { return Source{r.file.Path, line} }

// shared keeps a text of which there are few once.
func (r *reader) shared(s string) string {
	if kept, ok := r.texts[s]; ok {
		return kept
	}
	if len(r.texts) < maxFiles {
		r.texts[s] = s
	}
	return s
}

// finish looks at the whole.
func (r *reader) finish() {
	t := r.t
	slices.SortStableFunc(t.ClientRules, func(a, b ClientRule) int { return a.Priority - b.Priority })
	if n := t.SignIns.LeftOut(); n > 0 {
		t.Notes = append(t.Notes, Note{Text: fmt.Sprintf("%d sign-ins were left out: no more than %d are kept", n, t.SignIns.Len())})
	}
	if n := t.SignIns.Twice(); n > 0 {
		t.Notes = append(t.Notes, Note{Text: fmt.Sprintf("%d sign-ins stand in the files more than once, under one id: they count once", n)})
	}
	r.missingPages()
}

var switchNumbers = func() map[string]int {
	numbers := map[string]int{}
	for i, s := range exchange.Switches() {
		numbers[strings.ToLower(s.Name)] = i
	}
	return numbers
}()

func switchNumber(name string) (int, bool) {
	i, ok := switchNumbers[strings.ToLower(name)]
	return i, ok && i < len(Settings{})
}
