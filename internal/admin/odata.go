package admin

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/filter"
)

const (
	maxOrders = 8  // members that a list is sorted by
	maxFields = 64 // members that $select names
)

// pageAsked is what a client asked of a collection, in OData's words.
type pageAsked struct {
	where  *filter.Expr // nil: everything
	orders []ordering
	fields []string // nil: all
	top    int
	skip   int
	count  bool
}

// ordering is one part of $orderby.
type ordering struct {
	by   string
	down bool
}

// understood are the system query options that collections know.
var understood = []string{"$filter", "$orderby", "$select", "$top", "$skip", "$skiptoken", "$count"}

// readPage reads a collection's query options. One that is not understood is
// refused: whoever asks for it would take the answer for something else.
func readPage(v url.Values, schema *filter.Schema, sortable []string) (q pageAsked, err error) {
	for name := range v {
		if strings.HasPrefix(name, "$") && !slices.Contains(understood, name) {
			return q, bad(name, "%s is not understood here; %s are", name, strings.Join(understood, ", "))
		}
	}
	if text := v.Get("$filter"); text != "" {
		if q.where, err = filter.Parse(filter.OData, text, schema); err != nil {
			return q, badFilter("$filter", err, schema)
		}
	}
	if q.orders, err = readOrder(v.Get("$orderby"), sortable); err != nil {
		return q, err
	}
	if q.fields, err = readSelect(v.Get("$select")); err != nil {
		return q, err
	}
	if q.top, err = number(v.Get("$top"), maxPage, 1, maxPage); err != nil {
		return q, bad("$top", "%v", err)
	}
	if q.skip, err = number(first(v, "$skiptoken", "$skip"), 0, 0, 1<<30); err != nil {
		return q, bad("$skip", "%v", err)
	}
	if s := v.Get("$count"); s != "" {
		if q.count, err = strconv.ParseBool(s); err != nil {
			return q, bad("$count", "$count is true or false")
		}
	}
	return q, nil
}

// readOrder reads $orderby: members, each asc or desc.
func readOrder(text string, sortable []string) (all []ordering, err error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		words := strings.Fields(part)
		var o ordering
		if len(words) > 0 {
			if i := slices.IndexFunc(sortable, func(s string) bool { return strings.EqualFold(s, words[0]) }); i >= 0 {
				o.by = sortable[i]
			}
		}
		if len(words) == 2 {
			o.down = strings.EqualFold(words[1], "desc")
		}
		if o.by == "" || len(words) > 2 || len(words) == 2 && !o.down && !strings.EqualFold(words[1], "asc") || len(all) == maxOrders {
			return nil, bad("$orderby", "lists are sorted by %s, asc or desc", oneOf(sortable))
		}
		all = append(all, o)
	}
	return all, nil
}

// oneOf names alternatives: "a, b or c".
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

