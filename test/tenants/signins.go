package tenants

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// perMailbox is the number of ordinary sign-ins in a month for each mailbox.
const perMailbox = 10

// sink takes sign-ins, the newest first.
type sink interface {
	add(e *event) error
	close() error
}

// writeLog writes a month of sign-ins: ordinary ones made as they are written,
// the planted ones between them.
func (b *builder) writeLog(l layout) error {
	if b.draw.missing == "signIns" {
		return nil
	}
	s, err := b.sink(l)
	if err != nil {
		return err
	}
	slices.SortStableFunc(b.events, func(x, y *event) int { return y.when.Compare(x.when) })
	planted := b.events
	count := max(b.options.Mailboxes*perMailbox, 500)
	step := 30 * 24 * time.Hour / time.Duration(count+1)
	for i := range count {
		e := b.ordinarySignIn(b.end.Add(-time.Duration(i) * step))
		for len(planted) > 0 && planted[0].when.After(e.when) {
			if err := s.add(planted[0]); err != nil {
				return err
			}
			planted = planted[1:]
		}
		if err := s.add(e); err != nil {
			return err
		}
	}
	for _, e := range planted {
		if err := s.add(e); err != nil {
			return err
		}
	}
	return s.close()
}

// ordinarySignIn is one of somebody guarded, that proves nothing against them.
func (b *builder) ordinarySignIn(when time.Time) *event {
	e := &event{who: pick(b, b.ordinary...), when: when, client: modern, app: outlook, resource: exchange, agent: "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)",
		os: "Windows10", policyStatus: "success", protocol: "oAuth2", quiet: true}
	b.somewhere(e)
	switch n := b.r.IntN(100); {
	case n < 15:
		onBrowser(e)
		e.quiet = false
	case n < 25:
		e.app, e.os, e.agent = outlookApp, "Ios 18.6", "Outlook-iOS/2.0"
	case n < 32:
		onBrowser(e)
		e.app, e.resource, e.single = sharePoint, sharePoint, b.chance(0.5)
	case n < 36:
		by(b.anyLegacy())(e)
		failing(pick(b, 50126, 53003, 50053))(e)
		e.quiet = false
	case n < 37:
		by("Exchange ActiveSync")(e)
		failing(53003)(e)
	case n < 39:
		onBrowser(e)
		e.single, e.quiet = true, false
		failing(pick(b, 50058, 50140, 50074))(e)
	}
	return e
}

func (b *builder) sink(l layout) (sink, error) {
	if b.draw.log == logPortal {
		return b.portal(l)
	}
	version := "v1.0"
	if b.draw.log == logBeta {
		version = "beta"
	}
	page := pick(b, 0, 1000, 5000)
	if b.options.Mailboxes > 2000 {
		page *= 20
	}
	make := func(name string) *pages {
		return &pages{folder: l.logs, name: name, style: l.style, context: "https://graph.microsoft.com/" + version + "/$metadata#auditLogs/signIns", page: page, bare: page == 0}
	}
	if b.draw.log == logBeta && b.chance(0.5) {
		return &graphLog{b, make("signIns-interactive"), make("signIns-nonInteractive")}, nil
	}
	one := make("signIns")
	return &graphLog{b, one, one}, nil
}

// graphLog writes sign-ins as Graph answers them.
type graphLog struct {
	b                  *builder
	interactive, quiet *pages
}

func (g *graphLog) add(e *event) error {
	w := g.interactive
	if e.quiet {
		w = g.quiet
	}
	return w.add(g.b.signInObject(e))
}

func (g *graphLog) close() error {
	if g.quiet != g.interactive {
		if err := g.quiet.close(); err != nil {
			return err
		}
	}
	return g.interactive.close()
}

