package test

import (
	"bytes"
	"crypto/tls"
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
	"syscall"
	"testing"
	"time"

	"github.com/portreeve/portreeve/internal/mailtest"
)

const (
	keycloakHome  = "/opt/portreeve-test/keycloak-26.0.8" // of packages.sh
	keycloakStart = 8 * time.Minute                       // takes 15 s on two idle cores, three minutes beside twenty programs
	keycloakLife  = 20 * time.Minute
	realm         = "corp"
	totpSeed      = "JBSWY3DPEHPK3PXPJBSW" // taken by Keycloak as the bytes of the HMAC's key
)

// keycloak is a running Keycloak with one realm. Its people are added by each
// test; nothing of it outlives the run.
type keycloak struct {
	URL       string // of the realm: the issuer
	root      string
	CA        string // file
	authority *mailtest.Authority
	cmd       *exec.Cmd
	log       string
	http      *http.Client
}

func startKeycloak(t testing.TB) *keycloak {
	t.Helper()
	if _, err := os.Stat(keycloakHome + "/ready"); err != nil {
		t.Fatalf("Keycloak is not here: let root run test/packages.sh (%v)", err)
	}
	dir := t.TempDir()
	k := &keycloak{authority: mailtest.NewAuthority(t), log: filepath.Join(dir, "log"), CA: filepath.Join(dir, "ca.pem")}
	k.root = "https://" + mailtest.FreeAddress(t)
	k.URL = k.root + "/realms/" + realm
	cert, key := k.authority.Issue(t)
	write(t, dir, "cert.pem", string(cert))
	write(t, dir, "key.pem", string(key))
	write(t, dir, "ca.pem", string(k.authority.PEM()))
	for _, d := range []string{"bin", "data/import"} {
		check(t, os.MkdirAll(filepath.Join(dir, d), 0o700))
	}
	script, err := os.ReadFile(keycloakHome + "/bin/kc.sh") // which takes the folder that it lies in for its home
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "bin/kc.sh"), script, 0o700))
	for _, d := range []string{"lib", "conf", "providers", "themes"} {
		check(t, os.Symlink(filepath.Join(keycloakHome, d), filepath.Join(dir, d)))
	}
	description, err := json.Marshal(realmOf())
	check(t, err)
	write(t, filepath.Join(dir, "data/import"), "realm.json", string(description))
	k.http = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: k.authority.Pool()}}}
	k.begin(t, dir)
	return k
}

// begin starts the process with a home of its own; its deadline ends it come
// what may.
func (k *keycloak) begin(t testing.TB, dir string) {
	t.Helper()
	u, err := url.Parse(k.root)
	check(t, err)
	log, err := os.Create(k.log)
	check(t, err)
	defer log.Close()
	k.cmd = exec.Command("timeout", "-k", "5", fmt.Sprint(int(keycloakLife/time.Second)), dir+"/bin/kc.sh", "start", "--optimized", "--import-realm",
		"--cache=local", "--http-host=127.0.0.1", "--https-port="+u.Port(), "--hostname="+k.root, "--hostname-strict=true",
		"--https-certificate-file="+dir+"/cert.pem", "--https-certificate-key-file="+dir+"/key.pem", "--truststore-paths="+dir+"/ca.pem")
	k.cmd.Env = append(environment(), "JAVA_OPTS_KC_HEAP=-Xms64m -Xmx512m", "JAVA_OPTS_APPEND=-XX:TieredStopAtLevel=1", // it starts once and works little
		"KC_BOOTSTRAP_ADMIN_USERNAME=admin", "KC_BOOTSTRAP_ADMIN_PASSWORD="+password)
	k.cmd.Stdout, k.cmd.Stderr = log, log
	k.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	check(t, k.cmd.Start())
	over := make(chan struct{})
	go func() { defer close(over); _ = k.cmd.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-k.cmd.Process.Pid, syscall.SIGKILL) // the group is ours alone
		<-over
	})
	for end := time.Now().Add(keycloakStart); ; time.Sleep(200 * time.Millisecond) {
		r, err := k.http.Get(k.URL + "/.well-known/openid-configuration")
		if err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return
			}
			err = errors.New(r.Status)
		}
		select {
		case <-over:
			end = time.Now().Add(-time.Second)
		default:
		}
		if time.Now().After(end) {
			said, _ := os.ReadFile(k.log)
			t.Fatalf("Keycloak does not start (%v):\n%s", err, tail(string(said), 40))
		}
	}
}

