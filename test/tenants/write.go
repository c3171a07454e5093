package tenants

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// layout is where the files lie and how they are called.
type layout struct {
	entra, exchange, logs string // folders below the export's
	style                 int    // of file names
}

// write writes every file of the export.
func (b *builder) write(folder string) error {
	l := pick(b, layout{"", "", "", 0}, layout{"entra", "exchange", "entra", 0}, layout{"Entra ID/2026-10", "Exchange Server", "Entra ID/logs", 1}, layout{"export", "export", "export", 1})
	for _, sub := range []string{l.entra, l.exchange, l.logs} {
		if err := os.MkdirAll(filepath.Join(folder, sub), 0o755); err != nil {
			return err
		}
	}
	l.entra, l.exchange, l.logs = filepath.Join(folder, l.entra), filepath.Join(folder, l.exchange), filepath.Join(folder, l.logs)
	if err := b.writeGraph(l); err != nil {
		return err
	}
	if err := b.writeExchange(l); err != nil {
		return err
	}
	return b.writeLog(l)
}

const graphRoot = "https://graph.microsoft.com/v1.0/$metadata#"

// writeGraph writes the directory's objects.
func (b *builder) writeGraph(l layout) error {
	objects := []struct {
		name, context string
		items         iter.Seq[any]
		page          int // 0: all in one
	}{
		{"conditionalAccessPolicies", "identity/conditionalAccess/policies", seq(b.policies, func(p *policy) any { return p }), 0},
		{"namedLocations", "identity/conditionalAccess/namedLocations", seq(b.places, (*place).graph), 0},
		{"authenticationStrengths", "policies/authenticationStrengthPolicies", seq(b.strengths, func(s *strength) any { return s }), 0},
		{"users", "users(id,userPrincipalName,displayName,accountEnabled,userType,mail)", seq(b.people, (*person).graph), pick(b, 0, 100, 999)},
		{"groups", "groups", seq(b.groups, (*group).graph), pick(b, 0, 100)},
		{"directoryRoles", "directoryRoles", b.activated(), 0},
		{"userRegistrationDetails", "reports/authenticationMethods/userRegistrationDetails", b.registrations(), pick(b, 0, 100, 1000)},
	}
	for _, o := range objects {
		if o.name == b.draw.missing {
			continue
		}
		if o.name == "conditionalAccessPolicies" && b.chance(0.2) {
			if err := b.onePolicyEach(l); err != nil {
				return err
			}
			continue
		}
		page := o.page
		if b.options.Mailboxes > 2000 && page > 0 {
			page *= 50
		}
		if err := b.graphFiles(l, o.name, o.context, o.items, page); err != nil {
			return err
		}
	}
	if err := b.strays(l); err != nil {
		return err
	}
	if b.draw.missing == "securityDefaults" {
		return nil
	}
	defaults := map[string]any{"@odata.context": graphRoot + "policies/identitySecurityDefaultsEnforcementPolicy/$entity", "id": "00000000-0000-0000-0000-000000000005",
		"displayName": "Security Defaults", "isEnabled": b.draw.defaults}
	text, err := json.MarshalIndent(defaults, "", "    ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(l.entra, "securityDefaults.json"), text, 0o644)
}

// onePolicyEach writes each policy to a file of its own, as the portal downloads
// them.
func (b *builder) onePolicyEach(l layout) error {
	folder := filepath.Join(l.entra, "policies")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for i, p := range b.policies {
		object := struct {
			Context string `json:"@odata.context"`
			*policy
		}{graphRoot + "identity/conditionalAccess/policies/$entity", p}
		text, err := json.MarshalIndent(object, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%03d %s.json", i, strings.Map(plainLetter, p.DisplayName))), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func plainLetter(r rune) rune {
	if strings.ContainsRune(`/\:*?"<>|`, r) {
		return '_'
	}
	return r
}

// strays are files that lie in such folders and say nothing of this.
func (b *builder) strays(l layout) error {
	for name, text := range map[string]string{
		"README.txt":             "Exported for the audit; ask Jörg.\r\n",
		".DS_Store":              "\x00\x00\x00\x01Bud1\x00",
		"empty.json":             "",
		"devices.json":           `{"@odata.context":"` + graphRoot + `devices","value":[{"id":"` + b.id() + `","displayName":"MFP-3","accountEnabled":true,"operatingSystem":"Windows"}]}`,
		"servicePrincipals.json": `{"@odata.context":"` + graphRoot + `servicePrincipals","value":[{"id":"` + b.id() + `","appId":"` + b.id() + `","displayName":"Backup","accountEnabled":true}]}`,
		"serials.csv":            "\"Serial\";\"Owner\"\r\n\"1\";\"Jörg\"\r\n",
	} {
		if err := os.WriteFile(filepath.Join(l.entra, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func seq[T any](list []T, as func(T) any) iter.Seq[any] {
	return func(yield func(any) bool) {
		for _, x := range list {
			if !yield(as(x)) {
				return
			}
		}
	}
}

// graphFiles writes a collection as Graph answers it, in pages, or as a script
// collects it: a bare list.
func (b *builder) graphFiles(l layout, name, context string, items iter.Seq[any], page int) error {
	w := &pages{folder: l.entra, name: name, style: l.style, context: graphRoot + context, page: page, bare: page == 0 && b.chance(0.3)}
	for item := range items {
		if err := w.add(item); err != nil {
			return err
		}
	}
	return w.close()
}

// pages writes objects to one JSON file after the other.
type pages struct {
	folder, name, context string
	style, page           int
	bare                  bool
	number, count         int
	file                  *os.File
	out                   *bufio.Writer
}

func (w *pages) path() string {
	switch {
	case w.number == 1:
		return filepath.Join(w.folder, w.name+".json")
	case w.style == 1:
		return filepath.Join(w.folder, fmt.Sprintf("%s (%d).json", w.name, w.number))
	}
	return filepath.Join(w.folder, fmt.Sprintf("%s-page%d.json", w.name, w.number))
}

func (w *pages) begin() error {
	w.number++
	w.count = 0
	file, err := os.Create(w.path())
	if err != nil {
		return err
	}
	w.file, w.out = file, bufio.NewWriterSize(file, 1<<16)
	if w.bare {
		w.out.WriteString("[\n")
	} else {
		fmt.Fprintf(w.out, "{\n  \"@odata.context\": %q,\n  \"value\": [\n", w.context)
	}
	return nil
}

func (w *pages) end(next bool) error {
	switch {
	case w.bare:
		w.out.WriteString("\n]\n")
	case next:
		fmt.Fprintf(w.out, "\n  ],\n  \"@odata.nextLink\": \"https://graph.microsoft.com/v1.0/%s?$skiptoken=RFNwdAIAAQ%d\"\n}\n", w.name, w.number)
	default:
		w.out.WriteString("\n  ]\n}\n")
	}
	if err := w.out.Flush(); err != nil {
		return err
	}
	return w.file.Close()
}

func (w *pages) add(item any) error {
	if w.file == nil || w.page > 0 && w.count == w.page {
		if w.file != nil {
			if err := w.end(true); err != nil {
				return err
			}
		}
		if err := w.begin(); err != nil {
			return err
		}
	}
	if w.count > 0 {
		w.out.WriteString(",\n")
	}
	w.count++
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(item); err != nil {
		return err
	}
	w.out.WriteString("    ")
	_, err := w.out.Write(bytes.TrimRight(text.Bytes(), "\n"))
	return err
}

func (w *pages) close() error {
	if w.file == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	return w.end(false)
}

func (p *place) graph() any {
	object := map[string]any{"id": p.id, "displayName": p.name, "createdDateTime": "2025-11-02T07:31:55.9911002Z", "modifiedDateTime": "2026-06-30T11:20:00Z"}
	if p.countries != nil {
		object["@odata.type"], object["countriesAndRegions"] = "#microsoft.graph.countryNamedLocation", p.countries
		object["includeUnknownCountriesAndRegions"], object["countryLookupMethod"] = false, "clientIpAddress"
		return object
	}
	var ranges []map[string]string
	for _, r := range p.ranges {
		six := "4"
		if strings.Contains(r, ":") {
			six = "6"
		}
		if lower, upper, is := strings.Cut(r, "-"); is {
			ranges = append(ranges, map[string]string{"@odata.type": "#microsoft.graph.iPv" + six + "Range", "lowerAddress": lower, "upperAddress": upper})
		} else {
			ranges = append(ranges, map[string]string{"@odata.type": "#microsoft.graph.iPv" + six + "CidrRange", "cidrAddress": r})
		}
	}
	object["@odata.type"], object["isTrusted"], object["ipRanges"] = "#microsoft.graph.ipNamedLocation", p.trusted, ranges
	return object
}

// none is a text that may be null.
func none(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func (p *person) graph() any {
	kind := "Member"
	if p.guest {
		kind = "Guest"
	}
	return struct {
		ID       string `json:"id"`
		UPN      string `json:"userPrincipalName"`
		Display  string `json:"displayName"`
		Enabled  bool   `json:"accountEnabled"`
		Kind     string `json:"userType"`
		Mail     any    `json:"mail"`
		Division any    `json:"department"`
	}{p.id, p.upn, p.display, p.enabled, kind, none(p.mail), none(p.dept)}
}

func (g *group) graph() any {
	members := []any{}
	for _, inner := range g.groups {
		members = append(members, map[string]string{"@odata.type": "#microsoft.graph.group", "id": inner.id})
	}
	if g.name[len(g.name)-1] == '7' { // devices and contacts are members too
		members = append(members, map[string]string{"@odata.type": "#microsoft.graph.device", "id": "0f7c0de0-0000-4000-8000-0000000000d1"})
	}
	for _, p := range g.people {
		members = append(members, map[string]string{"@odata.type": "#microsoft.graph.user", "id": p.id})
	}
	return map[string]any{"id": g.id, "displayName": g.name, "securityEnabled": true, "groupTypes": []string{}, "members": members}
}

// activated are the roles that somebody has or once had.
func (b *builder) activated() iter.Seq[any] {
	var templates []string
	for t := range b.roles {
		templates = append(templates, t)
	}
	slices.Sort(templates)
	return func(yield func(any) bool) {
		for _, t := range templates {
			r, members := b.roles[t], []any{}
			for _, p := range r.people {
				members = append(members, map[string]string{"@odata.type": "#microsoft.graph.user", "id": p.id})
			}
			if !yield(map[string]any{"id": b.id(), "roleTemplateId": t, "displayName": r.name, "members": members}) {
				return
			}
		}
	}
}

func (b *builder) registrations() iter.Seq[any] {
	return func(yield func(any) bool) {
		for _, p := range b.people {
			if p.registered == null {
				continue
			}
			is := p.registered == yes
			methods := []string{}
			switch {
			case is:
				methods = pick(b, []string{"microsoftAuthenticatorPush", "softwareOneTimePasscode"}, []string{"mobilePhone"}, []string{"fido2SecurityKey", "mobilePhone"})
			case b.chance(0.5):
				methods = []string{"email"}
			}
			if !yield(map[string]any{"id": p.id, "userPrincipalName": p.upn, "userDisplayName": p.display, "isAdmin": false, "isMfaRegistered": is, "isMfaCapable": is,
				"isSsprRegistered": is, "methodsRegistered": methods}) {
				return
			}
		}
	}
}
