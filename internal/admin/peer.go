package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/portreeve/portreeve/internal/store"
)

// peerKey finds the peer of a connection in a request's context.
type peerKey struct{}

// actor is who asks.
func actor(r *http.Request) store.Actor {
	if a, ok := r.Context().Value(peerKey{}).(store.Actor); ok {
		return a
	}
	return store.Actor{UID: -1, Name: "unknown"}
}

// Listen opens the socket: 0660, and of the group given if there is one. A
// socket left behind by a server that is gone is replaced; a living one is not.
func Listen(path, group string) (net.Listener, error) {
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = c.Close()
		return nil, fmt.Errorf("another server is running behind %s", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replacing the socket: %w", err)
	}
	// /run is empty after each start of the machine.
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("making the socket's folder: %w", err)
	}
	l, err := bind(path)
	if err != nil {
		return nil, fmt.Errorf("opening the socket: %w", err)
	}
	if err := restrict(path, group); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// bind makes the socket ours alone at first: whoever connects before it is
// restricted stays connected, and the mask may leave it to everybody. The mask
// is the whole process's; nothing else is made while the doors are opened.
func bind(path string) (net.Listener, error) {
	defer unix.Umask(unix.Umask(0o177))
	return net.Listen("unix", path)
}

func restrict(path, group string) error {
	if err := os.Chmod(path, 0o660); err != nil {
		return fmt.Errorf("restricting the socket: %w", err)
	}
	if group == "" {
		return nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return nil // without the group the socket stays root's, which is the safe side
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return fmt.Errorf("reading the id of group %s: %w", group, err)
	}
	if err := os.Chown(path, -1, gid); err != nil && !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("giving the socket to group %s: %w", group, err)
	}
	return nil
}

// Serve answers on the socket until ctx ends.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ConnContext: withPeer}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// withPeer asks the kernel who is at the other end.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	rc, err := uc.SyscallConn()
	if err != nil {
		return ctx
	}
	var uid uint32
	if cerr := rc.Control(func(fd uintptr) { uid, err = peerOf(int(fd)) }); cerr != nil || err != nil {
		return ctx
	}
	a := store.Actor{UID: int64(uid), Name: strconv.Itoa(int(uid))}
	if u, err := user.LookupId(a.Name); err == nil {
		a.Name = u.Username
	}
	return context.WithValue(ctx, peerKey{}, a)
}
