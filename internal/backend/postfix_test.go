package backend

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/portreeve/portreeve/internal/mailtest"
	"github.com/portreeve/portreeve/internal/protocol"
)

func TestXCLIENTPassesTheClient(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{})
	postfix := mailtest.StartPostfix(t, mailtest.PostfixOptions{Dovecot: d, XCLIENT: "127.0.0.0/8"})
	for name, e := range map[string]Endpoint{
		"clear": {Address: postfix.Submission, TLS: TLSNone}, "TLS": {Address: postfix.Submissions, RootCAs: postfix.Authority.Pool()},
	} {
		p := newPool(t, Options{XCLIENT: true, Endpoints: map[protocol.Protocol]Endpoint{protocol.Submission: e}})
		for _, hello := range []string{"client.example", "evil\r\nQUIT", "x LOGIN=anna@example.org"} {
			q := request(protocol.Submission, 1)
			q.EHLO = hello
			c, err := p.Dial(context.Background(), q)
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, postfix.Log())
			}
			if !c.XCLIENT {
				t.Error("nobody is warned that this connection takes XCLIENT")
			}
			exchange(t, c, "MAIL FROM:<mary@example.org>", "250 ")
			exchange(t, c, "RCPT TO:<nobody@elsewhere.example>", "250 ")
			_ = c.Close()
		}
		if !postfix.Logged("client=unknown[203.0.113.7], sasl_method=PLAIN, sasl_username=mary@example.org") {
			t.Errorf("%s:\n%s", name, postfix.Log())
		}
	}
	if strings.Contains(postfix.Log(), "anna@example.org") {
		t.Error(postfix.Log())
	}
}

func TestPostfixRefusesAWrongPassword(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{Hasty: true})
	postfix := mailtest.StartPostfix(t, mailtest.PostfixOptions{Dovecot: d})
	p := newPool(t, Options{Endpoints: map[protocol.Protocol]Endpoint{protocol.Submission: {Address: postfix.Submission, TLS: TLSNone}}})
	q := request(protocol.Submission, 1)
	q.Password = []byte("wrong")
	if err := p.Login(context.Background(), q); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	d.Stop() // nobody can tell wrong from right now
	if err := p.Login(context.Background(), request(protocol.Submission, 2)); !errors.Is(err, ErrAway) {
		t.Errorf("%v\n%s", err, postfix.Log())
	}
}

func TestSubmissionByMaster(t *testing.T) {
	d := mailtest.StartDovecot(t, mailtest.DovecotOptions{})
	postfix := mailtest.StartPostfix(t, mailtest.PostfixOptions{Dovecot: d})
	p := newPool(t, Options{Endpoints: map[protocol.Protocol]Endpoint{protocol.Submission: {Address: postfix.Submission, TLS: TLSNone}},
		Login: LoginMaster, MasterUser: mailtest.MasterUser, MasterPassword: mailtest.MasterPassword, MasterSeparator: "*"})
	q := request(protocol.Submission, 1)
	q.Password = nil
	c, err := p.Dial(context.Background(), q)
	if err != nil {
		t.Fatalf("%v\n%s%s", err, postfix.Log(), d.Log())
	}
	defer c.Close()
	exchange(t, c, "MAIL FROM:<mary@example.org>", "250 ")
	exchange(t, c, "RCPT TO:<anna@example.org>", "250 ")
	if !postfix.Logged("sasl_username=mary@example.org") {
		t.Error(postfix.Log())
	}
}
