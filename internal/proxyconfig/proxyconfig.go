// Package proxyconfig writes the configuration of a reverse proxy in front of the gateway and of the
// sites with forward auth.
//
// [Nginx] and [Caddy] return a complete file. They read the hosts and addresses from the gateway's
// configuration, and take everything else from package examples. A value that has a meaning in the
// syntax of the proxy is an error. The package does not run a proxy, and opens no files.
package proxyconfig

import (
	"net/url"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// Options are the values that the gateway's configuration does not have.
type Options struct {
	// Certificate and Key are the paths of the certificate's files. "{host}" stands for the host. Both
	// may be empty for Caddy, which then gets the certificates itself.
	Certificate, Key string

	// Sites are the addresses of the sites behind the proxy, as HOST=http://ADDRESS. A host without an
	// address has the one of the examples.
	Sites []string

	Language string // of the comments
}

// AdviceError is a configuration for which nothing can be printed.
type AdviceError struct {
	text   lang.Message
	Advice lang.Message // what to do
}

func (e *AdviceError) Error() string { return e.text.String() }

// Localize returns the error in the language of the formats.
func (e *AdviceError) Localize(texts lang.Formats) string { return texts.Text(e.text) }

// defaultUpstream is the address of a site in the examples.
const defaultUpstream = "http://127.0.0.1:3000"

// server is a host that the proxy serves.
type server struct {
	host             string // with its port if that is not 443; "*.apps.example.com" = all hosts with one label more
	upstream         string // http://ADDRESS of what is behind the host; "" = unknown
	certificate, key string // paths; "" = none
}

// name returns the host without its port.
func (s server) name() string { return (&url.URL{Host: s.host}).Hostname() }

// port returns the port in browsers.
func (s server) port() string {
	if port := (&url.URL{Host: s.host}).Port(); port != "" {
		return port
	}
	return "443"
}

// proxy is what is in front of the gateway: checked values, which have no meaning in the syntax of a
// proxy.
type proxy struct {
	language string
	listen   string // HOST:PORT of the gateway, as the proxy reaches it
	gateway  server // the gateway's own host
	path     string // of the gateway below its host; "" = the host belongs to the gateway
	sites    []server
	warnings []lang.Message
}

// newProxy checks the configuration and the options.
func newProxy(conf *config.Config, o Options) (*proxy, error) {
	u, err := url.Parse(conf.URL)
	switch {
	case err != nil || u.Host == "":
		return nil, lang.Errorf("url: not an address")
	case conf.TLS.Enabled():
		return nil, &AdviceError{lang.Text("tls: the gateway serves TLS itself, without a reverse proxy"),
			lang.Text("for a reverse proxy, which sites of forward auth need, remove tls from the configuration and set " +
				"listen: 127.0.0.1:8080")}
	case u.Scheme != "https":
		return nil, &AdviceError{lang.Text("url: the address begins with http://, and a reverse proxy is for https://"),
			lang.Text("set url to the https address in browsers; to try forward auth on one machine, see “Try it on one " +
				"machine” in docs/en/forward-auth.md")}
	}
	if err := checkHost(u.Host); err != nil {
		return nil, lang.Errorf("url: %w", err)
	}
	if err := checkPath(strings.TrimPrefix(conf.URL, "https://"+u.Host)); err != nil { // with a query or fragment
		return nil, lang.Errorf("url: %w", err)
	}
	p := &proxy{language: o.Language, path: u.Path}
	if p.listen, err = reachable(conf.Listen); err != nil {
		return nil, lang.Errorf("listen: %w", err)
	}
	if err := checkFiles(o); err != nil {
		return nil, err
	}
	p.gateway = o.server(u.Host)
	for _, a := range conf.Apps {
		for _, host := range a.Hosts {
			if a.Kind != gateway.AppForwardAuth {
				continue
			}
			if err := checkHost(host); err != nil {
				return nil, lang.Errorf("apps.%s.hosts: %w", a.ID, err)
			}
			p.sites = append(p.sites, o.server(host))
		}
	}
	return p, p.setUpstreams(o.Sites)
}

// server returns a host with the paths of its certificate.
func (o Options) server(host string) server {
	s := server{host: host}
	name := strings.TrimPrefix(s.name(), "*.")
	s.certificate = strings.ReplaceAll(o.Certificate, "{host}", name)
	s.key = strings.ReplaceAll(o.Key, "{host}", name)
	return s
}

// Files returns the paths of the certificates' files for all hosts, each path once.
func Files(conf *config.Config, o Options) (paths []string) {
	p, err := newProxy(conf, o)
	if err != nil {
		return nil
	}
	for _, s := range p.servers() {
		for _, path := range []string{s.certificate, s.key} {
			if path != "" && !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	return paths
}

// setUpstreams sets the addresses of the sites, and warns of each site without one.
func (p *proxy) setUpstreams(flags []string) error {
	all := map[string]*server{}
	for i := range p.sites {
		all[p.sites[i].host] = &p.sites[i]
	}
	if p.path != "" {
		all[p.gateway.host] = &p.gateway // another site is at the root
	}
	for _, flag := range flags {
		host, upstream, _ := strings.Cut(flag, "=")
		host = strings.ToLower(host)
		site, found := all[host]
		upstream = strings.TrimSuffix(upstream, "/")
		switch err := checkUpstream(upstream); {
		case !found:
			return &AdviceError{lang.Text("--site: %q does not begin with a host of an app of kind forward_auth", flag),
				lang.Text("write HOST=http://127.0.0.1:3000 with a host of the configuration: %s", hostsOf(all))}
		case err != nil:
			return lang.Errorf("--site %q: %w", flag, err)
		case p.isGateway(upstream):
			return lang.Errorf("--site %q: the address of the gateway itself (listen), not of the site", flag)
		case site.upstream != "":
			return lang.Errorf("--site %s: given twice", host)
		}
		site.upstream = upstream
	}
	for _, s := range p.servers() {
		if all[s.host] != nil && s.upstream == "" {
			p.warnings = append(p.warnings, lang.Text("%s: the site is expected at %s; if it is elsewhere, add --site %s",
				s.host, defaultUpstream, quoted(s.host+"=http://HOST:PORT")))
		}
	}
	return nil
}

// quoted returns an argument for a shell, in which "*" has a meaning.
func quoted(argument string) string {
	if strings.Contains(argument, "*") {
		return "'" + argument + "'"
	}
	return argument
}

// servers returns all hosts, the gateway's first.
func (p *proxy) servers() []server { return append([]server{p.gateway}, p.sites...) }

// hostsOf describes the hosts for which a site can be given.
func hostsOf(all map[string]*server) lang.Message {
	var hosts []string
	for host := range all {
		hosts = append(hosts, host)
	}
	if len(hosts) == 0 {
		return lang.Text("it has none")
	}
	slices.Sort(hosts)
	return lang.Text("%s", lang.Words(hosts))
}
