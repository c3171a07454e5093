package msgraph

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/auditlogs"
	"github.com/microsoftgraph/msgraph-sdk-go/identity"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"
)

const exchange = "00000002-0000-0ff1-ce00-000000000000" // Exchange Online's application

func ptr[T any](v T) *T { return &v }

// blockLegacy is the policy that everybody starts with, for one person.
func blockLegacy(name, user string) models.ConditionalAccessPolicyable {
	p := models.NewConditionalAccessPolicy()
	p.SetDisplayName(&name)
	p.SetState(ptr(models.ENABLED_CONDITIONALACCESSPOLICYSTATE))
	c := models.NewConditionalAccessConditionSet()
	c.SetClientAppTypes([]models.ConditionalAccessClientApp{models.EXCHANGEACTIVESYNC_CONDITIONALACCESSCLIENTAPP, models.OTHER_CONDITIONALACCESSCLIENTAPP})
	users := models.NewConditionalAccessUsers()
	users.SetIncludeUsers([]string{user})
	c.SetUsers(users)
	apps := models.NewConditionalAccessApplications()
	apps.SetIncludeApplications([]string{exchange})
	c.SetApplications(apps)
	p.SetConditions(c)
	g := models.NewConditionalAccessGrantControls()
	g.SetOperator(ptr("OR"))
	g.SetBuiltInControls([]models.ConditionalAccessGrantControl{models.BLOCK_CONDITIONALACCESSGRANTCONTROL})
	p.SetGrantControls(g)
	return p
}

// TestAGraphScriptWorksHere lists, makes, changes, evaluates and deletes
// policies and locations, and reads the log page by page.
func TestAGraphScriptWorksHere(t *testing.T) {
	d := run(t)
	d.command("user", "add", "ana@example.org")
	d.command("user", "add", "ben@example.org")
	c := d.client("script", "administrator")
	t.Run("policies", func(t *testing.T) { policies(t, c) })
	t.Run("named locations", func(t *testing.T) { locations(t, c) })
	t.Run("strengths", func(t *testing.T) { strengths(t, c) })
	t.Run("sign-ins", func(t *testing.T) { signIns(t, d, c) })
	t.Run("audits", func(t *testing.T) { audits(t, c) })
	t.Run("refusals", func(t *testing.T) { refusals(t, d) })
}

