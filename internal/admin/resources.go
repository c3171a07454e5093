package admin

import (
	"github.com/portreeve/portreeve/internal/admintoken"
	"github.com/portreeve/portreeve/internal/store"
)

// resource is what a route is, apart from its handler: which scope it needs over
// HTTPS, and what it does in one line, which is the API's manual too.
type resource struct {
	scope admintoken.Scope // localOnly: over the socket alone
	says  string
}

// localOnly marks what is heard over the local socket alone, whoever asks: what
// hands out secrets or files of the server, and what makes administrators.
const localOnly admintoken.Scope = ""

// resources are our own, and Graph's without their version. A route that is
// missing here is heard over the socket alone, and a test names it.
var resources = func() map[string]resource {
	all := map[string]resource{}
	for _, some := range []map[string]resource{ofGraph(), ofTheServer, ofTheLog, ofPeople, ofPrograms, ofMailboxes} {
		for pattern, x := range some {
			all[pattern] = x
		}
	}
	return all
}()

var ofTheServer = map[string]resource{
	"GET /portreeve/v1/openapi.json":                 {admintoken.ServerRead, "this document"},
	"GET /portreeve/v1/status":                       {admintoken.ServerRead, "how the server stands"},
	"GET /portreeve/v1/warnings":                     {admintoken.PolicyRead, "what of the rules cannot be enforced as it stands"},
	"GET /portreeve/v1/settings":                     {admintoken.PolicyRead, "the organisation's settings"},
	"PUT /portreeve/v1/settings":                     {admintoken.PolicyWrite, "change the organisation's settings"},
	"GET /portreeve/v1/audits/verify":                {admintoken.AuditRead, "check that no administrative change was altered or taken out of the list"},
	"GET /portreeve/v1/audits/{n}":                   {admintoken.AuditRead, "one administrative change, before and after"},
	"GET /portreeve/v1/audits":                       {admintoken.AuditRead, "administrative changes, the newest first"},
	"GET /portreeve/v1/history/{kind}/{id}":          {admintoken.PolicyRead, "every version of an object"},
	"GET /portreeve/v1/history/{kind}/{id}/diff":     {admintoken.PolicyRead, "what changed between two versions"},
	"POST /portreeve/v1/history/{kind}/{id}/restore": {admintoken.PolicyWrite, "put an earlier version in force"},
	"POST /portreeve/v1/plan":                        {admintoken.AuditRead, "what a folder of policy files would change, and whom it would hit"},
	"POST /portreeve/v1/apply":                       {admintoken.PolicyWrite, "make the server say what a folder of policy files says"},
	"POST /portreeve/v1/pull":                        {admintoken.PolicyRead, "the rules as policy files"},
	"GET /portreeve/v1/managed":                      {admintoken.PolicyRead, "what is managed from files, and from which"},
	"POST /portreeve/v1/managed/release":             {admintoken.PolicyWrite, "manage objects from files no longer"},
	"GET /portreeve/v1/pending":                      {admintoken.PolicyRead, "changes that are taken back unless they are confirmed"},
	"POST /portreeve/v1/pending/confirm":             {admintoken.PolicyWrite, "confirm changes by an administrator's sign-in"},
	"GET /portreeve/v1/administrators":               {admintoken.AdministratorRead, "the people who are administrators"},
	"PUT /portreeve/v1/administrators/{id}":          {localOnly, "make a person an administrator"},
	"DELETE /portreeve/v1/administrators/{id}":       {localOnly, "make a person no administrator"},
	"GET /portreeve/v1/adminTokens":                  {localOnly, "administrators' tokens"},
	"POST /portreeve/v1/adminTokens":                 {localOnly, "make an administrator's token; its secret is in this answer alone"},
	"DELETE /portreeve/v1/adminTokens/{id}":          {localOnly, "revoke an administrator's token"},
	"GET /portreeve/v1/selfAudit":                    {admintoken.AuditRead, "what stands open: whom a password alone lets in, and what else reaches far"},
	"GET /portreeve/v1/alarms":                       {admintoken.ServerRead, "where alarms go"},
	"POST /portreeve/v1/alarms":                      {localOnly, "send alarms somewhere; the secret of their signatures is in this answer alone"},
	"DELETE /portreeve/v1/alarms/{id}":               {localOnly, "send alarms there no longer"},
	"POST /portreeve/v1/alarms/{id}/test":            {localOnly, "send a test there now"},
	"GET /portreeve/v1/alarmDeliveries":              {admintoken.ServerRead, "alarms and how far they came"},
	"POST /portreeve/v1/alarmDeliveries/replay":      {localOnly, "try alarms anew that were given up"},
	"GET /portreeve/v1/explain/{what}":               {admintoken.AuditRead, "what a code or a reference means"},
	"GET /portreeve/v1/guard":                        {admintoken.ServerRead, "who and what waits after wrong secrets"},
	"GET /portreeve/v1/backends/check":               {admintoken.ServerRead, "try the mail servers"},
	"POST /portreeve/v1/keys/export":                 {localOnly, "write the public keys of minted tokens into a folder of the server"},
	"POST /portreeve/v1/keys/rotate":                 {localOnly, "sign tokens with new keys: what programs are given, and what is minted for backends"},
	"GET /portreeve/v1/keys":                         {admintoken.ServerRead, "the keys that sign tokens, without their secret halves"},
	"GET /portreeve/v1/keys/jwks":                    {admintoken.ServerRead, "the public keys of what programs are given, as a JWK set"},
	"GET /portreeve/v1/database/check":               {localOnly, "check the database's integrity"},
	"GET /portreeve/v1/database/backup":              {localOnly, "a copy of the database"},
	"GET /portreeve/v1/domains":                      {admintoken.ServerRead, "the domains that have their mail here"},
	"GET /portreeve/v1/domains/{domain}":             {admintoken.ServerRead, "a domain's DNS records, and what is published for it"},
	"GET /portreeve/v1/directories":                  {admintoken.ServerRead, "the sources of people"},
	"POST /portreeve/v1/directories/test":            {localOnly, "try a directory, with a password if one is given"},
}

