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
	"time"

	"github.com/weigate/weigate/internal/certificate"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/lang"
)

// outsideTimeout is the time for one server.
const outsideTimeout = 10 * time.Second

// checkOutside checks the servers that the configuration names besides WeChat and the store. It sends
// no message to any of them.
func checkOutside(ctx context.Context, conf *config.Config, report func(string, lang.Message, error)) {
	if conf.TLS.ACME.Enabled {
		result, err := checkDirectory(ctx, conf)
		report("tls.acme", result, err)
	}
	for _, n := range conf.Notify {
		result, err := checkServer(ctx, conf, string(n.URL))
		report("notify."+n.Name, result, err)
	}
	for _, a := range conf.Apps {
		if a.BackchannelLogoutURI != "" {
			result, err := checkServer(ctx, conf, a.BackchannelLogoutURI)
			report("apps."+a.ID, result, err)
		}
	}
}

// roots returns the certificate authorities of the system together with further ones; nil = the system's.
func roots(further []byte) *x509.CertPool {
	if further == nil {
		return nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(further)
	return pool
}

// checkServer connects to the server of an address. The address may be a credential: errors have its
// host only.
func checkServer(ctx context.Context, conf *config.Config, address string) (result lang.Message, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return result, lang.Errorf("not a URL")
	}
	if conf.Outgoing.Proxy {
		return lang.Text("%s, through the proxy of the environment: not checked", u.Host), nil
	}
	ctx, cancel := context.WithTimeout(ctx, outsideTimeout)
	defer cancel()
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80"}[u.Scheme]
	}
	if port == "" {
		port = "443"
	}
	var dialer interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = &net.Dialer{}
	if u.Scheme == "https" {
		dialer = &tls.Dialer{Config: &tls.Config{RootCAs: roots(conf.Outgoing.CAs), MinVersion: tls.VersionTLS12}}
	}
	c, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return result, lang.Errorf("%s: %w", u.Host, err)
	}
	c.Close()
	return lang.Text("%s is reachable", u.Host), nil
}

// checkDirectory requests the directory of the certificate authority, and resolves the gateway's host.
func checkDirectory(ctx context.Context, conf *config.Config) (result lang.Message, err error) {
	settings := conf.TLS.ACME
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if settings.CAFile != "" {
		authorities, err := os.ReadFile(settings.CAFile)
		if err != nil {
			return result, lang.Errorf("tls.acme.ca_file: %w", err)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots(authorities), MinVersion: tls.VersionTLS12}
	}
	ctx, cancel := context.WithTimeout(ctx, outsideTimeout)
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
	addresses, err := net.DefaultResolver.LookupHost(ctx, u.Hostname())
	var unknown *net.DNSError
	if errors.As(err, &unknown) {
		return result, withHint(lang.Errorf("tls.acme: the name %s has no address", u.Hostname()),
			"add A or AAAA records that lead to this machine")
	}
	return lang.Text("%s is reachable; %s has the addresses %v: all of them must lead to this gateway, on port 443 or 80",
		r.URL.Host, u.Hostname(), addresses), err
}
