package config

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/internal/gateway"
)

func appKeys() []string {
	return []string{"id", "kind", "name", "secret", "secret_file", "public", "redirect_uris", "post_logout_redirect_uris", "access", "doors", "subject",
		"email", "id_token_alg", "id_token_claims", "lifetimes"}
}

func accessKeys() []string   { return []string{"accounts", "openids", "unionids", "groups"} }
func emailKeys() []string    { return []string{"policy", "domain"} }
func lifetimeKeys() []string { return []string{"code", "access", "refresh"} }
func laterAppKeys() []string { return []string{"hosts", "appid", "entry", "return_hosts"} }
func laterAppKinds() []string {
	return []string{string(gateway.AppForwardAuth), string(gateway.AppRelay)}
}
func laterDoors() []string { return []string{"scan", "website"} }

var appName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// minClientSecret keeps guessing hopeless: the gateway stores a plain hash of it.
const minClientSecret = 16

func (r *reader) apps(list value, c *Config) (out []App) {
	taken := newNames()
	for _, item := range list.items() {
		s := item.section(append(appKeys(), laterAppKeys()...)...)
		if !s.mapping() {
			continue
		}
		var a App
		a.ID = s.name("id", "apps", appName, "a letter or digit, then letters, digits, dots, _ and -, at most 64", taken)
		s.rename("apps", a.ID)
		if !s.kind(&a) {
			continue
		}
		s.client(&a, c)
		s.rules(&a, c)
		out = append(out, a)
	}
	return out
}

// kind reports whether the rest of the app can be judged. One whose kind is missing or misspelt is judged as oidc, so that all is told at once.
func (s section) kind(a *App) bool {
	a.Kind = gateway.AppOIDC
	v := s.one("kind")
	text, ok := v.text()
	switch {
	case ok && slices.Contains(laterAppKinds(), text):
		v.fault("%s is not in this version: oidc is", text) // one of two fixed words
		return false
	case !v.given():
		v.fault("is missing: oidc")
		return true
	}
	if v.choice("", string(gateway.AppOIDC)) == "" {
		return true
	}
	for _, key := range laterAppKeys() {
		if s.has(key) {
			s.at(key).fault("is no key of an app of kind oidc")
		}
	}
	return true
}

// client reads who the app is: its name, its secrets, its addresses.
func (s section) client(a *App, c *Config) {
	name := s.one("name")
	a.Name = a.ID
	if text, ok := name.text(); ok {
		if a.Name = text; text == "" || len([]rune(text)) > 100 {
			name.fault("must have 1 to 100 characters: people read it")
		}
	}
	a.Public = s.one("public").yes()
	secrets := s.secrets("secret", 2)
	for _, each := range secrets {
		if len(each.value) < minClientSecret {
			each.at.fault("must have %d characters or more: make one with openssl rand -base64 32", minClientSecret)
		}
		a.Secrets = append(a.Secrets, each.value)
	}
	given := s.one("secret").given() || s.one("secret_file").given()
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

// rules reads who may use the app, and what it hears of them.
func (s section) rules(a *App, c *Config) {
	a.Access = s.access()
	a.Doors = s.doors()
	a.Subject = s.subject(c)

	email := s.at("email").section(emailKeys()...)
	policy := email.one("policy")
	a.Email.Policy = policy.choice("none", "none", "synthetic")
	misspelt := policy.given() && policy.node.Value != a.Email.Policy
	domain := email.one("domain")
	text, ok := domain.text()
	switch _, notIP := netip.ParseAddr(text); {
	case misspelt: // what the domain is for cannot be told
	case ok && a.Email.Policy == "none" && text != "":
		domain.fault("is used with policy: synthetic only")
	case a.Email.Policy == "synthetic" && text == "":
		email.missing("domain", "a domain of your own, for addresses that nobody else can get mail at")
	case ok && text != "" && (notIP == nil || !hostName.MatchString(text) || !strings.Contains(text, ".")):
		domain.fault("must be a domain of your own such as people.example.com, in lower case")
	default:
		a.Email.Domain = text
	}

	a.IDTokenAlg = s.one("id_token_alg").choice("RS256", "RS256", "ES256")
	a.IDTokenClaims = s.one("id_token_claims").yes()
	life := s.at("lifetimes").section(lifetimeKeys()...)
	a.Lifetimes = Lifetimes{
		Code:    life.one("code").duration(time.Minute, 5*time.Second, 10*time.Minute),
		Access:  life.one("access").duration(5*time.Minute, time.Minute, 24*time.Hour),
		Refresh: life.one("refresh").duration(720*time.Hour, time.Hour, 8760*time.Hour),
	}
}

func (s section) access() gateway.AccessRule {
	v := s.at("access")
	if !v.given() {
		v.fault("is missing: who may use the app? signed_in, approved, or lists such as {groups: [staff]}")
		return gateway.AccessRule{}
	}
	if v.node.Kind == yaml.ScalarNode {
		return gateway.AccessRule{Rule: gateway.Access(v.choice("", string(gateway.AccessSignedIn), string(gateway.AccessApproved)))}
	}
	known, people := len(s.r.problems), 0
	lists := v.section(accessKeys()...)
	rule := gateway.AccessRule{Rule: gateway.AccessListed}
	into := map[string]*[]string{"accounts": &rule.Accounts, "openids": &rule.OpenIDs, "unionids": &rule.UnionIDs, "groups": &rule.Groups}
	for _, key := range accessKeys() {
		list, _ := lists.at(key).texts()
		*into[key] = list
		people += len(list)
	}
	if people == 0 && v.node.Kind == yaml.MappingNode && known == len(s.r.problems) {
		v.fault("lists nobody: name accounts, openids, unionids or groups")
	}
	return rule
}

func (s section) doors() []string {
	list := s.at("doors")
	texts, at := list.texts()
	for i, text := range texts {
		switch {
		case text == DoorWeChat:
		case slices.Contains(laterDoors(), text):
			at[i].fault("the door %s is not in this version: wechat is", text) // one of two fixed words
		default:
			at[i].fault("must be wechat%s", hint(text, append(laterDoors(), DoorWeChat)))
		}
	}
	if list.given() && list.node.Kind == yaml.SequenceNode && len(list.node.Content) == 0 {
		list.fault("is empty, so nobody could come in: leave it out for every door")
	}
	return []string{DoorWeChat}
}

func (s section) subject(c *Config) string {
	const def = "account"
	v := s.one("subject")
	text, ok := v.text()
	if !ok {
		return def
	}
	name, byEntry := strings.CutPrefix(text, "openid:")
	known := entryNames(c.WeChat)
	switch {
	case byEntry && !slices.Contains(known, name):
		v.fault("openid: wants the name of an entry below wechat: %s%s", existing(known), hint(name, known))
		return def
	case !byEntry && text != def && text != "unionid":
		v.fault("must be account, unionid or openid: and the name of an entry%s", hint(text, []string{def, "unionid"}))
		return def
	}
	return text
}

// existing says which names there are.
func existing(names []string) string {
	if len(names) == 0 {
		return "there is none"
	}
	return "there is " + strings.Join(names, ", ")
}
