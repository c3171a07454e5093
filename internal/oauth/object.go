package oauth

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"strings"
)

// heeded is a request with what a request object in it says of the answer: a
// program that wrote down there how it is answered looks there for the refusal,
// too, and by its state tells whose it is. Nothing else of the object is read, nor
// is its signature: a parameter beside it would prove as little.
func heeded(form url.Values) url.Values {
	parts := strings.Split(form.Get("request"), ".")
	if len(parts) != 3 {
		return form // there is none, or it is encrypted
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	var says struct {
		State string `json:"state"`
		Mode  string `json:"response_mode"`
	}
	if err != nil || json.Unmarshal(raw, &says) != nil {
		return form
	}
	form = maps.Clone(form)
	for name, value := range map[string]string{"state": says.State, "response_mode": says.Mode} {
		if value != "" && !form.Has(name) {
			form.Set(name, value)
		}
	}
	return form
}
