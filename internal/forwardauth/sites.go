package forwardauth

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/weigate/weigate/internal/origin"
)

// This file finds the site of a host. A site is one host of an app, with one scheme.

// site is one host of an app with one scheme. Compare sites by origin and not by pointer: find
// makes a new value for each request to a host that a wildcard matches.
type site struct {
	app           *App
	origin        string   // scheme and host
	name          string   // the host without its port: browsers send cookies to all ports of a host
	secure        bool     // the scheme is https
	sessionCookie string   // name of the cookie of the host session
	nonceCookie   string   // name of the cookie with the nonce of a sign-in in progress
	ownPrefixes   []string // prefixes of the gateway's own cookies, which are not passed to the app
}

// hostSites are the sites of a host, by scheme. A field is nil if the host is not served on its
// scheme.
type hostSites struct{ https, http *site }

// equal reports whether both are the sites of the same host.
func (s hostSites) equal(other hostSites) bool {
	return sameSite(s.https, other.https) && sameSite(s.http, other.http)
}

func sameSite(a, b *site) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.origin == b.origin
}

// wildcard is a host of an app that begins with "*.", such as "*.apps.example.com". It stands for
// all hosts with one label in place of the "*".
type wildcard struct {
	app         *App
	suffix      string // what follows the "*", with the port if it is not the default one
	https, http bool   // the schemes on which the hosts are served
}

// siteIndex has the hosts of all apps.
type siteIndex struct {
	byHost    map[string]hostSites // by the host in lower case, with and without a default port
	wildcards map[string]wildcard  // by what follows the "*", with and without a default port
	// names of hosts that no wildcard matches: the gateway's host, the hosts that apps list without
	// a wildcard, and the hosts of apps without forward auth. So a wildcard never extends an app to
	// a host that belongs to another app.
	reserved map[string]bool
}

// label matches one label of a host name in lower case, as browsers send it.
var label = regexp.MustCompile(`^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$`)

// find returns the sites of a host, which is in lower case.
func (x *siteIndex) find(host string) hostSites {
	if sites, found := x.byHost[host]; found {
		return sites
	}
	dot := strings.IndexByte(host, '.')
	if dot < 0 || len(x.wildcards) == 0 {
		return hostSites{}
	}
	w, found := x.wildcards[host[dot:]]
	name := (&url.URL{Host: host}).Hostname()
	if !found || x.reserved[name] || !label.MatchString(host[:dot]) {
		return hostSites{}
	}
	return newSites(w.app, host[:dot]+w.suffix, w.https, w.http)
}

// findOrigin returns the site with an origin, or nil.
func (x *siteIndex) findOrigin(address string) *site {
	scheme, host, _ := strings.Cut(address, "://")
	sites := x.find(host)
	for _, s := range []*site{sites.https, sites.http} {
		if s != nil && s.origin == scheme+"://"+host {
			return s
		}
	}
	return nil
}

// newSiteIndex returns the hosts of all apps. gatewayHost and cfg.OtherHosts are reserved. Loopback
// hosts are always served by plain http too. With cfg.Insecure, all hosts are. The error joins all
// problems.
func newSiteIndex(cfg Config, gatewayHost string) (*siteIndex, error) {
	x := &siteIndex{byHost: map[string]hostSites{}, wildcards: map[string]wildcard{},
		reserved: map[string]bool{gatewayHost: true}}
	for _, name := range cfg.OtherHosts {
		x.reserved[name] = true
	}
	var problems []error
	for i := range cfg.Apps {
		app := &cfg.Apps[i]
		if app.ID == "" || len(app.Hosts) == 0 {
			problems = append(problems, fmt.Errorf("forwardauth: app %q needs an id and hosts", app.ID))
		}
		for _, name := range app.Hosts {
			if err := x.add(app, name, cfg.Insecure); err != nil {
				problems = append(problems, err)
			}
		}
	}
	return x, errors.Join(problems...)
}

// add adds a host of an app. A proxy may send a host with or without the default port of its
// scheme. Therefore add adds both forms of the host.
func (x *siteIndex) add(app *App, name string, insecure bool) error {
	suffix, isWildcard := strings.CutPrefix(name, "*") // without a "*", suffix is the whole name
	u, err := url.Parse("https://" + name)
	if err != nil || u.Host != name || u.Hostname() == "" || name != strings.ToLower(name) ||
		strings.Contains(suffix, "*") || isWildcard && (!strings.HasPrefix(suffix, ".") || suffix == ".") {
		return fmt.Errorf("forwardauth: app %s: host %q: want a host name in lower case, and perhaps a port; "+
			"its first label may be *", app.ID, name)
	}
	port := u.Port()
	if port == "443" || port == "80" {
		suffix = strings.TrimSuffix(suffix, ":"+port)
	}
	https, http := port != "80", port != "443" && (insecure || origin.IsLoopback(u.Hostname()))
	put := func(suffix, port string, https, http bool) (taken bool) {
		if isWildcard {
			_, taken = x.wildcards[suffix+port]
			x.wildcards[suffix+port] = wildcard{app: app, suffix: suffix, https: https, http: http}
			return taken
		}
		x.reserved[u.Hostname()] = true
		_, taken = x.byHost[suffix+port]
		x.byHost[suffix+port] = newSites(app, suffix, https, http)
		return taken
	}
	// With a default port, the host is stored with both default ports, even where the app has no site: no
	// other app can list this host then.
	taken := put(suffix, "", https, http)
	if port == "" || port == "443" || port == "80" {
		taken = put(suffix, ":443", https, false) || taken
		taken = put(suffix, ":80", false, http) || taken
	}
	if taken {
		return fmt.Errorf("forwardauth: host %q is on the lists of two apps", name)
	}
	return nil
}

// newSites returns the sites of a host on the given schemes.
func newSites(app *App, host string, https, http bool) (sites hostSites) {
	if https {
		sites.https = newSite(app, "https", host)
	}
	if http {
		sites.http = newSite(app, "http", host)
	}
	return sites
}

func newSite(app *App, scheme, host string) *site {
	u := url.URL{Host: host}
	s := &site{app: app, origin: scheme + "://" + host, name: u.Hostname(), secure: scheme == "https"}
	if s.secure {
		s.sessionCookie = "__Host-weigate-auth"
		s.ownPrefixes = securePrefixes
	} else {
		s.sessionCookie = "weigate-auth" // browsers accept the prefixes on https only
		s.ownPrefixes = plainPrefixes
	}
	s.nonceCookie = s.sessionCookie + "-nonce"
	return s
}

var securePrefixes, plainPrefixes = []string{"__Host-weigate", "__Secure-weigate"}, []string{"weigate"}
