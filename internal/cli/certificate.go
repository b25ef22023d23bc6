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
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/lang"
)

// certificates returns a function that describes the gateway's certificate. The certificate is in
// the configured files, or ACME issued it and the store keeps it. If a file cannot be read, or the
// master key is missing, the description says so and the command continues. Without TLS,
// certificates returns nil.
func certificates(conf *config.Config, store gateway.Store) func(context.Context) []administration.Certificate {
	read := func(context.Context) (certificate.Status, error) {
		return certificate.Load(conf.TLS.Certificate, conf.TLS.Key)
	}
	source := certificate.FromFiles
	switch {
	case !conf.TLS.Enabled():
		return nil
	case conf.TLS.ACME.Enabled:
		source = certificate.FromACME
		read = func(ctx context.Context) (certificate.Status, error) {
			sealer, err := loadMasterKey(conf)
			if err != nil {
				return certificate.Status{}, err
			}
			return storedCertificate(ctx, conf, store, sealer)
		}
	}
	return func(ctx context.Context) []administration.Certificate {
		status, err := read(ctx)
		if err != nil {
			status = certificate.Status{Source: source, Problem: err.Error()}
		}
		return []administration.Certificate{app.DescribeCertificate(status, time.Now())}
	}
}

// storedCertificate returns the status of the certificate that ACME issued and the store keeps.
func storedCertificate(
	ctx context.Context, conf *config.Config, store gateway.Store, sealer *keys.Sealer,
) (certificate.Status, error) {
	u, err := url.Parse(conf.URL)
	if err != nil {
		return certificate.Status{}, err
	}
	return certificate.Stored(ctx, store, sealer, conf.TLS.ACME.Directory, u.Hostname())
}

// certificateLine returns the names and the expiry of a certificate on one line.
func certificateLine(c certificate.Status) lang.Message {
	switch {
	case c.NotAfter.IsZero():
		return lang.Text("none yet")
	case c.ExpiresSoon(time.Now()):
		return lang.Text("%s, expires %s, which is soon: renew it", strings.Join(c.Names, ", "),
			c.NotAfter.Format("2006-01-02"))
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
	return certificateLine(status), nil
}

// checkStoredCertificate checks the certificate that ACME issued and the store keeps. Before the
// first start there is none. sealer is nil if the master key does not exist or could not be read.
// If the gateway's last attempt to obtain a certificate failed, the failure is an error, even while
// an older certificate is valid.
func checkStoredCertificate(
	ctx context.Context, conf *config.Config, sealer *keys.Sealer,
) (result lang.Message, err error) {
	none := lang.Text("none yet")
	store, err := openStore(ctx, conf, app.StoreOptions{Existing: true})
	if err != nil || sealer == nil { // reported already by the checks of the store and of the master key
		return none, nil
	}
	defer store.Close()
	status, err := storedCertificate(ctx, conf, store, sealer)
	if err != nil {
		return result, lang.Errorf("tls.acme: %w", err)
	}
	const hint = "read the log of weigate serve, and check that this gateway is reachable on port 443 or 80"
	switch {
	case !status.NotAfter.IsZero() && !time.Now().Before(status.NotAfter):
		return result, withHint(lang.Errorf("tls.acme: expired at %s", status.NotAfter.Format(time.RFC3339)), hint)
	case status.Problem != "":
		return result, withHint(lang.Errorf("tls.acme: %s; now: %s", status.Problem, certificateLine(status)), hint)
	}
	return certificateLine(status), nil
}
