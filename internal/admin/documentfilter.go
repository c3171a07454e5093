package admin

import (
	"github.com/portreeve/portreeve/internal/filter"
	"github.com/portreeve/portreeve/internal/store"
)

var documentSchema = filter.NewSchema([]filter.Property{
	{Name: "id", Kind: filter.KindString},
	{Name: "displayName", Kind: filter.KindString, Aliases: []string{"name"}},
	{Name: "description", Kind: filter.KindString},
	{Name: "state", Kind: filter.KindString, Values: []string{"enabled", "disabled", "enabledForReportingButNotEnforced"}},
	{Name: "templateId", Kind: filter.KindString},
	{Name: "createdDateTime", Kind: filter.KindTime},
	{Name: "modifiedDateTime", Kind: filter.KindTime},
	{Name: "isTrusted", Kind: filter.KindBool},
	{Name: "policyType", Kind: filter.KindString},
	{Name: "countriesAndRegions", Kind: filter.KindList},
	{Name: "allowedCombinations", Kind: filter.KindList},
	{Name: "conditions/clientAppTypes", Kind: filter.KindList},
	{Name: "conditions/users/includeUsers", Kind: filter.KindList},
	{Name: "conditions/users/excludeUsers", Kind: filter.KindList},
	{Name: "conditions/users/includeGroups", Kind: filter.KindList},
	{Name: "conditions/users/excludeGroups", Kind: filter.KindList},
	{Name: "conditions/applications/includeApplications", Kind: filter.KindList},
	{Name: "conditions/locations/includeLocations", Kind: filter.KindList},
	{Name: "conditions/locations/excludeLocations", Kind: filter.KindList},
	{Name: "grantControls/builtInControls", Kind: filter.KindList},
}, "displayName", "id", "state")

var documentOrders = []string{"displayName", "createdDateTime", "modifiedDateTime", "state", "id"}

func documentLookup(x *store.Document) filter.Lookup {
	member := memberLookup(x.JSON)
	return func(name string) filter.Value {
		switch name {
		case "id":
			return filter.String(x.ID)
		case "displayName":
			return filter.String(x.Name)
		case "createdDateTime":
			return filter.Time(x.Created)
		case "modifiedDateTime":
			return filter.Time(x.Modified)
		}
		return member(name)
	}
}
