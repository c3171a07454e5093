package tenant

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// signInMembers are what is read of a signIn, v1.0 or beta.
var signInMembers = func() wanted {
	w := wanted{}
	for _, name := range []string{"id", "createdDateTime", "userPrincipalName", "userId", "appId", "appDisplayName", "resourceId", "resourceDisplayName",
		"clientAppUsed", "userAgent", "ipAddress", "conditionalAccessStatus", "authenticationRequirement", "authenticationProtocol", "isInteractive",
		"signInEventTypes", "servicePrincipalId", "autonomousSystemNumber", "correlationId", "category", "signInIdentifier"} {
		w[name] = nil
		w[strings.ToUpper(name[:1])+name[1:]] = nil
	}
	status := wanted{"errorCode": nil, "ErrorCode": nil}
	place := wanted{"countryOrRegion": nil, "CountryOrRegion": nil}
	device := wanted{"operatingSystem": nil, "OperatingSystem": nil, "deviceId": nil, "DeviceId": nil}
	w["status"], w["Status"], w["location"], w["Location"], w["deviceDetail"], w["DeviceDetail"] = status, status, place, place, device, device
	w["properties"] = w // Azure Monitor's wrapping
	return w
}()

// signIn maps a row of Graph's log or of the portal's CSV.
func (r *reader) signIn(v *value, _ string, line int) bool {
	if inner := v.get("properties"); inner.kind == object && !v.has("createdDateTime") {
		v = inner
	}
	s := SignIn{File: r.file.Path, Line: line}
	if v.hasAny("createdDateTime") {
		r.graphSignIn(v, &s)
	} else {
		r.portalSignIn(v, &s)
	}
	if s.Time.IsZero() {
		r.note(line, s.UPN, "this sign-in has no readable time and was left out")
		return false
	}
	r.keep(&s)
	return true
}

// ReadSignIns reads one log by itself, JSON or the portal's CSV, and calls with
// each of its rows; what it could not read are the notes.
func ReadSignIns(in io.Reader, keep func(*SignIn)) (notes []Note, err error) {
	r := newReader(nil)
	r.keep = keep
	r.file = &File{Path: "signIns"}
	const ahead = 1 << 20 // bytes in which the order of day and month is looked for
	b := bufio.NewReaderSize(utf8Text(&bounded{r: in, left: maxUnpacked}), ahead)
	r.again = func() (io.Reader, error) {
		head, err := b.Peek(ahead)
		if len(head) == 0 && err != nil {
			return nil, err
		}
		return bytes.NewReader(bytes.Clone(head)), nil
	}
	switch form := formOf(b); form {
	case formJSON:
		err = r.readJSON(b)
	case formCSV:
		err = r.readCSV(b)
	default:
		err = errors.New("this is neither JSON nor CSV")
	}
	var fault *jsonFault
	switch {
	case errors.Is(err, errNotRecognised):
		return r.t.Notes, errors.New("this is no log of sign-ins: " + r.t.Notes[0].Text)
	case r.file.Kind != SignIns && r.file.Kind != "":
		return r.t.Notes, fmt.Errorf("this is no log of sign-ins, but an export of %s", r.file.Kind)
	case errors.As(err, &fault):
		r.noted = 0
		r.note(fault.line, "", "%v; the rows before it were taken", fault)
		err = nil
	}
	return r.t.Notes, err
}

func (r *reader) graphSignIn(v *value, s *SignIn) {
	at := v.get("createdDateTime")
	s.Time = parseTime(at.text, r.dates)
	s.ID, s.CorrelationID = v.get("id").text, v.get("correlationId").text
	s.UserID, s.UPN = v.get("userId").text, lower(v.get("userPrincipalName").text)
	if s.UPN == "" {
		s.UPN = lower(v.get("signInIdentifier").text)
	}
	s.AppID, s.App = lower(v.get("appId").text), v.get("appDisplayName").text
	s.ResourceID, s.Resource = lower(v.get("resourceId").text), v.get("resourceDisplayName").text
	s.ClientApp, s.UserAgent = v.get("clientAppUsed").text, v.get("userAgent").text
	s.Address = address(v.get("ipAddress").text)
	s.Requirement, s.ConditionalAccess = v.get("authenticationRequirement").text, v.get("conditionalAccessStatus").text
	s.Protocol = v.get("authenticationProtocol").text
	s.Country = v.get("location").get("countryOrRegion").text
	device := v.get("deviceDetail")
	s.OS, s.DeviceID = device.get("operatingSystem").text, device.get("deviceId").text
	s.ASN = asn(v.get("autonomousSystemNumber").text)
	s.code(v.get("status").get("errorCode").text, "")
	for _, e := range v.get("signInEventTypes").items {
		s.Event = e.text
	}
	if s.Event == "" {
		s.Event = r.eventOf(v.get("isInteractive").truth())
	}
	s.ServicePrincipal = s.Event == "servicePrincipal" || s.Event == "managedIdentity" || s.UPN == "" && s.UserID == "" && v.get("servicePrincipalId").text != ""
}

