package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

func emailKeys() []string    { return []string{"policy", "domain"} }
func lifetimeKeys() []string { return []string{"code", "access", "refresh"} }

// oidc reads what an OpenID Connect client has: its secrets and addresses, and what it hears of people.
func (s section) oidc(a *App, c *Config) {
	a.Public = s.one("public").yes()
	secrets, given := s.clientSecrets()
	a.Secrets = secrets
	switch {
	case a.Public && given:
		s.one("public").fault("a public app keeps no secret: take away public: true, or the secret")
	case !a.Public && !given:
		s.missing("secret", "one or two values, or their file as secret_file; public: true for an app that can keep none")
	}

	uris := s.at("redirect_uris")
	a.RedirectURIs = uris.returns(a.Public, c.Insecure)
	if !uris.given() || uris.node.Kind == yaml.SequenceNode && len(uris.node.Content) == 0 {
		uris.fault("is missing: where the app takes people back, such as [https://app.example.com/callback]")
	}
	a.PostLogoutRedirectURIs = s.at("post_logout_redirect_uris").returns(a.Public, c.Insecure)

	a.Subject = s.subject(c)
	a.Email = s.at("email").section(emailKeys()...).email()
	a.IDTokenAlg = s.one("id_token_alg").choice("RS256", "RS256", "ES256")
	a.IDTokenClaims = s.one("id_token_claims").yes()
	life := s.at("lifetimes").section(lifetimeKeys()...)
	a.Lifetimes = Lifetimes{
		Code:    life.one("code").duration(time.Minute, 5*time.Second, 10*time.Minute),
		Access:  life.one("access").duration(5*time.Minute, time.Minute, 24*time.Hour),
		Refresh: life.one("refresh").duration(720*time.Hour, time.Hour, 8760*time.Hour),
	}
}

func (v value) returns(public, insecure bool) (out []string) {
	texts, at := v.texts()
	for i, text := range texts {
		if wrong := checkReturn(text, public, insecure); len(wrong) > 0 {
			at[i].faults(wrong)
			continue
		}
		out = append(out, text)
	}
	return out
}

func (s section) email() (e Email) {
	policy := s.one("policy")
	e.Policy = policy.choice("none", "none", "synthetic")
	misspelt := policy.given() && policy.node.Value != e.Policy
	domain := s.one("domain")
	text, ok := domain.text()
	switch _, notIP := netip.ParseAddr(text); {
	case misspelt: // what the domain is for cannot be told
	case ok && e.Policy == "none" && text != "":
		domain.fault("is used with policy: synthetic only")
	case e.Policy == "synthetic" && text == "":
		s.missing("domain", "a domain of your own, for addresses that nobody else can get mail at")
	case ok && text != "" && (notIP == nil || !hostName.MatchString(text) || !strings.Contains(text, ".")):
		domain.fault("must be a domain of your own such as people.example.com, in lower case")
	default:
		e.Domain = text
	}
	return e
}

func (s section) subject(c *Config) string {
	const def = "user"
	v := s.one("subject")
	text, ok := v.text()
	if !ok {
		return def
	}
	name, byEntry := strings.CutPrefix(text, "openid:")
	known := connectorNames(c.WeChat, "")
	switch {
	case byEntry && !slices.Contains(known, name):
		v.fault("openid: wants the name of an entry below wechat: %s%s", existing(known), hint(name, known))
		return def
	case !byEntry && text != def && text != "unionid":
		v.fault("must be user, unionid or openid: and the name of an entry%s", hint(text, []string{def, "unionid"}))
		return def
	}
	return text
}