var ofTheLog = map[string]resource{
	"GET /portreeve/v1/signIns":           {admintoken.AuditRead, "sign-ins, the newest first"},
	"GET /portreeve/v1/signIns/tail":      {admintoken.AuditRead, "sign-ins as they happen, one JSON object a line"},
	"GET /portreeve/v1/signIns/export":    {admintoken.AuditRead, "sign-ins, the oldest first, one JSON object a line"},
	"POST /portreeve/v1/signIns/import":   {localOnly, "bring in a mail server's past sign-ins"},
	"GET /portreeve/v1/signIns/{id}":      {admintoken.AuditRead, "one sign-in with its whole story"},
	"POST /portreeve/v1/whatIf":           {admintoken.AuditRead, "judge an imagined sign-in, or a recorded one"},
	"POST /portreeve/v1/whatIf/matrix":    {admintoken.AuditRead, "judge many imagined sign-ins"},
	"POST /portreeve/v1/replay":           {admintoken.AuditRead, "judge recorded sign-ins by changed rules"},
	"POST /portreeve/v1/replay/signIns":   {admintoken.AuditRead, "the sign-ins behind a replay's figures"},
	"GET /portreeve/v1/lint":              {admintoken.PolicyRead, "what the authors of rules may not have meant"},
	"GET /portreeve/v1/templates":         {admintoken.PolicyRead, "templates of policies"},
	"POST /portreeve/v1/templates/{id}":   {admintoken.PolicyWrite, "make a policy from a template"},
	"GET /portreeve/v1/sessions":          {admintoken.SessionRead, "open sessions"},
	"DELETE /portreeve/v1/sessions":       {admintoken.SessionWrite, "end sessions"},
	"GET /portreeve/v1/switches":          {admintoken.PolicyRead, "the organisation's switches"},
	"PATCH /portreeve/v1/switches":        {admintoken.PolicyWrite, "set the organisation's switches"},
	"GET /portreeve/v1/assignments":       {admintoken.PolicyRead, "which authentication policy is whose"},
	"PUT /portreeve/v1/assignments":       {admintoken.PolicyWrite, "assign an authentication policy"},
	"GET /portreeve/v1/delegations":       {admintoken.MailboxRead, "who may open whose mailbox"},
	"PUT /portreeve/v1/delegations":       {admintoken.MailboxWrite, "let somebody open another's mailbox"},
	"DELETE /portreeve/v1/delegations":    {admintoken.MailboxWrite, "take that back"},
	"GET /portreeve/v1/appPasswords":      {admintoken.AppPasswordRead, "app passwords, without their secrets"},
	"POST /portreeve/v1/appPasswords":     {admintoken.AppPasswordWrite, "make an app password; its secret is in this answer alone"},
	"GET /portreeve/v1/approvals":         {admintoken.ApprovalRead, "what people have granted to programs"},
	"GET /portreeve/v1/approvals/denials": {admintoken.ApprovalRead, "sources that people have disowned"},
}

