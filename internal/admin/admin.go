// Package admin is the interface of administrators: REST over the local socket
// and, where configured, HTTPS, in Microsoft Graph's shapes where Graph has one
// (/v1.0, /beta) and in ours beside it (/portreeve/v1). The command line is a
// client of it and no more.
//
// Over the socket the kernel says who asks: the peer's uid. Root and the members
// of the socket's group administer. Over HTTPS it is a token, and each route
// names the scope that it needs (resources). Every change is one transaction with its
// audit row, and is in force, on open sessions too, before the answer leaves.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/portreeve/portreeve/internal/admintoken"
	"github.com/portreeve/portreeve/internal/alarm"
	"github.com/portreeve/portreeve/internal/approval"
	"github.com/portreeve/portreeve/internal/change"
	"github.com/portreeve/portreeve/internal/client"
	"github.com/portreeve/portreeve/internal/directory"
	"github.com/portreeve/portreeve/internal/discovery"
	"github.com/portreeve/portreeve/internal/eventlog"
	"github.com/portreeve/portreeve/internal/factor"
	"github.com/portreeve/portreeve/internal/gate"
	"github.com/portreeve/portreeve/internal/lockout"
	"github.com/portreeve/portreeve/internal/name"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/protocol"
	"github.com/portreeve/portreeve/internal/proxy"
	"github.com/portreeve/portreeve/internal/selfaudit"
	"github.com/portreeve/portreeve/internal/session"
	"github.com/portreeve/portreeve/internal/span"
	"github.com/portreeve/portreeve/internal/store"
)

// Options are what the interface administers.
type Options struct {
	Store    *store.Store
	Events   *eventlog.Log
	Gate     *gate.Gate
	Sessions *session.Registry
	Log      *slog.Logger
	// Apply puts what is stored in force and has open sessions judged again,
	// closing at once or spread over the given time.
	Apply func(ctx context.Context, spread time.Duration) (session.Report, error)
	// Would compiles the rules that a transaction would put in force.
	Would func(context.Context, store.View) (*policy.Snapshot, error)
	// Warnings are what the rules in force cannot enforce as they stand.
	Warnings func() []policy.Warning
	// SnapshotAt finds the rules that judged an old sign-in.
	SnapshotAt func(ctx context.Context, version uint64) (*policy.Snapshot, error)
	// Status, CheckBackends, Guard and ExportKeys belong to the server.
	Status        func(context.Context) any
	CheckBackends func(ctx context.Context, from string) (any, error)
	Guard         func() []lockout.Row
	ExportKeys    func(dir string) error
	// Replies are how a listener tells refusals; the first of that protocol if none is named.
	Replies      func(p protocol.Protocol, listener string) proxy.Settings
	AppPasswords AppPasswords
	Approvals    *approval.Service
	Changes      *change.Service
	Factors      *factor.Service
	// Clients, Grants and IssuerKeys are our own issuer's; nil: it is off.
	Clients    *client.Registry
	Grants     Grants
	IssuerKeys IssuerKeys
	// MintedKeys sign tokens for backends; nil: none takes any.
	MintedKeys MintedKeys
	// Tokens are administrators' tokens, for the interface over HTTPS.
	Tokens *admintoken.Service
	// SelfAudit looks at the server as a thief does; with around also for doors around the gate.
	SelfAudit func(ctx context.Context, around bool) ([]selfaudit.Finding, error)
	// Alarms tell administrators of what happens.
	Alarms *alarm.Service
	// Directories are the sources of people; TestDirectory tries one that is
	// somebody else's, or all of them, with what is found of a user.
	Directories   func() []directory.State
	TestDirectory func(ctx context.Context, name, user string, password []byte) ([]directory.Report, error)
	// Site is what mail programs are told of it; nil: nothing.
	Site func() discovery.Site
	// PublicURL is where the portal is; empty: there is none.
	PublicURL string
	// Backends are the mail servers' names in the configuration.
	Backends []string
	// Names are the site's rules for names, for past logs.
	Names name.Rules
	// Canonical makes a canonical address of what an administrator typed.
	Canonical func(typed string) (string, error)
	// HashPassword makes the hash of a new local password.
	HashPassword func(password []byte) (string, error)
	// CheckHash says whether an imported hash can be verified.
	CheckHash func(hash string) error
}

