package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/portreeve/portreeve/internal/discovery"
)

const domains = ours + "/domains"

func (a *app) domain() *cobra.Command {
	return noun("domain", "What is published for mail programs, and the DNS records that lead there", a.domainList(), a.domainShow(), a.domainCheck())
}

func (a *app) domainList() *cobra.Command {
	return verb("list", "List the domains that have their mail here", cobra.NoArgs, func(cmd *cobra.Command, _ []string) error {
		rows, err := a.client().rows(cmd.Context(), domains, nil, 0)
		if err != nil {
			return err
		}
		return a.output().list(rows, field("domain", "domain"), field("records", "records"), field("default", "default"))
	})
}

func (a *app) domainShow() *cobra.Command {
	var zone bool
	c := verb("show DOMAIN", "Print every DNS record of a domain, ready for a zone file, with what each is for", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		r, err := a.client().object(cmd.Context(), path(domains, args[0]), nil)
		if err != nil {
			return err
		}
		if zone {
			for _, record := range items(r.fields["records"]) {
				fmt.Fprintln(a.out, printable(text(record["zone"])))
			}
			return nil
		}
		return a.output().object(r, func(w io.Writer) { tellDomain(w, r.fields) })
	})
	c.Flags().BoolVar(&zone, "zone", false, "print the lines of a zone file and nothing else")
	c.ValidArgsFunction = a.names(domains, "domain")
	return c
}

// tellDomain prints what can be pasted into a zone file as it stands: what is
// said of a record is a comment there.
func tellDomain(w io.Writer, story map[string]any) {
	for i, record := range items(story["records"]) {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "; %s\n%s\n", printable(text(record["purpose"])), printable(text(record["zone"])))
	}
	documents := items(story["documents"])
	if len(documents) == 0 {
		return
	}
	fmt.Fprintf(w, "\n; Published:\n")
	for _, d := range documents {
		fmt.Fprintf(w, ";   %s\n;       %s\n", printable(text(d["url"])), printable(text(d["purpose"])))
	}
}

// checkTime bounds a whole check: a slow resolver is asked dozens of questions.
const checkTime = time.Minute

func (a *app) domainCheck() *cobra.Command {
	var resolver string
	c := verb("check DOMAIN --resolver ADDRESS", "Look for each of a domain's records, at the resolver named and nowhere else", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		at, err := discovery.NewResolver(resolver)
		if err != nil {
			return usage("--resolver: %v", err)
		}
		var story struct {
			Records []discovery.Record `json:"records"`
		}
		if err := a.client().get(cmd.Context(), path(domains, args[0]), nil, &story); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), checkTime)
		defer cancel()
		checked, err := discovery.Check(ctx, at, story.Records)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return &failure{exit: exitUnreachable, what: fmt.Sprintf("%s is too slow: in %s it answered for %d of %d records", at, checkTime, len(checked), len(story.Records))}
		case errors.Is(err, discovery.ErrSilent):
			return &failure{exit: exitUnreachable, what: err.Error(), next: "name one that does: --resolver takes the address of any DNS server, with a port behind it if that is not 53"}
		case err != nil:
			return err
		}
		return a.tellChecked(checked)
	})
	c.Flags().StringVar(&resolver, "resolver", "", "the DNS server to ask, such as 192.0.2.53 or [2001:db8::53]:5353")
	_ = c.MarkFlagRequired("resolver")
	c.ValidArgsFunction = a.names(domains, "domain")
	return c
}

// tellChecked prints how each record stands, and what to write where one does
// not; it is a failure if there is one.
func (a *app) tellChecked(checked []discovery.Checked) error {
	var rows []row
	var write []string
	wrong := 0
	for _, c := range checked {
		raw, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("telling of %s: %w", c.Name, err)
		}
		r, err := newRow(raw)
		if err != nil {
			return err
		}
		rows = append(rows, r)
		switch c.Verdict {
		case discovery.OK:
			continue
		case discovery.Missing, discovery.Different:
			write = append(write, c.Zone)
		}
		wrong++
	}
	err := a.output().list(rows, field("verdict", "verdict"), field("name", "name"), field("type", "type"), of("found", foundWords), field("note", "note"))
	if err != nil || wrong == 0 {
		return err
	}
	if a.format == "table" && len(write) > 0 {
		fmt.Fprintf(a.out, "\nTo write into the zone:\n%s\n", strings.Join(write, "\n"))
	}
	return &failure{exit: exitFailed, what: fmt.Sprintf("%d of %s not as they should be", wrong, counted(float64(len(checked)), "record"))}
}

func foundWords(fields map[string]any) string {
	found, _ := fields["found"].([]any)
	words := make([]string, len(found))
	for i, f := range found {
		words[i] = text(f)
	}
	return strings.Join(words, ", ")
}
