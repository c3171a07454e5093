package admin

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

func TestMembersNotNamedStayByteForByte(t *testing.T) {
	const object = "{\n  \"a\" : 1.50,\n  \"b\": {\"c\": [1, 2],   \"d\": null},\n  \"e\":\t\"\\u00e9\"\n}\n"
	for _, c := range []struct{ patch, want string }{
		{`{"a":2}`, "{\n  \"a\" : 2,\n  \"b\": {\"c\": [1, 2],   \"d\": null},\n  \"e\":\t\"\\u00e9\"\n}\n"},
		{`{"b":{"d":7}}`, "{\n  \"a\" : 1.50,\n  \"b\": {\"c\": [1, 2],   \"d\": 7},\n  \"e\":\t\"\\u00e9\"\n}\n"},
		{`{"b":{"c":[]}}`, "{\n  \"a\" : 1.50,\n  \"b\": {\"c\": [],   \"d\": null},\n  \"e\":\t\"\\u00e9\"\n}\n"},
		{`{"b":null}`, "{\n  \"a\" : 1.50,\n  \"b\": null,\n  \"e\":\t\"\\u00e9\"\n}\n"},
		{`{"f":true}`, "{\n  \"a\" : 1.50,\n  \"b\": {\"c\": [1, 2],   \"d\": null},\n  \"e\":\t\"\\u00e9\",\n  \"f\":\ttrue\n}\n"},
		{`{}`, object},
	} {
		got, err := merge([]byte(object), []byte(c.patch))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n%q\nwant\n%q", c.patch, err, got, c.want)
		}
	}
}

func TestWhatIsNoObjectIsNotEdited(t *testing.T) {
	for _, s := range []string{``, `[]`, `7`, `{"a":1,"a":2}`, `{"a":1} {}`, `{"a":}`, `{"a":1`, `{`, `{"b":{"x":1,"x":2}}`} {
		if out, err := merge([]byte(`{"b":{}}`), []byte(s)); err == nil {
			t.Errorf("%s was taken: %s", s, out)
		}
	}
}

func TestMembersAreDroppedAndPrepended(t *testing.T) {
	for _, c := range []struct{ object, want string }{
		{`{"@portreeve.warnings":[],"a":1}`, `{"a":1}`},
		{`{"a":1, "@portreeve.warnings":[]}`, `{"a":1}`},
		{`{"@portreeve.x":1}`, `{}`},
		{`{"a":1,"@portreeve.x":1,"b":2,"@portreeve.y":{}}`, `{"a":1,"b":2}`},
	} {
		got, err := dropMembers([]byte(c.object), func(n string) bool { return n[0] == '@' })
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v", c.object, got, err)
		}
	}
	got, err := prependMember([]byte("{\n  \"a\": 1\n}"), "id", []byte(`"x"`))
	if want := "{\n  \"id\": \"x\",\n  \"a\": 1\n}"; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

// FuzzMerge holds merging bytes to merging values.
func FuzzMerge(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":{"c":[1,2],"d":null}}`), []byte(`{"b":{"d":{"x":1}},"e":"f"}`))
	f.Add([]byte("{ \"a\"\n: 1 ,\"a:\" : \"}\\\"{\" }"), []byte(`{"a:":{}}`))
	f.Add([]byte(`{}`), []byte(`{"":0}`))
	f.Fuzz(func(t *testing.T, object, patch []byte) {
		out, err := merge(object, patch)
		if err != nil {
			return
		}
		var before, change, after map[string]any
		if json.Unmarshal(object, &before) != nil || json.Unmarshal(patch, &change) != nil {
			t.Fatalf("%q with %q was taken", object, patch)
		}
		if err := json.Unmarshal(out, &after); err != nil {
			t.Fatalf("%q with %q became %q: %v", object, patch, out, err)
		}
		if want := mergeValues(before, change); !reflect.DeepEqual(after, want) {
			t.Fatalf("%q with %q became %q", object, patch, out)
		}
		if len(change) == 0 && !bytes.Equal(out, object) {
			t.Fatalf("nothing was to change, and %q became %q", object, out)
		}
	})
}

func mergeValues(before, change map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range before {
		out[k] = v
	}
	for k, v := range change {
		inner, isObject := v.(map[string]any)
		old, wasObject := before[k].(map[string]any)
		if isObject && wasObject {
			v = mergeValues(old, inner)
		}
		out[k] = v
	}
	return out
}
