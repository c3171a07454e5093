package admin

import (
	"net/http"

	"github.com/portreeve/portreeve/internal/admintoken"
	"github.com/portreeve/portreeve/internal/change"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/lockout"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/selfaudit"
	"github.com/portreeve/portreeve/internal/store"
)

// form is what a route takes and answers, by an example of the type or a schema
// written by hand.
type form struct {
	in    any
	takes string // a media type other than JSON
	out   any
	many  bool   // out is a list's item
	gives string // a media type other than JSON
	made  bool   // 201 instead of 200
	query []string
}

// anything is an object that has no type of ours: the server's own status, or
// one that is put together as it is told.
var anything = object{"type": "object"}

// members is an object with at least these members.
func members(names ...string) object { return object{"type": "object", "required": names} }

// unless are the options of a change that is taken back unless it is confirmed.
var unless = []string{"confirmWithin", "spread"}

var signInQueryNames = []string{"$filter", "filter", "since", "until", "user", "protocol", "outcome", "code", "program", "ip", "$top", "$select", "$orderby", "$skiptoken"}

var forms = map[string]form{
	"GET /portreeve/v1/openapi.json":                 {out: members("openapi", "info", "paths")},
	"GET /portreeve/v1/status":                       {out: members("version", "pid", "began", "policyVersion", "warnings", "people", "sessions", "listeners", "guard", "log")},
	"GET /portreeve/v1/warnings":                     {out: policy.Warning{}, many: true},
	"GET /portreeve/v1/settings":                     {out: settings{}},
	"PUT /portreeve/v1/settings":                     {in: settings{}, out: settings{}, query: unless},
	"GET /portreeve/v1/audits":                       {out: auditRow{}, many: true, query: []string{"kind", "id", "actor", "since", "until", "top", "before"}},
	"GET /portreeve/v1/audits/verify":                {out: verified{}},
	"GET /portreeve/v1/audits/{n}":                   {out: auditStory{}},
	"GET /portreeve/v1/history/{kind}/{id}":          {out: edition{}, many: true, query: []string{"top"}},
	"GET /portreeve/v1/history/{kind}/{id}/diff":     {out: anything, query: []string{"from", "to"}},
	"POST /portreeve/v1/history/{kind}/{id}/restore": {in: restoration{}, out: anything, query: unless},
	"GET /portreeve/v1/pending":                      {out: change.State{}, many: true},
	"POST /portreeve/v1/pending/confirm":             {in: confirmation{}, out: members("id", "actor", "made", "reason"), many: true},
	"GET /portreeve/v1/administrators":               {out: administrator{}, many: true},
	"PUT /portreeve/v1/administrators/{id}":          {out: administrator{}, query: []string{"breakGlass"}},
	"GET /portreeve/v1/adminTokens":                  {out: store.AdminToken{}, many: true},
	"POST /portreeve/v1/adminTokens":                 {in: admintoken.Request{}, out: issuedToken{}, made: true},
	"DELETE /portreeve/v1/adminTokens/{id}":          {out: store.AdminToken{}},
	"GET /portreeve/v1/explain/{what}":               {out: members("meaning")},
	"GET /portreeve/v1/guard":                        {out: lockout.Row{}, many: true},
	"GET /portreeve/v1/backends/check":               {out: anything, many: true, query: []string{"from"}},
	"GET /portreeve/v1/selfAudit":                    {out: selfaudit.Finding{}, many: true},
	"GET /portreeve/v1/alarms":                       {out: store.AlarmTarget{}, many: true},
	"POST /portreeve/v1/alarms":                      {in: wanted{}, out: newTarget{}, made: true},
	"POST /portreeve/v1/alarms/{id}/test":            {out: store.AlarmTarget{}},
	"GET /portreeve/v1/alarmDeliveries":              {out: deliveryRow{}, many: true, query: []string{"state", "top"}},
	"POST /portreeve/v1/alarmDeliveries/replay":      {in: anything, out: members("replayed")},
	"GET /portreeve/v1/lint":                         {out: anything, many: true, query: []string{"days", "object"}},
	"POST /portreeve/v1/plan":                        {in: anything, out: planAnswer{}},
	"POST /portreeve/v1/apply":                       {in: anything, out: applyAnswer{}, query: unless},
	"POST /portreeve/v1/pull":                        {in: pulling{}, out: pulled{}, many: true},
	"GET /portreeve/v1/managed":                      {out: anything, many: true},
	"POST /portreeve/v1/managed/release":             {in: letting{}, out: anything, many: true},
	"POST /portreeve/v1/keys/export":                 {in: anything},
	"POST /portreeve/v1/keys/rotate":                 {out: rotatedKeys{}, query: []string{"signs"}},
	"GET /portreeve/v1/keys":                         {out: shownKey{}, many: true},
	"GET /portreeve/v1/keys/jwks":                    {out: members("keys")},
	"GET /portreeve/v1/database/check":               {out: anything},
	"GET /portreeve/v1/database/backup":              {gives: "application/octet-stream"},
	"GET /portreeve/v1/domains":                      {out: shownDomain{}, many: true},
	"GET /portreeve/v1/domains/{domain}":             {out: domainStory{}},
	"GET /portreeve/v1/directories":                  {out: directory.State{}, many: true},
	"POST /portreeve/v1/directories/test":            {out: directory.Report{}, many: true},

	"GET /portreeve/v1/signIns":         {out: signIn{}, many: true, query: signInQueryNames},
	"GET /portreeve/v1/signIns/tail":    {gives: "application/x-ndjson", query: signInQueryNames},
	"GET /portreeve/v1/signIns/export":  {gives: "application/x-ndjson", query: signInQueryNames},
	"POST /portreeve/v1/signIns/import": {takes: "text/plain", out: anything, query: []string{"from", "timezone", "year", "name", "dryRun"}},
	"GET /portreeve/v1/signIns/{id}":    {out: story{}},
	"POST /portreeve/v1/whatIf":         {in: imagined{}, out: foreseen{}},
	"POST /portreeve/v1/whatIf/matrix":  {in: matrix{}, out: cell{}, many: true},
	"POST /portreeve/v1/replay":         {in: replayed{}, out: replayAnswer{}, query: []string{"progress"}},
	"POST /portreeve/v1/replay/signIns": {in: replayed{}, gives: "application/x-ndjson"},
	"GET /portreeve/v1/sessions":        {out: openSession{}, many: true},
	"DELETE /portreeve/v1/sessions":     {out: members("ended"), query: []string{"id", "user", "protocol", "all"}},
	"GET /portreeve/v1/switches":        {out: anything, many: true, query: []string{"scope", "subject"}},
	"PATCH /portreeve/v1/switches":      {in: switchChange{}, out: members("switches"), query: unless},
	"GET /portreeve/v1/assignments":     {out: assignment{}, many: true},
	"PUT /portreeve/v1/assignments":     {in: store.Assignment{}, out: anything, query: unless},
	"GET /portreeve/v1/delegations":     {out: delegation{}, many: true, query: []string{"mailbox", "group", "all", "person"}},
	"PUT /portreeve/v1/delegations":     {in: delegationAsked{}, out: anything},

	"GET /portreeve/v1/people":                          {out: store.Person{}, many: true, query: []string{"filter"}},
	"POST /portreeve/v1/people":                         {in: personChange{}, out: person{}, made: true},
	"POST /portreeve/v1/people/import":                  {takes: "text/csv", out: anything, query: []string{"dryRun", "makeGroups"}},
	"POST /portreeve/v1/people/{id}/cut":                {out: cutReport{}},
	"POST /portreeve/v1/people/{id}/recover":            {out: recoverLink{}},
	"GET /portreeve/v1/people/{id}":                     {out: person{}},
	"PATCH /portreeve/v1/people/{id}":                   {in: personChange{}, out: person{}},
	"GET /portreeve/v1/people/{id}/factors":             {out: anything, many: true},
	"DELETE /portreeve/v1/people/{id}/factors/{factor}": {out: anything, query: []string{"force"}},
	"POST /portreeve/v1/people/{id}/reset":              {out: anything, made: true},
	"POST /portreeve/v1/people/{id}/pass":               {in: anything, out: anything, made: true},
	"GET /portreeve/v1/passes":                          {out: shownPass{}, many: true, query: []string{"user"}},
	"GET /portreeve/v1/groups":                          {out: store.Group{}, many: true},
	"POST /portreeve/v1/groups":                         {in: store.Group{}, out: store.Group{}, made: true},
	"GET /portreeve/v1/groups/{id}":                     {out: group{}},

	"GET /portreeve/v1/clients":                        {out: shownClient{}, many: true, query: []string{"state"}},
	"POST /portreeve/v1/clients":                       {in: wantedClient{}, out: issuedClient{}, made: true},
	"GET /portreeve/v1/clients/{id}":                   {out: shownClient{}},
	"PATCH /portreeve/v1/clients/{id}":                 {in: clientChange{}, out: endedClient{}},
	"DELETE /portreeve/v1/clients/{id}":                {out: endedClient{}},
	"POST /portreeve/v1/clients/{id}/allow":            {out: endedClient{}},
	"POST /portreeve/v1/clients/{id}/forbid":           {out: endedClient{}},
	"POST /portreeve/v1/clients/{id}/secret":           {in: wantedSecret{}, out: issuedClient{}},
	"DELETE /portreeve/v1/clients/{id}/oldSecret":      {out: shownClient{}},
	"GET /portreeve/v1/grants":                         {out: shownGrant{}, many: true, query: []string{"user", "client"}},
	"GET /portreeve/v1/grants/{id}":                    {out: shownGrant{}},
	"DELETE /portreeve/v1/grants/{id}":                 {out: shownGrant{}},
	"GET /portreeve/v1/appPasswords":                   {out: shownAppPassword{}, many: true},
	"POST /portreeve/v1/appPasswords":                  {in: anything, out: shownAppPassword{}, made: true},
	"GET /portreeve/v1/appPasswords/{id}":              {out: shownAppPassword{}},
	"POST /portreeve/v1/appPasswords/{id}/approve":     {out: anything},
	"DELETE /portreeve/v1/appPasswords/{id}":           {out: anything},
	"GET /portreeve/v1/approvals":                      {out: members("requests", "windows", "denials")},
	"GET /portreeve/v1/approvals/requests":             {out: shownRequest{}, many: true},
	"POST /portreeve/v1/approvals/requests/{id}/allow": {out: shownWindow{}, made: true},
	"POST /portreeve/v1/approvals/requests/{id}/deny":  {out: anything},
	"GET /portreeve/v1/approvals/windows":              {out: shownWindow{}, many: true},
	"POST /portreeve/v1/approvals/windows":             {in: allowed{}, out: shownWindow{}, made: true},
	"DELETE /portreeve/v1/approvals/windows/{id}":      {out: anything},
	"GET /portreeve/v1/approvals/denials":              {out: shownDenial{}, many: true},
	"POST /portreeve/v1/approvals/adopt":               {in: adopting{}, out: adopted{}},

	"GET /portreeve/v1/templates":                     {out: ownTemplate{}, many: true},
	"POST /portreeve/v1/templates/{id}":               {in: filledIn{}, out: fromTemplate{}, made: true, query: unless},
	"GET /portreeve/v1/authenticationPolicies":        {out: anything, many: true},
	"POST /portreeve/v1/authenticationPolicies":       {in: object{"type": []string{"array", "object"}}, out: anything, made: true, query: append([]string{"dryRun"}, unless...)},
	"GET /portreeve/v1/authenticationPolicies/{id}":   {out: anything},
	"PATCH /portreeve/v1/authenticationPolicies/{id}": {in: anything, out: anything, query: unless},
	"GET /portreeve/v1/mailboxes":                     {out: mailbox{}, many: true, query: []string{"filter"}},
	"GET /portreeve/v1/mailboxes/export":              {gives: "text/csv", query: []string{"sheet"}},
	"POST /portreeve/v1/mailboxes/import":             {takes: "text/csv", out: anything, query: []string{"name", "dryRun", "strict", "nullInherits"}},
	"GET /portreeve/v1/mailboxes/{id}":                {out: mailbox{}},
}

// statuses are how a route answers what went well.
func (f *form) statuses(method string) []string {
	switch {
	case f.made:
		return []string{"200", "201"} // 200: a dry run, or what was there already
	case f.out == nil && f.gives == "":
		return []string{"204"}
	case method == http.MethodDelete:
		return []string{"200", "204"}
	}
	return []string{"200"}
}

// answer is one of them.
func (f *form) answer(s *schemas, status string) object {
	switch {
	case status == "204":
		return object{"description": "done"}
	case f.gives != "":
		return object{"description": "a stream", "content": object{f.gives: object{}}}
	}
	schema := s.of(f.out)
	if f.many {
		schema = collectionOf(schema)
	}
	return object{"description": "done", "content": object{"application/json": object{"schema": schema}}}
}
