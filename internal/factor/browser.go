package factor

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/portreeve/portreeve/internal/store"
)

const (
	maxBrowsers = 10 // remembered per person; the oldest gives way
	cookieSize  = 32 // random bytes
	// maxRemember is the longest that a browser is remembered, as in Entra.
	maxRemember = 365 * 24 * time.Hour
)

// Remember makes the value of a cookie by which a browser that has shown a
// second factor is known until a time, at most a year ahead.
func (s *Service) Remember(ctx context.Context, person string, until time.Time) (cookie string, err error) {
	b := make([]byte, cookieSize)
	_, _ = rand.Read(b)
	cookie, now := base64.RawURLEncoding.EncodeToString(b), time.Now()
	if most := now.Add(maxRemember); until.After(most) {
		until = most
	}
	if err := s.Store.Write(ctx, func(tx *store.Tx) error {
		return tx.AddBrowser(person, s.print("browser", person, []byte(cookie)), now, until, maxBrowsers)
	}); err != nil {
		return "", fmt.Errorf("remembering a browser: %w", err)
	}
	return cookie, nil
}

// Remembered says that a browser with this cookie has shown a second factor of
// this person's before. Where that cannot be found out, it has not.
func (s *Service) Remembered(ctx context.Context, person, cookie string) bool {
	if len(cookie) != base64.RawURLEncoding.EncodedLen(cookieSize) {
		return false
	}
	known, err := s.Store.Browser(ctx, person, s.print("browser", person, []byte(cookie)), time.Now())
	return err == nil && known
}

// ForgetBrowsers has every browser of a person asked again.
func (s *Service) ForgetBrowsers(ctx context.Context, person string) error {
	return s.Store.Write(ctx, func(tx *store.Tx) error { return tx.DeleteBrowsers(person) })
}
