package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// alias is the part of the suite's addresses that stays from module to module.
const alias = "portreeve"

// suite is the running suite.
type suite struct {
	origin string
	http   *http.Client
	logs   string // folder
	pace   pace
}

// startSuite starts the suite without sign-in and its database.
func (r *run) startSuite(ctx context.Context) (*suite, error) {
	java := filepath.Join(os.Getenv("JAVA_HOME"), "bin", "java")
	database, err := freePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	libraries, err := os.ReadFile(filepath.Join(r.folder, "mongo", "classpath"))
	if err != nil {
		return nil, err
	}
	if err := r.start(ctx, "mongo", "127.0.0.1:"+database, exec.Command(java, "-Xmx1g", "-cp", string(libraries), r.mongo, database)); err != nil {
		return nil, err
	}
	port, err := freePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	origin, err := r.front("127.0.0.1:" + port)
	if err != nil {
		return nil, err
	}
	libraries, err = os.ReadFile(filepath.Join(r.folder, "suite", "classpath"))
	if err != nil {
		return nil, err
	}
	s := &suite{origin: origin, http: r.files.http(), logs: filepath.Join(r.folder, "logs"), pace: pace{left: pagesAtOnce, at: time.Now()}}
	resources := filepath.Join(r.checkout, "src", "main", "resources")
	path := strings.Join([]string{filepath.Join(r.folder, "suite", "classes"), resources, string(libraries)}, string(os.PathListSeparator))
	return s, r.start(ctx, "suite", "127.0.0.1:"+port, exec.Command(java, "-Xmx1500m", "-Djdk.tls.maxHandshakeMessageSize=65536", "-cp", path, "net.openid.conformance.Application",
		"--fintechlabs.devmode=true", "--fintechlabs.base_url="+s.origin, "--spring.mongodb.uri=mongodb://127.0.0.1:"+database+"/test_suite",
		"--spring.devtools.restart.enabled=false", "--server.address=127.0.0.1", "--server.port="+port))
}

// callbacks are the suite's addresses that an issuer is told of.
type callbacks struct{ callback, postLogout, backchannel string }

func (s *suite) callbacks() callbacks {
	at := s.origin + "/test/a/" + alias
	return callbacks{at + "/callback", at + "/post_logout_redirect", at + "/backchannel_logout"}
}

var errSuite = errors.New("the suite refused")

// ask calls the suite's API.
func (s *suite) ask(ctx context.Context, method, path string, query url.Values, body, into any) error {
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, method, s.origin+"/api/"+path+"?"+query.Encode(), in)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	a, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	raw, err := io.ReadAll(a.Body)
	if err != nil {
		return err
	}
	if a.StatusCode/100 != 2 {
		return fmt.Errorf("%w: %s %s: %s %.300s", errSuite, method, path, a.Status, raw)
	}
	return json.Unmarshal(raw, into)
}
