package admin

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// evaluated is Graph's request for its What-If. Members that say nothing of
// mail are taken and passed over.
type evaluated struct {
	Identity struct {
		Type   string `json:"@odata.type"`
		UserID string `json:"userId"`
	} `json:"signInIdentity"`
	Context struct {
		Type         string   `json:"@odata.type"`
		Applications []string `json:"includeApplications"`
	} `json:"signInContext"`
	Conditions struct {
		ClientAppType      string       `json:"clientAppType"`
		DevicePlatform     string       `json:"devicePlatform"`
		Country            string       `json:"country"`
		IPAddress          string       `json:"ipAddress"`
		Device             *deviceFacts `json:"deviceInfo"`
		AuthenticationFlow *struct {
			TransferMethod string `json:"transferMethod"`
		} `json:"authenticationFlow"`
	} `json:"signInConditions"`
	AppliedOnly bool `json:"appliedPoliciesOnly"`
}

// evaluate is Graph's What-If: each policy, whether it applies, and the first
// condition that does not hold. Beside it, in the member portreeve, is what
// Graph's leaves out: all of them.
func (a *api) evaluate(r *http.Request) (any, error) {
	var q evaluated
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		return nil, bad("", "the request is not what is expected here: %v", err)
	}
	if q.Identity.UserID == "" || strings.HasSuffix(q.Identity.Type, "servicePrincipalSignIn") {
		return nil, bad("signInIdentity", "say which user signs in: no service has a mailbox")
	}
	all, err := q.facts(r, a)
	if err != nil {
		return nil, err
	}
	docs, err := a.Store.Policies(r.Context())
	if err != nil {
		return nil, err
	}
	var told [][]policy.PolicyExplanation
	for i := range all {
		told = append(told, a.Gate.Snapshot().Conditions(&all[i]))
	}
	rows := []json.RawMessage{}
	for _, d := range docs {
		text, applies, err := evaluatedPolicy(r, d, told)
		if err != nil {
			return nil, err
		}
		if text != nil && (applies || !q.AppliedOnly) {
			rows = append(rows, text)
		}
	}
	out := list(rows)
	out["@odata.context"] = odataRoot + "Collection(microsoft.graph.whatIfAnalysisResult)"
	return out, nil
}

// evaluatedPolicy is a policy with what it came to. An application that stands
// for several protocols may come to several things; then there is not enough
// information, as Graph says.
func evaluatedPolicy(r *http.Request, d store.Document, told [][]policy.PolicyExplanation) (text json.RawMessage, applies bool, err error) {
	yes, no := 0, []string(nil)
	for _, x := range told {
		i := slices.IndexFunc(x, func(p policy.PolicyExplanation) bool { return p.ID == d.ID })
		if i < 0 || x[i].State == policy.Disabled.String() {
			return nil, false, nil
		}
		unmet := unmetReasons(x[i].Conditions)
		if len(unmet) == 0 {
			yes++
		} else if no == nil {
			no = unmet
		}
	}
	reason := "notSet"
	switch {
	case yes == len(told):
		applies = true
	case yes > 0:
		no, reason = []string{"notEnoughInformation"}, "notEnoughInformation"
	default:
		reason = no[0]
	}
	raw, err := hidden(r, d.JSON)
	if err != nil {
		return nil, false, err
	}
	own, err := json.Marshal(map[string]any{"analysisReasons": append([]string{}, no...)})
	if err != nil {
		return nil, false, err
	}
	for _, m := range []struct {
		name  string
		value []byte
	}{{"policyApplies", map[bool][]byte{true: []byte("true"), false: []byte("false")}[applies]}, {"analysisReasons", quoted(reason)}, {"@portreeve.whatIf", own}} {
		if raw, err = setMember(raw, m.name, m.value); err != nil {
			return nil, false, err
		}
	}
	return raw, applies, nil
}

// reasonOf are Graph's words for conditions that do not hold.
var reasonOf = map[string]string{"users": "users", "clientApplications": "workloadIdentities", "applications": "application", "clientAppTypes": "clientApps",
	"platforms": "devicePlatform", "locations": "location", "devices": "devices", "authenticationFlows": "authenticationFlow",
	"signInRiskLevels": "signInRisk", "userRiskLevels": "userRisk", "insiderRiskLevels": "insiderRisk", "portreeve.hours": "time", "portreeve.period": "time",
	"portreeve.credentialKinds": "clientApps", "portreeve.programs": "clientApps", "portreeve.asns": "location", "portreeve.newClient": "location",
	"portreeve.viaWebmail": "clientApps", "portreeve.share": "users"}

