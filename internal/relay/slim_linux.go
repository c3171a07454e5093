package relay

import (
	"bytes"
	"context"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// A tls.Conn keeps for its whole life what it only needs now and then: the buffer
// of its last record (1 to 18 KB), that of the handshake, and small things of the
// handshake, which hold on to the pages they lie in among its litter. Together
// they are more than all else of an idle pair, and crypto/tls has no way to give
// them back. So the relay empties these few fields itself. Should a later Go name
// one or lay it out otherwise, it is not touched and the pair stays fat: a test
// says so.
var (
	recordBuffer    = fieldOf[bytes.Buffer]("rawInput")
	handshakeBuffer = fieldOf[bytes.Buffer]("hand")
	handshakeFn     = fieldOf[func(context.Context) error]("handshakeFn")
	exporter        = fieldOf[func(string, []byte, int) ([]byte, error)]("ekm")
	resumption      = fieldOf[[]byte]("resumptionSecret")
	serverName      = fieldOf[string]("serverName")
)

// field is where a tls.Conn has something; below 0 is nowhere.
type field[T any] struct{ offset int }

func fieldOf[T any](name string) field[T] {
	f, ok := reflect.TypeFor[tls.Conn]().FieldByName(name)
	if !ok || f.Type != reflect.TypeFor[T]() {
		return field[T]{-1}
	}
	return field[T]{int(f.Offset)}
}

func (f field[T]) in(t *tls.Conn) *T {
	if f.offset < 0 {
		return new(T)
	}
	return (*T)(unsafe.Add(unsafe.Pointer(t), f.offset))
}

// forget lets go of a server's handshake. Nothing of it is asked for again: there
// is no renegotiation, and no key is exported.
func forget(t *tls.Conn) {
	if hand := handshakeBuffer.in(t); hand.Len() == 0 {
		*hand = bytes.Buffer{}
	}
	*handshakeFn.in(t), *exporter.in(t), *resumption.in(t), *serverName.in(t) = nil, nil, nil, ""
}

// lend gives a tls.Conn that holds no record a buffer to read the next one into.
func (m *mill) lend(t *tls.Conn) {
	if raw := recordBuffer.in(t); m.record != nil && raw.Cap() == 0 {
		*raw = *bytes.NewBuffer(m.record)
		m.record = nil
	}
}

// regain takes the buffer back from one that has read all there was, so that
// nothing in it is referred to any more.
func (m *mill) regain(t *tls.Conn) {
	raw := recordBuffer.in(t)
	if raw.Len() > 0 {
		return // the beginning of a record
	}
	raw.Reset()
	if raw.Cap() > cap(m.record) {
		m.record = raw.Bytes()
	}
	*raw = bytes.Buffer{}
}