// eventOf is the kind of log a row comes from, as the row or its file's name says.
func (r *reader) eventOf(interactive *bool) string {
	name := strings.ToLower(r.file.Path)
	switch {
	case strings.Contains(name, "noninteractive"), interactive != nil && !*interactive:
		return "nonInteractiveUser"
	case strings.Contains(name, "applicationsignins"), strings.Contains(name, "serviceprincipal"):
		return "servicePrincipal"
	case strings.Contains(name, "msisignins"), strings.Contains(name, "managedidentity"):
		return "managedIdentity"
	case interactive != nil, strings.Contains(name, "interactivesignins"):
		return "interactiveUser"
	}
	return ""
}

// portalSignIn maps a row of the CSV that the portal downloads. Its headers
// changed over the years; some end in a space.
func (r *reader) portalSignIn(v *value, s *SignIn) {
	cell := func(names ...string) string {
		for _, n := range names {
			if m, ok := v.find(n); ok && m.kind == text && m.text != "" {
				return strings.TrimSpace(m.text)
			}
		}
		return ""
	}
	s.Time = parseTime(cell("Date (UTC)", "Date", "CreatedDateTime"), r.dates)
	s.ID, s.CorrelationID = cell("Request ID"), cell("Correlation ID")
	s.UserID, s.UPN = cell("User ID"), lower(cell("Username", "User principal name", "Sign-in identifier"))
	s.AppID, s.App = lower(cell("Application ID", "App ID")), cell("Application", "App")
	s.ResourceID, s.Resource = lower(cell("Resource ID")), cell("Resource")
	s.ClientApp, s.UserAgent = cell("Client app"), cell("User agent")
	s.Address = address(cell("IP address"))
	s.Requirement, s.ConditionalAccess = portalWord(cell("Authentication requirement")), portalWord(cell("Conditional Access"))
	s.Protocol = portalWord(cell("Authentication Protocol"))
	if place := cell("Location"); place != "" {
		if country := strings.TrimSpace(place[strings.LastIndexByte(place, ',')+1:]); len(country) == 2 {
			s.Country = strings.ToUpper(country)
		}
	}
	s.OS, s.DeviceID = cell("Operating System"), cell("Device ID")
	s.ASN = asn(cell("Autonomous system number", "Autonomous system  number"))
	s.code(cell("Sign-in error code"), cell("Status"))
	s.Event = r.eventOf(nil)
	s.ServicePrincipal = s.Event == "servicePrincipal" || s.Event == "managedIdentity" || s.UPN == "" && s.UserID == "" && v.hasAny("Service principal ID", "Service principal name")
}

// code takes the error code, and the portal's word where there is no code. A
// word that speaks against the code's 0 counts: better a failure too many.
func (s *SignIn) code(code, word string) {
	n, err := strconv.Atoi(strings.TrimSpace(code))
	switch known := err == nil; {
	case known && n != 0:
		s.ErrorCode, s.Outcome = n, Failure
		if strings.EqualFold(word, "Interrupted") {
			s.Outcome = Interrupted
		}
	case strings.EqualFold(word, "Success"), known && word == "":
		s.Outcome = Success
	case strings.EqualFold(word, "Failure"):
		s.Outcome = Failure
	case strings.EqualFold(word, "Interrupted"):
		s.Outcome = Interrupted
	case known:
		s.Outcome = Success
	}
}

// portalWords are Graph's words for the portal's.
var portalWords = map[string]string{
	"single-factor authentication": "singleFactorAuthentication", "singlefactorauthentication": "singleFactorAuthentication", "single factor authentication": "singleFactorAuthentication",
	"multifactor authentication": "multiFactorAuthentication", "multi-factor authentication": "multiFactorAuthentication", "multifactorauthentication": "multiFactorAuthentication",
	"success": "success", "failure": "failure", "not applied": "notApplied", "notapplied": "notApplied", "none": "none",
	"ropc": "ropc", "oauth 2.0": "oAuth2", "oauth2": "oAuth2", "device code": "deviceCode", "saml 2.0": "saml20", "ws-federation": "wsFederation",
}

func portalWord(s string) string {
	if w, ok := portalWords[strings.ToLower(s)]; ok {
		return w
	}
	return s
}

// lower is strings.ToLower without a copy where nothing changes.
func lower(s string) string { return strings.ToLower(s) }

func address(s string) netip.Addr {
	a, err := netip.ParseAddr(strings.TrimSpace(s))
	if err != nil {
		if ap, err := netip.ParseAddrPort(strings.TrimSpace(s)); err == nil {
			return ap.Addr().Unmap().WithZone("")
		}
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

func asn(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}
