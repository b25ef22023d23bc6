package cli

import (
	"bytes"
	"context"
	"errors"
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
	checkSites(s, conf, report)
}

// checkProxy requests the gateway's own address, and compares what arrives at both ends. warnings are
// mistakes that do not disturb the gateway.
func checkProxy(
	ctx context.Context, conf *config.Config, sealer *keys.Sealer,
) (result lang.Message, warnings []lang.Message, err error) {
	ctx, cancel := context.WithTimeout(ctx, responseTimeout)
	defer cancel()
	question := proxycheck.Question{URL: conf.URL, Sealer: sealer, Now: time.Now()}
	transport := forOneCheck(http.DefaultTransport)
	seen, err := proxycheck.Ask(ctx, transport, question)
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
	if len(seen.Settings) > 0 && !bytes.Equal(seen.Settings, conf.ConnectorsDigest()) {
		warnings = append(warnings, lang.Text("wechat: the running gateway still has other connectors or AppSecrets than "+
			"the file: reload it"))
	}
	question.ForwardedFor = forgedClient.String()
	forged, err := proxycheck.Ask(ctx, transport, question)
	if err != nil {
		forged = seen // perhaps a firewall that rejects the header
	}
	if err := proxyMistake(conf, seen); err != nil {
		return result, warnings, err
	}
	if err := forgeable(conf, seen, forged); err != nil {
		return result, warnings, err
	}
	if !sameHost(seen.Host, u) {
		warnings = append(warnings, lang.Text("proxy: the reverse proxy changes the header Host from %s to %s; if it "+
			"does the same for sites of forward auth, their pages do not work: let it send the name that browsers use",
			u.Host, seen.Host))
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
		return notReported(seen.Peer)
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

// forgedClient is the address that checkProxy claims to be the client's. It is reserved for documentation.
var forgedClient = netip.MustParseAddr("2001:db8:6368:6563:6b::1")

// forgeable returns an error if a browser can choose the address that the gateway takes for the client's,
// by a header X-Forwarded-For of its own, or if the proxy reports no client. forged is the result of the
// same request as seen, with such a header; nil = neither is found.
func forgeable(conf *config.Config, seen, forged *proxycheck.Result) error {
	isTrusted := route.Contains(conf.TrustedProxies, seen.Client)
	switch {
	case seen.Direct || seen.PeerPort == 0: // no proxy, or an older gateway, which does not tell
		return nil
	// A program on a machine that is itself a trusted proxy may report a client. A browser may not.
	case forged.Client == forgedClient && (!seen.Reported || !isTrusted || route.IsPublic(seen.Client)):
		return withHint(lang.Errorf("proxy: visitors can choose the IP address that the gateway takes for theirs: a "+
			"header X-Forwarded-For of the browser reaches it through %s", seen.Peer),
			"let the proxy replace the header (nginx: proxy_set_header X-Forwarded-For $remote_addr), and list only "+
				"proxies in trusted_proxies; until then, admin.addresses, limits and events are wrong")
	case seen.Trusted && !seen.Reported:
		return notReported(seen.Peer)
	}
	return nil
}

// notReported returns the error for a trusted proxy that sends no X-Forwarded-For.
func notReported(proxy netip.Addr) error {
	return withHint(lang.Errorf("proxy: the reverse proxy %s does not report its clients", proxy),
		"let it set X-Forwarded-For to the address of the client; until then, limits and events are wrong")
}

// notReloaded returns the error for a proxy that is trusted in the file, but not by the running
// gateway.
func notReloaded(proxy netip.Addr) error {
	return withHint(lang.Errorf("proxy: the running gateway does not trust the proxy %s", proxy),
		"trusted_proxies in the file has its address: reload the gateway")
}

// sameHost reports whether a header Host has the name of a URL. The port is not compared, because
// nothing reads the port of Host.
func sameHost(host string, u *url.URL) bool {
	return strings.EqualFold((&url.URL{Host: host}).Hostname(), u.Hostname())
}
