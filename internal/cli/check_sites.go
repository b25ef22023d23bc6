package cli

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/origin"
)

// This file checks the reverse proxies of sites with forward auth. Without a session, a site must
// lead to the sign-in. If the site shows a page instead, its proxy does not ask the gateway.

// checkSites requests each site of forward auth as a visitor without a session does. It skips hosts
// with a wildcard, and hosts that this machine cannot reach. If the gateway's own address is a
// loopback address, checkSites also skips all hosts with other addresses.
func checkSites(s *invocation, conf *config.Config, report func(string, lang.Message, error)) {
	ctx, cancel := context.WithTimeout(s.ctx, responseTimeout) // for all together
	defer cancel()
	u, err := url.Parse(conf.URL)
	if err != nil {
		return
	}
	transport := forOneCheck(http.DefaultTransport)
	for _, a := range conf.Apps {
		for _, host := range a.Hosts {
			site := url.URL{Scheme: u.Scheme, Host: host, Path: "/"}
			isElsewhere := origin.IsLoopback(u.Hostname()) && !origin.IsLoopback(site.Hostname())
			if a.Kind != gateway.AppForwardAuth || strings.Contains(host, "*") || isElsewhere {
				continue
			}
			result, warning, answered := checkSite(ctx, transport, site)
			switch {
			case answered && warning.String() != "":
				s.out.warnf("%s", lang.Text("apps.%s: %s", a.ID, warning))
			case answered:
				report("apps."+a.ID, result, nil)
			}
		}
	}
}

// checkSite requests a site. answered is false if there was no response. warning is empty if the site leads
// to the sign-in.
func checkSite(
	ctx context.Context, transport http.RoundTripper, site url.URL,
) (result, warning lang.Message, answered bool) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, site.String(), nil)
	if err != nil {
		return result, warning, false
	}
	r.Header.Set("Accept", "text/html")
	res, err := transport.RoundTrip(r) // follows no redirect
	if err != nil {
		return result, warning, false
	}
	res.Body.Close()
	location, err := res.Location()
	switch {
	case err == nil && strings.EqualFold(location.Host, site.Host) && location.Path == "/.weigate/start":
		return lang.Text("%s leads to the sign-in", site.String()), warning, true
	case res.StatusCode < http.StatusMultipleChoices:
		return result, lang.Text("%s opens without a sign-in: if this page is not public on purpose, its proxy does not "+
			"ask the gateway: weigate proxy nginx and weigate proxy caddy print its configuration", site.String(),
		), true
	}
	return result, lang.Text("%s answers with HTTP status %d instead of leading to the sign-in: compare its proxy with "+
		"the output of weigate proxy nginx or weigate proxy caddy; the log of the gateway names the reason",
		site.String(), res.StatusCode), true
}
