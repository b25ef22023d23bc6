package config

import "slices"

func readRelayConnector(s *section, v value, a *App) {
	a.Connector = v.connector(OfficialAccount, s.r.conf.WeChat)
}

func readRelayWebsiteConnector(s *section, v value, a *App) {
	a.WebsiteConnector = v.connector(Website, s.r.conf.WeChat)
}

func readReturnHosts(_ *section, v value, a *App) { a.ReturnHosts = v.hosts(true) }

// connector reads the name of a connector of a kind. It returns "" if the name is rejected.
func (v value) connector(kind string, all []Connector) string {
	text, ok := v.text()
	known := connectorNames(all, kind)
	switch {
	case !ok || slices.Contains(known, text):
		return text
	case slices.Contains(connectorNames(all, ""), text):
		v.reject("must be a connector of kind %s (%s)", kind, among(known))
	default:
		v.reject("no such connector of kind %s (%s)%s", kind, among(known), didYouMean(text, known))
	}
	return ""
}