var ofPeople = map[string]resource{
	"GET /portreeve/v1/people":                          {admintoken.UserRead, "people who have a mailbox"},
	"POST /portreeve/v1/people":                         {admintoken.UserWrite, "add a person"},
	"POST /portreeve/v1/people/import":                  {admintoken.ServerWrite, "add or change people from a CSV, administrators too"},
	"POST /portreeve/v1/people/{id}/cut":                {admintoken.UserRevoke, "end all that a person has opened or was granted"},
	"POST /portreeve/v1/people/{id}/recover":            {localOnly, "a link that signs a person in once; root's"},
	"GET /portreeve/v1/people/{id}":                     {admintoken.UserRead, "one person"},
	"PATCH /portreeve/v1/people/{id}":                   {admintoken.UserWrite, "change a person"},
	"DELETE /portreeve/v1/people/{id}":                  {admintoken.UserWrite, "delete a person"},
	"GET /portreeve/v1/people/{id}/factors":             {admintoken.FactorRead, "a person's second factors"},
	"DELETE /portreeve/v1/people/{id}/factors/{factor}": {admintoken.FactorWrite, "remove a second factor"},
	"POST /portreeve/v1/people/{id}/reset":              {admintoken.FactorWrite, "remove all second factors"},
	"POST /portreeve/v1/people/{id}/pass":               {admintoken.FactorWrite, "issue a temporary access pass; it is in this answer alone"},
	"DELETE /portreeve/v1/people/{id}/pass":             {admintoken.FactorWrite, "revoke a temporary access pass"},
	"GET /portreeve/v1/passes":                          {admintoken.FactorRead, "temporary access passes"},
	"GET /portreeve/v1/groups":                          {admintoken.GroupRead, "groups"},
	"POST /portreeve/v1/groups":                         {admintoken.GroupWrite, "add a group"},
	"GET /portreeve/v1/groups/{id}":                     {admintoken.GroupRead, "one group with its members"},
	"DELETE /portreeve/v1/groups/{id}":                  {admintoken.GroupWrite, "delete a group"},
	"PUT /portreeve/v1/groups/{id}/members/{member}":    {admintoken.GroupWrite, "add a member"},
	"DELETE /portreeve/v1/groups/{id}/members/{member}": {admintoken.GroupWrite, "remove a member"},
}

var ofPrograms = map[string]resource{
	"GET /portreeve/v1/clients":                        {admintoken.ApplicationRead, "programs that may sign in with a browser"},
	"POST /portreeve/v1/clients":                       {localOnly, "make a program; its secret is in this answer alone"},
	"GET /portreeve/v1/clients/{id}":                   {admintoken.ApplicationRead, "one program"},
	"PATCH /portreeve/v1/clients/{id}":                 {admintoken.ApplicationWrite, "rename a program, or limit its scopes"},
	"DELETE /portreeve/v1/clients/{id}":                {admintoken.ApplicationWrite, "forget a program, and end what it was granted"},
	"POST /portreeve/v1/clients/{id}/allow":            {admintoken.ApplicationWrite, "let a program in that registered itself or was forbidden"},
	"POST /portreeve/v1/clients/{id}/forbid":           {admintoken.ApplicationWrite, "refuse a program, and end what it was granted"},
	"POST /portreeve/v1/clients/{id}/secret":           {localOnly, "give a program another secret; it is in this answer alone"},
	"DELETE /portreeve/v1/clients/{id}/oldSecret":      {admintoken.ApplicationWrite, "make the secret before the present one wrong from now on"},
	"GET /portreeve/v1/grants":                         {admintoken.SessionRead, "what people granted to programs"},
	"GET /portreeve/v1/grants/{id}":                    {admintoken.SessionRead, "one grant"},
	"DELETE /portreeve/v1/grants/{id}":                 {admintoken.SessionWrite, "end a grant, and what was opened with it"},
	"GET /portreeve/v1/appPasswords/{id}":              {admintoken.AppPasswordRead, "one app password"},
	"DELETE /portreeve/v1/appPasswords/{id}":           {admintoken.AppPasswordWrite, "revoke an app password"},
	"POST /portreeve/v1/appPasswords/{id}/approve":     {admintoken.AppPasswordWrite, "let an app password be used at a further place"},
	"GET /portreeve/v1/approvals/requests":             {admintoken.ApprovalRead, "programs that wait to be approved"},
	"POST /portreeve/v1/approvals/requests/{id}/allow": {admintoken.ApprovalWrite, "approve a program"},
	"POST /portreeve/v1/approvals/requests/{id}/deny":  {admintoken.ApprovalWrite, "refuse a program"},
	"GET /portreeve/v1/approvals/windows":              {admintoken.ApprovalRead, "open approval windows"},
	"POST /portreeve/v1/approvals/windows":             {admintoken.ApprovalWrite, "open an approval window"},
	"DELETE /portreeve/v1/approvals/windows/{id}":      {admintoken.ApprovalWrite, "close an approval window"},
	"POST /portreeve/v1/approvals/adopt":               {admintoken.ApprovalWrite, "open windows for what the log shows in use"},
	"GET /portreeve/v1/authenticationPolicies":         {admintoken.PolicyRead, "authentication policies"},
	"POST /portreeve/v1/authenticationPolicies":        {admintoken.PolicyWrite, "make or replace authentication policies"},
	"GET /portreeve/v1/authenticationPolicies/{id}":    {admintoken.PolicyRead, "one authentication policy"},
	"PATCH /portreeve/v1/authenticationPolicies/{id}":  {admintoken.PolicyWrite, "change an authentication policy"},
	"DELETE /portreeve/v1/authenticationPolicies/{id}": {admintoken.PolicyWrite, "delete an authentication policy"},
}

