package cli

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/lang"
)

// This file checks the addresses at which the gateway listens, and the address that browsers use.

// checkListeners checks that the gateway can listen on its addresses, or already does.
func checkListeners(ctx context.Context, conf *config.Config, report func(string, lang.Message, error)) {
	scheme := "http"
	if conf.TLS.Enabled() {
		scheme = "https"
	}
	// running is whether a running gateway uses the addresses. A health check at an address in use
	// shows it. listen_http has no health check, so the result at the addresses before it counts.
	running := false
	for _, each := range []struct{ name, address, scheme string }{
		{"listen", conf.Listen, scheme},
		{"metrics", conf.Metrics, "http"},
		{"tls.acme.listen_http", conf.TLS.ACME.ListenHTTP, ""}, // no health check, so no scheme
	} {
		if each.address == "" {
			continue
		}
		l, err := net.Listen("tcp", each.address)
		inUse := errors.Is(err, syscall.EADDRINUSE)
		switch {
		case err == nil:
			_ = l.Close()
			report(each.name, lang.Text("%s is free", each.address), nil)
			continue
		case errors.Is(err, syscall.EACCES):
			report(each.name, lang.Text("%s needs a permission that this user does not have; the systemd unit can give it: "+
				"AmbientCapabilities=CAP_NET_BIND_SERVICE", each.address), nil)
			continue
		case inUse && each.scheme != "":
			pinging, cancel := context.WithTimeout(ctx, responseTimeout)
			_, pingErr := ping(pinging, each.address, each.scheme, "/healthz")
			cancel()
			running = pingErr == nil
		}
		if running && inUse {
			report(each.name, lang.Text("%s: the gateway runs", each.address), nil)
			continue
		}
		report(each.name, lang.Message{}, listenError(each.address, lang.Text("%s", each.name), err))
	}
}

// checkURL requests the OpenID Connect metadata at the gateway's public address, as apps do,
// through the reverse proxy. The issuer in the metadata identifies this gateway. If the gateway has
// not started yet, or this machine cannot reach it, this is not an error. isOurs reports whether
// the address leads to this gateway.
func checkURL(ctx context.Context, conf *config.Config) (result lang.Message, isOurs bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, responseTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, conf.URL+"/.well-known/openid-configuration", nil)
	if err != nil {
		return result, false, err
	}
	response, err := forOneCheck(http.DefaultTransport).RoundTrip(r) // follows no redirects
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		return lang.Text("%s: this machine does not trust the certificate: %s", conf.URL, untrusted.Err), false, nil
	case err != nil:
		return lang.Text("%s does not answer from here: start the gateway, then check again", conf.URL), false, nil
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return lang.Text("%s: the reverse proxy does not reach the gateway (status %d): start it, then check again",
			conf.URL, response.StatusCode), false, nil
	}
	if location := response.Header.Get("Location"); location != "" {
		if err := redirectError(conf, r.URL, location); err != nil {
			return result, false, err
		}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return result, false, lang.Errorf("url: %s: %w", conf.URL, err)
	}
	var metadata struct {
		Issuer string `json:"issuer"`
	}
	switch _ = json.Unmarshal(body, &metadata); {
	case metadata.Issuer == conf.URL:
		return lang.Text("%s leads to this gateway", conf.URL), true, nil
	case metadata.Issuer != "":
		return result, false, withHint(lang.Errorf("url: %s leads to a server with the issuer %s", conf.URL, metadata.Issuer),
			"if you changed url, restart the gateway; otherwise the reverse proxy leads to another server: correct it")
	}
	return result, false, withHint(lang.Errorf("url: %s answers with status %d, and not as this gateway", conf.URL,
		response.StatusCode),
		"check the reverse proxy, the CDN and the DNS records; in mainland China, a cloud answers for a host without "+
			"an ICP filing (备案) with a page of its own")
}

// redirectError returns an error if the response to a request for the address requested redirects
// to another host or scheme, or back to the same address. It returns nil for another path of the
// same host: checkURL then reports that the response is not the metadata.
func redirectError(conf *config.Config, requested *url.URL, location string) error {
	to, err := requested.Parse(location)
	switch {
	case err != nil:
		return nil
	case to.String() == requested.String(): // tinyauthapp/tinyauth#25
		return withHint(lang.Errorf("url: %s redirects to itself", conf.URL),
			"the CDN or outer proxy uses http, and the inner proxy redirects http to https: let the CDN use https "+
				"(Cloudflare: SSL mode Full)")
	case to.Host != requested.Host || to.Scheme != requested.Scheme:
		return withHint(lang.Errorf("url: %s redirects to %s://%s", conf.URL, to.Scheme, to.Host),
			"enter the address behind the redirect as url, or remove the redirect from the reverse proxy")
	}
	return nil
}
