package portal

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/portreeve/portreeve/internal/web"
)

// routes are all there is. Reading is a GET, and every change a POST.
func (p *Portal) routes() {
	p.mux.Handle("GET /codes/", p.Public)
	p.mux.Handle("GET /language/", p.Public)
	p.mux.Handle("GET /style.css", p.Public)
	p.mux.Handle("GET /.well-known/", p.Public)
	p.mux.HandleFunc("GET /passkey.js", script)

	if p.Upstream != nil {
		elsewhere := p.Upstream.Handler(p.arrivals())
		p.mux.Handle("GET /upstream/", elsewhere)
		p.mux.Handle("POST /upstream/", elsewhere) // a provider's server calls, which has no page and no token of ours
	}
	p.handle("GET /signin", anybody, (*call).signInPage)
	p.handle("POST /signin", anybody, (*call).signIn)
	p.handle("GET /signin/pass", anybody, (*call).passPage)
	p.handle("POST /signin/pass", anybody, (*call).pass)
	p.handle("GET /recover/{address}/{pass}", anybody, (*call).recoverPage)
	p.handle("POST /signin/passkey", anybody, (*call).passkeyPage)
	p.handle("POST /signin/passkey/answer", anybody, (*call).passkey)
	p.handle("GET /signin/factor", halfway, (*call).factorPage)
	p.handle("POST /signin/factor", halfway, (*call).factor)
	p.handle("POST /signin/cancel", anybody, (*call).cancel)
	p.handle("GET /signout", anybody, (*call).signOutPage)
	p.handle("POST /signout", anybody, (*call).signOut)

	p.handle("GET /confirm", people, (*call).confirmPage)
	p.handle("POST /confirm", people, (*call).confirm)

	p.handle("GET /{$}", people, (*call).homePage)
	p.handle("GET /security", people, (*call).securityPage)
	p.handle("POST /security/app", recently, (*call).beginApp)
	p.handle("POST /security/app/confirm", recently, (*call).confirmApp)
	p.handle("POST /security/passkey", recently, (*call).beginPasskey)
	p.handle("POST /security/passkey/answer", recently, (*call).confirmPasskey)
	p.handle("POST /security/recovery", recently, (*call).recoveryCodes)
	p.handle("POST /security/remove", recently, (*call).removeFactor)
	p.handle("POST /security/browsers", recently, (*call).forgetBrowsers)

	p.handle("GET /password", people, (*call).passwordPage)
	p.handle("POST /password", recently, (*call).changePassword)

	p.handle("GET /signins", people, (*call).signInsPage)
	p.handle("POST /signins/not-me", people, (*call).notMe)
	p.handle("GET /programs", people, (*call).programsPage)
	p.handle("POST /programs/withdraw", recently, (*call).withdraw)
	p.handle("POST /programs/end", people, (*call).endSession)
	p.handle("GET /approvals", people, (*call).approvalsPage)
	p.handle("POST /approvals/allow", recently, (*call).allow)
	p.handle("POST /approvals/deny", people, (*call).deny)
	p.handle("GET /apppasswords", people, (*call).appPasswordsPage)
	p.handle("POST /apppasswords/new", recently, (*call).newAppPassword)
	p.handle("POST /apppasswords/apple", recently, (*call).appleProfile)
	p.handle("POST /apppasswords/revoke", people, (*call).revokeAppPassword)
	p.handle("POST /apppasswords/approve", recently, (*call).approveAppPassword)
	p.handle("GET /setup", people, (*call).setupPage)
	p.handle("GET /r/{reference}", anybody, (*call).referencePage)
	if p.OAuth != nil {
		p.programRoutes()
	}
	p.handle("GET /{path...}", anybody, func(c *call) { c.problem(http.StatusNotFound, "notfound") })
}

// programRoutes are those of programs that want tokens of ours.
func (p *Portal) programRoutes() {
	p.mux.HandleFunc("GET /onward.js", sender)
	p.handle("GET /connect", anybody, (*call).connectPage)
	p.handle("POST /connect/allow", people, (*call).allowProgram)
	p.handle("POST /connect/deny", people, (*call).denyProgram)
	p.handle("POST /connect/account", people, (*call).keepAccount)
	p.handle("POST /connect/other", people, (*call).otherAccount)
	p.handle("GET /device", people, (*call).devicePage)
	p.handle("POST /device", people, (*call).device)
	p.handle("POST /device/allow", people, (*call).allowDevice)
	p.handle("POST /device/deny", people, (*call).denyDevice)
	p.handle("POST /programs/disconnect", people, (*call).disconnect)
	p.handle("POST /programs/forget", people, (*call).forgetProgram)
}

// parent is the page that a form's address belongs to.
func parent(path string) string {
	if i := strings.IndexByte(path[1:], '/'); i >= 0 {
		return path[:i+1]
	}
	return path
}

// readable is the page to show where a form's answer is to be shown once more,
// in another language.
func readable(path string) string {
	if path == "/signin/factor" || path == "/signin/pass" {
		return path
	}
	return parent(path)
}

// withNext is an address that leads on afterwards.
func withNext(path, next string) string {
	if next = web.LocalPath(next, "/"); next == "/" {
		return path
	}
	return path + "?next=" + url.QueryEscape(next)
}
