package test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

const (
	browserTime = 10 * time.Minute                                                  // of one Chromium, all told
	pageTime    = 60 * time.Second                                                  // for one page to be there
	axePath     = "/opt/portreeve-test/axe-4.14.1/node_modules/axe-core/axe.min.js" // of packages.sh
)

// chromium is one person's browser: a real one, with an authenticator of its own.
type chromium struct {
	testing.TB
	ctx    context.Context
	origin string
	axe    string
	keys   webauthn.AuthenticatorID

	mu     sync.Mutex
	faults []string // what the page's console complained of
}

// browser starts Chromium for the door's portal.
func (d *door) browser(t testing.TB) *chromium {
	t.Helper()
	return d.browserAt(t, "https://localhost:"+portOf(d.Public))
}

// browserAt starts Chromium for the door's portal as the world knows it. It
// trusts the door's key and no other, and its profile is its own.
func (d *door) browserAt(t testing.TB, origin string) *chromium {
	t.Helper()
	at, err := url.Parse(origin)
	check(t, err)
	options := append(chromedp.DefaultExecAllocatorOptions[:0:0],
		chromedp.ExecPath("chromium"), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("headless", "new"), chromedp.Flag("no-sandbox", true), chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-extensions", true), chromedp.Flag("disable-sync", true), chromedp.Flag("lang", "en"),
		chromedp.Flag("accept-lang", "en"), chromedp.Flag("ignore-certificate-errors-spki-list", d.keyPin(t)),
		chromedp.Flag("host-resolver-rules", fmt.Sprintf("MAP %s:443 %s", at.Hostname(), d.Public)))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)
	axe, err := os.ReadFile(axePath)
	check(t, err)
	b := &chromium{TB: t, origin: origin, axe: string(axe)}
	check(t, chromedp.Listen(ctx, b.hear))
	var cancel context.CancelFunc
	b.ctx, cancel = context.WithTimeout(ctx, browserTime)
	t.Cleanup(cancel)
	send(b, runtime.Enable, cdp.Empty{})
	send(b, page.Enable, page.EnableParams{})
	send(b, log.Enable, cdp.Empty{})
	send(b, webauthn.Enable, webauthn.EnableParams{})
	b.keys = send(b, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true}}).AuthenticatorID
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, f := range b.faults {
			t.Errorf("the browser complains: %s", f)
		}
	})
	return b
}

// send gives the browser a command of its protocol.
func send[P, R any](b *chromium, command cdp.Command[P, R], params P) R {
	b.Helper()
	answer, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.Fatalf("%s: %v", command.Method, err)
	}
	return answer
}

// hear notes what the page's console complains of: a script that fails, one that
// our policy of content stops, a dialog.
func (b *chromium) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, e.ExceptionDetails.Text)
	case *page.EventJavascriptDialogOpening:
		b.faults = append(b.faults, "a dialog: "+e.Message)
	case *log.EventEntryAdded:
		if e.Entry.URL != "" && !strings.HasPrefix(e.Entry.URL, b.origin+"/") {
			return // a program's own page, to which it was led
		}
		if e.Entry.Source == log.EntrySourceSecurity || e.Entry.Source == log.EntrySourceJavascript || strings.Contains(e.Entry.Text, "Content Security Policy") {
			b.faults = append(b.faults, e.Entry.Text)
		}
	}
}

// keyPin is the hash of the door's public key, as Chromium takes it.
func (d *door) keyPin(t testing.TB) string {
	t.Helper()
	raw, err := os.ReadFile(strings.TrimSuffix(d.CA, "ca.pem") + "server.pem")
	check(t, err)
	block, _ := pem.Decode(raw)
	cert, err := x509.ParseCertificate(block.Bytes)
	check(t, err)
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// do carries out actions within a bound.
func (b *chromium) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pageTime)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.Fatalf("%s: %v\nat %s:\n%s", what, err, b.at(), b.text())
	}
}

// evaluate is what an expression comes to in the page, as a developer's tools
// would ask it: the page's own policy keeps strangers' script out.
func evaluate[T any](b *chromium, expression string) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, pageTime)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatalf("%.100s: %v", expression, err)
	}
	return v
}

// at is the path of the page shown.
func (b *chromium) at() string {
	at, _ := chromedp.Run(b.ctx, chromedp.Location())
	u, err := url.Parse(at)
	if err != nil {
		return at
	}
	return u.Path
}

// text is what the page says.
func (b *chromium) text() string {
	text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText : ""`))
	return text
}

// open goes to a page.
func (b *chromium) open(path string) {
	b.Helper()
	b.do("opening "+path, chromedp.Navigate(b.origin+path))
}

// says waits until the page says something.
func (b *chromium) says(texts ...string) {
	b.Helper()
	end := time.Now().Add(pageTime)
	for _, want := range texts {
		for !strings.Contains(b.text(), want) {
			if time.Now().After(end) {
				b.Fatalf("%s does not say %q:\n%s", b.at(), want, b.text())
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// loaded waits until the page is there with its style.
func (b *chromium) loaded() {
	b.Helper()
	for end := time.Now().Add(pageTime); !evaluate[bool](b, `document.readyState === "complete" && document.styleSheets.length === 1`); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("%s has no style", b.at())
		}
	}
}

// fill types into a field.
func (b *chromium) fill(selector, text string) {
	b.Helper()
	field := chromedp.CSS(selector)
	b.do("finding "+selector, chromedp.WaitVisible(field))
	evaluate[string](b, fmt.Sprintf(`document.querySelector(%q).value = ""`, selector))
	b.do("filling in "+selector, chromedp.SendKeys(field, text))
}

// press presses the button or follows the link with a label.
func (b *chromium) press(label string) {
	b.Helper()
	found := chromedp.Search(fmt.Sprintf(`//button[normalize-space()=%[1]q] | //main//a[normalize-space()=%[1]q]`, label))
	b.do("pressing "+label, chromedp.WaitVisible(found), chromedp.Click(found))
}

// content is the text of what is on the page.
func (b *chromium) content(selector string) string {
	b.Helper()
	b.do("reading "+selector, chromedp.WaitReady(chromedp.CSS(selector)))
	return evaluate[string](b, fmt.Sprintf(`document.querySelector(%q).textContent`, selector))
}

// violation is what axe finds.
type violation struct {
	ID, Help string
	Nodes    []struct {
		HTML           string
		FailureSummary string
	}
}

// accessible has axe look at the page at hand, in both colour schemes, at the
// narrowest width and at a usual one. It also must not scroll sideways.
func (b *chromium) accessible(name string) {
	b.Helper()
	b.loaded()
	evaluate[int](b, b.axe+";0")
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{320, 1280} {
			send(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1})
			send(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			raw := evaluate[string](b, `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r => JSON.stringify(r.violations))`)
			overflow := evaluate[bool](b, `document.documentElement.scrollWidth > document.documentElement.clientWidth`)
			var found []violation
			check(b, json.Unmarshal([]byte(raw), &found))
			for _, v := range found {
				for _, n := range v.Nodes {
					b.Errorf("%s at %d px, %s: %s (%s)\n%s\n%s", name, width, scheme, v.ID, v.Help, n.HTML, n.FailureSummary)
				}
			}
			if overflow {
				b.Errorf("%s at %d px scrolls sideways", name, width)
			}
		}
	}
	send(b, emulation.ClearDeviceMetricsOverride, cdp.Empty{})
}
