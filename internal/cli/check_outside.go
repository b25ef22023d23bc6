package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/certificate"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/lang"
)

// checkOutside checks the servers that the configuration names besides WeChat and the store. It sends
// no message to any of them.
func checkOutside(ctx context.Context, conf *config.Config, report func(string, lang.Message, error)) {
	if conf.TLS.ACME.Enabled {
		result, err := checkDirectory(ctx, conf, net.DefaultResolver.LookupHost)
		report("tls.acme", result, err)
	}
	for _, n := range conf.Notify {
		name := "notify." + n.Name
		result, err := checkServer(conf, name, string(n.URL), func() error { return app.ReachReceiver(ctx, conf, n) })
		report(name, result, err)
	}
	for _, a := range conf.Apps {
		if a.BackchannelLogoutURI == "" {
			continue
		}
		name := "apps." + a.ID
		result, err := checkServer(conf, name, a.BackchannelLogoutURI, func() error {
			return app.ReachApp(ctx, conf, a.BackchannelLogoutURI)
		})
		report(name, result, err)
	}
}

// checkServer calls reach, which connects to the server of address as the gateway will. name is the
// place of the address in the configuration. The address can contain a credential, so the result
// and the error contain only its host.
func checkServer(conf *config.Config, name, address string, reach func() error) (result lang.Message, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return result, lang.Errorf("%s: not a URL", name)
	}
	if err := reach(); err != nil {
		return result, lang.Errorf("%s: %s: %w", name, u.Host, err)
	}
	if conf.Outgoing.Proxy {
		return lang.Text("%s, through the proxy of the environment: not checked", u.Host), nil
	}
	return lang.Text("%s is reachable", u.Host), nil
}

// checkDirectory requests the ACME directory (the list of a certificate authority's endpoints), and
// resolves the gateway's host with lookup. The certificate authority has to reach that host.
func checkDirectory(
	ctx context.Context, conf *config.Config, lookup func(ctx context.Context, host string) ([]string, error),
) (result lang.Message, err error) {
	settings := conf.TLS.ACME
	transport := forOneCheck(http.DefaultTransport)
	if settings.CAFile != "" {
		authorities, err := os.ReadFile(settings.CAFile)
		if err != nil {
			return result, lang.Errorf("tls.acme.ca_file: %w", err)
		}
		roots, err := x509.SystemCertPool()
		if err != nil {
			return result, err
		}
		roots.AppendCertsFromPEM(authorities)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	ctx, cancel := context.WithTimeout(ctx, responseTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, settings.Directory, nil)
	if err != nil {
		return result, err
	}
	res, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return result, lang.Errorf("tls.acme.directory: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil || !certificate.IsDirectory(body) {
		return result, lang.Errorf("tls.acme.directory: %s does not answer as an ACME directory", r.URL.Host)
	}
	u, err := url.Parse(conf.URL)
	if err != nil {
		return result, err
	}
	addresses, err := lookup(ctx, u.Hostname())
	var failed *net.DNSError
	switch {
	case errors.As(err, &failed) && failed.IsNotFound:
		return result, withHint(lang.Errorf("tls.acme: the name %s has no address", u.Hostname()),
			"add A or AAAA records that lead to this machine")
	case err != nil:
		return result, lang.Errorf("tls.acme: %w", err)
	}
	return lang.Text("%s is reachable; %s has the addresses %v: all of them must lead to this gateway, on port 443 or 80",
		r.URL.Host, u.Hostname(), addresses), nil
}