// maxBody bounds what is read of a request, in bytes: a CSV of a hundred
// thousand mailboxes has about 40 MB.
const maxBody = 64 << 20

// maxLog bounds a mail server's log that is imported, in bytes. It is read as
// it comes and never held whole.
const maxLog = 64 << 30

type api struct {
	Options
	classes *classKeeper
	folders chan struct{} // holds who reads a folder of policy files
}

// Interface is what administrators speak to: as it is over the socket, by
// Remote over HTTPS.
type Interface struct {
	http.Handler
	api *api
}

// New makes the interface.
func New(o Options) *Interface {
	a := &api{o, &classKeeper{}, make(chan struct{}, 1)}
	mux := http.NewServeMux()
	a.routes(func(prefix, pattern string, h handler) { mux.Handle(at(prefix, pattern), a.wrap(pattern, h)) })
	mux.Handle("/", a.wrap("", func(r *http.Request) (any, error) { return nil, notThere(r) }))
	return &Interface{mux, a}
}

func notThere(r *http.Request) *Error {
	return &Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: "there is no " + r.Method + " " + r.URL.Path}
}

// handler answers a request with a value that becomes JSON, or with an error.
type handler func(*http.Request) (any, error)

// Error is an answer in Graph's error shape.
type Error struct {
	Status  int
	Code    string
	Message string
	Target  string // the member or row at fault
	Next    string // what to do about it, for people
	Details []Error
}

func (e *Error) Error() string { return e.Message }

func bad(target, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "BadRequest", Message: fmt.Sprintf(format, args...), Target: target}
}

// readProtocol reads a protocol's name out of a member of a request.
func readProtocol(member, name string) (protocol.Protocol, error) {
	p, ok := protocol.Parse(name)
	if !ok {
		return 0, bad(member, "there is no protocol %q; there are %s", name, strings.Join(protocol.Names(), ", "))
	}
	return p, nil
}

// suggested bounds among how many names the one meant is looked for.
const suggested = 20_000

// raw is an answer that is not JSON.
type raw struct {
	kind string
	body []byte
}

// created is an answer with status 201.
type created struct{ body any }

// streamed writes its own answer.
type streamed func(http.ResponseWriter)

// wrap serves a route; "" is what there is none for.
func (a *api) wrap(pattern string, h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		identify(w, r)
		if err := a.permit(r, pattern); pattern != "" && err != nil {
			a.fail(w, r, err)
			return
		}
		limit := int64(maxBody)
		if strings.HasSuffix(r.URL.Path, "/signIns/import") {
			limit = maxLog
		}
		if err := inflate(r); err != nil {
			a.fail(w, r, err)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		r, promised := promising(r)
		out, err := h(r)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		promised.tell(w.Header())
		switch v := out.(type) {
		case nil:
			w.WriteHeader(http.StatusNoContent)
		case tagged:
			v.answer(a, w, r)
		case raw:
			w.Header().Set("Content-Type", v.kind)
			_, _ = w.Write(v.body)
		case streamed:
			v(w)
		case created:
			a.json(w, http.StatusCreated, v.body)
		default:
			a.json(w, http.StatusOK, v)
		}
	})
}

func (a *api) json(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // a write error is the client's going away
}

