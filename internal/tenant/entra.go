package tenant

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/policy/graph"
)

// mappings turn a record into an object of its kind; false is a record that
// was left out, with a note.
var mappings = map[Kind]func(r *reader, v *value, raw string, line int) bool{
	ConditionalAccessPolicies: (*reader).policy,
	NamedLocations:            (*reader).location,
	AuthenticationStrengths:   (*reader).strength,
	Users:                     (*reader).person,
	Groups:                    (*reader).group,
	DirectoryRoles:            (*reader).role,
	RegistrationDetails:       (*reader).registration,
	SecurityDefaults:          (*reader).securityDefaults,
	SignIns:                   (*reader).signIn,
	CASMailboxes:              (*reader).mailbox,
	AuthenticationPolicies:    (*reader).authPolicy,
	ExchangeUsers:             (*reader).exchangeUser,
	OrganizationConfig:        (*reader).organization,
	TransportConfig:           (*reader).transport,
	ClientAccessRules:         (*reader).clientRule,
	DeviceAccessRules:         (*reader).deviceRule,
	DeviceSettings:            (*reader).deviceSettings,
	MobileDevices:             (*reader).mobileDevice,
}

// document is the record as Graph would write it: its own bytes where it is
// Graph's JSON already.
func (r *reader) document(v *value, raw string) []byte {
	doc := []byte(raw)
	if raw == "" || v.has("AdditionalProperties") || len(v.members) > 0 && camel(v.members[0].name) != v.members[0].name {
		doc = v.graphJSON()
	}
	r.documents += len(doc)
	return doc
}

// faulty notes why a Graph object was left out, at the line of its fault.
func (r *reader) faulty(what string, v *value, raw string, doc []byte, line int, err error) bool {
	var first *graph.Error
	if errors.As(err, &first) && raw == string(doc) {
		line += bytes.Count(doc[:min(max(first.Offset, 0), len(doc))], []byte("\n"))
	}
	hint := ""
	if v.cutOff() {
		hint = "; the export was cut off by ConvertTo-Json's -Depth: export again with -Depth 10"
	}
	r.note(line, v.said("displayName", "id"), "this %s could not be read and was left out: %v%s", what, err, hint)
	return false
}

// cutOff says that a class name stands somewhere in place of an object.
func (v *value) cutOff() bool {
	if v.kind == text && lostList(v.text) {
		return true
	}
	for i := range v.members {
		if v.members[i].value.cutOff() {
			return true
		}
	}
	for i := range v.items {
		if v.items[i].cutOff() {
			return true
		}
	}
	return false
}

func (r *reader) policy(v *value, raw string, line int) bool {
	doc := r.document(v, raw)
	p, err := graph.Policy(doc)
	if err != nil {
		return r.faulty("conditional access policy", v, raw, doc, line, err)
	}
	if v.get("deletedDateTime").kind == text {
		r.note(line, p.DisplayName, "this policy was deleted (%s) and was left out", v.said("deletedDateTime"))
		return false
	}
	if !r.once(ConditionalAccessPolicies, p.ID, line) {
		return false
	}
	if v.cutOff() {
		r.note(line, p.DisplayName, "parts of this policy were cut off by ConvertTo-Json's -Depth: export again with -Depth 10")
	}
	r.unsupported(p.DisplayName, p.Unsupported, line)
	r.t.Policies = append(r.t.Policies, Policy{p, doc, r.source(line)})
	return true
}

func (r *reader) unsupported(object string, all []policy.Unsupported, line int) {
	for _, u := range all {
		r.note(line, object, "%s: %s", u.Pointer, u.Text)
	}
}

func (r *reader) location(v *value, raw string, line int) bool {
	doc := r.document(v, raw)
	n, err := graph.Location(doc)
	if err != nil {
		return r.faulty("named location", v, raw, doc, line, err)
	}
	if !r.once(NamedLocations, n.ID, line) {
		return false
	}
	r.t.Locations = append(r.t.Locations, Location{n, doc, r.source(line)})
	return true
}

func (r *reader) strength(v *value, raw string, line int) bool {
	doc := r.document(v, raw)
	s, err := graph.Strength(doc)
	if err != nil {
		return r.faulty("authentication strength", v, raw, doc, line, err)
	}
	if !r.once(AuthenticationStrengths, s.ID, line) {
		return false
	}
	r.t.Strengths = append(r.t.Strengths, Strength{s, doc, r.source(line)})
	return true
}

