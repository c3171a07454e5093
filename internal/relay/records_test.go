package relay

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// records is the far end of a TLS 1.3 connection as its own record layer, so
// that a test decides where records begin and end and when keys change, which
// crypto/tls leaves to nobody (RFC 8446, sections 4.6.3, 5 and 7).
type records struct {
	tcp      *net.TCPConn
	in, out  traffic
	newAEAD  func([]byte) (cipher.AEAD, error)
	keySize  int
	tb       testing.TB
	payloads bytes.Buffer
}

// traffic is one direction's secret and sequence number.
type traffic struct {
	secret []byte
	seq    uint64
}

const (
	typeHandshake   = 22
	typeApplication = 23
	keyUpdateType   = 24 // handshake message, RFC 8446 section 4.6.3
)

// joinRecords carries a pair whose client is a record layer.
func (r *rig) joinRecords() (*joint, *records) {
	r.Helper()
	ours, theirs := connect(r)
	var keys bytes.Buffer
	config := tlsConfig().Clone()
	config.KeyLogWriter = &keys
	s := Side{Socket: NewSocket(ours)}
	s.TLS = tls.Server(s.Socket, tlsConfig())
	far := tls.Client(theirs, config)
	shake(r, s.TLS, far)
	theirs.SetDeadline(time.Now().Add(patience))
	rec := &records{tcp: theirs, tb: r, newAEAD: aesGCM, keySize: 16}
	if far.ConnectionState().CipherSuite == tls.TLS_CHACHA20_POLY1305_SHA256 {
		rec.newAEAD, rec.keySize = chacha20poly1305.New, chacha20poly1305.KeySize
	}
	for line := range strings.Lines(keys.String()) {
		f := strings.Fields(line)
		secret, err := hex.DecodeString(f[2])
		if err != nil {
			r.Fatal(err)
		}
		switch f[0] {
		case "CLIENT_TRAFFIC_SECRET_0":
			rec.out.secret = secret
		case "SERVER_TRAFFIC_SECRET_0":
			rec.in.secret = secret
		}
	}
	j := r.join(kind{}, func(p *Pair) { p.Client.Socket.Close(); p.Client = s })
	return j, rec
}

func aesGCM(key []byte) (cipher.AEAD, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}

// expand is HKDF-Expand-Label with an empty context.
func (r *records) expand(secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := string([]byte{byte(n >> 8), byte(n), byte(len(label))}) + label + "\x00"
	out, err := hkdf.Expand(sha256.New, secret, info, n)
	if err != nil {
		r.tb.Fatal(err)
	}
	return out
}

func (r *records) cipher(t *traffic) (cipher.AEAD, []byte) {
	aead, err := r.newAEAD(r.expand(t.secret, "key", r.keySize))
	if err != nil {
		r.tb.Fatal(err)
	}
	nonce := r.expand(t.secret, "iv", 12)
	for i := range 8 {
		nonce[11-i] ^= byte(t.seq >> (8 * i))
	}
	t.seq++
	return aead, nonce
}

func (r *records) next(t *traffic) {
	t.secret, t.seq = r.expand(t.secret, "traffic upd", sha256.Size), 0
}

// seal makes one record.
func (r *records) seal(typ byte, payload string) []byte {
	aead, nonce := r.cipher(&r.out)
	n := len(payload) + 1 + aead.Overhead()
	head := []byte{typeApplication, 3, 3, byte(n >> 8), byte(n)}
	return aead.Seal(head, nonce, append([]byte(payload), typ), head)
}

// keyUpdate makes a KeyUpdate record and changes the key behind it.
func (r *records) keyUpdate(answer bool) []byte {
	request := map[bool]string{false: "\x00", true: "\x01"}[answer]
	b := r.seal(typeHandshake, string([]byte{keyUpdateType, 0, 0, 1})+request)
	r.next(&r.out)
	return b
}

// read takes in one record and returns its type.
func (r *records) read() (byte, error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r.tcp, head); err != nil {
		return 0, err
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(r.tcp, body); err != nil {
		return 0, err
	}
	aead, nonce := r.cipher(&r.in)
	plain, err := aead.Open(nil, nonce, body, head)
	if err != nil {
		return 0, err
	}
	plain = bytes.TrimRight(plain, "\x00")
	typ := plain[len(plain)-1]
	switch plain = plain[:len(plain)-1]; typ {
	case typeApplication:
		r.payloads.Write(plain)
	case typeHandshake:
		if plain[0] == keyUpdateType {
			r.next(&r.in)
		}
	}
	return typ, nil
}

// hear reads until want has arrived, and counts key updates.
func (r *records) hear(want string) (updates int) {
	r.tb.Helper()
	for r.payloads.Len() < len(want) {
		typ, err := r.read()
		if err != nil {
			r.tb.Fatalf("after %d bytes: %v", r.payloads.Len(), err)
		}
		if typ == typeHandshake {
			updates++
		}
	}
	if got := string(r.payloads.Next(len(want))); got != want {
		r.tb.Fatalf("heard %.80q, want %.80q", got, want)
	}
	return updates
}

func (r *records) send(b ...[]byte) {
	r.tb.Helper()
	if _, err := r.tcp.Write(bytes.Join(b, nil)); err != nil {
		r.tb.Fatal(err)
	}
}

// everyForm runs a test that fixes its own mixture of TLS over both forms.
func everyForm(t *testing.T, test func(*testing.T, *rig)) {
	for name, o := range forms {
		t.Run(name, func(t *testing.T) { test(t, newRig(t, o)) })
	}
}

