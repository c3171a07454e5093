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
)

// alias is the part of the suite's addresses that stays from module to module.
const alias = "portreeve"

// hosts are all that the suite can find: it asks for its own people's issuers and
// its pages' scripts elsewhere.
const hosts = "127.0.0.1 " + issuerHost + "\n"

// suite is the running suite.
type suite struct {
	origin string
	http   *http.Client
	logs   string // folder
}

// java starts a class of what run.sh has put into a part of the folder.
func (r *run) java(ctx context.Context, part, listens, heap string, args ...string) error {
	libraries, err := os.ReadFile(filepath.Join(r.folder, part, "classpath"))
	if err != nil {
		return err
	}
	path := strings.Join([]string{filepath.Join(r.folder, part, "classes"), filepath.Join(r.checkout, "src", "main", "resources"), string(libraries)}, string(os.PathListSeparator))
	return r.start(ctx, part, listens, exec.Command(filepath.Join(os.Getenv("JAVA_HOME"), "bin", "java"), append([]string{"-Xmx" + heap, "-cp", path}, args...)...))
}

// startSuite starts the suite without sign-in and its database.
func (r *run) startSuite(ctx context.Context) (*suite, error) {
	s := &suite{http: r.files.http(), logs: filepath.Join(r.folder, "logs")}
	database, err := freePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	if err := r.java(ctx, "mongo", "127.0.0.1:"+database, "1g", r.mongo, database); err != nil {
		return nil, err
	}
	port, err := freePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	if s.origin, err = r.front("127.0.0.1:" + port); err != nil {
		return nil, err
	}
	names := filepath.Join(s.logs, "hosts")
	if err := os.WriteFile(names, []byte(hosts), 0o600); err != nil {
		return nil, err
	}
	return s, r.java(ctx, "suite", "127.0.0.1:"+port, "1500m", "-Djdk.net.hosts.file="+names, "-Djdk.tls.maxHandshakeMessageSize=65536",
		"net.openid.conformance.Application", "--fintechlabs.devmode=true", "--fintechlabs.base_url="+s.origin,
		"--spring.mongodb.uri=mongodb://127.0.0.1:"+database+"/test_suite", "--server.address=127.0.0.1", "--server.port="+port,
		"--spring.devtools.restart.enabled=false", "--spring.devtools.livereload.enabled=false")
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
