package admin

import "golang.org/x/sys/unix"

// peerOf is the user at the other end of a local socket, as the kernel says.
func peerOf(fd int) (uid uint32, err error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, err
	}
	return cred.Uid, nil
}
