package config

import "slices"

// relay reads what old code that speaks WeChat's own protocol has: an appid and a secret of the gateway's making in place of WeChat's, which entries stand
// behind them, and where people may be taken back.
func (s section) relay(a *App, c *Config, seen seenApps) {
	a.AppID = s.appID(seen.appIDs, "make one up for the old program, wx and 16 digits of 0-9a-f, which is not WeChat's; openssl rand -hex 8 gives the digits")
	secrets, given := s.clientSecrets()
	a.Secrets = secrets
	if !given {
		s.missing("secret", "one or two values for the old program in place of the AppSecret, or their file as secret_file; openssl rand -hex 16 makes one as long as WeChat's")
	}
	a.Connector = s.connectorName("connector", OfficialAccount, c)
	if !s.one("connector").given() {
		s.missing("connector", "the name of the official account that people sign in through")
	}
	a.WebsiteConnector = s.connectorName("website_connector", Website, c)
	a.ReturnHosts = s.hosts("return_hosts", "where the old program takes people back, such as [shop.example.com]", true)
}

// entryName reads the name of an entry of a kind; "" when there is none that can be used.
func (s section) connectorName(key, kind string, c *Config) string {
	v := s.one(key)
	text, ok := v.text()
	known := connectorNames(c.WeChat, kind)
	switch {
	case !ok:
		return ""
	case slices.Contains(known, text):
		return text
	case slices.Contains(connectorNames(c.WeChat, ""), text):
		v.fault("must be the name of an entry of kind %s, and that one is of another: %s", kind, existing(known))
	default:
		v.fault("must be the name of an entry of kind %s below wechat: %s%s", kind, existing(known), hint(text, known))
	}
	return ""
}