func unmetReasons(all []policy.ConditionExplanation) (reasons []string) {
	for _, c := range all {
		if c.Result != "notSatisfied" {
			continue
		}
		name, ok := reasonOf[c.Name]
		if !ok {
			name = "invalidCondition"
		}
		if !slices.Contains(reasons, name) {
			reasons = append(reasons, name)
		}
	}
	return reasons
}

// facts are the sign-ins that a request may mean: an application that is Exchange's
// stands for every protocol of its client type.
func (q *evaluated) facts(r *http.Request, a *api) (all []policy.Facts, err error) {
	c := &q.Conditions
	protocols, kind, err := q.doors()
	if err != nil {
		return nil, err
	}
	attempt := signin.Attempt{ID: store.NewID(), At: time.Now()}
	if c.IPAddress != "" {
		ip, err := netip.ParseAddr(c.IPAddress)
		if err != nil {
			return nil, bad("signInConditions/ipAddress", "%q is no address", c.IPAddress)
		}
		attempt.Client = netip.AddrPortFrom(ip, 0)
	}
	user := q.Identity.UserID
	if p, err := a.Store.Person(r.Context(), user); err == nil {
		user = p.Address
	}
	for _, attempt.Protocol = range protocols {
		f, err := a.Gate.Imagine(r.Context(), attempt, user, kind)
		if err != nil {
			return nil, bad("signInIdentity/userId", "%v", err)
		}
		f.Country = strings.ToUpper(c.Country) // an independent input: there is no look-up from the address
		f.Platform, _ = policy.ParsePlatform(c.DevicePlatform)
		f.Proven = true
		if c.AuthenticationFlow != nil {
			f.Flow = map[string]policy.TransferMethods{"deviceCodeFlow": policy.DeviceCodeFlow, "authenticationTransfer": policy.AuthenticationTransfer}[c.AuthenticationFlow.TransferMethod]
		}
		f.Device = c.Device.device()
		all = append(all, f)
	}
	return all, nil
}

// doors are the protocols and the kind of credential that a client app type
// and an application stand for.
func (q *evaluated) doors() (protocols []protocol.Protocol, kind policy.CredentialKind, err error) {
	kind = policy.CredentialPassword
	fits := func(p protocol.Protocol) bool { return true }
	browser := func(p protocol.Protocol) bool { return p == protocol.Webmail || p == protocol.Portal }
	switch word := q.Conditions.ClientAppType; word {
	case "browser":
		fits = browser
	case "mobileAppsAndDesktopClients":
		kind, fits = policy.CredentialBearer, func(p protocol.Protocol) bool { return !browser(p) }
	case "exchangeActiveSync", "easSupported", "easUnsupported":
		fits = func(p protocol.Protocol) bool { return p.Row().BasicIsActiveSync }
	case "other":
		fits = func(p protocol.Protocol) bool { return !browser(p) && !p.Row().BasicIsActiveSync }
	case "", "all":
		kind = policy.CredentialUnknown
	default:
		return nil, 0, bad("signInConditions/clientAppType", "there is no client app type %q", word)
	}
	for _, p := range protocol.All() {
		if fits(p) && q.means(p) {
			protocols = append(protocols, p)
		}
	}
	if len(protocols) == 0 {
		return nil, 0, bad("signInContext/includeApplications", "none of these applications is mail that a client of this type reads")
	}
	return protocols, kind, nil
}

// means says that one of the applications is, or holds, a protocol.
func (q *evaluated) means(p protocol.Protocol) bool {
	mail := p != protocol.Portal
	if len(q.Context.Applications) == 0 {
		return mail
	}
	return slices.ContainsFunc(q.Context.Applications, func(app string) bool {
		return strings.EqualFold(app, p.AppID()) || app == "All" || mail && (app == "Office365" || strings.EqualFold(app, policy.ExchangeOnline))
	})
}
