package graph

import (
	"strings"

	"github.com/portreeve/portreeve/internal/location"
)

// The types of named location.
const (
	typeIP        = "#microsoft.graph.ipNamedLocation"
	typeCountry   = "#microsoft.graph.countryNamedLocation"
	typeCompliant = "#microsoft.graph.compliantNetworkNamedLocation"
)

// maxRanges bounds one location; Entra allows 2,000 ranges.
const maxRanges = 100_000

// Location reads one namedLocation. The error is an *Error or Errors.
func Location(data []byte) (location.Named, error) {
	v, err := Parse(data)
	if err != nil {
		return location.Named{}, err
	}
	return v.Location()
}

// Locations reads one location, a list of them, or a Graph collection.
func Locations(data []byte) ([]location.Named, error) {
	items, err := Split(data)
	if err != nil {
		return nil, err
	}
	var all []location.Named
	for _, v := range items {
		n, err := v.Location()
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

// Location reads the value as a namedLocation.
func (v *Value) Location() (location.Named, error) {
	r := &reader{}
	if v.Kind != Object {
		r.fault(v, "a named location is an object, not %s", v.Kind)
		return location.Named{}, r.err()
	}
	n := location.Named{ID: r.text(v, "id"), DisplayName: r.text(v, "displayName")}
	if n.DisplayName == "" {
		r.fault(v, "a named location needs a displayName")
	}
	if trusted := r.flag(v, "isTrusted"); trusted != nil {
		n.Trusted = *trusted
	}
	switch kind := r.locationType(v); kind {
	case typeIP:
		n.Ranges = r.ranges(v)
	case typeCountry:
		n.Kind = location.Countries
		r.countries(v, &n)
	case typeCompliant:
		n.Kind = location.Elsewhere
	default:
		r.fault(v, "a named location is of the type %s, not %q", oneOf(typeIP, typeCountry), kind)
	}
	return n, r.err()
}

// locationType is what the location says of itself, or what its members mean.
func (r *reader) locationType(v *Value) string {
	switch t := r.text(v, "@odata.type"); {
	case t != "":
		return t
	case v.Member("ipRanges") != nil:
		return typeIP
	case v.Member("countriesAndRegions") != nil:
		return typeCountry
	}
	return ""
}

func (r *reader) ranges(v *Value) []location.Range {
	items := r.list(v, "ipRanges")
	if len(items) > maxRanges {
		r.fault(v.Member("ipRanges"), "a location has at most %d ranges", maxRanges)
		return nil
	}
	var all []location.Range
	for _, item := range items {
		var x location.Range
		var err error
		at := item
		switch {
		case item.Kind != Object:
			r.fault(item, "a range is an object, not %s", item.Kind)
			continue
		case item.Member("cidrAddress") != nil:
			at = item.Member("cidrAddress")
			x, err = location.ParseRange(r.text(item, "cidrAddress"))
		default:
			x, err = location.Between(r.text(item, "lowerAddress"), r.text(item, "upperAddress"))
		}
		if err != nil {
			r.fault(at, "%v", err)
			continue
		}
		all = append(all, x)
	}
	return all
}

func (r *reader) countries(v *Value, n *location.Named) {
	for _, item := range r.list(v, "countriesAndRegions") {
		c := strings.ToUpper(item.Text)
		if len(c) != 2 || c[0] < 'A' || c[0] > 'Z' || c[1] < 'A' || c[1] > 'Z' {
			r.fault(item, "a country is two letters of ISO 3166-1, such as DE")
			continue
		}
		n.Countries = append(n.Countries, c)
	}
	if u := r.flag(v, "includeUnknownCountriesAndRegions"); u != nil {
		n.IncludeUnknown = *u
	}
	if m := r.text(v, "countryLookupMethod"); m != "" && !strings.EqualFold(m, "clientIpAddress") {
		n.Kind = location.Elsewhere // a phone's GPS: not seen from here
	}
}
