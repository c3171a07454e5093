package graph

import (
	"slices"
	"strings"

	"github.com/portreeve/portreeve/internal/policy"
)

// future is what Graph answers for enum members that came after the client's
// version, unless it sends "Prefer: include-unknown-enum-members".
const future = "unknownFutureValue"

// controlsOfOld and the methods up to bit 15 stand before unknownFutureValue.
var controlsOfOld = []string{"block", "mfa", "compliantDevice", "domainJoinedDevice", "approvedApplication", "compliantApplication", "passwordChange", future}

// HideUnknown replaces enum members beyond unknownFutureValue in a policy or a
// strength, for clients that did not ask for them.
func HideUnknown(data []byte) ([]byte, error) {
	v, err := Parse(data)
	if err != nil {
		return nil, err
	}
	changed := v.hideCombinations()
	if g := v.Member("grantControls"); g != nil && g.Kind == Object {
		changed = g.hideWords("builtInControls", func(s string) string {
			if slices.Contains(controlsOfOld, s) {
				return s
			}
			return future
		}) || changed
		if s := g.Member("authenticationStrength"); s != nil && s.Kind == Object {
			changed = s.hideCombinations() || changed
		}
	}
	if !changed {
		return data, nil
	}
	return v.Bytes(), nil
}

func (v *Value) hideCombinations() bool {
	return v.hideWords("allowedCombinations", func(s string) string {
		words := strings.Split(s, ",")
		for i, w := range words {
			if m, ok := policy.ParseMethod(strings.TrimSpace(w)); !ok || m > policy.MethodFederatedMultiFactor {
				words[i] = future
			}
		}
		return strings.Join(words, ",")
	})
}

func (v *Value) hideWords(name string, hide func(string) string) (changed bool) {
	list := v.Member(name)
	if list == nil || list.Kind != List {
		return false
	}
	for i, item := range list.Items {
		if item.Kind != String {
			continue
		}
		if s := hide(item.Text); s != item.Text {
			list.Items[i], changed = Text(s), true
		}
	}
	return changed
}