var ofMailboxes = map[string]resource{
	"GET /portreeve/v1/mailboxes":         {admintoken.MailboxRead, "mailboxes with their switches"},
	"GET /portreeve/v1/mailboxes/export":  {admintoken.MailboxRead, "mailboxes as a CSV"},
	"POST /portreeve/v1/mailboxes/import": {admintoken.MailboxWrite, "switches of mailboxes from a CSV"},
	"GET /portreeve/v1/mailboxes/{id}":    {admintoken.MailboxRead, "one mailbox"},
}

// ofGraph are Graph's resources, whose manual is Microsoft's.
func ofGraph() map[string]resource {
	all := map[string]resource{
		"POST /identity/conditionalAccess/evaluate":      {admintoken.PolicyRead, "What-If"},
		"GET /identity/conditionalAccess/templates":      {admintoken.PolicyRead, "templates of policies"},
		"GET /identity/conditionalAccess/templates/{id}": {admintoken.PolicyRead, "one template"},
		"GET /auditLogs/signIns":                         {admintoken.AuditRead, "sign-ins"},
		"GET /auditLogs/signIns/{id}":                    {admintoken.AuditRead, "one sign-in"},
		"GET /auditLogs/directoryAudits":                 {admintoken.AuditRead, "administrative changes"},
		"GET /auditLogs/directoryAudits/{id}":            {admintoken.AuditRead, "one administrative change"},
	}
	for path, kind := range documentPaths {
		write := admintoken.PolicyWrite
		if kind == store.Strength {
			write = admintoken.StrengthWrite
			all["POST "+path+"/{id}/updateAllowedCombinations"] = resource{write, "change what a strength allows"}
			all["GET "+path+"/{id}/usage"] = resource{admintoken.PolicyRead, "which policies use a strength"}
			all["GET "+path+"/{id}/usage()"] = all["GET "+path+"/{id}/usage"]
		}
		name := words[kind].name
		all["GET "+path] = resource{admintoken.PolicyRead, "every " + name}
		all["GET "+path+"/$count"] = resource{admintoken.PolicyRead, "how many there are"}
		all["POST "+path] = resource{write, "make a " + name}
		all["POST "+path+"/import"] = resource{write, "make or replace several at once"}
		all["GET "+path+"/{id}"] = resource{admintoken.PolicyRead, "one " + name}
		all["PUT "+path+"/{id}"] = resource{write, "make or replace a " + name}
		all["PATCH "+path+"/{id}"] = resource{write, "change a " + name}
		all["DELETE "+path+"/{id}"] = resource{write, "delete a " + name}
	}
	for path := range deletedPaths {
		all["GET "+path] = resource{admintoken.PolicyRead, "what was deleted, the latest first"}
		all["GET "+path+"/{id}"] = resource{admintoken.PolicyRead, "one that was deleted"}
		all["POST "+path+"/{id}/restore"] = resource{admintoken.PolicyWrite, "bring it back"}
	}
	return all
}
