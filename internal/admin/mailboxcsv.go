package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/exchange"
	"github.com/portreeve/portreeve/internal/store"
	"github.com/portreeve/portreeve/internal/tenant"
)

// sheetFormat keeps an imported list as it came, so that it can be written
// again byte for byte with only the cells changed that changed since.
type sheetFormat struct {
	Original []byte `json:"original"`
}

// mailboxImport says what a list of mailboxes changes, or would.
type mailboxImport struct {
	Sheet    string          `json:"sheet,omitempty"` // id, once kept
	Rows     int             `json:"rows"`
	Changes  []switchDiff    `json:"changes"`
	Faults   []fileFault     `json:"faults"` // rows left out, such as mailboxes nobody has
	DryRun   bool            `json:"dryRun,omitempty"`
	Sessions *judged         `json:"@portreeve.sessions,omitempty"`
	values   []mailboxSwitch // what is to be written
}

type switchDiff struct {
	Line    int    `json:"line"`
	Mailbox string `json:"mailbox"`
	Switch  string `json:"switch"`
	From    *bool  `json:"from"`
	To      *bool  `json:"to"`
}

type fileFault struct {
	Line    int    `json:"line"`
	Message string `json:"message"`
}

type mailboxSwitch struct {
	person, name string
	value        *bool
}

// importMailboxes takes what Get-CASMailbox writes through Export-Csv,
// ConvertTo-Json or Export-Clixml. Rows for
// mailboxes that nobody has are reported and change nothing; with strict they
// stop the import. An empty cell leaves things as they are, unless
// nullInherits says that null is meant.
func (a *api) importMailboxes(r *http.Request) (any, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if text, _, err = tenant.AsCSV(text); err != nil {
		return nil, badFile(err)
	}
	file, err := exchange.ReadCSV(bytes.NewReader(text))
	if err != nil {
		return nil, badFile(err)
	}
	s, err := a.readShelf(r.Context())
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	out := a.compare(file, s, q.Get("nullInherits") == "true")
	if q.Get("strict") == "true" && len(out.Faults) > 0 {
		e := bad(fmt.Sprintf("line %d", out.Faults[0].Line), "%d rows cannot be taken; nothing was changed", len(out.Faults))
		for _, f := range out.Faults[:min(len(out.Faults), maxFaults)] {
			e.Details = append(e.Details, Error{Code: "BadRequest", Message: f.Message, Target: fmt.Sprintf("line %d", f.Line)})
		}
		return nil, e
	}
	if out.DryRun = q.Get("dryRun") == "true"; out.DryRun {
		return out, nil
	}
	if err := a.spareThose(r, func(p store.Person) (bool, error) {
		return slices.ContainsFunc(out.values, func(v mailboxSwitch) bool { return v.person == p.ID }), nil
	}); err != nil {
		return nil, err
	}
	sheet, rows, err := sheetOf(file, text, q.Get("name"), s)
	if err != nil {
		return nil, err
	}
	report, err := a.change(r, func(tx *store.Tx) error {
		for _, v := range out.values {
			if err := tx.PutSwitch(store.Mailbox, v.person, v.name, v.value); err != nil {
				return err
			}
		}
		return tx.AddCASSheet(&sheet, rows)
	})
	if err != nil {
		return nil, err
	}
	done := sessionsOf(report)
	out.Sheet, out.Sessions = sheet.ID, &done
	return out, nil
}

// maxFaults bounds how many faults one answer names.
const maxFaults = 100

// compare finds what a file would change.
func (a *api) compare(file *exchange.CSV, s *shelf, nullInherits bool) *mailboxImport {
	out := &mailboxImport{Rows: len(file.Rows), Changes: []switchDiff{}, Faults: []fileFault{}}
	rows, faults := file.Mailboxes()
	find := s.finder(a.Canonical)
	known, more := exchange.Resolve(rows, func(m *exchange.CASMailbox) (string, bool) { return find(m) })
	for _, err := range append(faults, more...) {
		f := fileFault{Message: err.Error()}
		var e *exchange.Error
		if errors.As(err, &e) {
			f.Line = e.Line
		}
		out.Faults = append(out.Faults, f)
	}
	for i := range s.people {
		p := &s.people[i]
		m := known[p.ID]
		if m == nil {
			continue
		}
		for _, c := range m.Changes(func(name string) *bool { return value(s.switches[p.ID], name) }, nullInherits) {
			out.Changes = append(out.Changes, switchDiff{m.Line, p.Address, c.Name, c.From, c.To})
			out.values = append(out.values, mailboxSwitch{p.ID, c.Name, c.To})
		}
	}
	return out
}

