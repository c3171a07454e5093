//go:build !unix

package relay

// tryRead waits where waiting without a buffer is not to be had.
func (s *Socket) tryRead(p []byte) (int, error) { return s.tcp.Read(p) }

func (s *Socket) await() error { return nil }
