package app

import (
	"context"
	"net/url"
	"os"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/certificate"
	"github.com/weigate/weigate/internal/gateway"
)

// newCertificate returns the source of the certificate with which the gateway serves TLS itself. It
// returns nil if the gateway serves plain http.
func newCertificate(ctx context.Context, o Options, n *notices) (certificate.Source, error) {
	if !o.Config.TLS.Enabled() {
		return nil, nil
	}
	u, err := url.Parse(o.Config.URL)
	if err != nil {
		return nil, err
	}
	if o.Config.TLS.ACME.Enabled {
		return newACME(ctx, o, n, u)
	}
	hooks := certificateHooks(o, n, certificate.FromFiles)
	return certificate.NewFiles(o.Config.TLS.Certificate, o.Config.TLS.Key, u.Hostname(), hooks)
}

// newACME returns a source that obtains the certificate by ACME. u is the gateway's URL.
func newACME(ctx context.Context, o Options, n *notices, u *url.URL) (certificate.Source, error) {
	settings := o.Config.TLS.ACME
	cfg := certificate.ACMEConfig{
		URL: o.Config.URL, Host: u.Hostname(), Directory: settings.Directory, Email: settings.Email,
		Listen: o.Config.Listen, ListenHTTP: settings.ListenHTTP, Store: o.Store, Sealer: o.Sealer,
		Hooks: certificateHooks(o, n, certificate.FromACME),
	}
	if settings.CAFile != "" {
		var err error
		if cfg.CAs, err = os.ReadFile(settings.CAFile); err != nil {
			return nil, err
		}
	}
	source, err := certificate.NewACME(ctx, cfg)
	if err != nil {
		return nil, err // do not return source: an interface that contains a nil pointer is not nil
	}
	return source, nil
}

// certificateHooks returns the hooks that count for metrics, and record problems for
// administrators.
func certificateHooks(o Options, n *notices, source string) certificate.Hooks {
	return certificate.Hooks{
		Changed: func(s certificate.Status) { o.Metrics.Certificate(s.Source, s.NotAfter) },
		Problem: func(code, detail string) {
			o.Metrics.CertificateProblem(source, code)
			n.statistics.Problem(gateway.Problem{Source: "certificate:" + source, Code: code, Detail: detail})
		},
		Logger: o.Logger, Now: o.Now,
	}
}

// Certificate returns the certificate with which the gateway serves TLS itself; nil = it serves
// plain http, behind a reverse proxy.
func (a *App) Certificate() certificate.Source { return a.certificate }

// certificates describes the certificate for administrators.
func (a *App) certificates(context.Context) []administration.Certificate {
	if a.certificate == nil {
		return nil
	}
	return []administration.Certificate{DescribeCertificate(a.certificate.Status(), a.options.Now())}
}

// DescribeCertificate converts the status of a certificate for administrators.
func DescribeCertificate(s certificate.Status, now time.Time) administration.Certificate {
	out := administration.Certificate{
		Source: s.Source, Names: s.Names, Issuer: s.Issuer, NotBefore: s.NotBefore, NotAfter: s.NotAfter,
		Problem: s.Problem, State: "active",
	}
	switch {
	case s.NotAfter.IsZero(): // no certificate was issued yet
		out.State = "waiting"
	case !now.Before(s.NotAfter):
		out.State = "expired"
	case s.ExpiresSoon(now):
		out.State = "expiring"
	}
	return out
}
