package cli

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/portreeve/portreeve/internal/policyfile"
	"github.com/portreeve/portreeve/internal/span"
)

// replayBody puts a change together; docs are where the files' objects stand.
func (a *app) replayBody(files []string, o *replayFlags) (map[string]any, map[string][]arrival, error) {
	over, err := span.Days(o.last)
	if err != nil {
		return nil, nil, usage("--last: %v", err)
	}
	body, docs := map[string]any{"days": over, "preview": o.preview, "groups": o.groups, "remove": o.remove}, map[string][]arrival{}
	for member, names := range map[string][]string{"policies": files, "locations": o.locations, "strengths": o.strengths} {
		if docs[member], err = a.arrivals(names); err != nil {
			return nil, nil, err
		}
		texts := []json.RawMessage{}
		for _, x := range docs[member] {
			texts = append(texts, x.part.text)
		}
		body[member] = texts
	}
	states := map[string]string{}
	for state, names := range map[string][]string{"enabled": o.enable, "disabled": o.disable, "enabledForReportingButNotEnforced": o.report} {
		for _, n := range names {
			states[n] = state
		}
	}
	body["states"] = states
	for member, pairs := range map[string][]string{"join": o.join, "leave": o.leave} {
		list := []map[string]string{}
		for _, p := range pairs {
			group, who, ok := strings.Cut(p, "=")
			if !ok {
				return nil, nil, usage("a membership is GROUP=PERSON, not %q", p)
			}
			list = append(list, map[string]string{"group": group, "member": who})
		}
		body[member] = list
	}
	if o.show != "" {
		body["bucket"], body["user"], body["top"] = o.show, o.user, o.top
	}
	body["switches"], err = switchesOf(o.switches)
	return body, docs, err
}

func (a *app) arrivals(files []string) (all []arrival, err error) {
	for _, name := range files {
		docs, err := policyfile.Read(name, a.in)
		if err != nil {
			return nil, broken(err)
		}
		for _, doc := range docs {
			found, err := parts(doc.JSON())
			if err != nil {
				return nil, broken(doc.Fault("", "an object, a list of objects, or a collection with \"value\" is expected"))
			}
			for _, p := range found {
				all = append(all, arrival{doc, p})
			}
		}
	}
	return all, nil
}

// switchesOf reads [SCOPE:WHOSE/]NAME=on|off|inherit.
func switchesOf(texts []string) ([]map[string]any, error) {
	list := []map[string]any{}
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		one := map[string]any{"scope": "organization"}
		switch value {
		case "on", "true":
			one["value"] = true
		case "off", "false":
			one["value"] = false
		case "inherit":
			one["value"] = nil
		default:
			ok = false
		}
		if i := strings.LastIndex(name, "/"); i >= 0 {
			scope, whose, cut := strings.Cut(name[:i], ":")
			one["scope"], one["subject"], name, ok = scope, whose, name[i+1:], ok && cut
		}
		if one["name"] = name; !ok {
			return nil, usage("a switch is NAME=on, off or inherit, such as ImapEnabled=off or mailbox:leela@example.org/ImapEnabled=off, not %q", text)
		}
		list = append(list, one)
	}
	return list, nil
}

// replayFault shows a fault in the file that it is in.
func (a *app) replayFault(err error, docs map[string][]arrival) error {
	var api *apiError
	if !errors.As(err, &api) {
		return err
	}
	member, rest, ok := strings.Cut(strings.TrimPrefix(api.Error_.Target, "/"), "/")
	if !ok || len(docs[member]) == 0 {
		return err
	}
	api.Error_.Target = "/" + rest
	for i := range api.Error_.Details {
		api.Error_.Details[i].Target = strings.TrimPrefix(api.Error_.Details[i].Target, "/"+member)
	}
	return a.policies().placed(docs[member], api)
}
