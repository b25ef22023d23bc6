package cli

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/proxycheck"
	"github.com/weigate/weigate/internal/route"
)

// This file checks what reverse proxies and CDNs between browsers and the gateway change.

// checkAddress checks the address that browsers use, and what is between them and the gateway. sealer is
// nil without a master key.
func checkAddress(
	s *invocation, conf *config.Config, sealer *keys.Sealer, report func(string, lang.Message, error),
) {
	result, isOurs, err := checkURL(s.ctx, conf)
	report("url", result, err)
	if !isOurs || sealer == nil {
		return
	}
	result, warnings, err := checkProxy(s.ctx, conf, sealer)
	report("proxy", result, err)
	for _, w := range warnings {
		s.out.warnf("%s", w)
	}
}

// checkProxy requests the gateway's own address, and compares what arrives at both ends. warnings are
// mistakes that do not disturb the gateway.
func checkProxy(
	ctx context.Context, conf *config.Config, sealer *keys.Sealer,
) (result lang.Message, warnings []lang.Message, err error) {
	ctx, cancel := context.WithTimeout(ctx, responseTimeout)
	defer cancel()
	seen, err := proxycheck.Ask(ctx, forOneCheck(http.DefaultTransport), conf.URL, sealer, time.Now())
	var noAnswer *proxycheck.NoAnswerError
	switch {
	case errors.As(err, &noAnswer):
		return noProxyAnswer(noAnswer.Status), nil, nil
	case errors.Is(err, proxycheck.ErrOtherKey):
		return lang.Text("not checked: the running gateway has a master key that the key file here lacks"), nil, nil
	case errors.Is(err, proxycheck.ErrCached):
		return result, nil, withHint(lang.Errorf("proxy: a cache between browsers and the gateway stores its pages"),
			"let the CDN or reverse proxy obey Cache-Control, or exclude this host from its cache")
	case err != nil:
		return result, nil, lang.Errorf("proxy: %w", transportCause(err))
	}
	u, err := url.Parse(conf.URL)
	if err != nil {
		return result, nil, err
	}
	if err := proxyMistake(conf, seen); err != nil {
		return result, nil, err
	}
	if !sameHost(seen.Host, u) {
		warnings = append(warnings, lang.Text("proxy: the reverse proxy changes the header Host from %s to %s; sites of "+
			"forward auth need it unchanged, with its port: nginx needs proxy_set_header Host $http_host", u.Host,
			seen.Host))
	}
	proto, _, _ := strings.Cut(seen.Proto, ",")
	if u.Scheme == "https" && strings.EqualFold(strings.TrimSpace(proto), "http") {
		warnings = append(warnings, lang.Text("proxy: the CDN or outer proxy uses http: codes and cookies cross the "+
			"network unencrypted behind it, and a proxy that redirects http to https causes an endless loop; let it use "+
			"https (Cloudflare: SSL mode Full)"))
	}
	return lang.Text("pages and cookies pass unchanged; the gateway sees this machine as %s", seen.Client), warnings, nil
}

// noProxyAnswer returns the likely causes of a response without the gateway's answer.
func noProxyAnswer(status int) lang.Message {
	switch status {
	case http.StatusNotFound:
		return lang.Text("not checked: the running gateway has another version or master key, its clock is wrong, " +
			"or a proxy removes the request header Weigate-Check")
	case http.StatusOK:
		return lang.Text("not checked: a proxy removes the response header Weigate-Check, or answers itself")
	}
	return lang.Text("not checked: HTTP status %d instead of an answer: perhaps a firewall (WAF) or a rate limit "+
		"refuses %s", status, proxycheck.Path)
}

// proxyMistake returns an error for what disturbs the gateway; nil = nothing does.
func proxyMistake(conf *config.Config, seen *proxycheck.Result) error {
	switch {
	case seen.BodyChanged:
		return withHint(lang.Errorf("proxy: a CDN or reverse proxy changes the pages of the gateway"),
			"switch off everything that rewrites pages, such as Rocket Loader, e-mail obfuscation, minification and "+
				"injected analytics: browsers block foreign scripts here")
	case seen.PolicyChanged:
		return withHint(lang.Errorf("proxy: a CDN or reverse proxy changes the header Content-Security-Policy"),
			"pass on the gateway's header unchanged, and add no second one")
	case seen.CookieDropped || !seen.Cookie:
		return withHint(lang.Errorf("proxy: a CDN or reverse proxy does not pass on cookies"),
			"let it pass on Cookie and Set-Cookie: without them, users sign in again and again")
	case seen.Hides() && seen.Trusted:
		return withHint(lang.Errorf("proxy: the reverse proxy %s does not report its clients", seen.Peer),
			"let it set X-Forwarded-For to the address of the client; until then, limits and events are wrong")
	case seen.Hides() && route.Contains(conf.TrustedProxies, seen.Peer):
		return notReloaded(seen.Peer)
	case seen.Hides() && route.IsPublic(seen.Peer):
		return withHint(lang.Errorf("proxy: the gateway takes the reverse proxy %s for the client", seen.Peer),
			"if it is yours, add its address to trusted_proxies and reload; for a CDN, add all its addresses")
	case seen.Hides():
		return withHint(lang.Errorf("proxy: the gateway takes the reverse proxy %s for the client", seen.Peer),
			"if nothing else reaches the gateway from its address, add it to trusted_proxies and reload; Docker and "+
				"load balancers may give all clients one address")
	case seen.Earlier() != "" && route.Contains(conf.TrustedProxies, seen.Client):
		return notReloaded(seen.Client)
	case seen.Earlier() != "":
		return withHint(lang.Errorf("proxy: the gateway takes %s for the client, and it is another proxy", seen.Client),
			"if it is yours, add its address to trusted_proxies too; for a CDN, add all its addresses")
	}
	return nil
}

// notReloaded returns the error for a proxy that the file trusts, and the running gateway does not.
func notReloaded(proxy netip.Addr) error {
	return withHint(lang.Errorf("proxy: the running gateway does not trust the proxy %s", proxy),
		"trusted_proxies in the file has its address: reload the gateway")
}

// sameHost reports whether a header Host is that of a URL. It may have the default port.
func sameHost(host string, u *url.URL) bool {
	if strings.EqualFold(host, u.Host) {
		return true
	}
	port := "80"
	if u.Scheme == "https" {
		port = "443"
	}
	return u.Port() == "" && strings.EqualFold(host, net.JoinHostPort(u.Hostname(), port)) ||
		u.Port() == port && strings.EqualFold(host, u.Hostname())
}
