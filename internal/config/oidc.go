package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

func emailKeys() []key[Email] {
	return []key[Email]{
		{name: "policy", read: func(_ *section, v value, e *Email) {
			e.Policy = v.choice("none", "none", "synthetic")
		}},
		{name: "domain", read: readEmailDomain},
	}
}

func lifetimeKeys() []key[Lifetimes] {
	return []key[Lifetimes]{
		{name: "code", read: func(_ *section, v value, l *Lifetimes) {
			l.Code = v.duration(time.Minute, 5*time.Second, 10*time.Minute)
		}},
		{name: "access", read: func(_ *section, v value, l *Lifetimes) {
			l.Access = v.duration(5*time.Minute, time.Minute, day)
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
		s.scalar("secret").reject("missing: one or two secrets, or secret_file (public: true if it cannot keep one)")
	}
}

func readRedirectURIs(s *section, v value, a *App) {
	a.RedirectURIs = v.redirectURIs(a.Public, s.r.conf.Insecure)
}

func readPostLogoutRedirectURIs(s *section, v value, a *App) {
	a.PostLogoutRedirectURIs = v.redirectURIs(a.Public, s.r.conf.Insecure)
}

func (v value) redirectURIs(public, insecure bool) []string {
	return v.checkedTexts(func(text string) []error { return checkRedirectURI(text, public, insecure) })
}

func readSubject(s *section, v value, a *App) {
	a.Subject = "user"
	text, ok := v.text()
	if !ok {
		return
	}
	name, isOpenID := strings.CutPrefix(text, "openid:")
	connectors := connectorNames(s.r.conf.WeChat, "")
	switch {
	case isOpenID && !slices.Contains(connectors, name):
		v.reject("openid: must be followed by a connector (%s)%s", among(connectors), didYouMean(name, connectors))
	case !isOpenID && text != "user" && text != "unionid":
		v.reject("must be user, unionid, or openid: and a connector%s", didYouMean(text, []string{"user", "unionid"}))
	default:
		a.Subject = text
	}
}

func readEmail(_ *section, v value, a *App) { readMapping(v, emailKeys(), &a.Email) }

func readEmailDomain(s *section, v value, e *Email) {
	policy := s.scalar("policy")
	if policy.present() && policy.node.Value != e.Policy {
		return // rejected: what the domain is for is unknown
	}
	text, ok := v.text()
	_, notIP := netip.ParseAddr(text)
	switch {
	case e.Policy == "none" && text != "":
		v.reject("only valid with policy: synthetic")
	case e.Policy == "synthetic" && text == "":
		v.reject("missing: a domain of yours for synthetic addresses, at which nobody else can receive mail")
	case ok && text != "" && (notIP == nil || !hostName.MatchString(text) || !strings.Contains(text, ".")):
		v.reject("must be a domain such as people.example.com, in lower case")
	default:
		e.Domain = text
	}
}
