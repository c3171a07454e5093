package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// api is an administrator at the server's socket, as the command line is.
type api struct{ http *http.Client }

// askTime bounds one request.
const askTime = 5 * time.Second

func newAPI(socket string) *api {
	return &api{&http.Client{Timeout: askTime, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}}
}

func (a *api) do(ctx context.Context, method, path string, query url.Values, body string, out any) error {
	u := url.URL{Scheme: "http", Host: "portreeve", Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, raw)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, out)
}

// entry is a sign-in as the interface gives it, in Graph's shape; what only
// mail has stands in portreeve.
type entry struct {
	At          time.Time `json:"createdDateTime"`
	User        string    `json:"userPrincipalName"`
	Address     string    `json:"ipAddress"`
	Correlation string    `json:"correlationId"`
	Policies    []struct {
		Name   string `json:"displayName"`
		Result string `json:"result"`
	} `json:"appliedConditionalAccessPolicies"`
	Own struct {
		Reference  string `json:"reference"`
		Outcome    string `json:"outcome"`
		Code       string `json:"code"`
		Stage      string `json:"stage"`
		Count      int    `json:"count"`
		Protocol   string `json:"protocol"`
		Credential string `json:"credential"`
		Mechanism  string `json:"mechanism"`
		Grant      string `json:"grant"`
		Program    struct {
			Family  string `json:"family"`
			Version string `json:"version"`
		} `json:"program"`
		TLS struct {
			Version string `json:"version"`
		} `json:"tls"`
		Steps []struct {
			Name   string  `json:"name"`
			Result string  `json:"result"`
			Millis float64 `json:"milliseconds"`
		} `json:"steps"`
	} `json:"portreeve"`
	Story struct {
		Explanation struct {
			Policies []verdict `json:"policies"`
		} `json:"explanation"`
	} `json:"portreeve.story"`
}

// verdict is what one policy came to, condition by condition.
type verdict struct {
	Name       string      `json:"displayName"`
	Result     string      `json:"result"`
	Conditions []condition `json:"conditions"`
}

type condition struct {
	Name   string `json:"condition"`
	Needed string `json:"needed"`
	Seen   string `json:"seen"`
	Result string `json:"result"`
}

// result is what a policy came to on this sign-in; empty if it did not apply.
func (e *entry) result(policy string) string {
	for _, p := range e.Policies {
		if p.Name == policy {
			return p.Result
		}
	}
	return ""
}

// looked says whether the sign-in came as far as looking at the secret.
func (e *entry) looked() bool {
	for _, s := range e.Own.Steps {
		if s.Name == "credential" {
			return true
		}
	}
	return false
}

// since lists the sign-ins since a time, newest first.
func (a *api) since(ctx context.Context, t time.Time, user string) ([]entry, error) {
	q := url.Values{"since": {t.UTC().Format(time.RFC3339Nano)}, "top": {"1000"}}
	if user != "" {
		q.Set("user", address(user))
	}
	var page struct{ Value []entry }
	return page.Value, a.do(ctx, http.MethodGet, "/portreeve/v1/signIns", q, "", &page)
}

// whole is one sign-in with everything that can be said of it.
func (a *api) whole(ctx context.Context, ref string) (e entry, err error) {
	return e, a.do(ctx, http.MethodGet, "/portreeve/v1/signIns/"+ref, nil, "", &e)
}

// change says what a change of policy did to open connections.
type change struct {
	Sessions struct {
		Judged int     `json:"judged"`
		Closed int     `json:"closed"`
		Millis float64 `json:"milliseconds"`
	} `json:"@portreeve.sessions"`
}

// enable puts a policy in force.
func (a *api) enable(ctx context.Context, policy string) (c change, err error) {
	return c, a.do(ctx, http.MethodPatch, "/v1.0/identity/conditionalAccess/policies/"+policy, nil, `{"state": "enabled"}`, &c)
}