// fail answers with an error; what is nobody's fault but ours is logged.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	var e *Error
	var managed *store.ManagedError
	switch {
	case errors.As(err, &e):
	case errors.As(err, new(*http.MaxBytesError)):
		e = &Error{Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLarge", Message: "the request is too large"}
	case errors.Is(err, store.ErrNotFound):
		e = &Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: err.Error()}
	case errors.Is(err, store.ErrExists):
		e = thereAlready(err)
	case errors.Is(err, store.ErrAwaited), errors.Is(err, store.ErrNotUndoable):
		e = notAwaited(err)
	case errors.As(err, &managed):
		e = a.readOnly(r, managed)
	case errors.Is(err, store.ErrMirrored):
		e = &Error{Status: http.StatusConflict, Code: "Conflict", Message: err.Error()}
	case errors.Is(err, store.ErrConflict):
		e = &Error{Status: http.StatusPreconditionFailed, Code: "PreconditionFailed", Message: err.Error()}
	case errors.Is(err, store.ErrUnavailable):
		e = &Error{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Message: err.Error()}
	default:
		a.Log.Error("administration failed", "path", r.URL.Path, "err", err)
		e = &Error{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: err.Error()}
	}
	b := body(e)
	b["innerError"] = innerError(w.Header(), time.Now().UTC().Format("2006-01-02T15:04:05"))
	a.json(w, e.Status, map[string]any{"error": b})
}

func body(e *Error) map[string]any {
	b := map[string]any{"code": e.Code, "message": e.Message}
	if e.Target != "" {
		b["target"] = e.Target
	}
	if e.Next != "" {
		b["@portreeve.next"] = e.Next
	}
	if len(e.Details) > 0 {
		details := make([]any, len(e.Details))
		for i := range e.Details {
			details[i] = body(&e.Details[i])
		}
		b["details"] = details
	}
	return b
}

// decode reads a JSON body strictly: an unknown member is refused by name.
func decode(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			return err
		}
		if !ofJSON(err) { // what a value said of itself is in words already
			return bad("", "%v", err)
		}
		return bad(memberOfError(err), "the request is not what is expected here: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return bad("", "something follows the JSON object")
	}
	return nil
}

// ofJSON says that an error is encoding/json's or time's own.
func ofJSON(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, new(*json.SyntaxError)) || errors.As(err, new(*json.UnmarshalTypeError)) ||
		errors.As(err, new(*time.ParseError)) || strings.HasPrefix(err.Error(), "json: ")
}

// memberOfError is the member an error of encoding/json is about.
func memberOfError(err error) string {
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) {
		return t.Field
	}
	if _, name, ok := strings.Cut(err.Error(), "unknown field "); ok {
		return strings.Trim(name, `"`)
	}
	return ""
}

// list is the shape of Graph's collections.
func list[T any](rows []T) map[string]any {
	if rows == nil {
		rows = []T{}
	}
	return map[string]any{"value": rows}
}

// change carries out an administrator's change and puts it in force.
func (a *api) change(r *http.Request, do func(*store.Tx) error) (session.Report, error) {
	r = overriding(r)
	spread, err := spreadOf(r)
	if err != nil {
		return session.Report{}, err
	}
	within, err := withinOf(r)
	if err != nil {
		return session.Report{}, err
	}
	w, err := a.watch(r)
	if err != nil {
		return session.Report{}, err
	}
	if within == 0 {
		err = a.Store.Change(r.Context(), actor(r), r.Header.Get("X-Reason"), w.over(do, false))
	} else {
		err = a.promise(r, within, w, do)
	}
	if err != nil {
		return session.Report{}, err
	}
	// The change is made: it is put in force even if the one who asked has gone.
	return a.Apply(context.WithoutCancel(r.Context()), spread)
}

// reasoned carries the administrator's reason to the audit.
func reasoned(r *http.Request) context.Context {
	return store.WithReason(r.Context(), r.Header.Get("X-Reason"))
}

// inForce puts in force what was changed, even if the one who asked has gone.
func (a *api) inForce(r *http.Request) error {
	_, err := a.Apply(context.WithoutCancel(r.Context()), 0)
	return err
}

// spreadOf reads how long closings may be spread over.
func spreadOf(r *http.Request) (time.Duration, error) {
	s := r.URL.Query().Get("spread")
	if s == "" {
		return 0, nil
	}
	d, err := span.Parse(s)
	if err != nil {
		return 0, bad("spread", "spread: %v", err)
	}
	if d > time.Hour {
		return 0, bad("spread", "spread is at most 1h, such as 5m, not %s", span.Words(d))
	}
	return d, nil
}
