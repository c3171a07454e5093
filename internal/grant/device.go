package grant

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/portreeve/portreeve/internal/network"
	"github.com/portreeve/portreeve/internal/policy"
	"github.com/portreeve/portreeve/internal/scope"
	"github.com/portreeve/portreeve/internal/signin"
	"github.com/portreeve/portreeve/internal/store"
)

const (
	deviceMark     = "prd_"
	deviceLife     = 10 * time.Minute
	deviceInterval = 5 * time.Second // RFC 8628 section 3.2; slow_down adds as much (3.5)
	deviceSlowest  = time.Minute
	devicePatience = time.Second // by which a program's clock may run ahead of its pace

	// Nobody who asks is refused, since whoever fills the room would silence
	// everybody behind the same address: the oldest makes room instead. What the
	// public listener hears from one address in the ten minutes of a request (300 at
	// once and 2.5 a second, 1800) fits beside itself, so that a neighbour's request
	// lives as long as it should.
	devicesAlike  = 2048 // of one program at one address (a /64 of IPv6)
	devicesMost   = 8192 // in all, about 2 kB each
	agentMost     = 256  // bytes of what a program says of itself
	resourcesMost = 2048 // bytes of what it names

	// userLetters are what user codes are made of: consonants, so that they
	// spell nothing (RFC 8628, section 6.1). Eight of them are 34 bits: with all of
	// the room taken one try in three million finds a code, and /device bounds tries.
	userLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userLength  = 8
)

// DeviceRequest is what a program without a browser asks for (RFC 8628).
type DeviceRequest struct {
	Client     string // id
	ClientName string
	Scope      scope.Set
	Resource   []string
	From       netip.Addr
	Agent      string // what the program says of itself
	At         time.Time
}

// Device is what the program is told.
type Device struct {
	DeviceCode, UserCode string
	Expires, Interval    time.Duration
}

// Format prints neither code.
func (d Device) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "a device's codes for %s", d.Expires)
}

// devices are the requests that wait for somebody to approve them. Nobody has
// been let in by one, so that they are in memory only.
type devices struct {
	mu     sync.Mutex
	byUser map[string]*waiting
	byCode map[string]*waiting // by the code's hash
	order  []*waiting          // the oldest first
}

type waiting struct {
	DeviceRequest
	user, hash string
	in, host   netip.Prefix
	until      time.Time
	state      waitingState
	next       time.Time // before it the program should not ask again
	interval   time.Duration
}

type waitingState uint8

const (
	undecided waitingState = iota
	approving
	approved
	denied
)

// StartDevice keeps a program's request until somebody types its user code.
func (s *Service) StartDevice(_ context.Context, q DeviceRequest) (Device, error) {
	if q.Client == "" || !q.From.IsValid() {
		return Device{}, errors.New("a device's request needs a client and an address")
	}
	if size := len(strings.Join(q.Resource, " ")) + len(q.Client) + len(q.ClientName); size > resourcesMost {
		return Device{}, fmt.Errorf("a device's request of %d bytes", size)
	}
	q.Agent = strings.ToValidUTF8(q.Agent[:min(len(q.Agent), agentMost)], "")
	now := time.Now()
	code, hash := newSecret(deviceMark)
	if q.At.IsZero() {
		q.At = now.UTC()
	}
	w := &waiting{DeviceRequest: q, hash: string(hash), in: network.Of(q.From), host: network.Host(q.From), until: now.Add(deviceLife), interval: deviceInterval}
	s.devices.add(w, now)
	return Device{DeviceCode: code, UserCode: w.user[:userLength/2] + "-" + w.user[userLength/2:], Expires: deviceLife, Interval: deviceInterval}, nil
}

func (d *devices) add(w *waiting, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clear(now)
	if d.byUser == nil {
		d.byUser, d.byCode = map[string]*waiting{}, map[string]*waiting{}
	}
	d.makeRoom(w)
	for w.user == "" || d.byUser[w.user] != nil {
		w.user = newUserCode()
	}
	d.byUser[w.user], d.byCode[w.hash] = w, w
	d.order = append(d.order, w)
}

// makeRoom lets the oldest fall out where there is none for another: of the same
// program at the same address, or in the network that has most. The program is told
// that its code has run out, and asks for another; of what was approved only the
// pace falls out, since its code is in the store.
func (d *devices) makeRoom(w *waiting) {
	alike := func(o *waiting) bool { return o.host == w.host && o.Client == w.Client }
	n := 0
	for _, o := range d.order {
		if alike(o) {
			n++
		}
	}
	if n >= devicesAlike {
		d.drop(alike)
	}
	if len(d.order) < devicesMost {
		return
	}
	in, most := map[netip.Prefix]int{}, 0
	for _, o := range d.order {
		in[o.in]++
		most = max(most, in[o.in])
	}
	d.drop(func(o *waiting) bool { return in[o.in] == most })
}

// drop removes the oldest of some.
func (d *devices) drop(which func(*waiting) bool) {
	if i := slices.IndexFunc(d.order, which); i >= 0 {
		d.remove(d.order[i])
	}
}

func newUserCode() string {
	var b [userLength]byte
	for i := range b {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(userLetters))))
		if err != nil {
			panic(err) // crypto/rand ends the program rather than return an error
		}
		b[i] = userLetters[n.Int64()]
	}
	return string(b[:])
}

// plainUserCode is a user code as it is kept, from what somebody typed.
func plainUserCode(typed string) string {
	if len(typed) > 4*userLength {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToUpper(typed))
}

// forget drops what has run out.
func (d *devices) forget(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clear(now)
}

func (d *devices) clear(now time.Time) {
	for len(d.order) > 0 && !now.Before(d.order[0].until) {
		d.remove(d.order[0])
	}
}