func policies(t *testing.T, c *client) {
	all := c.identity.ConditionalAccess().Policies()
	var ids []string
	for i := range 5 {
		made, err := all.Post(within(t), blockLegacy(fmt.Sprintf("PR%02d", i), "ana@example.org"), nil)
		must(t, err)
		if made.GetId() == nil || *made.GetState() != models.ENABLED_CONDITIONALACCESSPOLICYSTATE || made.GetCreatedDateTime() == nil {
			t.Fatalf("made %v", made)
		}
		ids = append(ids, *made.GetId())
	}
	page, err := all.Get(within(t), &identity.ConditionalAccessPoliciesRequestBuilderGetRequestConfiguration{QueryParameters: &identity.ConditionalAccessPoliciesRequestBuilderGetQueryParameters{
		Filter: ptr("startswith(displayName,'PR') and conditions/clientAppTypes/any(c:c eq 'other')"), Orderby: []string{"displayName desc"}, Top: ptr(int32(2)), Count: ptr(true), Select: []string{"id", "displayName"}}})
	must(t, err)
	if *page.GetOdataCount() != 5 || len(page.GetValue()) != 2 || page.GetValue()[0].GetConditions() != nil {
		t.Errorf("a page of %d of %v", len(page.GetValue()), page.GetOdataCount())
	}
	if got := names(t, c, page, models.CreateConditionalAccessPolicyCollectionResponseFromDiscriminatorValue, func(p models.ConditionalAccessPolicyable) string { return *p.GetDisplayName() }); got != "PR04 PR03 PR02 PR01 PR00" {
		t.Errorf("listed %s", got)
	}
	n, err := all.Count().Get(within(t), nil)
	must(t, err)
	if *n != 5 {
		t.Errorf("counted %d", *n)
	}
	change := models.NewConditionalAccessPolicy()
	change.SetState(ptr(models.ENABLEDFORREPORTINGBUTNOTENFORCED_CONDITIONALACCESSPOLICYSTATE))
	_, err = all.ByConditionalAccessPolicyId(ids[1]).Patch(within(t), change, nil)
	must(t, err)
	one, err := all.ByConditionalAccessPolicyId(ids[1]).Get(within(t), nil)
	must(t, err)
	if *one.GetState() != models.ENABLEDFORREPORTINGBUTNOTENFORCED_CONDITIONALACCESSPOLICYSTATE || len(one.GetConditions().GetClientAppTypes()) != 2 {
		t.Errorf("changed into %v", one.GetState())
	}
	for user, applies := range map[string]bool{"ana@example.org": true, "ben@example.org": false} {
		got := evaluate(t, c, user)
		for _, r := range got {
			if *r.GetPolicyApplies() != applies || applies != (*r.GetAnalysisReasons() == models.NOTSET_WHATIFANALYSISREASONS) || !applies && *r.GetAnalysisReasons() != models.USERS_WHATIFANALYSISREASONS {
				t.Errorf("%s: %s: %v %v", user, *r.GetDisplayName(), *r.GetPolicyApplies(), *r.GetAnalysisReasons())
			}
		}
		if len(got) != 5 {
			t.Errorf("%d policies evaluated", len(got))
		}
	}
	// A change that rests on an older version is refused.
	headers := abstractions.NewRequestHeaders()
	headers.Add("If-Match", `W/"1"`)
	err = all.ByConditionalAccessPolicyId(ids[1]).Delete(within(t), &identity.ConditionalAccessPoliciesConditionalAccessPolicyItemRequestBuilderDeleteRequestConfiguration{Headers: headers})
	if status(err) != 412 {
		t.Errorf("an old version was deleted: %v", err)
	}
	for _, id := range ids {
		must(t, all.ByConditionalAccessPolicyId(id).Delete(within(t), nil))
	}
	_, err = all.ByConditionalAccessPolicyId(ids[0]).Get(within(t), nil)
	if e := graphError(err); e == nil || *e.GetCode() != "ResourceNotFound" || e.GetInnerError() == nil || e.GetInnerError().GetRequestId() == nil {
		t.Errorf("what was deleted is refused as %v", err)
	}
	bad := blockLegacy("contradictory", "ana@example.org")
	bad.GetGrantControls().SetBuiltInControls([]models.ConditionalAccessGrantControl{models.BLOCK_CONDITIONALACCESSGRANTCONTROL, models.MFA_CONDITIONALACCESSGRANTCONTROL})
	if _, err = all.Post(within(t), bad, nil); status(err) != 400 {
		t.Errorf("block and mfa in one policy: %v", err)
	}
	_, err = all.Get(within(t), &identity.ConditionalAccessPoliciesRequestBuilderGetRequestConfiguration{QueryParameters: &identity.ConditionalAccessPoliciesRequestBuilderGetQueryParameters{
		Filter: ptr(strings.Repeat("not (", 200) + "state eq 'enabled'" + strings.Repeat(")", 200))}})
	if status(err) != 400 {
		t.Errorf("a filter of depth 200: %v", err)
	}
}

func evaluate(t *testing.T, c *client, user string) []models.WhatIfAnalysisResultable {
	t.Helper()
	body := identity.NewConditionalAccessEvaluatePostRequestBody()
	who := models.NewUserSignIn()
	who.SetUserId(&user)
	body.SetSignInIdentity(who)
	what := models.NewApplicationContext()
	what.SetIncludeApplications([]string{exchange})
	body.SetSignInContext(what)
	how := models.NewSignInConditions()
	how.SetClientAppType(ptr(models.OTHER_CONDITIONALACCESSCLIENTAPP))
	how.SetDevicePlatform(ptr(models.WINDOWS_CONDITIONALACCESSDEVICEPLATFORM))
	body.SetSignInConditions(how)
	answer, err := c.identity.ConditionalAccess().Evaluate().PostAsEvaluatePostResponse(within(t), body, nil)
	must(t, err)
	return answer.GetValue()
}

