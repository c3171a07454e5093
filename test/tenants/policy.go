package tenants

// Well-known applications.
const (
	exchangeApp   = "00000002-0000-0ff1-ce00-000000000000"
	sharePointApp = "00000003-0000-0ff1-ce00-000000000000"
)

// The states of a policy.
const (
	enabled    = "enabled"
	disabled   = "disabled"
	reportOnly = "enabledForReportingButNotEnforced"
)

// The types of client.
const (
	browser = "browser"
	apps    = "mobileAppsAndDesktopClients"
	eas     = "exchangeActiveSync"
	other   = "other"
)

// The types below are Graph's, member by member and in its order.
type policy struct {
	ID              string     `json:"id"`
	TemplateID      *string    `json:"templateId"`
	DisplayName     string     `json:"displayName"`
	CreatedDateTime string     `json:"createdDateTime"`
	ModifiedTime    *string    `json:"modifiedDateTime"`
	DeletedDateTime *string    `json:"deletedDateTime"`
	State           string     `json:"state"`
	Conditions      conditions `json:"conditions"`
	GrantControls   *grant     `json:"grantControls"`
	SessionControls any        `json:"sessionControls"`
	Partial         *string    `json:"partialEnablementStrategy"` // in answers, in no metadata
}

type conditions struct {
	UserRiskLevels             []string      `json:"userRiskLevels"`
	SignInRiskLevels           []string      `json:"signInRiskLevels"`
	ClientAppTypes             []string      `json:"clientAppTypes"`
	ServicePrincipalRiskLevels []string      `json:"servicePrincipalRiskLevels"`
	InsiderRiskLevels          *string       `json:"insiderRiskLevels"`
	Platforms                  *platforms    `json:"platforms"`
	Locations                  *locations    `json:"locations"`
	Devices                    *devices      `json:"devices"`
	ClientApplications         any           `json:"clientApplications"`
	AuthenticationFlows        any           `json:"authenticationFlows"`
	Applications               applications  `json:"applications"`
	Users                      usersIncluded `json:"users"`
}

type platforms struct {
	Include []string `json:"includePlatforms"`
	Exclude []string `json:"excludePlatforms"`
}

type locations struct {
	Include []string `json:"includeLocations"`
	Exclude []string `json:"excludeLocations"`
}

type devices struct {
	DeviceFilter deviceFilter `json:"deviceFilter"`
}

type deviceFilter struct {
	Mode string `json:"mode"`
	Rule string `json:"rule"`
}

type applications struct {
	Include           []string `json:"includeApplications"`
	Exclude           []string `json:"excludeApplications"`
	UserActions       []string `json:"includeUserActions"`
	Contexts          []string `json:"includeAuthenticationContextClassReferences"`
	ApplicationFilter any      `json:"applicationFilter"`
}

type usersIncluded struct {
	IncludeUsers  []string `json:"includeUsers"`
	ExcludeUsers  []string `json:"excludeUsers"`
	IncludeGroups []string `json:"includeGroups"`
	ExcludeGroups []string `json:"excludeGroups"`
	IncludeRoles  []string `json:"includeRoles"`
	ExcludeRoles  []string `json:"excludeRoles"`
	IncludeGuests any      `json:"includeGuestsOrExternalUsers"`
	ExcludeGuests any      `json:"excludeGuestsOrExternalUsers"`
}

type grant struct {
	Operator      string    `json:"operator"`
	BuiltIn       []string  `json:"builtInControls"`
	CustomFactors []string  `json:"customAuthenticationFactors"`
	TermsOfUse    []string  `json:"termsOfUse"`
	Strength      *strength `json:"authenticationStrength"`
}

type strength struct {
	ID                    string   `json:"id"`
	CreatedDateTime       string   `json:"createdDateTime"`
	ModifiedDateTime      string   `json:"modifiedDateTime"`
	DisplayName           string   `json:"displayName"`
	Description           string   `json:"description"`
	PolicyType            string   `json:"policyType"`
	RequirementsSatisfied string   `json:"requirementsSatisfied"`
	AllowedCombinations   []string `json:"allowedCombinations"`
	Configurations        []any    `json:"combinationConfigurations"`
}

// change is one thing that makes a policy what it is.
type change func(*policy)

// policy adds a policy: on, over every application and no one, blocking nothing,
// until it is changed.
func (b *builder) policy(name string, changes ...change) *policy {
	created := b.end.AddDate(0, -b.r.IntN(30)-2, -b.r.IntN(28)).Format("2006-01-02T15:04:05.0000000Z")
	p := &policy{ID: b.id(), DisplayName: name, CreatedDateTime: created, State: enabled, Conditions: conditions{
		UserRiskLevels: []string{}, SignInRiskLevels: []string{}, ClientAppTypes: []string{"all"}, ServicePrincipalRiskLevels: []string{},
		Applications: applications{Include: []string{"All"}, Exclude: []string{}, UserActions: []string{}, Contexts: []string{}},
		Users: usersIncluded{IncludeUsers: []string{}, ExcludeUsers: []string{}, IncludeGroups: []string{}, ExcludeGroups: []string{},
			IncludeRoles: []string{}, ExcludeRoles: []string{}}}}
	for _, c := range changes {
		c(p)
	}
	b.policies = append(b.policies, p)
	return p
}

