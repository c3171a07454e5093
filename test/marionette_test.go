package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// marionette speaks the protocol by which Mozilla's programs are driven: JSON
// with its length before it, over TCP.
type marionette struct {
	testing.TB
	conn net.Conn
	r    *bufio.Reader
	n    int
}

const (
	marionetteTime = 30 * time.Second // for one command
	longestMessage = 32 << 20         // bytes of one; a screenshot is the longest
	elementKey     = "element-6066-11e4-a52e-4f735466cecf"
)

// element is something on a window, by the program's own name for it.
type element map[string]string

// startMarionette begins a session in the windows of the program itself, not in
// pages that it shows.
func startMarionette(t testing.TB, address string) *marionette {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, marionetteTime)
	check(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	m := &marionette{TB: t, conn: conn, r: bufio.NewReader(conn)}
	if _, err := m.read(); err != nil { // what it is
		t.Fatal(err)
	}
	m.must("WebDriver:NewSession", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{"unhandledPromptBehavior": "ignore"}}})
	m.must("Marionette:SetContext", map[string]any{"value": "chrome"})
	return m
}

func (m *marionette) read() ([]byte, error) {
	size, err := m.r.ReadString(':')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(size, ":"))
	if err != nil || n < 0 || n > longestMessage {
		return nil, fmt.Errorf("a message of %q bytes", size)
	}
	raw := make([]byte, n)
	_, err = io.ReadFull(m.r, raw)
	return raw, err
}

// call gives a command and returns what it comes to.
func (m *marionette) call(command string, params map[string]any) (json.RawMessage, error) {
	m.n++
	if params == nil {
		params = map[string]any{}
	}
	raw, err := json.Marshal([]any{0, m.n, command, params})
	if err != nil {
		return nil, err
	}
	_ = m.conn.SetDeadline(time.Now().Add(marionetteTime))
	if _, err := fmt.Fprintf(m.conn, "%d:%s", len(raw), raw); err != nil {
		return nil, err
	}
	if raw, err = m.read(); err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	var answer []json.RawMessage
	if err := json.Unmarshal(raw, &answer); err != nil || len(answer) != 4 {
		return nil, fmt.Errorf("%s: %.200s", command, raw)
	}
	var fault *struct{ Error, Message string }
	if err := json.Unmarshal(answer[2], &fault); err != nil || fault != nil {
		return nil, fmt.Errorf("%s: %s", command, answer[2])
	}
	return answer[3], nil
}

// must is call where a failure ends the test.
func (m *marionette) must(command string, params map[string]any) json.RawMessage {
	m.Helper()
	answer, err := m.call(command, params)
	check(m.TB, err)
	return answer
}

// run runs the body of an async function in the window at hand; what it returns
// is read into a value.
func (m *marionette) run(into any, body string, args ...any) error {
	if args == nil {
		args = []any{}
	}
	answer, err := m.call("WebDriver:ExecuteScript", map[string]any{"script": "return (async function () {" + body + "}).apply(null, arguments);", "args": args, "sandbox": "system", "newSandbox": true})
	if err != nil {
		return err
	}
	var value struct{ Value json.RawMessage }
	if err := json.Unmarshal(answer, &value); err != nil {
		return err
	}
	return json.Unmarshal(value.Value, into)
}

// find waits for an element that can be used: what the body of a function
// returns, once it returns one.
func (m *marionette) find(what, body string, args ...any) element {
	m.Helper()
	var found element
	m.until(what, windowTime, func() bool {
		found = nil
		return m.run(&found, body, args...) == nil && found[elementKey] != ""
	})
	return found
}

func (m *marionette) click(e element) {
	m.Helper()
	m.must("WebDriver:ElementClick", map[string]any{"id": e[elementKey]})
}

func (m *marionette) keys(e element, text string) {
	m.Helper()
	m.must("WebDriver:ElementSendKeys", map[string]any{"id": e[elementKey], "text": text})
}

// window goes to the window of an address, once it is there.
func (m *marionette) window(address string) {
	m.Helper()
	m.until("a window of "+address, windowTime, func() bool { return m.enter(address) })
}

// enter goes to the window of an address, if it is there.
func (m *marionette) enter(address string) bool {
	raw, err := m.call("WebDriver:GetWindowHandles", nil)
	var all []string
	if err != nil || json.Unmarshal(raw, &all) != nil {
		return false
	}
	for _, handle := range all {
		var at string
		if _, err := m.call("WebDriver:SwitchToWindow", map[string]any{"handle": handle}); err == nil && m.run(&at, "return location.href") == nil && at == address {
			return true
		}
	}
	return false
}

// until waits for something.
func (m *marionette) until(what string, within time.Duration, so func() bool) {
	m.Helper()
	for end := time.Now().Add(within); !so(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			m.Fatalf("waited %v for %s", within, what)
		}
	}
}

// picture takes one of every window.
func (m *marionette) picture(prefix string) (paths []string) {
	raw, err := m.call("WebDriver:GetWindowHandles", nil)
	var all []string
	if err != nil || json.Unmarshal(raw, &all) != nil {
		return nil
	}
	for n, handle := range all {
		var shot struct{ Value []byte }
		_, err := m.call("WebDriver:SwitchToWindow", map[string]any{"handle": handle})
		if err == nil {
			raw, err = m.call("WebDriver:TakeScreenshot", map[string]any{"full": false})
		}
		if err == nil && json.Unmarshal(raw, &shot) == nil {
			path := fmt.Sprintf("%s-%d.png", prefix, n)
			if os.WriteFile(path, shot.Value, 0o600) == nil {
				paths = append(paths, path)
			}
		}
	}
	return paths
}