// realmOf is the realm: a flow that says in amr what was shown (a password, and
// a code of whoever has a generator), and the scopes of a new realm.
func realmOf() map[string]any {
	step := func(authenticator, requirement string, priority int, config string) map[string]any {
		s := map[string]any{"authenticator": authenticator, "requirement": requirement, "priority": priority}
		if config != "" {
			s["authenticatorConfig"] = config
		}
		return s
	}
	below := func(flow, requirement string, priority int) map[string]any {
		return map[string]any{"authenticatorFlow": true, "flowAlias": flow, "requirement": requirement, "priority": priority}
	}
	flow := func(alias string, top bool, steps ...map[string]any) map[string]any {
		return map[string]any{"alias": alias, "providerId": "basic-flow", "topLevel": top, "builtIn": false, "authenticationExecutions": steps}
	}
	says := func(value string) map[string]any {
		return map[string]any{"alias": value, "config": map[string]string{"default.reference.value": value, "default.reference.maxAge": "3600"}}
	}
	reaches := func(level string) map[string]any {
		return map[string]any{"alias": "reaches " + level, "config": map[string]string{"loa-condition-level": level, "loa-max-age": "36000"}}
	}
	return map[string]any{"realm": realm, "enabled": true, "browserFlow": "with amr",
		"groups": []any{map[string]any{"name": "staff"}, map[string]any{"name": "guests"}},
		"authenticationFlows": []any{
			flow("with amr", true, step("auth-cookie", "ALTERNATIVE", 10, ""), below("forms", "ALTERNATIVE", 20)),
			flow("forms", false, step("auth-username-password-form", "REQUIRED", 10, "pwd"), below("code", "CONDITIONAL", 20)),
			flow("code", false, step("conditional-user-configured", "REQUIRED", 10, ""), step("auth-otp-form", "REQUIRED", 20, "otp")),
			flow(byLevel, true, step("auth-cookie", "ALTERNATIVE", 10, ""), below("levels", "ALTERNATIVE", 20)),
			flow("levels", false, below("level 1", "CONDITIONAL", 10), below("level 2", "CONDITIONAL", 20)),
			flow("level 1", false, step("conditional-level-of-authentication", "REQUIRED", 10, "reaches 1"), step("auth-username-password-form", "REQUIRED", 20, "")),
			flow("level 2", false, step("conditional-level-of-authentication", "REQUIRED", 10, "reaches 2"), step("auth-otp-form", "REQUIRED", 20, "")),
		},
		"authenticatorConfig": []any{says("pwd"), says("otp"), reaches("1"), reaches("2")}}
}

// admin calls Keycloak's administration and returns what it answers.
func (k *keycloak) admin(t testing.TB, method, path string, body any) []byte {
	t.Helper()
	r, err := k.http.PostForm(k.root+"/realms/master/protocol/openid-connect/token",
		url.Values{"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {"admin"}, "password": {password}})
	check(t, err)
	var token struct {
		Access string `json:"access_token"`
	}
	check(t, json.NewDecoder(r.Body).Decode(&token))
	r.Body.Close()
	raw, err := json.Marshal(body)
	check(t, err)
	q, err := http.NewRequest(method, k.root+"/admin/realms/"+realm+path, bytes.NewReader(raw))
	check(t, err)
	q.Header.Set("Authorization", "Bearer "+token.Access)
	q.Header.Set("Content-Type", "application/json")
	r, err = k.http.Do(q)
	check(t, err)
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	check(t, err)
	if r.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s: %s", method, path, r.Status, answer)
	}
	return answer
}

// addPerson adds somebody with the usual password, in groups, and with a
// generator of codes if withCode is set.
func (k *keycloak) addPerson(t testing.TB, address string, verified, withCode bool, groups ...string) {
	t.Helper()
	credentials := []any{map[string]any{"type": "password", "value": password, "temporary": false}}
	if withCode {
		credentials = append(credentials, map[string]any{"type": "otp", "secretData": `{"value":"` + totpSeed + `"}`,
			"credentialData": `{"subType":"totp","digits":6,"counter":0,"period":30,"algorithm":"HmacSHA1"}`})
	}
	name, _, _ := strings.Cut(address, "@")
	k.admin(t, http.MethodPost, "/users", map[string]any{"username": name, "email": address, "emailVerified": verified, "enabled": true,
		"firstName": name, "lastName": "Person", "groups": groups, "credentials": credentials})
}

// person is somebody's id at Keycloak.
func (k *keycloak) person(t testing.TB, address string) string {
	t.Helper()
	var found []struct {
		ID string `json:"id"`
	}
	check(t, json.Unmarshal(k.admin(t, http.MethodGet, "/users?exact=true&email="+url.QueryEscape(address), nil), &found))
	if len(found) != 1 {
		t.Fatalf("Keycloak has %d of %s", len(found), address)
	}
	return found[0].ID
}

// addClient adds a client. With a secret it is one of ours; else a program's,
// whose tokens are for audience.
func (k *keycloak) addClient(t testing.TB, id, secret, redirect, backChannel string) {
	t.Helper()
	mapper := func(name, kind string, config map[string]string) map[string]any {
		return map[string]any{"name": name, "protocol": "openid-connect", "protocolMapper": kind, "config": config}
	}
	c := map[string]any{"clientId": id, "redirectUris": []string{redirect}, "standardFlowEnabled": true, "publicClient": secret == "",
		"protocolMappers": []any{
			mapper("groups", "oidc-group-membership-mapper", map[string]string{"claim.name": "groups", "full.path": "true", "id.token.claim": "true"}),
			mapper("amr", "oidc-amr-mapper", map[string]string{"id.token.claim": "true", "access.token.claim": "true"}),
			mapper("mail", "oidc-audience-mapper", map[string]string{"included.custom.audience": audience, "access.token.claim": "true"}),
		}}
	if secret != "" {
		c["secret"] = secret
	}
	if backChannel != "" {
		c["attributes"] = map[string]string{"backchannel.logout.url": backChannel, "backchannel.logout.session.required": "true", "pkce.code.challenge.method": "S256"}
	}
	k.admin(t, http.MethodPost, "/clients", c)
}
