package config

import (
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/lang"
)

// This file reads the keys that belong to one kind of app: first those of oidc (OpenID Connect),
// then forward_auth (a proxy asks the gateway), then relay (WeChat's own protocol).

// emailKeys declares the keys of email. v.choice takes the default value, and then all valid
// values.
func emailKeys() []key[Email] {
	return []key[Email]{
		{name: "policy", read: func(_ *section, v value, e *Email) {
			e.Policy = v.choice("none", "none", "synthetic")
		}},
		{name: "domain", read: readEmailDomain},
	}
}

// lifetimeKeys declares the keys of lifetimes. v.duration takes the default value, the lower bound
// and the upper bound.
func lifetimeKeys() []key[Lifetimes] {
	return []key[Lifetimes]{
		{name: "code", read: func(_ *section, v value, l *Lifetimes) {
			l.Code = v.duration(time.Minute, 5*time.Second, 10*time.Minute)
		}},
		{name: "access", read: func(_ *section, v value, l *Lifetimes) {
			l.Access = v.duration(5*time.Minute, time.Minute, day)
		}},
		{name: "id_token", read: func(_ *section, v value, l *Lifetimes) {
			l.IDToken = v.duration(time.Hour, time.Minute, day)
		}},
		{name: "refresh", read: func(_ *section, v value, l *Lifetimes) {
			l.Refresh = v.duration(30*day, time.Hour, year)
		}},
	}
}

func readPublic(s *section, v value, a *App) {
	switch a.Public = v.boolean(); {
	case a.Public && s.hasSecret():
		v.reject("must not be true for an app with a secret")
	case !a.Public && !s.hasSecret():
		s.fromEnvOrFile("secret").reject("missing: one or two secrets, or secret_file (public: true if it cannot keep one)")
	}
}

func readRedirectURIs(s *section, v value, a *App) {
	a.RedirectURIs = v.redirectURIs(s.reader.conf.Insecure)
}

func readPostLogoutRedirectURIs(s *section, v value, a *App) {
	a.PostLogoutRedirectURIs = v.redirectURIs(s.reader.conf.Insecure)
}

// readBackchannelLogoutURI reads the address to which logout tokens of an app are sent.
func readBackchannelLogoutURI(s *section, v value, a *App) {
	text, ok := v.text()
	if !ok || text == "" {
		return
	}
	a.BackchannelLogoutURI = text
	v.rejectAll(checkBackchannelLogoutURI(text, s.reader.conf.Outgoing.PrivateApps))
}

func (v value) redirectURIs(insecure bool) []string {
	return v.checkedTexts(func(text string) []error { return checkRedirectURI(text, insecure) })
}

// someOf reads a list of some of the given words. It returns all words if the value is absent or
// rejected. A list without elements is rejected: the message gives its consequence.
func (v value) someOf(all []string, consequence lang.Message) []string {
	texts, at := v.texts()
	var out []string
	for i, text := range texts {
		if !slices.Contains(all, text) {
			at[i].reject("must be %s%s", joinWithOr(all), didYouMean(text, all))
			continue
		}
		out = append(out, text)
	}
	if v.isEmptyList() {
		v.reject("must not be empty: %s", consequence)
	}
	if len(out) == 0 {
		return all
	}
	return out
}

func readResponseModes(_ *section, v value, a *App) {
	a.ResponseModes = v.someOf([]string{"query", "form_post"}, lang.Text("the app could receive no response"))
}

func readSubject(s *section, v value, a *App) {
	a.Subject = "user"
	text, ok := v.text()
	if !ok {
		return
	}
	name, isOpenID := strings.CutPrefix(text, "openid:")
	connectors := connectorNames(s.reader.conf.WeChat, "")
	switch {
	case isOpenID && !slices.Contains(connectors, name):
		v.reject("openid: must be followed by a connector (%s)%s", configuredNames(connectors), didYouMean(name, connectors))
	case !isOpenID && text != "user" && text != "unionid":
		v.reject("must be user, unionid, or openid: and a connector%s", didYouMean(text, []string{"user", "unionid"}))
	default:
		a.Subject = text
	}
}

