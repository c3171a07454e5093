package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// DefaultSocket is where a running server listens for its administrators.
const DefaultSocket = "/run/portreeve/portreeve.sock"

// client speaks to a running server over its local socket. Who asks is known
// there by the kernel (the peer's uid), so nothing is typed.
type client struct {
	socket string
	reason string       // for the audit log
	note   func(string) // hears what the server remarks on an answer; nil: nobody
	http   *http.Client
	// within is in what time changes are to be confirmed; promised hears until when.
	within   string
	promised func(until string)
	override bool // change what is managed from files, too
}

func newClient(socket, reason string) *client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &client{socket: socket, reason: reason, http: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// apiError is an error body in Microsoft Graph's shape.
type apiError struct {
	Status int `json:"-"`
	Error_ struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Target  string `json:"target,omitempty"`
		Next    string `json:"@portreeve.next,omitempty"` // what to do about it
		Details []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Target  string `json:"target,omitempty"`
		} `json:"details,omitempty"`
	} `json:"error"`
}

func (e *apiError) Error() string {
	s := e.Error_.Message
	if t := e.Error_.Target; t != "" && e.Status != http.StatusConflict && !strings.Contains(s, t) && !strings.Contains(s, "\n") {
		s += " (" + t + ")"
	}
	for _, d := range e.Error_.Details {
		s += "\n  " + d.Message
	}
	return s
}

// get reads path into out.
func (c *client) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.do(ctx, http.MethodGet, path, query, nil, out)
}

// do sends body (JSON, or raw bytes as they are) and reads the answer into out.
func (c *client) do(ctx context.Context, method, path string, query url.Values, body, out any) error {
	resp, err := c.send(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if raw, ok := out.(*[]byte); ok {
		*raw, err = io.ReadAll(resp.Body)
		return err
	}
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	return nil
}

// row is one object of an answer: as it came, and to look into.
type row struct {
	raw    json.RawMessage
	fields map[string]any
}

// answered asks and reads one object.
func (a *app) answered(ctx context.Context, method, path string, query url.Values, body any) (row, error) {
	var raw json.RawMessage
	if err := a.client().do(ctx, method, path, query, body, &raw); err != nil {
		return row{}, err
	}
	return newRow(raw)
}

func newRow(raw json.RawMessage) (row, error) {
	r := row{raw: raw}
	err := json.Unmarshal(raw, &r.fields)
	if errors.As(err, new(*json.UnmarshalTypeError)) { // objects are kept as they came: a number may be beyond a float64
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		err = d.Decode(&r.fields)
	}
	if err != nil {
		return r, fmt.Errorf("reading the server's answer: %w", err)
	}
	return r, nil
}

// object reads one object.
func (c *client) object(ctx context.Context, path string, query url.Values) (row, error) {
	var raw json.RawMessage
	if err := c.get(ctx, path, query, &raw); err != nil {
		return row{}, err
	}
	return newRow(raw)
}

// rows reads a collection, page after page, up to limit rows; 0 is all.
func (c *client) rows(ctx context.Context, path string, query url.Values, limit int) ([]row, error) {
	all := []row{}
	for {
		var page struct {
			Value []json.RawMessage `json:"value"`
			Next  string            `json:"@odata.nextLink"`
			Notes []string          `json:"@portreeve.notes"`
		}
		if err := c.get(ctx, path, query, &page); err != nil {
			return nil, err
		}
		for _, n := range page.Notes {
			if c.note != nil {
				c.note(n)
			}
		}
		for _, raw := range page.Value {
			r, err := newRow(raw)
			if err != nil {
				return nil, err
			}
			if all = append(all, r); len(all) == limit {
				return all, nil
			}
		}
		if page.Next == "" {
			return all, nil
		}
		next, err := url.Parse(page.Next)
		if err != nil {
			return nil, fmt.Errorf("reading the server's answer: %w", err)
		}
		path, query = next.EscapedPath(), next.Query()
	}
}

// stream reads an answer of one JSON object a line.
func (c *client) stream(ctx context.Context, path string, query url.Values, each func(row) error) error {
	resp, err := c.send(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for d := json.NewDecoder(resp.Body); ; {
		var raw json.RawMessage
		if err := d.Decode(&raw); errors.Is(err, io.EOF) || ctx.Err() != nil {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading the server's answer: %w", err)
		}
		r, err := newRow(raw)
		if err != nil {
			return err
		}
		if err := each(r); err != nil {
			return err
		}
	}
}

// send returns the answer to a request; an error status becomes an *apiError.
func (c *client) send(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	var r io.Reader
	kind := "application/json"
	switch b := body.(type) {
	case nil:
	case []byte:
		r, kind = bytes.NewReader(b), http.DetectContentType(b)
	case json.RawMessage:
		r = bytes.NewReader(b)
	case io.Reader:
		r, kind = b, "application/octet-stream"
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		r = bytes.NewReader(raw)
	}
	if (c.within != "" || c.override) && method != http.MethodGet {
		query = maps.Clone(query)
		if query == nil {
			query = url.Values{}
		}
		if c.within != "" {
			query.Set("confirmWithin", c.within)
		}
		if c.override {
			query.Set("override", "true")
		}
	}
	target := "http://portreeve" + path // names in it are escaped already
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, r)
	if err != nil {
		return nil, err
	}
	if r != nil {
		req.Header.Set("Content-Type", kind)
	}
	req.Header.Set("Prefer", graphKnows)
	if c.reason != "" {
		req.Header.Set("X-Reason", c.reason)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if resp.StatusCode >= 400 {
		defer resp.Body.Close()
		e := &apiError{Status: resp.StatusCode}
		if err := json.NewDecoder(resp.Body).Decode(e); err != nil || e.Error_.Message == "" {
			e.Error_.Message = "the server answered " + resp.Status
		}
		return nil, e
	}
	for _, line := range resp.Header.Values("Portreeve-Keeps-Out") {
		if line, err := url.PathUnescape(line); err == nil && c.note != nil {
			c.note("it keeps every administrator out: " + line)
		}
	}
	if until := resp.Header.Get("Portreeve-Reverts-When"); until != "" && c.promised != nil {
		c.promised(until)
	}
	return resp, nil
}

// unreachable says what to do when there is no server behind the socket.
func (c *client) unreachable(err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return &failure{exit: exitUnreachable, what: "no server is running behind " + c.socket,
			next: "start one with `portreeve serve`, or name its socket with --socket or PORTREEVE_SOCKET"}
	case errors.Is(err, os.ErrPermission):
		return &failure{exit: exitForbidden, what: "not allowed to use " + c.socket,
			next: "be root, or a member of the group portreeve"}
	}
	return &failure{exit: exitUnreachable, what: "the server did not answer: " + err.Error(), next: "see `portreeve status`"}
}