func locations(t *testing.T, c *client) {
	all := c.identity.ConditionalAccess().NamedLocations()
	l := models.NewIpNamedLocation()
	l.SetDisplayName(ptr("Office"))
	l.SetIsTrusted(ptr(true))
	r := models.NewIPv4CidrRange()
	r.SetCidrAddress(ptr("192.0.2.0/24"))
	l.SetIpRanges([]models.IpRangeable{r})
	made, err := all.Post(within(t), l, nil)
	must(t, err)
	countries := models.NewCountryNamedLocation()
	countries.SetDisplayName(ptr("Home"))
	countries.SetCountriesAndRegions([]string{"DE", "PT"})
	_, err = all.Post(within(t), countries, nil)
	must(t, err)
	change := models.NewIpNamedLocation()
	change.SetDisplayName(ptr("Head office"))
	_, err = all.ByNamedLocationId(*made.GetId()).Patch(within(t), change, nil)
	must(t, err)
	page, err := all.Get(within(t), &identity.ConditionalAccessNamedLocationsRequestBuilderGetRequestConfiguration{QueryParameters: &identity.ConditionalAccessNamedLocationsRequestBuilderGetQueryParameters{Orderby: []string{"displayName"}, Top: ptr(int32(1))}})
	must(t, err)
	if got := names(t, c, page, models.CreateNamedLocationCollectionResponseFromDiscriminatorValue, func(l models.NamedLocationable) string { return fmt.Sprintf("%s(%T)", *l.GetDisplayName(), l) }); got != "Head office(*models.IpNamedLocation) Home(*models.CountryNamedLocation)" {
		t.Errorf("listed %s", got)
	}
	must(t, all.ByNamedLocationId(*made.GetId()).Delete(within(t), nil))
}

func strengths(t *testing.T, c *client) {
	all := c.identity.ConditionalAccess().AuthenticationStrength().Policies()
	s := models.NewAuthenticationStrengthPolicy()
	s.SetDisplayName(ptr("Keys only"))
	s.SetAllowedCombinations([]models.AuthenticationMethodModes{models.FIDO2_AUTHENTICATIONMETHODMODES})
	made, err := all.Post(within(t), s, nil)
	must(t, err)
	change := identity.NewConditionalAccessAuthenticationStrengthPoliciesItemUpdateAllowedCombinationsPostRequestBody()
	change.SetAllowedCombinations([]models.AuthenticationMethodModes{models.FIDO2_AUTHENTICATIONMETHODMODES, models.X509CERTIFICATEMULTIFACTOR_AUTHENTICATIONMETHODMODES})
	changed, err := all.ByAuthenticationStrengthPolicyId(*made.GetId()).UpdateAllowedCombinations().Post(within(t), change, nil)
	must(t, err)
	if len(changed.GetPreviousCombinations()) != 1 || len(changed.GetCurrentCombinations()) != 2 {
		t.Errorf("combinations: %v, %v", changed.GetPreviousCombinations(), changed.GetCurrentCombinations())
	}
	page, err := all.Get(within(t), nil)
	must(t, err)
	if len(page.GetValue()) != 4 { // three are built in
		t.Errorf("%d strengths", len(page.GetValue()))
	}
	usage, err := all.ByAuthenticationStrengthPolicyId(*made.GetId()).Usage().Get(within(t), nil)
	must(t, err)
	if len(usage.GetMfa()) != 0 {
		t.Errorf("used by %d", len(usage.GetMfa()))
	}
}

