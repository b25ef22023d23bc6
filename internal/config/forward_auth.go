package config

import (
	"go.yaml.in/yaml/v4"
)

// forwardAuth reads what a site behind a reverse proxy has: its hosts. proxied tells whether any proxy is trusted: without one the gateway would have to
// take every caller's word for the host and the address.
func (s section) forwardAuth(a *App, c *Config, seen seenApps, proxied bool) {
	if !proxied {
		s.one("kind").fault("forward_auth needs trusted_proxies, the addresses of the proxies that ask, such as [127.0.0.1]: from others no host is believed")
	}
	a.Hosts = s.hosts("hosts", "the hosts that the proxy asks for, such as [wiki.example.com]", false)
	own := ""
	if u, err := parseAddress(c.URL); err == nil {
		own = u.Hostname()
	}
	list := s.at("hosts")
	mine := map[string]bool{}
	for _, host := range a.Hosts {
		name := hostOnly(host)
		at := list.item(host)
		switch {
		case name == own:
			at.fault("is the gateway's own host, whatever the port: its pages and cookies must not be the app's")
		case mine[name]:
		case seen.hosts[name] > 0:
			at.fault("is a host of the app on line %d already: browsers keep one set of cookies for a host, whatever the port", seen.hosts[name])
		default:
			seen.hosts[name], mine[name] = s.line, true
		}
	}
}

// hosts reads a list of hosts that must not be empty.
func (s section) hosts(key, want string, addresses bool) (out []string) {
	list := s.at(key)
	texts, at := list.texts()
	for i, text := range texts {
		if wrong := checkHostPort(text, addresses); len(wrong) > 0 {
			at[i].faults(wrong)
			continue
		}
		out = append(out, text)
	}
	if !list.given() || list.node.Kind == yaml.SequenceNode && len(list.node.Content) == 0 {
		list.fault("is missing: %s", want)
	}
	return out
}

// item is the place of a text in a list, where each text stands once.
func (v value) item(text string) value {
	for _, item := range v.items() {
		if item.given() && item.node.Value == text {
			return item
		}
	}
	return v
}
