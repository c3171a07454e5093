package admin

import (
	"encoding"
	"encoding/json"
	"iter"
	"reflect"
	"strings"
	"time"
)

// schemas are the JSON Schemas (2020-12) of the types that go over the wire,
// each named type once.
type schemas struct {
	known object
	// asking says that the types are of requests, none of whose members must be there.
	asking bool
}

var (
	timeType  = reflect.TypeFor[time.Time]()
	rawType   = reflect.TypeFor[json.RawMessage]()
	textTypes = reflect.TypeFor[encoding.TextMarshaler]()
	jsonTypes = reflect.TypeFor[json.Marshaler]()
)

// of is the schema of a value's type.
func (s *schemas) of(v any) object {
	if o, is := v.(object); is { // written by hand
		return o
	}
	return s.typed(reflect.TypeOf(v))
}

func (s *schemas) typed(t reflect.Type) object {
	switch {
	case t == timeType:
		return object{"type": "string", "format": "date-time"}
	case t == rawType || t.Kind() == reflect.Interface:
		return object{}
	case t.Kind() == reflect.Pointer:
		return orNull(s.typed(t.Elem()))
	case t.Implements(jsonTypes) || reflect.PointerTo(t).Implements(jsonTypes):
		return object{}
	case t.Implements(textTypes):
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice, reflect.Array:
		if t.Elem() == reflect.TypeFor[byte]() {
			return object{"type": []string{"string", "null"}, "contentEncoding": "base64"}
		}
		return object{"type": []string{"array", "null"}, "items": s.typed(t.Elem())}
	case reflect.Map:
		return object{"type": []string{"object", "null"}, "additionalProperties": s.typed(t.Elem())}
	case reflect.Struct:
		return s.named(t)
	}
	return object{"type": "integer"}
}

// orNull lets null stand for a schema too.
func orNull(schema object) object {
	if len(schema) == 0 {
		return schema
	}
	return object{"anyOf": []any{schema, object{"type": "null"}}}
}

// named is a reference to a struct's schema, which is written at the first.
func (s *schemas) named(t reflect.Type) object {
	if t.Name() == "" {
		return s.structure(t)
	}
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	if pkg := t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:]; pkg != "admin" {
		name = strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
	if s.asking {
		name += "Asked"
	}
	if _, written := s.known[name]; !written {
		s.known[name] = object{} // it may hold itself
		s.known[name] = s.structure(t)
	}
	return object{"$ref": "#/components/schemas/" + name}
}

// structure is the schema of a struct as encoding/json writes it. Members that
// it does not have are faults.
func (s *schemas) structure(t reflect.Type) object {
	properties, required := object{}, []string{}
	s.members(t, properties, &required)
	if s.asking {
		return object{"type": "object", "properties": properties, "additionalProperties": false}
	}
	return object{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

// members writes a struct's members. An embedded struct's are its own, but for
// those that it has itself, which hide them.
func (s *schemas) members(t reflect.Type, properties object, required *[]string) {
	var embedded []reflect.StructField
	for f := range fieldsOf(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" && options == "":
			continue
		case f.Anonymous && name == "" && structOf(f.Type).Kind() == reflect.Struct:
			embedded = append(embedded, f)
			continue
		case !f.IsExported():
			continue
		}
		if name == "" {
			name = f.Name
		}
		if _, hidden := properties[name]; hidden {
			continue
		}
		properties[name] = s.typed(f.Type)
		if strings.Contains(options, "string") {
			properties[name] = object{"type": "string"}
		}
		if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
			*required = append(*required, name)
		}
	}
	for _, f := range embedded {
		always := required
		if f.Type.Kind() == reflect.Pointer { // nil, it has no members at all
			always = new([]string)
		}
		s.members(structOf(f.Type), properties, always)
	}
}

// fieldsOf are a struct's own fields.
func fieldsOf(t reflect.Type) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

// structOf is what a pointer points to.
func structOf(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// collectionOf is Graph's shape of a list.
func collectionOf(items object) object {
	return object{"type": "object", "required": []string{"value"}, "additionalProperties": false, "properties": object{
		"value":            object{"type": "array", "items": items},
		"@odata.context":   object{"type": "string"},
		"@odata.nextLink":  object{"type": "string", "description": "where the next page is"},
		"@odata.count":     object{"type": "integer"},
		"@portreeve.notes": object{"type": "array", "items": object{"type": "string"}}}}
}