type signInV1 struct {
	ID              string         `json:"id"`
	Created         string         `json:"createdDateTime"`
	Display         string         `json:"userDisplayName"`
	UPN             string         `json:"userPrincipalName"`
	UserID          string         `json:"userId"`
	AppID           string         `json:"appId"`
	App             string         `json:"appDisplayName"`
	Address         string         `json:"ipAddress"`
	Client          any            `json:"clientAppUsed"`
	Agent           any            `json:"userAgent,omitempty"`
	Correlation     string         `json:"correlationId"`
	PolicyStatus    string         `json:"conditionalAccessStatus"`
	Interactive     bool           `json:"isInteractive"`
	RiskDetail      string         `json:"riskDetail"`
	RiskAggregated  string         `json:"riskLevelAggregated"`
	RiskDuring      string         `json:"riskLevelDuringSignIn"`
	RiskState       string         `json:"riskState"`
	RiskEvents      []string       `json:"riskEventTypes_v2"`
	Resource        string         `json:"resourceDisplayName"`
	ResourceID      string         `json:"resourceId"`
	Status          signInStatus   `json:"status"`
	Device          signInDevice   `json:"deviceDetail"`
	Location        signInLocation `json:"location"`
	AppliedPolicies []any          `json:"appliedConditionalAccessPolicies"`
}

type signInBeta struct {
	signInV1
	UserType        string   `json:"userType"`
	Requirement     string   `json:"authenticationRequirement"`
	Protocol        string   `json:"authenticationProtocol"`
	IncomingToken   string   `json:"incomingTokenType"`
	EventTypes      []string `json:"signInEventTypes"`
	ServicePrinc    any      `json:"servicePrincipalId"`
	ServicePrincNam any      `json:"servicePrincipalName"`
	CrossTenant     string   `json:"crossTenantAccessType"`
	Details         []any    `json:"authenticationDetails"`
	Networks        []any    `json:"networkLocationDetails"`
}

type signInStatus struct {
	Code   int    `json:"errorCode"`
	Reason string `json:"failureReason"`
	More   any    `json:"additionalDetails"`
}

type signInDevice struct {
	ID        string `json:"deviceId"`
	Display   string `json:"displayName"`
	OS        string `json:"operatingSystem"`
	Browser   string `json:"browser"`
	Compliant bool   `json:"isCompliant"`
	Managed   bool   `json:"isManaged"`
	Trust     string `json:"trustType"`
}

type signInLocation struct {
	City    string `json:"city"`
	State   string `json:"state"`
	Country string `json:"countryOrRegion"`
}

func (b *builder) signInObject(e *event) any {
	created := e.when.Format(time.RFC3339)
	if b.r.IntN(4) == 0 {
		created = e.when.Add(time.Duration(b.r.IntN(999)) * time.Microsecond).Format("2006-01-02T15:04:05.9999999Z07:00")
	}
	s := signInV1{ID: b.id(), Created: created, AppID: e.app.id, App: e.app.name, Address: e.address, Client: e.client, Agent: none(e.agent), Correlation: b.id(),
		PolicyStatus: e.policyStatus, Interactive: !e.quiet, RiskDetail: "none", RiskAggregated: "none", RiskDuring: "none", RiskState: "none", RiskEvents: []string{},
		Resource: e.resource.name, ResourceID: e.resource.id, Status: signInStatus{Code: e.code, Reason: e.reason()}, Device: signInDevice{OS: e.os, Browser: e.browser},
		Location: signInLocation{e.city, "", e.country}, AppliedPolicies: []any{}}
	if e.clientNull {
		s.Client = nil
	}
	if e.who != nil {
		s.Display, s.UPN, s.UserID = e.who.display, e.who.subject(), e.who.id
	}
	if b.draw.log == logV1 {
		return s
	}
	full := signInBeta{signInV1: s, UserType: "member", Requirement: e.requirement(), Protocol: e.protocol, IncomingToken: "none", CrossTenant: "none",
		EventTypes: []string{map[bool]string{true: "nonInteractiveUser", false: "interactiveUser"}[e.quiet]}, Details: []any{}, Networks: []any{}}
	if e.program != "" {
		full.EventTypes, full.ServicePrinc, full.ServicePrincNam, full.UserType = []string{"servicePrincipal"}, e.app.id, e.program, ""
	}
	return full
}

