// Package certificate provides the certificate with which the gateway serves TLS itself.
//
// A [Source] has the certificate. [NewFiles] reads it from two files, and reads them again when
// they change. [NewACME] orders it from a certificate authority, and renews it. If there is no
// usable new certificate, the source keeps the previous one, and reports the problem by [Hooks].
//
// For commands, [Load] reads and checks a pair of files, and [Stored] reads the certificate that
// ACME has put into the store.
package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"time"
)

// Source has the certificate of the gateway. Its methods are safe for concurrent use.
type Source interface {
	// TLSConfig returns the configuration of a TLS server, which always uses the current certificate.
	TLSConfig() *tls.Config

	// Status returns the current certificate, and why it was not renewed.
	Status() Status

	// Reload looks for a new certificate at once.
	Reload(ctx context.Context)

	// Run looks for a new certificate at intervals, until ctx ends.
	Run(ctx context.Context)
}

// The names of the sources, for pages, metrics and problems.
const (
	FromFiles = "files"
	FromACME  = "acme"
)

// Status describes the certificate of a [Source].
type Status struct {
	Source    string // FromFiles or FromACME
	Names     []string
	Issuer    string
	NotBefore time.Time
	NotAfter  time.Time // zero = no certificate was issued yet
	Problem   string    // why it was not renewed; "" = nothing is wrong
}

// The codes of problems.
const (
	ProblemNotLoaded = "not_loaded" // the files have changed and cannot be used
	ProblemNotIssued = "not_issued" // the certificate authority has not issued a certificate
	ProblemExpiring  = "expiring"   // the certificate expires soon, or has expired
)

// Hooks are functions that a [Source] calls. Changed, Problem and Now may be nil.
type Hooks struct {
	// Changed is called for each certificate that is used from now on.
	Changed func(Status)

	// Problem is called for a problem that an administrator has to correct. code is one of the
	// constants above. detail contains no secret.
	Problem func(code, detail string)

	Logger *slog.Logger     // required
	Now    func() time.Time // nil = time.Now
}

func (h Hooks) changed(s Status) {
	if h.Changed != nil {
		h.Changed(s)
	}
}

func (h Hooks) problem(code, detail string) {
	if h.Problem != nil {
		h.Problem(code, detail)
	}
}

func (h Hooks) now() time.Time {
	if h.Now != nil {
		return h.Now()
	}
	return time.Now()
}

// serverConfig returns the configuration of a server with TLS 1.2 or later. get returns its
// certificate.
func serverConfig(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: get,
	}
}

// statusOf describes a certificate.
func statusOf(source string, leaf *x509.Certificate) Status {
	s := Status{Source: source, NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC()}
	s.Names = append(s.Names, leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		s.Names = append(s.Names, ip.String())
	}
	s.Issuer = leaf.Issuer.CommonName
	if s.Issuer == "" && len(leaf.Issuer.Organization) > 0 {
		s.Issuer = leaf.Issuer.Organization[0]
	}
	return s
}

// ExpiresSoon reports whether a certificate expires within a sixth of its lifetime, or 14 days if
// that is less. Most programs renew earlier: ACME clients after two thirds of the lifetime.
func (s Status) ExpiresSoon(now time.Time) bool {
	const longest = 14 * 24 * time.Hour
	return !s.NotAfter.IsZero() && s.NotAfter.Sub(now) < min(s.NotAfter.Sub(s.NotBefore)/6, longest)
}