func (r *reader) person(v *value, _ string, line int) bool {
	p := Person{ID: v.said("id", "ObjectId"), UPN: v.said("userPrincipalName"), DisplayName: v.said("displayName"), Mail: v.said("mail"), Source: r.source(line)}
	if p.ID == "" && p.UPN == "" {
		r.note(line, p.DisplayName, "this user has neither an id nor a userPrincipalName and was left out")
		return false
	}
	if !r.once(Users, cmpOr(p.ID, p.UPN), line) {
		return false
	}
	if enabled := v.get("accountEnabled").truth(); enabled != nil {
		p.Disabled = !*enabled
	} else {
		r.note(line, p.UPN, "nothing readable says whether this account is enabled: it is taken as enabled")
	}
	kind := v.said("userType")
	p.Guest = strings.EqualFold(kind, "Guest") || kind == "" && strings.Contains(strings.ToUpper(p.UPN), "#EXT#")
	r.t.People = append(r.t.People, p)
	return true
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// groupMembers are what is read of a group or a role.
var groupMembers = func() wanted {
	ids := wanted{"id": nil, "Id": nil, "value": {"id": nil, "Id": nil}}
	return wanted{"id": nil, "Id": nil, "displayName": nil, "DisplayName": nil, "roleTemplateId": nil, "RoleTemplateId": nil, "members": ids, "Members": ids}
}()

func (r *reader) group(v *value, _ string, line int) bool {
	g := Group{ID: v.said("id"), DisplayName: v.said("displayName"), Source: r.source(line)}
	if g.ID == "" {
		r.note(line, g.DisplayName, "this group has no id and was left out")
		return false
	}
	members := v.get("members")
	lost := false
	if g.Members, lost = members.ids(); lost {
		r.note(line, g.DisplayName, "the export lost who is in this group, or some of them")
	}
	g.MembersSaid = !lost && (members.kind != null || v.has("members"))
	if !g.MembersSaid && !lost {
		r.note(line, g.DisplayName, "the export does not say who is in this group")
	}
	if !r.once(Groups, g.ID, line) {
		return false
	}
	r.t.Groups = append(r.t.Groups, g)
	return true
}

func (r *reader) role(v *value, _ string, line int) bool {
	o := Role{ID: v.said("id"), TemplateID: v.said("roleTemplateId"), DisplayName: v.said("displayName"), Source: r.source(line)}
	lost := false
	if o.Members, lost = v.get("members").ids(); lost || !v.has("members") {
		r.note(line, o.DisplayName, "the export does not say who has this role")
	}
	if o.TemplateID == "" {
		r.note(line, o.DisplayName, "this role has no roleTemplateId, so no policy can mean it: it was left out")
		return false
	}
	if !r.once(DirectoryRoles, cmpOr(o.ID, o.TemplateID), line) {
		return false
	}
	r.t.Roles = append(r.t.Roles, o)
	return true
}

func (r *reader) registration(v *value, _ string, line int) bool {
	o := Registration{ID: v.said("id"), UPN: v.said("userPrincipalName"), Registered: v.get("isMfaRegistered").truth(), Capable: v.get("isMfaCapable").truth(), Source: r.source(line)}
	if o.ID == "" && o.UPN == "" {
		r.note(line, "", "this row says of nobody whether they are registered, and was left out")
		return false
	}
	o.Methods, _ = v.get("methodsRegistered").words()
	for i := range o.Methods {
		o.Methods[i] = r.shared(o.Methods[i])
	}
	if o.Registered == nil {
		r.note(line, o.UPN, "nothing readable says whether this person is registered for a second factor")
	}
	if !r.once(RegistrationDetails, cmpOr(o.ID, o.UPN), line) {
		return false
	}
	r.t.Registrations = append(r.t.Registrations, o)
	return true
}

func (r *reader) securityDefaults(v *value, _ string, line int) bool {
	on := v.get("isEnabled").truth()
	if on == nil {
		r.note(line, "", "nothing readable says whether the security defaults are on")
		return false
	}
	if r.t.SecurityDefaults != nil && *r.t.SecurityDefaults != *on {
		r.note(line, "", "another file says the opposite of the security defaults: they are taken as off")
		on = &no
	}
	r.t.SecurityDefaults = on
	return true
}

// missingPages tells of logs and lists whose last page is not there.
func (r *reader) missingPages() {
	files, open := map[Kind]int{}, map[Kind]int{}
	last := map[Kind]string{}
	for i := range r.t.Files {
		f := &r.t.Files[i]
		files[f.Kind]++
		for _, p := range r.pages {
			if p == f.Path {
				open[f.Kind]++
				last[f.Kind] = p
			}
		}
	}
	for i := range r.t.Files {
		k := r.t.Files[i].Kind
		if open[k] > 0 && open[k] == files[k] {
			r.t.Notes = append(r.t.Notes, Note{Source: Source{File: last[k]}, Text: fmt.Sprintf("the last page of %s says that there is another (@odata.nextLink), which is not here", k)})
			open[k] = 0
		}
	}
}
