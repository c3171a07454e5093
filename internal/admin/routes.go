package admin

import "github.com/portreeve/portreeve/internal/store"

// routes lists every resource. Graph's stand under both of its versions.
func (a *api) routes(handle func(prefix, pattern string, h handler)) {
	for _, version := range []string{"/v1.0", "/beta"} {
		a.graphRoutes(func(pattern string, h handler) { handle(version, pattern, h) })
	}
	ours := func(pattern string, h handler) { handle("", at("/portreeve/v1", pattern), h) }
	ours("GET /openapi.json", a.showOpenAPI)
	ours("GET /status", a.status)
	ours("GET /warnings", a.warnings)
	ours("GET /settings", a.settings)
	ours("PUT /settings", a.changeSettings)
	ours("GET /audits", a.audits)
	ours("GET /audits/verify", a.verifyAudits)
	ours("GET /audits/{n}", a.auditRow)
	ours("GET /history/{kind}/{id}", a.history)
	ours("GET /history/{kind}/{id}/diff", a.historyDiff)
	ours("POST /history/{kind}/{id}/restore", a.restore)
	ours("POST /plan", a.plan)
	ours("POST /apply", a.apply)
	ours("GET /managed", a.managed)
	ours("POST /managed/release", a.release)
	ours("POST /pull", a.pull)
	ours("GET /pending", a.pending)
	ours("POST /pending/confirm", a.confirm)
	ours("GET /administrators", a.administrators)
	ours("PUT /administrators/{id}", a.addAdministrator)
	ours("DELETE /administrators/{id}", a.deleteAdministrator)
	ours("GET /adminTokens", a.adminTokens)
	ours("POST /adminTokens", a.issueAdminToken)
	ours("DELETE /adminTokens/{id}", a.revokeAdminToken)
	ours("GET /explain/{what}", a.explain)
	ours("GET /selfAudit", a.selfAudit)
	ours("GET /alarms", a.alarmTargets)
	ours("POST /alarms", a.addAlarmTarget)
	ours("DELETE /alarms/{id}", a.deleteAlarmTarget)
	ours("POST /alarms/{id}/test", a.testAlarmTarget)
	ours("GET /alarmDeliveries", a.alarmDeliveries)
	ours("POST /alarmDeliveries/replay", a.replayAlarms)
	ours("GET /guard", a.guard)
	ours("GET /backends/check", a.checkBackends)
	ours("POST /keys/export", a.exportKeys)
	ours("POST /keys/rotate", a.rotateKeys)
	ours("GET /keys", a.keys)
	ours("GET /keys/jwks", a.issuerKeySet)
	ours("GET /clients", a.clients)
	ours("POST /clients", a.addClient)
	ours("GET /clients/{id}", a.client)
	ours("PATCH /clients/{id}", a.changeClient)
	ours("DELETE /clients/{id}", a.deleteClient)
	ours("POST /clients/{id}/allow", a.allowClient)
	ours("POST /clients/{id}/forbid", a.forbidClient)
	ours("POST /clients/{id}/secret", a.newClientSecret)
	ours("DELETE /clients/{id}/oldSecret", a.endOldClientSecret)
	ours("GET /grants", a.grants)
	ours("GET /grants/{id}", a.grant)
	ours("DELETE /grants/{id}", a.endGrant)

	ours("GET /signIns", a.signIns)
	ours("GET /signIns/tail", a.tailSignIns)
	ours("GET /signIns/export", a.exportSignIns)
	ours("POST /signIns/import", a.importSignIns)
	ours("GET /signIns/{id}", a.signIn)
	ours("POST /whatIf", a.whatIf)
	ours("POST /whatIf/matrix", a.whatIfMatrix)
	ours("POST /replay", a.replay)
	ours("POST /replay/signIns", a.replaySignIns)

	ours("GET /database/check", a.checkDatabase)
	ours("GET /database/backup", a.backupDatabase)
	ours("GET /people", a.people)
	ours("POST /people", a.addPerson)
	ours("POST /people/import", a.importPeople)
	ours("POST /people/{id}/cut", a.cutPerson)
	ours("POST /people/{id}/recover", a.recoverPerson)
	ours("GET /people/{id}", a.person)
	ours("PATCH /people/{id}", a.changePerson)
	ours("DELETE /people/{id}", a.deletePerson)
	ours("GET /people/{id}/factors", a.factors)
	ours("DELETE /people/{id}/factors/{factor}", a.removeFactor)
	ours("POST /people/{id}/reset", a.resetFactors)
	ours("POST /people/{id}/pass", a.issuePass)
	ours("DELETE /people/{id}/pass", a.revokePass)
	ours("GET /passes", a.passes)
	ours("GET /appPasswords", a.appPasswords)
	ours("POST /appPasswords", a.issueAppPassword)
	ours("GET /appPasswords/{id}", a.appPassword)
	ours("DELETE /appPasswords/{id}", a.revokeAppPassword)
	ours("POST /appPasswords/{id}/approve", a.approveAppPassword)

	ours("GET /approvals", a.approvals)
	ours("GET /approvals/requests", a.approvalRequests)
	ours("POST /approvals/requests/{id}/allow", a.allowRequest)
	ours("POST /approvals/requests/{id}/deny", a.denyRequest)
	ours("GET /approvals/windows", a.approvalWindows)
	ours("POST /approvals/windows", a.allowWindow)
	ours("DELETE /approvals/windows/{id}", a.withdrawWindow)
	ours("GET /approvals/denials", a.approvalDenials)
	ours("POST /approvals/adopt", a.adopt)
	ours("GET /lint", a.lint)
	ours("GET /templates", a.templates)
	ours("POST /templates/{id}", a.useTemplate)
	ours("GET /domains", a.domains)
	ours("GET /domains/{domain}", a.domain)
	ours("GET /directories", a.directories)
	ours("POST /directories/test", a.testDirectories)
	ours("GET /groups", a.groups)
	ours("POST /groups", a.addGroup)
	ours("GET /groups/{id}", a.group)
	ours("DELETE /groups/{id}", a.deleteGroup)
	ours("PUT /groups/{id}/members/{member}", a.addMember)
	ours("DELETE /groups/{id}/members/{member}", a.deleteMember)
	ours("GET /sessions", a.sessions)
	ours("DELETE /sessions", a.endSessions)

	ours("GET /authenticationPolicies", a.authPolicies)
	ours("POST /authenticationPolicies", a.importAuthPolicies)
	ours("GET /authenticationPolicies/{id}", a.authPolicy)
	ours("PATCH /authenticationPolicies/{id}", a.changeAuthPolicy)
	ours("DELETE /authenticationPolicies/{id}", a.deleteAuthPolicy)
	ours("GET /assignments", a.assignments)
	ours("PUT /assignments", a.assign)

	ours("GET /delegations", a.delegations)
	ours("PUT /delegations", a.putDelegation)
	ours("DELETE /delegations", a.deleteDelegation)
	ours("GET /mailboxes", a.mailboxes)
	ours("GET /mailboxes/export", a.exportMailboxes)
	ours("POST /mailboxes/import", a.importMailboxes)
	ours("GET /mailboxes/{id}", a.mailbox)
	ours("GET /switches", a.switches)
	ours("PATCH /switches", a.setSwitches)
}

