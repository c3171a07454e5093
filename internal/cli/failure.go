package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Exit codes of every command.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPending     = 3
	exitTestFailed  = 4
	exitForbidden   = 5
	exitNotFound    = 6
	exitConflict    = 7
	exitUnreachable = 8
)

// failure is an error with the next step and its exit code.
type failure struct {
	exit int
	what string
	next string
}

func (f *failure) Error() string { return f.what }

// ended ends a command with a code of its own, without an error to tell.
type ended struct{ exit int }

func (s *ended) Error() string { return "" }

func usage(format string, args ...any) error {
	return &failure{exit: exitUsage, what: fmt.Sprintf(format, args...)}
}

// report prints an error as people read it and returns the exit code.
func report(w io.Writer, err error) int {
	var f *failure
	var api *apiError
	var quiet *ended
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &quiet):
		return quiet.exit
	case errors.As(err, &f):
		fmt.Fprintf(w, "error: %s\n", strings.TrimRight(safeLines(f.what), "\n"))
		if f.next != "" {
			fmt.Fprintf(w, "  next: %s\n", f.next)
		}
		return f.exit
	case errors.As(err, &api):
		fmt.Fprintf(w, "error: %s\n", safeLines(api.Error()))
		if next := api.Error_.Next; next != "" {
			fmt.Fprintf(w, "  next: %s\n", printable(next))
		}
		return exitOf(api.Status)
	case errors.Is(err, context.Canceled):
		return exitOK
	}
	fmt.Fprintf(w, "error: %s\n", safeLines(err.Error()))
	return exitFailed
}

// safeLines is printable for texts of several lines.
func safeLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

func exitOf(status int) int {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		return exitUsage
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitForbidden
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return exitConflict
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return exitUnreachable
	}
	return exitFailed
}
