package admin

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/portreeve/portreeve/internal/importer"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

// importBatch is how many past sign-ins share a commit.
const importBatch = 500

// imported says what became of a past log.
type imported struct {
	Lines      int          `json:"lines"`
	Events     int          `json:"signIns"`
	Other      int          `json:"otherLines"`
	Unreadable int          `json:"unreadable"`
	First      []unreadable `json:"firstUnreadable"`
	DryRun     bool         `json:"dryRun,omitempty"`
	// WouldRefuse counts those let in that policy, as it is now, would refuse.
	WouldRefuse int `json:"wouldRefuse"`
	Unknown     int `json:"unknownPeople"`
}

type unreadable struct {
	Line    int    `json:"line"`
	Excerpt string `json:"excerpt"`
	Reason  string `json:"reason"`
}

// importSignIns reads a past log, a mail server's or another vendor's, into the sign-in log. Each
// event keeps the id its line gave it, so a second import adds nothing.
func (a *api) importSignIns(r *http.Request) (any, error) {
	read, ok := importer.Sources[r.URL.Query().Get("from")]
	if !ok {
		return nil, bad("from", "from is %s, not %q", importer.SourceNames(), r.URL.Query().Get("from"))
	}
	o, err := a.importOptions(r)
	if err != nil {
		return nil, err
	}
	dry := r.URL.Query().Get("dryRun") == "true"
	if dry {
		return a.readPast(r, read(r.Body, o), func([]signin.Event) error { return nil })
	}
	if err := a.note(r, "import", "signIn", "", r.URL.Query().Get("name"), map[string]string{"from": r.URL.Query().Get("from")}); err != nil {
		return nil, err
	}
	return a.readPast(r, read(r.Body, o), func(batch []signin.Event) error { return a.keepImported(r, batch) })
}

// readPast goes through a past log and hands its events on in batches, each
// judged by today's policies.
func (a *api) readPast(r *http.Request, log *importer.Log, keep func([]signin.Event) error) (any, error) {
	var out imported
	var batch []signin.Event
	for e, err := range log.All() {
		if err == nil {
			err = a.Gate.Imported(r.Context(), &e)
		}
		if err != nil {
			return nil, err
		}
		if e.Facts.Person == "" {
			out.Unknown++
		}
		if wouldBlock(&e) {
			out.WouldRefuse++
		}
		if batch = append(batch, e); len(batch) == importBatch {
			if err := keep(batch); err != nil {
				return nil, err
			}
			batch = nil
		}
	}
	if err := keep(batch); err != nil {
		return nil, err
	}
	out.DryRun = r.URL.Query().Get("dryRun") == "true"
	out.Lines, out.Events, out.Other, out.Unreadable, out.First = log.Lines, log.Events, log.Other, log.Unreadable, []unreadable{}
	for _, u := range log.First {
		out.First = append(out.First, unreadable(u))
	}
	return out, nil
}

func (a *api) keepImported(r *http.Request, batch []signin.Event) error {
	if len(batch) == 0 {
		return nil
	}
	return a.Store.Write(r.Context(), func(tx *store.Tx) error {
		for i := range batch {
			if err := tx.PutEvent(&batch[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// importOptions reads what a log's lines leave open: latest (the file's own
// time), year, timezone.
func (a *api) importOptions(r *http.Request) (importer.Options, error) {
	q := r.URL.Query()
	o := importer.Options{Latest: time.Now(), Names: a.Names}
	var err error
	if s := q.Get("latest"); s != "" {
		if o.Latest, err = time.Parse(time.RFC3339, s); err != nil {
			return o, bad("latest", "latest is a time such as 2026-11-20T09:00:00Z")
		}
	}
	if s := q.Get("year"); s != "" {
		if o.Year, err = strconv.Atoi(s); err != nil || o.Year < 1990 || o.Year > 9999 {
			return o, bad("year", "year is a number such as 2026")
		}
	}
	if s := q.Get("timezone"); s != "" {
		if o.Location, err = time.LoadLocation(s); err != nil {
			return o, bad("timezone", "%q is no time zone; write one such as Europe/Lisbon", s)
		}
	}
	return o, nil
}

// deviceFacts is what an imagined device is known by.
type deviceFacts struct {
	DeviceID              string   `json:"deviceId"`
	DisplayName           string   `json:"displayName"`
	EnrollmentProfileName string   `json:"enrollmentProfileName"`
	Manufacturer          string   `json:"manufacturer"`
	Model                 string   `json:"model"`
	OperatingSystem       string   `json:"operatingSystem"`
	OSVersion             string   `json:"operatingSystemVersion"`
	MDMAppID              string   `json:"mdmAppId"`
	Ownership             string   `json:"deviceOwnership"`
	ProfileType           string   `json:"profileType"`
	TrustType             string   `json:"trustType"`
	IsCompliant           *bool    `json:"isCompliant"`
	PhysicalIDs           []string `json:"physicalIds"`
	SystemLabels          []string `json:"systemLabels"`
}

func (d *deviceFacts) device() *policy.Device {
	if d == nil {
		return nil
	}
	return &policy.Device{DeviceID: d.DeviceID, DisplayName: d.DisplayName, EnrollmentProfileName: d.EnrollmentProfileName,
		Manufacturer: d.Manufacturer, Model: d.Model, OperatingSystem: d.OperatingSystem, OperatingSystemVersion: d.OSVersion,
		MDMAppID: d.MDMAppID, DeviceOwnership: d.Ownership, ProfileType: d.ProfileType, TrustType: d.TrustType, IsCompliant: d.IsCompliant,
		PhysicalIDs: slices.Clone(d.PhysicalIDs), SystemLabels: slices.Clone(d.SystemLabels)}
}