func readSelect(text string) (fields []string, err error) {
	if text == "" {
		return nil, nil
	}
	for f := range strings.SplitSeq(text, ",") {
		if f = strings.TrimSpace(f); f == "" || len(fields) == maxFields {
			return nil, bad("$select", "$select names members, with commas between them, at most %d", maxFields)
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// row is one object of a collection.
type row struct {
	look filter.Lookup
	text json.RawMessage
}

// answer is a page of a collection as Graph tells it.
func (q *pageAsked) answer(r *http.Request, all []row, context string) (map[string]any, error) {
	if q.where != nil {
		all = slices.DeleteFunc(all, func(x row) bool { return !q.where.Match(x.look) })
	}
	if len(q.orders) > 0 {
		slices.SortStableFunc(all, q.compare)
	}
	rows := []json.RawMessage{}
	for _, x := range all[min(q.skip, len(all)):min(q.skip+q.top, len(all))] {
		text, err := hidden(r, x.text)
		if err == nil && q.fields != nil {
			text, err = chosen(text, q.fields)
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, text)
	}
	out := list(rows)
	out["@odata.context"] = odataRoot + context
	if q.fields != nil {
		out["@odata.context"] = odataRoot + context + "(" + strings.Join(q.fields, ",") + ")"
	}
	if q.count {
		out["@odata.count"] = len(all)
	}
	if q.skip+q.top < len(all) {
		v := r.URL.Query()
		v.Del("$skip")
		v.Set("$skiptoken", strconv.Itoa(q.skip+q.top))
		out["@odata.nextLink"] = link(r, v)
	}
	return out, nil
}

// compare puts rows in the order asked for; what has no value comes first, as
// in OData.
func (q *pageAsked) compare(x, y row) int {
	for _, o := range q.orders {
		if n := compareValues(x.look(o.by), y.look(o.by)); n != 0 {
			if o.down {
				return -n
			}
			return n
		}
	}
	return 0
}

func compareValues(x, y filter.Value) int {
	if x.Kind() != y.Kind() {
		return cmp.Compare(x.Kind(), y.Kind())
	}
	switch x.Kind() {
	case filter.KindTime:
		return x.Time().Compare(y.Time())
	case filter.KindNumber, filter.KindBool:
		return cmp.Compare(x.Number(), y.Number())
	}
	return cmp.Compare(strings.ToLower(x.Text()), strings.ToLower(y.Text()))
}

// memberLookup answers a filter from an object's JSON, by the members' paths:
// conditions/users/includeUsers.
func memberLookup(text json.RawMessage) filter.Lookup {
	var object map[string]any
	var read bool
	return func(name string) filter.Value {
		if !read {
			read = true
			if json.Unmarshal(text, &object) != nil {
				object = nil
			}
		}
		var v any = object
		for part := range strings.SplitSeq(name, "/") {
			m, _ := v.(map[string]any)
			v = m[part]
		}
		return filterValue(v)
	}
}

// filterValue is a member's value to a filter.
func filterValue(v any) filter.Value {
	switch v := v.(type) {
	case string:
		return filter.String(v)
	case bool:
		return filter.Bool(v)
	case float64:
		return filter.Number(v)
	case []any:
		var texts []string
		for _, x := range v {
			if s, ok := x.(string); ok {
				texts = append(texts, s)
			}
		}
		return filter.Strings(texts)
	}
	return filter.Null
}

// tagged is one object with the tag of its version.
type tagged struct {
	body   json.RawMessage
	tag    string
	status int // 0: 200
}

// tagOf is the tag of an object's version: weak, since what a client sees of it
// depends on $select and Prefer too (RFC 9110, 8.8.1).
func tagOf(version int64) string { return `W/"` + strconv.FormatInt(version, 10) + `"` }

// answer tells an object, or that the client has it already.
func (t tagged) answer(_ *api, w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("ETag", t.tag)
	h.Set("Vary", "Prefer")
	if r.Method == http.MethodGet && holdsTag(r.Header.Values("If-None-Match"), t.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "application/json")
	w.WriteHeader(max(t.status, http.StatusOK))
	_, _ = w.Write(t.body)
}

// holdsTag says that one of a header's entity tags is this one, compared weakly,
// or any.
func holdsTag(header []string, tag string) bool {
	for _, line := range header {
		for one := range strings.SplitSeq(line, ",") {
			if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
				return true
			}
		}
	}
	return false
}

// unchanged holds a change to the version that its client has seen (If-Match),
// or to there being none (If-None-Match: *).
func unchanged(r *http.Request, exists bool, version int64) error {
	ifMatch, ifNone := r.Header.Values("If-Match"), r.Header.Values("If-None-Match")
	if len(ifMatch) > 0 && (!exists || !holdsTag(ifMatch, tagOf(version))) {
		return &Error{Status: http.StatusPreconditionFailed, Code: "PreconditionFailed", Message: "the object was changed since: read it again", Target: "If-Match"}
	}
	if len(ifNone) > 0 && exists && holdsTag(ifNone, tagOf(version)) {
		return &Error{Status: http.StatusPreconditionFailed, Code: "PreconditionFailed", Message: "the object is there already", Target: "If-None-Match"}
	}
	return nil
}

func whenText(t time.Time) json.RawMessage {
	if t.IsZero() {
		return json.RawMessage("null")
	}
	return quoted(t.UTC().Format(time.RFC3339Nano))
}
