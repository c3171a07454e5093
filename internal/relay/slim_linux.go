package relay

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// A tls.Conn that has once read a full record keeps a buffer of 18 KB for its
// whole life, three times what an idle pair costs otherwise; crypto/tls has no
// way to give it back. So the relay empties that one field itself, when it holds
// nothing. Should a later Go name or lay it out otherwise, nothing is touched and
// the pair stays fat: a test says so.

// recordBuffer is the offset of crypto/tls.Conn.rawInput.
var recordBuffer, recordBufferKnown = func() (uintptr, bool) {
	f, ok := reflect.TypeFor[tls.Conn]().FieldByName("rawInput")
	return f.Offset, ok && f.Type == reflect.TypeFor[bytes.Buffer]()
}()

// fatRecord is the payload from which a record leaves a buffer worth freeing.
const fatRecord = 2 << 10

// slim frees the record buffers of a pair that has gone quiet. Its last reads
// found nothing, so no tls.Conn refers to its buffer's bytes any more.
func (p *parked) slim() {
	p.fat.Store(false)
	for i := range p.ends {
		e := &p.ends[i]
		if e.tls == nil || !e.drained || !recordBufferKnown {
			continue
		}
		raw := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(e.tls), recordBuffer))
		if raw.Len() == 0 {
			*raw = bytes.Buffer{}
		}
	}
}

// relax implements mover.
func (p *parked) relax() { p.interrupt() }
