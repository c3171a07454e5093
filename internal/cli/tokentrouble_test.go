package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"
)

func TestTroubleIsToldWithWhatToDo(t *testing.T) {
	vouched := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://mail.example.org/", Err: &tls.CertificateVerificationError{Err: err}}
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{vouched(x509.UnknownAuthorityError{}), "--ca"},
		{vouched(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "mail.example.org"}), "--server names another"},
		{vouched(x509.CertificateInvalidError{Reason: x509.Expired}), "tell whoever runs the server"},
		{&url.Error{Err: &net.DNSError{IsNotFound: true}}, "--server names another"},
		{&url.Error{Err: &net.DNSError{IsTimeout: true}}, "try again later"},
		{io.ErrUnexpectedEOF, "try again later"},
	} {
		var f *failure
		if !errors.As(inTheWay(c.err), &f) || f.exit != exitUnreachable || !strings.Contains(f.next, c.want) {
			t.Errorf("%v: %+v", c.err, f)
		}
	}
	k := kept{User: helped, Server: "https://mail.example.org", Client: helperClient}
	var f *failure
	if err := k.told(&oauth2.RetrieveError{ErrorCode: "unauthorized_client"}); !errors.As(err, &f) || !strings.Contains(f.next, "portreeve client allow portreeve-token") {
		t.Errorf("a program that is not allowed: %+v", f)
	}
}
