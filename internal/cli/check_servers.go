package cli

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/lang"
)

// printServers prints which servers the gateway connects to, which ones browsers need, and the
// proxy of the environment: what a firewall must allow. This needs no connection, so the check
// without a network prints it.
func printServers(p printer, conf *config.Config, proxyOf func(*http.Request) (*url.URL, error)) {
	var gateway, proxied, browsers []string // proxied: through the proxy also without outgoing.proxy
	add := func(hosts *[]string, address string) {
		u, err := url.Parse(address)
		if err == nil && u.Host != "" && !slices.Contains(*hosts, u.Host) {
			*hosts = append(*hosts, u.Host)
		}
	}
	for _, c := range conf.WeChat {
		if c.Kind != config.SubscriptionAccount { // makes no calls to WeChat, and has no pages there
			add(&gateway, c.API)
			add(&proxied, c.API)
			add(&browsers, c.Open)
		}
		add(&gateway, c.Push.Forward)
	}
	for _, n := range conf.Notify {
		add(&gateway, string(n.URL))
	}
	for _, a := range conf.Apps {
		add(&gateway, a.BackchannelLogoutURI)
	}
	if conf.TLS.ACME.Enabled {
		add(&gateway, conf.TLS.ACME.Directory)
		add(&proxied, conf.TLS.ACME.Directory)
	}
	if len(gateway) > 0 {
		printChecked(p, "connects to", lang.Words(gateway))
	}
	if len(browsers) > 0 {
		printChecked(p, "browsers need", lang.Words(browsers))
	}
	for _, host := range gateway {
		proxy, err := proxyOf(&http.Request{URL: &url.URL{Scheme: "https", Host: host}})
		if err != nil || proxy == nil || !conf.Outgoing.Proxy && !slices.Contains(proxied, host) {
			continue
		}
		printChecked(p, "proxy", lang.Text("%s for %s, from the environment (HTTPS_PROXY, NO_PROXY)", proxy.Host, host))
	}
}
