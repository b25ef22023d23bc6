package cli

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/certificate"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/lang"
)

// certificates returns a function that reads the certificate files of the configuration. A file that
// this user may not read is a problem of the result, not of the command.
func certificates(conf *config.Config) func(context.Context) []administration.Certificate {
	if conf.TLS.Certificate == "" {
		return nil
	}
	return func(context.Context) []administration.Certificate {
		status, err := certificate.Load(conf.TLS.Certificate, conf.TLS.Key)
		if err != nil {
			status = certificate.Status{Source: certificate.FromFiles, Problem: err.Error()}
		}
		return []administration.Certificate{app.DescribeCertificate(status, time.Now())}
	}
}

// describeCertificate returns a certificate on one line.
func describeCertificate(c certificate.Status) lang.Message {
	if c.NotAfter.IsZero() {
		return lang.Text("none yet")
	}
	return lang.Text("%s, expires %s", strings.Join(c.Names, ", "), c.NotAfter.Format("2006-01-02"))
}

// checkCertificate reads the certificate files and compares the certificate with the gateway's URL.
func checkCertificate(conf *config.Config) (result lang.Message, err error) {
	u, err := url.Parse(conf.URL)
	if err != nil {
		return result, err
	}
	status, err := certificate.Load(conf.TLS.Certificate, conf.TLS.Key)
	if err != nil {
		return result, lang.Errorf("tls: %w", err)
	}
	if err := certificate.CheckHost(conf.TLS.Certificate, conf.TLS.Key, u.Hostname()); err != nil {
		return result, withHint(lang.Errorf("tls.certificate: %w", err), "request a certificate for the host of url")
	}
	if !time.Now().Before(status.NotAfter) {
		return result, withHint(lang.Errorf("tls.certificate: expired at %s", status.NotAfter.Format(time.RFC3339)),
			"renew it")
	}
	return describeCertificate(status), nil
}
