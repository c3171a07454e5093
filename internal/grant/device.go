package grant

import (
	"context"
	"net/netip"
	"time"

	"github.com/portreeve/portreeve/internal/scope"
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

func (s *Service) StartDevice(ctx context.Context, q DeviceRequest) (Device, error) {
	return Device{}, errSoon
}
func (s *Service) Device(userCode string) (DeviceRequest, bool) { return DeviceRequest{}, false }
func (s *Service) ApproveDevice(ctx context.Context, userCode string, g Grant) error {
	return errSoon
}
func (s *Service) DenyDevice(userCode string) error { return errSoon }
func (s *Service) PollDevice(ctx context.Context, deviceCode, clientID string, from netip.Addr) (Grant, error) {
	return Grant{}, errSoon
}
