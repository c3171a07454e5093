package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/importer"
	"github.com/portreeve/portreeve/internal/policyfile"
	"github.com/portreeve/portreeve/internal/tenant"
)

// policyImport is import with other vendors' rules besides: what they become is
// brought in as if a file held it.
func (a *app) policyImport() *cobra.Command {
	c := a.policies().imports()
	plain := c.RunE
	var from, only string
	c.Flags().StringVar(&from, "from", "", "whose rules the files hold: entra (a folder of exports), exchange (client access rules), google (settings) or okta (sign-on policies, zones, groups)")
	c.Flags().StringVar(&only, "policy", "", "with --from okta, the policy to take where there are several")
	complete(c, "from", "entra", "exchange", "google", "okta")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		var t *importer.Translation
		var err error
		switch from {
		case "":
			return plain(cmd, args)
		case "entra":
			t, err = entraPolicies(args)
		case "exchange":
			t, err = clientRules(args)
		case "okta":
			t, err = oktaRules(args, only)
		case "google":
			t, err = googleSettings(args)
		default:
			return usage("--from is entra, exchange, google or okta, not %q", from)
		}
		if err != nil {
			return err
		}
		return a.importTranslation(cmd, t)
	}
	c.Long += `

With --from entra, FILE is a folder (or zip, or files) of exports: strengths, locations and
policies come in, and where people and groups were exported too, policies name them by address
and name instead of by ids that mean nothing here. With --from exchange, FILE is what Get-ClientAccessRule gives (JSON, CSV, CLIXML, or the folder
or zip it lies in); with --from okta, policies with their rules, network zones, groups and people
as Okta's API gives them; with --from google, what the Cloud Identity Policy API lists, and the
organisational units. Of those rules the first that matches decides, of policies all count:
each rule becomes policies that leave out what an earlier rule lets in. What has no equal is
listed. --dry-run shows what they become and asks no server.`
	return c
}

// exported reads one folder or archive, or single files.
func exported(args []string) (*tenant.Tenant, error) {
	read := func() (*tenant.Tenant, error) {
		if info, err := os.Stat(args[0]); len(args) > 1 || err == nil && !info.IsDir() && !strings.EqualFold(filepath.Ext(args[0]), ".zip") {
			return tenant.ReadFiles(args...)
		}
		folder, done, err := tenant.Open(args[0])
		if err != nil {
			return nil, err
		}
		defer done.Close()
		return tenant.Read(folder)
	}
	t, err := read()
	if os.IsNotExist(err) {
		return nil, noFile(err)
	}
	return t, err
}

func entraPolicies(args []string) (*importer.Translation, error) {
	t, err := exported(args)
	if err != nil {
		return nil, err
	}
	if len(t.Policies)+len(t.Locations)+len(t.Strengths) == 0 {
		return nil, &failure{exit: exitUsage, what: "there is no policy, location or strength in it", next: "Get-MgIdentityConditionalAccessPolicy -All | ConvertTo-Json -Depth 10 writes policies"}
	}
	return importer.EntraPolicies(t), nil
}

func clientRules(args []string) (*importer.Translation, error) {
	t, err := exported(args)
	if err != nil {
		return nil, err
	}
	if len(t.ClientRules)+len(t.DeviceRules) == 0 && !t.Exported(tenant.ClientAccessRules) {
		return nil, &failure{exit: exitUsage, what: "there is no client access rule in it", next: "Get-ClientAccessRule | ConvertTo-Json -Depth 5 writes them"}
	}
	return importer.ClientAccessRules(t), nil
}

func oktaRules(args []string, only string) (*importer.Translation, error) {
	files, done, err := opened(args)
	if err != nil {
		return nil, err
	}
	defer done()
	t, err := importer.OktaPolicies(files, only)
	if errors.Is(err, importer.ErrNoOktaPolicy) {
		return nil, &failure{exit: exitUsage, what: err.Error(), next: "GET /api/v1/policies?type=OKTA_SIGN_ON&expand=rules writes them"}
	}
	if err != nil {
		return nil, &failure{exit: exitUsage, what: err.Error(), next: "--policy NAME takes one"}
	}
	return t, nil
}

func googleSettings(args []string) (*importer.Translation, error) {
	files, done, err := opened(args)
	if err != nil {
		return nil, err
	}
	defer done()
	t, err := importer.GoogleSettings(files)
	if err != nil {
		return nil, &failure{exit: exitUsage, what: err.Error(), next: "GET https://cloudidentity.googleapis.com/v1/policies lists them"}
	}
	return t, nil
}

// opened opens all the files, or none.
func opened(args []string) (files map[string]io.Reader, done func(), err error) {
	files = map[string]io.Reader{}
	var all []*os.File
	done = func() {
		for _, f := range all {
			f.Close()
		}
	}
	for _, name := range args {
		f, err := os.Open(name)
		if err != nil {
			done()
			return nil, nil, noFile(err)
		}
		all = append(all, f)
		files[name] = f
	}
	return files, done, nil
}

// importTranslation brings in strengths and locations first, since policies name them; the
// policies are one change.
func (a *app) importTranslation(cmd *cobra.Command, t *importer.Translation) error {
	if dry, _ := cmd.Flags().GetBool("dry-run"); dry {
		return a.showTranslation(t)
	}
	if err := a.tellUnmapped(t); err != nil {
		return err
	}
	o := importing{spread: cmd.Flag("spread").Value.String(), strict: cmd.Flag("strict").Value.String() == "true"}
	if cmd.Flag("report-only").Value.String() == "true" {
		o.state = "enabledForReportingButNotEnforced"
	}
	within := a.within
	a.within = "" // a location that no policy names does nothing, and there is one promise for one change
	if err := a.importRaw(cmd, a.strengths(), t.Strengths, importing{}); err != nil {
		return err
	}
	if err := a.importRaw(cmd, objects{a, "location", locations}, t.Locations, importing{}); err != nil {
		return err
	}
	a.within = within
	return a.importRaw(cmd, a.policies(), t.Policies, o)
}

func (a *app) importRaw(cmd *cobra.Command, d objects, all []json.RawMessage, o importing) error {
	if len(all) == 0 {
		return nil
	}
	list, err := marshal(all)
	if err != nil {
		return err
	}
	docs, err := policyfile.Parse("translated.json", []byte(list))
	if err != nil {
		return err
	}
	return d.importAll(cmd.Context(), docs, o)
}

// showTranslation prints what the rules become, as files would hold it.
func (a *app) showTranslation(t *importer.Translation) error {
	raw, err := marshal(t)
	if err != nil {
		return err
	}
	r, err := newRow(json.RawMessage(raw))
	if err != nil {
		return err
	}
	if a.format != "table" {
		return a.output().object(r, nil)
	}
	for _, list := range [][]json.RawMessage{t.Strengths, t.Locations, t.Policies} {
		for _, one := range list {
			fmt.Fprintln(a.out, "---")
			writeYAML(a.out, one)
		}
	}
	return a.tellUnmapped(t)
}

func (a *app) tellUnmapped(t *importer.Translation) error {
	for _, u := range t.Unmapped {
		where := ""
		if u.Line > 0 {
			where = fmt.Sprintf("line %d: ", u.Line)
		}
		fmt.Fprintf(a.err, "not mapped: %s%s: %s\n", where, printable(cmp.Or(u.Object, "the file")), printable(u.Text))
	}
	if len(t.Policies) == 0 {
		a.note("no policy came of it")
	}
	return nil
}