// finder finds the person a row is about, by the best it has: address, id,
// then names, as long as only one person has them.
func (s *shelf) finder(canonical func(string) (string, error)) func(*exchange.CASMailbox) (string, bool) {
	byAddress, byName := map[string]string{}, map[string][]string{}
	for _, p := range s.people {
		byAddress[p.Address], byAddress[strings.ToLower(p.ID)] = p.ID, p.ID
		for _, al := range s.aliases[p.ID] {
			byAddress[al] = p.ID
		}
		local, _, _ := strings.Cut(p.Address, "@")
		names := []string{strings.ToLower(p.DisplayName)}
		if local != names[0] {
			names = append(names, local)
		}
		for _, n := range names {
			byName[n] = append(byName[n], p.ID)
		}
	}
	return func(m *exchange.CASMailbox) (string, bool) {
		key, column := m.Key()
		key = strings.TrimPrefix(key, "'") // our own export's guard against formulas
		if id, ok := byAddress[strings.ToLower(key)]; ok {
			return id, true
		}
		if column == "Guid" {
			return "", false
		}
		if strings.Contains(key, "@") {
			address, err := canonical(key)
			return byAddress[address], err == nil && byAddress[address] != ""
		}
		if ids := byName[strings.ToLower(key)]; len(ids) == 1 {
			return ids[0], true
		}
		return s.garbled(key)
	}
}

// garbled finds a name whose letters beyond ASCII became question marks, as
// Windows PowerShell's default encoding writes them, if only one person's fits.
func (s *shelf) garbled(key string) (string, bool) {
	if !strings.Contains(key, "?") {
		return "", false
	}
	found := ""
	for i := range s.people {
		ascii := strings.Map(func(r rune) rune {
			if r > 0x7f {
				return '?'
			}
			return r
		}, s.people[i].DisplayName)
		if !strings.EqualFold(ascii, key) {
			continue
		}
		if found != "" {
			return "", false
		}
		found = s.people[i].ID
	}
	return found, found != ""
}

// sheetOf is an imported file as it is kept.
func sheetOf(file *exchange.CSV, text []byte, name string, s *shelf) (store.CASSheet, []store.CASRow, error) {
	format, err := json.Marshal(sheetFormat{text})
	if err != nil {
		return store.CASSheet{}, nil, err
	}
	rows := make([]store.CASRow, len(file.Rows))
	for i, row := range file.Rows {
		for _, column := range file.Columns() {
			c, _ := row.Cell(column)
			if c.Null {
				rows[i].Cells = append(rows[i].Cells, nil)
			} else {
				rows[i].Cells = append(rows[i].Cells, &c.Text)
			}
		}
		rows[i].Mailbox = fmt.Sprintf("line %d", row.Line)
	}
	return store.CASSheet{Name: name, Format: format, Columns: file.Columns()}, rows, nil
}

// exportMailboxes writes a list of mailboxes as Export-Csv does: in the form
// of an imported list (sheet=latest or its id), with what changed since, or
// all mailboxes in the usual columns.
func (a *api) exportMailboxes(r *http.Request) (any, error) {
	s, err := a.readShelf(r.Context())
	if err != nil {
		return nil, err
	}
	var file *exchange.CSV
	if which := r.URL.Query().Get("sheet"); which != "" {
		file, err = a.sheet(r.Context(), which, s)
	} else {
		file, err = s.export()
	}
	if err != nil {
		return nil, err
	}
	return raw{"text/csv", file.Bytes()}, nil
}

// sheet is an imported list with the switches as they are now.
func (a *api) sheet(ctx context.Context, which string, s *shelf) (*exchange.CSV, error) {
	all, err := a.Store.CASSheets(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if which != "latest" && which != all[i].ID && which != all[i].Name {
			continue
		}
		var f sheetFormat
		if err := json.Unmarshal(all[i].Format, &f); err != nil {
			return nil, fmt.Errorf("reading list %s: %w", all[i].ID, err)
		}
		file, err := exchange.ReadCSV(bytes.NewReader(f.Original))
		if err != nil {
			return nil, fmt.Errorf("reading list %s: %w", all[i].ID, err)
		}
		return file, a.refresh(file, s)
	}
	return nil, notFound("imported list", which)
}

// refresh writes what holds now into the cells that say otherwise.
func (a *api) refresh(file *exchange.CSV, s *shelf) error {
	rows, _ := file.Mailboxes()
	find := s.finder(a.Canonical)
	for i := range rows {
		m := &rows[i]
		id, ok := find(m)
		if !ok {
			continue
		}
		for _, name := range policy.SwitchNames() {
			setting, there := m.Settings[name]
			if !there || setting == exchange.Hidden || setting == exchange.Absent {
				continue
			}
			if w, ok := exchange.FindSwitch(name); !ok || !closes(w) {
				continue
			}
			now := value(s.switches[id], name)
			if was := setting.Bool(); was == nil && now == nil || was != nil && now != nil && *was == *now {
				continue
			}
			if err := m.Row.SetSwitch(name, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// closes says that a switch closes a door, so that an import changes it.
func closes(w *exchange.Switch) bool { return w.Protocol != 0 }

// export is every mailbox in the usual columns.
func (s *shelf) export() (*exchange.CSV, error) {
	file := exchange.NewCSV(exchange.Columns())
	for i := range s.people {
		p := &s.people[i]
		row := file.Append()
		local, _, _ := strings.Cut(p.Address, "@")
		for column, text := range map[string]string{"Name": local, "DisplayName": p.DisplayName, "PrimarySmtpAddress": p.Address, "Guid": p.ID} {
			if err := row.Set(column, inert(text)); err != nil {
				return nil, err
			}
		}
		for name, on := range s.switches[p.ID] {
			if !file.Has(name) {
				continue
			}
			if err := row.SetSwitch(name, &on); err != nil {
				return nil, err
			}
		}
	}
	return file, nil
}

// inert keeps a spreadsheet from taking a name for a formula.
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