// legacyBlock adds a policy that blocks legacy clients of a department.
func (b *builder) legacyBlock(name string, changes ...change) *policy {
	return b.policy(name, append([]change{clients(eas, other), block, b.mailApps()}, changes...)...)
}

// asksMFA adds a policy that asks a department's people for MFA.
func (b *builder) asksMFA(name string, changes ...change) *policy {
	return b.policy(name, append([]change{clients(browser, apps), controls("OR", "mfa"), b.mailApps()}, changes...)...)
}

// mailApps targets Exchange in one of the ways there are.
func (b *builder) mailApps() change {
	return target(pick(b, "All", "All", "Office365", exchangeApp))
}

func clients(types ...string) change { return func(p *policy) { p.Conditions.ClientAppTypes = types } }
func state(s string) change          { return func(p *policy) { p.State = s } }
func target(ids ...string) change {
	return func(p *policy) { p.Conditions.Applications.Include = ids }
}
func butApps(ids ...string) change {
	return func(p *policy) { p.Conditions.Applications.Exclude = ids }
}
func registering(p *policy) {
	p.Conditions.Applications.Include = []string{}
	p.Conditions.Applications.UserActions = []string{"urn:user:registersecurityinfo"}
	p.Conditions.ClientAppTypes = []string{"all"}
}
func block(p *policy) { controls("OR", "block")(p) }
func controls(operator string, built ...string) change {
	return func(p *policy) {
		p.GrantControls = &grant{Operator: operator, BuiltIn: listed(built), CustomFactors: []string{}, TermsOfUse: []string{}}
	}
}
func terms(id string) change { return func(p *policy) { p.GrantControls.TermsOfUse = []string{id} } }
func byStrength(s *strength) change {
	return func(p *policy) { controls("OR")(p); p.GrantControls.BuiltIn = []string{}; p.GrantControls.Strength = s }
}

// sessionOnly leaves a policy with nothing but a sign-in frequency.
func sessionOnly(p *policy) {
	p.GrantControls = nil
	p.SessionControls = map[string]any{"signInFrequency": map[string]any{"value": 12, "type": "hours", "authenticationType": "primaryAndSecondaryAuthentication",
		"frequencyInterval": "timeBased", "isEnabled": true}, "persistentBrowser": nil, "applicationEnforcedRestrictions": nil, "cloudAppSecurity": nil}
}

func over(groups ...*group) change {
	return func(p *policy) {
		for _, g := range groups {
			p.Conditions.Users.IncludeGroups = append(p.Conditions.Users.IncludeGroups, g.id)
		}
	}
}
func butGroup(ids ...string) change {
	return func(p *policy) { p.Conditions.Users.ExcludeGroups = append(p.Conditions.Users.ExcludeGroups, ids...) }
}
func overUsers(ids ...string) change {
	return func(p *policy) { p.Conditions.Users.IncludeUsers = append(p.Conditions.Users.IncludeUsers, ids...) }
}
func butUsers(ids ...string) change {
	return func(p *policy) { p.Conditions.Users.ExcludeUsers = append(p.Conditions.Users.ExcludeUsers, ids...) }
}
func overRoles(ids ...string) change {
	return func(p *policy) { p.Conditions.Users.IncludeRoles = ids }
}
func butRoles(ids ...string) change {
	return func(p *policy) { p.Conditions.Users.ExcludeRoles = ids }
}
func on(include, exclude []string) change {
	return func(p *policy) {
		p.Conditions.Platforms = &platforms{Include: listed(include), Exclude: listed(exclude)}
	}
}
func at(include, exclude []string) change {
	return func(p *policy) {
		p.Conditions.Locations = &locations{Include: listed(include), Exclude: listed(exclude)}
	}
}
func deviceRule(mode, rule string) change {
	return func(p *policy) { p.Conditions.Devices = &devices{deviceFilter{mode, rule}} }
}
func atRisk(levels ...string) change {
	return func(p *policy) { p.Conditions.SignInRiskLevels = levels }
}
func deviceCode(p *policy) {
	p.Conditions.AuthenticationFlows = map[string]string{"transferMethods": "deviceCodeFlow,authenticationTransfer"}
}
func guestsOnly(p *policy) {
	p.Conditions.Users.IncludeGuests = map[string]any{"guestOrExternalUserTypes": "internalGuest,b2bCollaborationGuest,b2bCollaborationMember,b2bDirectConnectUser,otherExternalUser,serviceProvider",
		"externalTenants": map[string]any{"@odata.type": "#microsoft.graph.conditionalAccessAllExternalTenants", "membershipKind": "all"}}
}

// listed is a list that is never null.
func listed(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// ids are the people's.
func ids(people []*person) []string {
	var list []string
	for _, p := range people {
		list = append(list, p.id)
	}
	return list
}