func (d *devices) remove(w *waiting) {
	delete(d.byUser, w.user)
	delete(d.byCode, w.hash)
	if i := slices.Index(d.order, w); i >= 0 {
		d.order = slices.Delete(d.order, i, i+1)
	}
}

// typed finds an undecided request by its user code; the caller holds the lock.
func (d *devices) typed(userCode string, now time.Time) *waiting {
	w := d.byUser[plainUserCode(userCode)]
	if w == nil || w.state != undecided || !now.Before(w.until) {
		return nil
	}
	return w
}

// Device finds the request that somebody typed the user code of.
func (s *Service) Device(userCode string) (DeviceRequest, bool) {
	s.devices.mu.Lock()
	defer s.devices.mu.Unlock()
	if w := s.devices.typed(userCode, time.Now()); w != nil {
		return w.DeviceRequest, true
	}
	return DeviceRequest{}, false
}

// ApproveDevice lets a program have a grant, once it asks again. The grant is
// bound to g.Network: that of the request's address, unless a policy widens it.
func (s *Service) ApproveDevice(ctx context.Context, userCode string, g Grant) error {
	w, err := s.devices.approve(userCode)
	if err != nil {
		return err
	}
	if g.Scope.Empty() {
		g.Scope = w.Scope
	}
	g.Client, g.Kind, g.Resource = w.Client, KindDevice, w.Resource
	g.Flow |= policy.DeviceCodeFlow
	if err = errScope; g.Scope.Within(w.Scope) && g.Person != "" {
		s.begin(&g, time.Now())
		err = s.await(ctx, &g, &store.GrantCode{Hash: []byte(w.hash), Grant: g.ID, Client: w.Client, Until: w.until})
	}
	s.devices.mu.Lock()
	defer s.devices.mu.Unlock()
	if err != nil {
		w.state = undecided
		return fmt.Errorf("approving a device: %w", err)
	}
	w.state = approved
	return nil
}

var errScope = errors.New("it needs a person, and no more than was asked for")

// approve takes a request for whoever approves it first.
func (d *devices) approve(userCode string) (*waiting, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.typed(userCode, time.Now())
	if w == nil {
		return nil, fmt.Errorf("the user code is %w", ErrUnknown)
	}
	w.state = approving
	return w, nil
}

// DenyDevice refuses a program's request.
func (s *Service) DenyDevice(userCode string) error {
	s.devices.mu.Lock()
	defer s.devices.mu.Unlock()
	w := s.devices.typed(userCode, time.Now())
	if w == nil {
		return fmt.Errorf("the user code is %w", ErrUnknown)
	}
	w.state = denied
	return nil
}

// PollDevice redeems a device code, once it was approved. judge is Redeem's.
func (s *Service) PollDevice(ctx context.Context, deviceCode, clientID string, from netip.Addr, judge func(Grant) error) (Grant, error) {
	if len(deviceCode) > codeMost {
		return Grant{}, &Refusal{OAuth: InvalidGrant, Code: signin.TokenInvalid, Detail: "no device code of ours"}
	}
	if err := s.devices.poll(string(hashOf(deviceCode)), clientID, time.Now()); err != nil {
		return Grant{}, err
	}
	code := signin.TokenInvalid
	r, err := s.redeem(ctx, deviceCode, judge, func(c *store.GrantCode, g *Grant) string {
		switch {
		case g.Kind != KindDevice: // which would need no verifier here
			return "the code was not given to a device"
		case c.Client != clientID:
			return "the device code was given to another client"
		case !g.allows(from):
			code = signin.FlowNotAllowed
			return fmt.Sprintf("the program asked from %s and not from %s", network.Of(from), g.Network)
		}
		return ""
	})
	switch {
	case err != nil:
		return Grant{}, err
	case r.replayed:
		return Grant{}, r.grant.refuse(signin.TokenInvalid, "the device code has been used before")
	case r.unknown: // not approved before a restart
		return Grant{}, &Refusal{OAuth: ExpiredToken, Code: signin.TokenExpired, Detail: "the device code has run out"}
	case code == signin.FlowNotAllowed:
		return Grant{}, &Refusal{OAuth: AccessDenied, Code: code, Detail: r.why, Grant: r.grant.ID, Person: r.grant.Person}
	}
	return r.grant, r.refusal()
}

// waits says that a device code was given to a program and has not run out.
func (d *devices) waits(hash string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.byCode[hash]
	return w != nil && now.Before(w.until)
}

// poll says what a program is told whose request waits; nil lets it redeem.
func (d *devices) poll(hash, clientID string, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.byCode[hash]
	if w == nil {
		return nil // approved before a restart, or unknown
	}
	if w.Client != clientID {
		return &Refusal{OAuth: InvalidGrant, Code: signin.TokenOfAnother, Detail: "the device code was given to another client"}
	}
	switch {
	case !now.Before(w.until):
		d.remove(w)
		return &Refusal{OAuth: ExpiredToken, Code: signin.TokenExpired, Detail: "the device code has run out"}
	case w.state == denied:
		d.remove(w)
		return &Refusal{OAuth: AccessDenied, Code: signin.BlockedByPolicy, Detail: "the request was denied"}
	case w.state == approved:
		d.remove(w)
		return nil
	case now.Before(w.next):
		w.interval = min(w.interval+deviceInterval, deviceSlowest)
		w.next = now.Add(w.interval - devicePatience)
		return &Refusal{OAuth: SlowDown, Code: signin.FactorNeeded, Detail: "the program asks too often"}
	}
	w.next = now.Add(w.interval - devicePatience)
	return &Refusal{OAuth: AuthorizationPending, Code: signin.FactorNeeded, Detail: "nobody has approved it yet"}
}
