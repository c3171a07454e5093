package backend

import "github.com/portreeve/portreeve/internal/wire/proxyproto"

// proxyHeader tells the backend, before anything else, where the client comes
// from. Without a client (probes) it says that the connection is our own.
func (t *talk) proxyHeader(version int, q *Request) error {
	switch version {
	case 0:
		return nil
	case 1:
		return t.sendBytes(proxyproto.AppendV1(nil, q.Client, q.Local))
	}
	return t.sendBytes(proxyproto.AppendV2(nil, q.Client, q.Local))
}
