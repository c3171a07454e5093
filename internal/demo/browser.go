package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"
)

// browser is somebody in front of the portal: it keeps cookies, follows
// redirects and fills in forms, and nothing else.
type browser struct {
	http *http.Client
	base string
	page string // the last one
}

// maxPage bounds a page that is read, in bytes.
const maxPage = 1 << 20

// browse opens a browser at a loopback address.
func (w *world) browse(from netip.Addr) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	d := &net.Dialer{Timeout: dialTime, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	return &browser{http: &http.Client{Jar: jar, Timeout: askTime, Transport: &http.Transport{DialContext: d.DialContext}}, base: "http://" + w.public.String()}, nil
}

func (b *browser) close() { b.http.CloseIdleConnections() }

// get opens a page.
func (b *browser) get(ctx context.Context, path string) error {
	return b.ask(ctx, http.MethodGet, path, nil)
}

// fill sends a form of the page, with the token that the page carries.
func (b *browser) fill(ctx context.Context, path string, fields url.Values) error {
	if fields == nil {
		fields = url.Values{}
	}
	fields.Set("token", b.field("token"))
	return b.ask(ctx, http.MethodPost, path, fields)
}

func (b *browser) ask(ctx context.Context, method, path string, fields url.Values) error {
	req, err := http.NewRequestWithContext(ctx, method, b.base+path, strings.NewReader(fields.Encode()))
	if err != nil {
		return err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", b.base)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		return err
	}
	if b.page = string(raw); resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return nil
}

// field is the value of the first input of that name on the page.
func (b *browser) field(name string) string {
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(b.page)
	if m == nil {
		return ""
	}
	return m[1]
}

var totpSecret = regexp.MustCompile(`class="secret">([A-Z2-7 ]+)<`)

// enrol signs in with a temporary access pass and sets up an app for codes.
func (b *browser) enrol(ctx context.Context, who, pass string) error {
	if err := b.get(ctx, "/signin/pass"); err != nil {
		return err
	}
	if err := b.fill(ctx, "/signin/pass", url.Values{"address": {address(who)}, "pass": {pass}, "next": {"/security"}}); err != nil {
		return err
	}
	if err := b.fill(ctx, "/security/app", nil); err != nil {
		return err
	}
	secret := totpSecret.FindStringSubmatch(b.page)
	if secret == nil {
		return fmt.Errorf("the page shows no secret to set up")
	}
	code, err := totp.GenerateCode(strings.ReplaceAll(secret[1], " ", ""), time.Now())
	if err != nil {
		return err
	}
	return b.fill(ctx, "/security/app/confirm", url.Values{"setup": {b.field("setup")}, "name": {"phone"}, "code": {code}})
}
