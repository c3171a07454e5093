//go:build !linux

package admin

import "errors"

// peerOf says nothing of who is at the other end: elsewhere than on Linux the
// socket administers nothing, and the binary is for what needs no server of its
// own, such as `portreeve token`.
func peerOf(int) (uid uint32, err error) {
	return 0, errors.New("who is at the other end of a socket is asked on Linux only")
}
