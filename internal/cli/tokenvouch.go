package cli

import (
	"context"
	"net/http"
	"os"
	"time"
)

const (
	// vouchedFor is how long a kept access token is handed out unasked: a program
	// that opens several connections at once asks the server for the first.
	vouchedFor = 30 * time.Second
	// vouchTime is for the question and its answer: a program waits for them.
	vouchTime = 2 * time.Second
)

// over asks the server whether what a kept access token hangs on has ended. A
// door refuses it then, and a program that is handed it again and again until it
// runs out learns nothing of why. Whatever keeps the server from answering is no
// word about the token: the program will see for itself.
func (t *tokenCall) over(ctx context.Context, k *kept) bool {
	if k.Refused != nil {
		return true // the server said so when it was asked for the next one
	}
	now := time.Now()
	if t.store.vouched(now) {
		return false
	}
	t.store.vouch(now) // before the answer, so that programs at once do not all ask
	ctx, cancel := context.WithTimeout(ctx, vouchTime)
	defer cancel()
	issuer, err := k.issuer(ctx)
	return err == nil && issuer.disowns(ctx, k.Tokens.Access)
}

// vouched says that the server has given or confirmed the access token just now.
func (s *tokenStore) vouched(now time.Time) bool {
	i, err := os.Stat(s.file())
	return err == nil && now.Sub(i.ModTime()).Abs() < vouchedFor
}

// vouch notes that the server is asked; if that fails it is asked once more.
func (s *tokenStore) vouch(now time.Time) { _ = os.Chtimes(s.file(), now, now) }

// disowns says that the server takes an access token for nobody's any more. One
// that lives is not told whose it is, for want of a scope: that is answer enough.
func (i *tokenIssuer) disowns(ctx context.Context, access heldToken) bool {
	if i.Userinfo == "" {
		return false
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, i.Userinfo, nil)
	if err != nil {
		return false
	}
	q.Header.Set("Authorization", "Bearer "+string(access))
	r, err := i.http.Do(q)
	if err != nil {
		return false
	}
	defer r.Body.Close()
	return r.StatusCode == http.StatusUnauthorized // RFC 6750, section 3.1
}
