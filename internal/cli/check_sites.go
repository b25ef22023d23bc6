package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/origin"
)

// This file checks the reverse proxies of sites with forward auth. Without a session, a site must
// lead to the sign-in. If the site shows a page instead, its proxy does not ask the gateway.

// sitesAtOnce limits how many sites checkSites requests at the same time.
const sitesAtOnce = 16

// checkSites requests each site of forward auth as a visitor without a session does. It skips hosts
// with a wildcard. If the gateway's own address is a loopback address, checkSites also skips all
// hosts with other addresses. A site that this machine cannot reach is a warning and not an error,
// because browsers may reach it through another network.
func checkSites(s *invocation, conf *config.Config, report func(string, lang.Message, error)) {
	u, err := url.Parse(conf.URL)
	if err != nil {
		return
	}
	sites := sitesToCheck(conf, u)
	transport := forOneCheck(http.DefaultTransport)
	running := make(chan struct{}, sitesAtOnce)
	var requests sync.WaitGroup
	for i := range sites {
		requests.Go(func() {
			running <- struct{}{}
			defer func() { <-running }()
			ctx, cancel := context.WithTimeout(s.ctx, responseTimeout)
			defer cancel()
			sites[i].result, sites[i].warning = checkSite(ctx, transport, sites[i].url)
		})
	}
	requests.Wait()
	if s.ctx.Err() != nil {
		return // the check was stopped
	}
	for _, site := range sites {
		if site.warning.String() != "" {
			s.out.warnf("%s", lang.Text("apps.%s: %s", site.app, site.warning))
			continue
		}
		report("apps."+site.app, site.result, nil)
	}
}

// checkedSite is a site of forward auth, and what checkSite found.
type checkedSite struct {
	app             string // its id
	url             url.URL
	result, warning lang.Message
}

// sitesToCheck returns the sites that checkSites requests. u is the gateway's own address.
func sitesToCheck(conf *config.Config, u *url.URL) (sites []checkedSite) {
	for _, a := range conf.Apps {
		for _, host := range a.Hosts {
			site := url.URL{Scheme: u.Scheme, Host: host, Path: "/"}
			isElsewhere := origin.IsLoopback(u.Hostname()) && !origin.IsLoopback(site.Hostname())
			if a.Kind == gateway.AppForwardAuth && !strings.Contains(host, "*") && !isElsewhere {
				sites = append(sites, checkedSite{app: a.ID, url: site})
			}
		}
	}
	return sites
}

// checkSite requests a site. warning is empty if the site leads to the sign-in.
func checkSite(ctx context.Context, transport http.RoundTripper, site url.URL) (result, warning lang.Message) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, site.String(), nil)
	if err != nil {
		return result, siteUnreachable(site, err)
	}
	r.Header.Set("Accept", "text/html")
	res, err := transport.RoundTrip(r) // follows no redirect
	if err != nil {
		return result, siteUnreachable(site, err)
	}
	res.Body.Close()
	location, err := res.Location()
	switch {
	case err == nil && strings.EqualFold(location.Host, site.Host) && location.Path == "/.weigate/start":
		return lang.Text("%s leads to the sign-in", site.String()), warning
	case res.StatusCode < http.StatusMultipleChoices:
		return result, lang.Text("%s opens without a sign-in: if this page is not public on purpose, its proxy does not "+
			"ask the gateway: weigate proxy nginx and weigate proxy caddy print its configuration", site.String())
	}
	return result, lang.Text("%s answers with HTTP status %d instead of leading to the sign-in: compare its proxy with "+
		"the output of weigate proxy nginx or weigate proxy caddy; the log of the gateway names the reason",
		site.String(), res.StatusCode)
}

// siteUnreachable returns the warning for a site that did not respond.
func siteUnreachable(site url.URL, err error) lang.Message {
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return lang.Text("%s: this machine does not trust the certificate: %s; let the proxy use a certificate for this "+
			"host; if browsers trust it, add its certificate authority to this machine", site.String(), untrusted.Err)
	}
	return lang.Text("%s does not answer from here: %s; correct its DNS record and its proxy; if only browsers reach it, "+
		"open it there without a session: it must lead to the sign-in", site.String(), transportCause(err))
}