func TestKeyUpdate(t *testing.T) {
	everyForm(t, func(t *testing.T, r *rig) {
		j, c := r.joinRecords()
		c.send(c.seal(typeApplication, "before "), c.keyUpdate(false), c.seal(typeApplication, "after"))
		hear(t, j.backend, "before after")
		for range 5 {
			c.send(c.keyUpdate(true), c.seal(typeApplication, "ask"))
			hear(t, j.backend, "ask")
			say(t, j.backend, "answer")
			if n := c.hear("answer"); n != 1 {
				t.Fatalf("%d key updates came back, want 1", n)
			}
		}
	})
}

func TestKeyUpdateOfAClientThatDoesNotRead(t *testing.T) {
	everyForm(t, func(t *testing.T, r *rig) {
		j, c := r.joinRecords()
		const total = 6 << 20
		long := string(pattern(total, 0))
		go io.WriteString(j.backend, long)
		time.Sleep(50 * time.Millisecond) // the way to the client fills up
		for range 3 {
			c.send(c.keyUpdate(true), c.seal(typeApplication, "x"))
		}
		n := c.hear(long)
		hear(t, j.backend, "xxx")
		say(t, j.backend, "end")
		if n += c.hear("end"); n != 3 {
			t.Errorf("%d key updates came back, want 3", n)
		}
	})
}

func TestPartialRecords(t *testing.T) {
	everyForm(t, func(t *testing.T, r *rig) {
		j, c := r.joinRecords()
		for i, b := range c.seal(typeApplication, "one byte at a time") {
			c.send([]byte{b})
			if i%7 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		hear(t, j.backend, "one byte at a time")
		two := c.seal(typeApplication, "whole ")
		half := c.seal(typeApplication, strings.Repeat("half", 4000))
		c.send(two, half[:9000])
		hear(t, j.backend, "whole ")
		say(t, j.backend, "meanwhile")
		c.hear("meanwhile")
		c.send(half[9000:])
		hear(t, j.backend, strings.Repeat("half", 4000))
	})
}

func TestBrokenRecordEndsThePair(t *testing.T) {
	everyForm(t, func(t *testing.T, r *rig) {
		j, c := r.joinRecords()
		good, bad := c.seal(typeApplication, "good"), c.seal(typeApplication, "tampered with")
		bad[8] ^= 1
		c.send(good, bad)
		hear(t, j.backend, "good")
		hearEnd(t, j.backend)
		j.backend.Close()
		if res := j.result(t); res.Reason != ClientDead || res.Err == nil {
			t.Errorf("ended as %+v", res)
		}
	})
}

func TestTruncatedTLSIsAnEnd(t *testing.T) {
	everyForm(t, func(t *testing.T, r *rig) {
		j, c := r.joinRecords()
		c.send(c.seal(typeApplication, "no close_notify follows"))
		c.tcp.CloseWrite()
		hear(t, j.backend, "no close_notify follows")
		hearEnd(t, j.backend)
		j.backend.Close()
		if res := j.result(t); res.Reason != ClientClosed {
			t.Errorf("ended as %+v", res)
		}
	})
}

const typeAlert = 21

func TestGoodbyeOfTLSIsSaid(t *testing.T) {
	o := forms["parked"] // the portable form leaves it out when told to end
	r := newRig(t, o)
	for name, end := range map[string]func(*joint){
		"backend closed": func(j *joint) { j.backend.Close() },
		"ended":          func(j *joint) { j.handle.End("") },
	} {
		j, c := r.joinRecords()
		say(t, j.backend, "* OK\r\n")
		c.hear("* OK\r\n")
		end(j)
		if typ, err := c.read(); err != nil || typ != typeAlert {
			t.Errorf("%s: a record of type %d, %v; want close_notify", name, typ, err)
		}
		c.tcp.Close()
		j.result(t)
	}
}

// joined passes on the first write (a ClientHello) and keeps the others until
// let go, so that a client's last handshake message and its first line travel
// together.
type joined struct {
	net.Conn
	writes int
	kept   []byte
}

func (c *joined) Write(p []byte) (int, error) {
	if c.writes++; c.writes == 1 {
		return c.Conn.Write(p)
	}
	c.kept = append(c.kept, p...)
	return len(p), nil
}

func (c *joined) letGo() error {
	_, err := c.Conn.Write(c.kept)
	return err
}

func TestFirstLineBehindTheHandshakeIsNotLost(t *testing.T) {
	everyForm(t, func(t *testing.T, r *rig) {
		for range 100 {
			ours, theirs := connect(t)
			s := Side{Socket: NewSocket(ours)}
			s.TLS = tls.Server(s.Socket, tlsConfig())
			theirs.SetDeadline(time.Now().Add(patience))
			wrote := make(chan error, 1)
			go func() {
				c := &joined{Conn: theirs}
				far := tls.Client(c, tlsConfig())
				if err := far.Handshake(); err != nil {
					wrote <- err
					return
				}
				io.WriteString(far, "a1 SELECT INBOX\r\n")
				wrote <- c.letGo()
			}()
			if err := s.TLS.Handshake(); err != nil {
				t.Fatal(err)
			}
			if err := <-wrote; err != nil {
				t.Fatal(err)
			}
			j := r.join(kind{}, func(p *Pair) { p.Client.Socket.Close(); p.Client = s })
			hear(t, j.backend, "a1 SELECT INBOX\r\n")
			j.handle.End("")
			j.result(t)
		}
	})
}