// documentPaths are Graph's paths to the objects that are kept as JSON.
var documentPaths = map[string]store.DocumentKind{
	"/identity/conditionalAccess/policies":                        store.Policy,
	"/identity/conditionalAccess/namedLocations":                  store.Location,
	"/identity/conditionalAccess/authenticationStrength/policies": store.Strength,
	"/policies/authenticationStrengthPolicies":                    store.Strength,
}

// deletedPaths are Graph's paths to those of them that were deleted.
var deletedPaths = map[string]store.DocumentKind{
	"/identity/conditionalAccess/deletedItems/policies":       store.Policy,
	"/identity/conditionalAccess/deletedItems/namedLocations": store.Location,
}

func (a *api) graphRoutes(handle func(pattern string, h handler)) {
	for path, kind := range documentPaths {
		d := documents{a, kind}
		handle("GET "+path, d.list)
		handle("GET "+path+"/$count", d.count)
		handle("POST "+path, d.add)
		handle("POST "+path+"/import", d.imports)
		handle("GET "+path+"/{id}", d.show)
		handle("PUT "+path+"/{id}", d.put)
		handle("PATCH "+path+"/{id}", d.patch)
		handle("DELETE "+path+"/{id}", d.delete)
		if kind == store.Strength {
			handle("POST "+path+"/{id}/updateAllowedCombinations", d.updateAllowedCombinations)
			handle("GET "+path+"/{id}/usage", d.usage)
			handle("GET "+path+"/{id}/usage()", d.usage) // a function is called with or without
		}
	}
	for path, kind := range deletedPaths {
		d := documents{a, kind}
		handle("GET "+path, d.listDeleted)
		handle("GET "+path+"/{id}", d.showDeleted)
		handle("POST "+path+"/{id}/restore", d.restoreDeleted)
	}
	handle("GET /identity/conditionalAccess/templates", a.graphTemplates)
	handle("GET /identity/conditionalAccess/templates/{id}", a.graphTemplate)
	handle("GET /auditLogs/directoryAudits", a.directoryAudits)
	handle("GET /auditLogs/directoryAudits/{id}", a.directoryAudit)
	handle("POST /identity/conditionalAccess/evaluate", a.evaluate)
	handle("GET /auditLogs/signIns", a.signIns)
	handle("GET /auditLogs/signIns/{id}", a.signIn)
}

// at puts a path under a prefix: "GET /x" becomes "GET /prefix/x".
func at(prefix, pattern string) string {
	for i := range pattern {
		if pattern[i] == ' ' {
			return pattern[:i+1] + prefix + pattern[i+1:]
		}
	}
	return prefix + pattern
}
