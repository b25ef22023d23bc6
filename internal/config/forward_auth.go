package config

// readHosts reads the hosts of a site behind a reverse proxy. A host name may belong to one app
// only, whatever its ports.
func readHosts(s *section, v value, a *App) {
	a.Hosts = v.hosts(false)
	gateway := ""
	if u, err := parseAddress(s.r.conf.URL); err == nil {
		gateway = u.Hostname()
	}
	own := map[string]bool{}
	for _, host := range a.Hosts {
		name := hostOnly(host)
		first := s.r.hosts[name]
		switch at := v.item(host); {
		case name == gateway:
			at.reject("must not be the gateway's host: browsers send cookies to all ports of a host")
		case own[name]:
		case first > 0:
			at.reject("already a host of the app on line %d: browsers send cookies to all ports of a host", first)
		default:
			s.r.hosts[name], own[name] = s.line, true
		}
	}
}

// hosts reads a list of hosts with optional ports.
func (v value) hosts(allowIP bool) []string {
	return v.checkedTexts(func(text string) []error { return checkHostPort(text, allowIP) })
}

// item returns the element of a list with this text.
func (v value) item(text string) value {
	for _, item := range v.items() {
		if item.present() && item.node.Value == text {
			return item
		}
	}
	return v
}