func readEmail(_ *section, v value, a *App) { readMapping(v, emailKeys(), &a.Email) }

func readEmailDomain(s *section, v value, e *Email) {
	policy := s.fromEnvOrFile("policy")
	if policy.present() && policy.node.Value != e.Policy {
		return // the policy was rejected, and the check of the domain depends on it
	}
	text, ok := v.text()
	switch {
	case e.Policy == "none" && text != "":
		v.reject("only valid with policy: synthetic")
	case e.Policy == "synthetic" && text == "":
		v.reject("missing: a domain of yours for synthetic addresses, at which nobody else can receive mail")
	case ok && text != "" && len(checkDomain(text)) > 0:
		v.rejectAll(checkDomain(text))
	default:
		e.Domain = text
	}
}

func readOrigins(s *section, v value, a *App) {
	a.Origins = v.checkedTexts(func(text string) []error { return checkOrigin(text, s.reader.conf.Insecure) })
}

// readEmailVerified reads the value of the claim email_verified. An app may join users by a
// verified address. So true requires a domain that the administrator has listed in
// verified_email_domains.
func readEmailVerified(s *section, v value, a *App) {
	a.EmailVerified = v.choice("false", "omit", "false", "true")
	if a.EmailVerified == "true" && !slices.Contains(s.reader.conf.VerifiedEmailDomains, a.Email.Domain) {
		v.reject("true requires email.domain in verified_email_domains: apps trust the owner of a verified address")
	}
}

// readHosts reads the hosts of a forward_auth app (an app behind a reverse proxy). Two apps must
// not share a host name, not even with different ports. Browsers send cookies to all ports of a
// host, so each app would receive the session cookies of the other app. A wildcard is allowed to
// match the gateway's host or a host of another app: package forwardauth excludes these hosts.
func readHosts(s *section, v value, a *App) {
	a.Hosts = v.checkedTexts(checkSiteHost)
	gatewayHost := ""
	if u, err := parseAddress(s.reader.conf.URL); err == nil {
		gatewayHost = u.Hostname()
	}
	ofThisApp := map[string]bool{} // the same host name with another port is allowed
	for _, host := range a.Hosts {
		name := hostOnly(host)
		otherAppLine := s.reader.hosts[name]
		switch item := v.item(host); {
		case name == gatewayHost:
			item.reject("must not be the gateway's host: browsers send cookies to all ports of a host")
		case ofThisApp[name]:
		case otherAppLine > 0:
			item.reject("already a host of the app on line %d: browsers send cookies to all ports of a host", otherAppLine)
		default:
			s.reader.hosts[name], ofThisApp[name] = s.line, true
		}
	}
}

// item returns the element of the list v with this text, so that a message can name its line.
func (v value) item(text string) value {
	for _, item := range v.items() {
		if item.present() && item.node.Value == text {
			return item
		}
	}
	return v
}

func readRelayConnector(s *section, v value, a *App) {
	a.Connector = v.connector(OfficialAccount, s.reader.conf.WeChat)
}

func readRelayWebsiteConnector(s *section, v value, a *App) {
	a.WebsiteConnector = v.connector(Website, s.reader.conf.WeChat)
}

func readReturnURLs(_ *section, v value, a *App) { a.ReturnURLs = v.checkedTexts(checkReturnURL) }

// connector reads the name of a connector, which must be of the given kind. It returns "" if the
// name is rejected.
func (v value) connector(kind string, all []Connector) string {
	text, ok := v.text()
	known := connectorNames(all, kind)
	switch {
	case !ok || slices.Contains(known, text):
		return text
	case slices.Contains(connectorNames(all, ""), text):
		v.reject("must be a connector of kind %s (%s)", kind, configuredNames(known))
	default:
		v.reject("no such connector of kind %s (%s)%s", kind, configuredNames(known), didYouMean(text, known))
	}
	return ""
}