func (e *event) reason() string {
	if e.code == 0 {
		return "Other."
	}
	return e.failureReasons
}

func (e *event) requirement() string {
	if e.single {
		return "singleFactorAuthentication"
	}
	return "multiFactorAuthentication"
}

// portalLog writes the two files of the portal's download.
type portalLog struct {
	b            *builder
	files        []*os.File
	out          [2]*csv.Writer
	spelledOut   bool // "Single-factor authentication"
	zeroForNoErr bool
}

var portalColumns = []string{"Date (UTC)", "Request ID", "User agent", "Correlation ID", "User ID", "User", "Username", "User type", "Cross tenant access type", "Incoming token type",
	"Authentication Protocol", "Unique token identifier", "Application", "Application ID", "Resource", "Resource ID", "Resource tenant ID", "Home tenant ID", "IP address", "Location", "Status",
	"Sign-in error code", "Failure reason", "Client app", "Device ID", "Browser", "Operating System", "Compliant", "Managed", "Join Type", "Multifactor authentication result",
	"Multifactor authentication auth method", "Authentication requirement", "Sign-in identifier", "Token issuer type", "Latency", "Conditional Access"}

func (b *builder) portal(l layout) (sink, error) {
	p := &portalLog{b: b, spelledOut: b.chance(0.5), zeroForNoErr: b.chance(0.5)}
	stamp := b.end.Format("2006-01-02")
	for i, kind := range []string{"InteractiveSignIns", "NonInteractiveSignIns"} {
		file, err := os.Create(filepath.Join(l.logs, fmt.Sprintf("%s_%s_%s.csv", kind, b.end.AddDate(0, 0, -30).Format("2006-01-02"), stamp)))
		if err != nil {
			return nil, err
		}
		if _, err := file.WriteString("\ufeff"); err != nil {
			return nil, err
		}
		p.files = append(p.files, file)
		p.out[i] = csv.NewWriter(file)
		p.out[i].UseCRLF = b.chance(0.5)
		if err := p.out[i].Write(portalColumns); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *portalLog) add(e *event) error {
	if e.who == nil {
		return nil // service principals have files of their own
	}
	status, code := "Success", ""
	switch {
	case e.code == 0 && p.zeroForNoErr:
		code = "0"
	case e.code == 50058 || e.code == 50074 || e.code == 50140:
		status, code = "Interrupted", strconv.Itoa(e.code)
	case e.code != 0:
		status, code = "Failure", strconv.Itoa(e.code)
	}
	requirement := e.requirement()
	if p.spelledOut {
		requirement = map[bool]string{true: "Single-factor authentication", false: "Multifactor authentication"}[e.single]
	}
	ca := map[string]string{"success": "Success", "failure": "Failure", "notApplied": "Not Applied"}[e.policyStatus]
	where := ""
	if e.city != "" {
		where = e.city + ", " + "Land, " + e.country
	}
	i := 0
	if e.quiet {
		i = 1
	}
	return p.out[i].Write([]string{e.when.Format(time.RFC3339), p.b.id(), e.agent, p.b.id(), e.who.id, e.who.display, e.who.upn, "Member", "None", "None", e.protocol, "", e.app.name, e.app.id,
		e.resource.name, e.resource.id, "", "", e.address, where, status, code, e.reason(), e.client, "", e.browser, e.os, "false", "false", "", "", "", requirement, "", "Microsoft Entra ID", "143", ca})
}

func (p *portalLog) close() error {
	for i, file := range p.files {
		p.out[i].Flush()
		if err := p.out[i].Error(); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	return nil
}