func signIns(t *testing.T, d *door, c *client) {
	const n = 120
	var log strings.Builder
	at := time.Now().UTC().Add(-time.Hour)
	for i := range n {
		fmt.Fprintf(&log, "%s imap-login: Info: Login: user=<%s@example.org>, method=PLAIN, rip=198.51.100.%d, lip=127.0.0.1, mpid=%d, TLS, session=<s%d>\n",
			at.Add(time.Duration(i)*time.Second).Format("2006-01-02 15:04:05"), []string{"ana", "ben"}[i%2], i%250, i+1, i)
	}
	d.write("mail.log", []byte(log.String()))
	d.command("signins", "import", "--from", "dovecot", filepath.Join(d.dir, "mail.log"))
	filter := fmt.Sprintf("createdDateTime ge %s and userPrincipalName eq 'ana@example.org'", at.Add(-time.Minute).Format(time.RFC3339))
	for _, order := range []string{"createdDateTime desc", "createdDateTime asc"} {
		page, err := c.auditLogs.SignIns().Get(within(t), &auditlogs.SignInsRequestBuilderGetRequestConfiguration{QueryParameters: &auditlogs.SignInsRequestBuilderGetQueryParameters{
			Filter: &filter, Top: ptr(int32(25)), Orderby: []string{order}}})
		must(t, err)
		if page.GetOdataNextLink() == nil || len(page.GetValue()) != 25 {
			t.Fatalf("the first page has %d sign-ins and the next link %v", len(page.GetValue()), page.GetOdataNextLink())
		}
		var seen []models.SignInable
		it, err := core.NewPageIterator[models.SignInable](page, c.adapter, models.CreateSignInCollectionResponseFromDiscriminatorValue)
		must(t, err)
		must(t, it.Iterate(within(t), func(s models.SignInable) bool { seen = append(seen, s); return true }))
		ids := map[string]bool{}
		for i, s := range seen {
			ids[*s.GetId()] = true
			if *s.GetUserPrincipalName() != "ana@example.org" || *s.GetClientAppUsed() != "IMAP4" || i > 0 && s.GetCreatedDateTime().After(*seen[i-1].GetCreatedDateTime()) != (order == "createdDateTime asc") {
				t.Fatalf("%s: the %d. sign-in is %s of %s at %v", order, i, *s.GetClientAppUsed(), *s.GetUserPrincipalName(), s.GetCreatedDateTime())
			}
		}
		if len(seen) != n/2 || len(ids) != n/2 {
			t.Errorf("%s: %d sign-ins, %d different ones, instead of %d", order, len(seen), len(ids), n/2)
		}
		one, err := c.auditLogs.SignIns().BySignInId(*seen[0].GetId()).Get(within(t), nil)
		must(t, err)
		if *one.GetId() != *seen[0].GetId() || one.GetStatus() == nil {
			t.Errorf("the sign-in by itself is %v", one.GetId())
		}
	}
}

func audits(t *testing.T, c *client) {
	page, err := c.auditLogs.DirectoryAudits().Get(within(t), &auditlogs.DirectoryAuditsRequestBuilderGetRequestConfiguration{QueryParameters: &auditlogs.DirectoryAuditsRequestBuilderGetQueryParameters{
		Filter: ptr("category eq 'Policy' and activityDisplayName eq 'Add policy'"), Top: ptr(int32(2))}})
	must(t, err)
	if len(page.GetValue()) != 2 || page.GetOdataNextLink() == nil || *page.GetValue()[0].GetInitiatedBy().GetApp().GetDisplayName() != "script" {
		t.Errorf("%d audits", len(page.GetValue()))
	}
}

func refusals(t *testing.T, d *door) {
	reader := d.client("onlooker", "reader")
	if _, err := reader.identity.ConditionalAccess().Policies().Get(within(t), nil); err != nil {
		t.Errorf("a reader may not read: %v", err)
	}
	_, err := reader.identity.ConditionalAccess().Policies().Post(within(t), blockLegacy("never", "ana@example.org"), nil)
	if e := graphError(err); status(err) != 403 || e == nil || !strings.Contains(*e.GetMessage(), "Policy.ReadWrite.ConditionalAccess") {
		t.Errorf("a reader makes a policy: %v", err)
	}
	d.command("admin", "token", "revoke", "onlooker")
	if _, err := reader.identity.ConditionalAccess().Policies().Get(within(t), nil); status(err) != 401 {
		t.Errorf("a revoked token reads: %v", err)
	}
}

// names pages through a collection with the SDK's own iterator.
func names[T any](t *testing.T, c *client, page any, make serialization.ParsableFactory, name func(T) string) string {
	t.Helper()
	it, err := core.NewPageIterator[T](page, c.adapter, make)
	must(t, err)
	var all []string
	must(t, it.Iterate(within(t), func(x T) bool { all = append(all, name(x)); return true }))
	return strings.Join(all, " ")
}

func must(t *testing.T, err error) {
	t.Helper()
	if e := graphError(err); e != nil {
		t.Fatalf("%s: %s", *e.GetCode(), *e.GetMessage())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func graphError(err error) odataerrors.MainErrorable {
	var e *odataerrors.ODataError
	if errors.As(err, &e) {
		return e.GetErrorEscaped()
	}
	return nil
}

func status(err error) int {
	var e abstractions.ApiErrorable
	if errors.As(err, &e) {
		return e.GetStatusCode()
	}
	return 0
}
