package importer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/tenant"
)

// googlePage is what the Cloud Identity Policy API and the Directory API give:
// a page of settings or of organisational units, or one of either.
type googlePage struct {
	Policies      []googleSetting
	Units         []googleUnit `json:"organizationUnits"`
	NextPageToken string       `json:"nextPageToken"`
	googleSetting
	googleUnit
}

type googleSetting struct {
	Name, Type  string
	PolicyQuery struct {
		Query, OrgUnit, Group string
		SortOrder             float64
	}
	Setting struct {
		Type  string
		Value map[string]json.RawMessage
	}
}

type googleUnit struct {
	ID       string `json:"orgUnitId"`
	Path     string `json:"orgUnitPath"`
	ParentID string `json:"parentOrgUnitId"`
}

// googleDoors are the settings that close a door of mail, and what their value
// is called. Where it is false the doors are closed: to everybody, or to
// passwords.
var googleDoors = map[string]struct {
	member string
	rule   rule
}{
	"gmail.imap_access":         {"enableImapAccess", rule{name: "IMAP off", does: blocks, doors: words("imap")}},
	"gmail.pop_access":          {"enablePopAccess", rule{name: "POP off", does: blocks, doors: words("pop3")}},
	"security.less_secure_apps": {"allowLessSecureApps", rule{name: "Passwords off", does: blocks, doors: words("caldav", "carddav", "imap", "pop3", "submission"), kinds: words("password")}},
}

// GoogleSettings turns the settings of Google Workspace that are about mail's
// doors, as the Cloud Identity Policy API lists them, into policies. For each
// person the setting of the highest sortOrder that is for them holds. People of
// an organisational unit become a group named after the unit's path, which has
// to be made here; the units are told by the Directory API's list of them.
func GoogleSettings(files map[string]io.Reader) (*Translation, error) {
	g := &google{translator: translator{kinds: allKinds}, units: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := tenant.ReadJSON(files[name], func(raw []byte, line int) error {
			g.page(raw, name, line)
			return nil
		}); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(g.settings) == 0 {
		return nil, fmt.Errorf("there is no setting of the Cloud Identity Policy API in it")
	}
	// The highest order first, as a list of which the first that matches decides.
	slices.SortStableFunc(g.settings, func(a, b googleSetting) int {
		switch x, y := a.PolicyQuery.SortOrder, b.PolicyQuery.SortOrder; {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	others := map[string]int{}
	lists := map[string][]rule{}
	for i := range g.settings {
		kind := strings.TrimPrefix(g.settings[i].Setting.Type, "settings/")
		if _, door := googleDoors[kind]; !door {
			others[kind]++
			continue
		}
		if r, ok := g.rule(kind, &g.settings[i]); ok {
			lists[kind] = append(lists[kind], r)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(lists)) {
		g.rules(lists[kind])
	}
	for _, kind := range slices.Sorted(maps.Keys(others)) {
		g.out.unmapped(0, kind, "this setting closes no door of mail here and was left out (%d times)", others[kind])
	}
	return &g.out, nil
}

type google struct {
	translator
	settings []googleSetting
	units    map[string]string // path by id
	root     string            // the unit that is the whole organisation
}

func (g *google) page(raw []byte, file string, line int) {
	var p googlePage
	if err := json.Unmarshal(raw, &p); err != nil {
		g.out.unmapped(line, file, "this object cannot be read: %v", err)
		return
	}
	if p.Setting.Type != "" {
		p.Policies = append(p.Policies, p.googleSetting)
	}
	if p.ID != "" {
		p.Units = append(p.Units, p.googleUnit)
	}
	if len(p.Policies)+len(p.Units) == 0 {
		g.out.unmapped(line, file, "there are no settings and no organisational units in this object")
	}
	g.settings = append(g.settings, p.Policies...)
	for _, u := range p.Units {
		g.units[unitID(u.ID)] = u.Path
		if strings.Count(u.Path, "/") == 1 && u.ParentID != "" {
			g.root = unitID(u.ParentID)
		}
	}
	if p.NextPageToken != "" {
		g.out.unmapped(line, file, "this page says that there is another (nextPageToken): it has to be among the files")
	}
}

// unitID is the same in orgUnits/03ph8a2z1xdnme9 and id:03ph8a2z1xdnme9.
func unitID(s string) string {
	return strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(s, "orgUnits/"), "id:"))
}

// rule reads a setting as one rule of the list of its kind.
func (g *google) rule(kind string, s *googleSetting) (rule, bool) {
	door := googleDoors[kind]
	r := door.rule
	var open *bool
	if err := json.Unmarshal(s.Setting.Value[door.member], &open); err != nil || open == nil {
		g.out.unmapped(0, s.Name, "%s does not say %s and was left out", kind, door.member)
		return r, false
	}
	if *open {
		r.does = allows
	}
	q := &s.PolicyQuery
	who := ""
	switch path, known := g.units[unitID(q.OrgUnit)]; {
	case strings.Contains(q.Query, "licenses"):
		r.lost = append(r.lost, "it is for people with a licence")
	case q.Group != "":
		who = q.Group
		r.groups.include = []string{who}
		g.out.unmapped(0, s.Name, "it is for the group %s, which the policies name as it stands: give the group here that name", q.Group)
	case q.OrgUnit == "" && s.Type == "SYSTEM", q.OrgUnit != "" && unitID(q.OrgUnit) == g.root, path == "/":
	case known:
		who = path
		r.groups.include = []string{path}
		g.out.unmapped(0, s.Name, "it is for the organisational unit %s: make a group of that name, with the people of the units within", path)
	default:
		r.lost = append(r.lost, fmt.Sprintf("no file tells which organisational unit %q is: add the Directory API's list of them (orgunits?type=all)", q.OrgUnit))
	}
	if _, narrowed := s.Setting.Value["imapAccessRestriction"]; narrowed && *open && strings.Contains(string(s.Setting.Value["imapAccessRestriction"]), "List") {
		g.out.unmapped(0, s.Name, "IMAP for listed OAuth clients only: the list was left out, and all programs that show a token may")
	}
	if who != "" {
		r.name += " for " + who
	}
	if len(r.lost) > 0 && r.does == allows {
		g.out.unmapped(0, cmp.Or(s.Name, r.name), "this setting, which allows, was left out: %s", strings.Join(r.lost, "; "))
	}
	return r, true
}
