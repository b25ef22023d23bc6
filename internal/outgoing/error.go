package outgoing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"syscall"

	"github.com/weigate/weigate/internal/lang"
)

// Kind is why a request failed.
type Kind string

// The kinds of errors.
const (
	InvalidURL     Kind = "invalid_url"     // not a valid https or http URL
	AddressRefused Kind = "address_refused" // the policy refuses the address of the server
	NotFound       Kind = "name_not_found"  // the host name does not exist or was not resolved
	Refused        Kind = "refused"         // nothing listens at the address
	Timeout        Kind = "timeout"         // no response within the time limit
	Certificate    Kind = "certificate"     // the certificate of the server is invalid
	Failed         Kind = "failed"          // any other failure of the connection
)

// Error is the error of a request that got no response. Its text contains no URL, no host name and
// nothing that the server sent. It may contain the IP address that the policy refused.
type Error struct {
	Kind   Kind
	detail lang.Message
}

// Error returns a text for administrators.
func (e *Error) Error() string { return "outgoing request: " + e.detail.String() }

// Localize returns the text in the language of the formats.
func (e *Error) Localize(formats lang.Formats) string {
	if formats == nil {
		return e.Error()
	}
	return formats.Text(e.detail)
}

// errorOf converts an error of package net/http, which may contain the URL.
func errorOf(err error) *Error {
	var (
		own         *Error
		name        *net.DNSError
		timeout     net.Error
		certificate *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &name) && !name.IsTimeout:
		return &Error{Kind: NotFound, detail: lang.Text("the host name was not resolved")}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &Error{Kind: Timeout, detail: lang.Text("no response in time")}
	case errors.As(err, &certificate):
		return &Error{Kind: Certificate, detail: certificateProblem(certificate)}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Error{Kind: Refused, detail: lang.Text("connection refused")}
	}
	return &Error{Kind: Failed, detail: lang.Text("connection failed")}
}

func certificateProblem(err error) lang.Message {
	var (
		host      x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &host):
		return lang.Text("the certificate is for another host")
	case errors.As(err, &authority):
		return lang.Text("the certificate is signed by an unknown authority: see outgoing.ca_file")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return lang.Text("the certificate has expired, or a clock is wrong")
	}
	return lang.Text("the certificate is invalid")
}
