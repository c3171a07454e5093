package policyset

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/portreeve/portreeve/internal/policyfile"
)

// Format lays a policy file out in the one way that Write does, with its
// comments; what is laid out so already stays as it is.
func Format(name string, text []byte) ([]byte, error) { return policyfile.Format(name, text) }

// Write is an object's JSON as a document of our own: kind, id and spec, its
// members in their order. An id in the JSON is not written twice.
func Write(kind Kind, id string, object []byte) ([]byte, error) {
	docs, err := policyfile.Parse(string(kind)+".json", object)
	if err != nil {
		return nil, err
	}
	if len(docs) != 1 || docs[0].Root.Kind != policyfile.Object {
		return nil, fmt.Errorf("writing a %s: it is no object", kind.Word())
	}
	spec := docs[0].Root
	short(spec)
	root := &policyfile.Node{Kind: policyfile.Object, Members: []policyfile.Member{{Name: "kind", Value: text(string(kind))}}}
	if kind == Test {
		for _, m := range spec.Members {
			if m.Name != "kind" {
				root.Members = append(root.Members, m)
			}
		}
		return policyfile.YAML(root), nil
	}
	if id != "" {
		root.Members = append(root.Members, policyfile.Member{Name: "id", Value: text(id)})
	}
	idName := "id"
	if kind == AuthenticationPolicy {
		idName = "Guid"
	}
	kept := &policyfile.Node{Kind: policyfile.Object}
	for _, m := range spec.Members {
		if id == "" || m.Name != idName || m.Value.Text != id {
			kept.Members = append(kept.Members, m)
		}
	}
	root.Members = append(root.Members, policyfile.Member{Name: "spec", Value: kept})
	return policyfile.YAML(root), nil
}

// Join makes a file of several documents.
func Join(docs ...[]byte) []byte { return bytes.Join(docs, []byte("---\n")) }

func text(s string) *policyfile.Node { return &policyfile.Node{Kind: policyfile.String, Text: s} }

// short puts lists of scalars, and mappings of nothing else inside lists, on
// one line, where they fit.
func short(n *policyfile.Node) (flat bool) {
	flat = true
	for _, item := range n.Items {
		inner := short(item)
		scalars := inner && (item.Kind != policyfile.List || len(item.Items) == 0)
		item.Flow = inner && (item.Kind == policyfile.Object || item.Kind == policyfile.List)
		flat = flat && scalars && item.Kind != policyfile.Object
	}
	for _, m := range n.Members {
		inner := short(m.Value)
		if m.Value.Kind == policyfile.List {
			m.Value.Flow = inner
		}
		flat = flat && m.Value.Kind != policyfile.Object && m.Value.Kind != policyfile.List
	}
	return flat
}

// FileWord makes a word for a file's name of an object's name.
func FileWord(name string) string {
	const most = 80 // characters
	s := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '-' }), "-")
	if s = strings.Trim(s[:min(most, len(s))], "-"); s == "" {
		return "object"
	}
	return s
}
