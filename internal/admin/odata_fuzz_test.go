package admin

import (
	"net/url"
	"testing"

	"github.com/portreeve/portreeve/internal/store"
)

// FuzzPage reads query strings as collections do, and asks an object by what
// came out: nothing panics, and what is read stays within its bounds.
func FuzzPage(f *testing.F) {
	for _, q := range []string{"$filter=state eq 'enabled'&$top=1", "$orderby=displayName desc,id&$select=id", "$filter=conditions/users/includeUsers/any(u:u eq 'All')",
		"$skiptoken=1&$count=true", "$filter=not (startswith(displayName,'a') or id in ('1','2'))"} {
		f.Add(q, `{"id":"1","displayName":"a","state":"enabled","conditions":{"users":{"includeUsers":["All",1,null]}}}`)
	}
	f.Fuzz(func(t *testing.T, query, object string) {
		v, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		q, err := readPage(v, documentSchema, documentOrders)
		if err != nil {
			return
		}
		if q.top < 1 || q.top > maxPage || q.skip < 0 || len(q.orders) > maxOrders || len(q.fields) > maxFields {
			t.Fatalf("%q is read as %+v", query, q)
		}
		x := row{documentLookup(&store.Document{ID: "1", JSON: []byte(object)}), []byte(object)}
		if q.where != nil {
			q.where.Match(x.look)
		}
		q.compare(x, x)
	})
}
