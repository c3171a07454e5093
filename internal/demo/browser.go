package demo

import (
	"context"
	"fmt"
	"html"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"
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

// fill sends a form of the page, with whatever the page has put in unseen.
func (b *browser) fill(ctx context.Context, path string, fields url.Values) error {
	all := b.unseen(path)
	maps.Copy(all, fields)
	return b.ask(ctx, http.MethodPost, path, all)
}

func (b *browser) ask(ctx context.Context, method, path string, fields url.Values) error {
	if strings.HasPrefix(path, "/") {
		path = b.base + path
	}
	req, err := http.NewRequestWithContext(ctx, method, path, strings.NewReader(fields.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
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
	if on := leadsOn.FindStringSubmatch(b.page); on != nil && method == http.MethodPost {
		return b.ask(ctx, http.MethodGet, html.UnescapeString(on[1]), nil)
	}
	return nil
}

var (
	unseenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
	leadsOn     = regexp.MustCompile(`<meta http-equiv="refresh" content="0;url=([^"]*)"`)
	mainHeading = regexp.MustCompile(`<h1[^>]*>([^<]*)</h1>`)
)

// unseen are the hidden fields of the page's first form of that address.
func (b *browser) unseen(action string) url.Values {
	all := url.Values{}
	_, form, _ := strings.Cut(b.page, `action="`+action+`"`)
	form, _, _ = strings.Cut(form, "</form>")
	for _, m := range unseenField.FindAllStringSubmatch(form, -1) {
		all.Add(m[1], html.UnescapeString(m[2]))
	}
	return all
}

// asks says whether the page has a form of that address.
func (b *browser) asks(action string) bool { return strings.Contains(b.page, `action="`+action+`"`) }

// heading is the page's.
func (b *browser) heading() string {
	if m := mainHeading.FindStringSubmatch(b.page); m != nil {
		return html.UnescapeString(m[1])
	}
	return ""
}

var totpSecret = regexp.MustCompile(`class="secret">([A-Z2-7 ]+)<`)

// enrol signs in with a temporary access pass and sets up an app for codes.
func (b *browser) enrol(ctx context.Context, who, pass string) (*codeApp, error) {
	if err := b.get(ctx, "/signin/pass"); err != nil {
		return nil, err
	}
	if err := b.fill(ctx, "/signin/pass", url.Values{"address": {address(who)}, "pass": {pass}, "next": {"/security"}}); err != nil {
		return nil, err
	}
	if err := b.fill(ctx, "/security/app", nil); err != nil {
		return nil, err
	}
	secret := totpSecret.FindStringSubmatch(b.page)
	if secret == nil {
		return nil, fmt.Errorf("the page shows no secret to set up")
	}
	app := newCodeApp(who, strings.ReplaceAll(secret[1], " ", ""))
	code, err := app.code(time.Now())
	if err != nil {
		return nil, err
	}
	return app, b.fill(ctx, "/security/app/confirm", url.Values{"name": {"phone"}, "code": {code}})
}
