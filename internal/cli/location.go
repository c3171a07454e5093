package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"
)

const locations = graph + "/identity/conditionalAccess/namedLocations"

func (a *app) location() *cobra.Command {
	d := objects{a, "location", locations}
	p := past{a, "location", "location", locations, "displayName"}
	return noun("location", "Named locations: networks and countries that policies name", a.locationList(), d.show(showLocation), a.locationAdd(), d.imports(), d.export(), d.delete(),
		p.history(), p.diff(), p.restore())
}

// placesOf are the networks or countries of a location.
func placesOf(f map[string]any) string {
	if c := text(f["countriesAndRegions"]); c != "" {
		if f["includeUnknownCountriesAndRegions"] == true {
			c += ",unknown"
		}
		return c
	}
	var all []string
	for _, r := range items(f["ipRanges"]) {
		if cidr := text(r["cidrAddress"]); cidr != "" {
			all = append(all, cidr)
		} else {
			all = append(all, text(r["lowerAddress"])+"-"+text(r["upperAddress"]))
		}
	}
	return strings.Join(all, ",")
}

func trusted(f map[string]any) string {
	if f["isTrusted"] == true {
		return "trusted"
	}
	return ""
}

func (a *app) locationList() *cobra.Command {
	return verb("list", "List named locations", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		rows, err := a.client().rows(cmd.Context(), locations, nil, 0)
		if err != nil {
			return err
		}
		return a.output().list(rows, append([]column{field("name", "displayName"), of("places", placesOf), of("trust", trusted), field("id", "id")}, fromFile(rows)...)...)
	})
}

func showLocation(w io.Writer, r row) {
	s := sheet{w: w}
	s.line("Location", text(r.fields["displayName"]))
	s.line("Places", strings.ReplaceAll(placesOf(r.fields), ",", ", "))
	s.line("Trust", trusted(r.fields))
	s.line("Id", text(r.fields["id"]))
	tellManaged(&s, r.fields)
	fmt.Fprintln(w)
	writeYAML(w, r.raw)
}

func (a *app) locationAdd() *cobra.Command {
	var cidrs, countries []string
	var trust, unknown bool
	c := verb("add NAME", "Make a named location of networks or of countries", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		var body any
		switch {
		case len(cidrs) > 0 && len(countries) > 0, len(cidrs) == 0 && len(countries) == 0:
			return usage("a location is made of --cidr networks or of --country codes")
		case len(cidrs) > 0:
			ranges, err := rangesOf(cidrs)
			if err != nil {
				return err
			}
			body = struct {
				Type    string `json:"@odata.type"`
				Name    string `json:"displayName"`
				Trusted bool   `json:"isTrusted"`
				Ranges  any    `json:"ipRanges"`
			}{"#microsoft.graph.ipNamedLocation", args[0], trust, ranges}
		default:
			body = struct {
				Type      string   `json:"@odata.type"`
				Name      string   `json:"displayName"`
				Countries []string `json:"countriesAndRegions"`
				Unknown   bool     `json:"includeUnknownCountriesAndRegions"`
			}{"#microsoft.graph.countryNamedLocation", args[0], countries, unknown}
		}
		var raw json.RawMessage
		if err := a.client().do(cmd.Context(), http.MethodPost, locations, nil, body, &raw); err != nil {
			return err
		}
		return objects{a, "location", locations}.told(raw, "added")
	})
	c.Flags().StringSliceVar(&cidrs, "cidr", nil, "a network, an address, or first-last")
	c.Flags().StringSliceVar(&countries, "country", nil, "a country by its two letters")
	c.Flags().BoolVar(&trust, "trusted", false, "the networks are trusted: part of AllTrusted")
	a.confirmFlag(c)
	c.Flags().BoolVar(&unknown, "include-unknown", false, "with countries: addresses that no country's file knows, too")
	return c
}

// rangesOf writes networks as Graph does.
func rangesOf(cidrs []string) ([]map[string]string, error) {
	var all []map[string]string
	for _, s := range cidrs {
		low, high, isRange := strings.Cut(s, "-")
		if isRange {
			from, err := netip.ParseAddr(low)
			if err != nil {
				return nil, usage("%q is no address", low)
			}
			all = append(all, map[string]string{"@odata.type": family(from, "Range"), "lowerAddress": low, "upperAddress": high})
			continue
		}
		p, err := netip.ParsePrefix(s)
		if addr, aerr := netip.ParseAddr(s); aerr == nil {
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return nil, usage("%q is no network such as 192.0.2.0/24", s)
		}
		all = append(all, map[string]string{"@odata.type": family(p.Addr(), "CidrRange"), "cidrAddress": p.String()})
	}
	return all, nil
}

func family(a netip.Addr, kind string) string {
	if a.Is4() {
		return "#microsoft.graph.iPv4" + kind
	}
	return "#microsoft.graph.iPv6" + kind
}
