package config

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat"
)

func appKeys() []string {
	return []string{"id", "kind", "name", "secret", "secret_file", "public", "redirect_uris", "post_logout_redirect_uris", "access", "methods", "subject",
		"email", "id_token_alg", "id_token_claims", "lifetimes", "hosts", "appid", "connector", "website_connector", "return_hosts"}
}

func accessKeys() []string { return []string{"users", "openids", "unionids", "groups"} }

func appKinds() []string {
	return []string{string(gateway.AppOIDC), string(gateway.AppForwardAuth), string(gateway.AppRelay)}
}

// kindsOf lists the kinds of app that have a key; nil = all.
func kindsOf(key string) []string {
	switch key {
	case "hosts":
		return []string{string(gateway.AppForwardAuth)}
	case "appid", "connector", "website_connector", "return_hosts":
		return []string{string(gateway.AppRelay)}
	case "secret", "secret_file":
		return []string{string(gateway.AppOIDC), string(gateway.AppRelay)}
	case "public", "redirect_uris", "post_logout_redirect_uris", "subject", "email", "id_token_alg", "id_token_claims", "lifetimes":
		return []string{string(gateway.AppOIDC)}
	}
	return nil
}

var appName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// minClientSecret keeps guessing hopeless: the gateway stores a plain hash of it.
const minClientSecret = 16

// apps reads the list of apps. What they refer to, in c, has been read before; appIDs are the lines of the entries' appids, proxied tells whether any proxy
// is trusted.
func (r *reader) apps(list value, c *Config, appIDs map[string]int, proxied bool) (out []App) {
	taken, seen := newNames(), seenApps{appIDs: appIDs, hosts: map[string]int{}}
	for _, item := range list.items() {
		s := item.section(appKeys()...)
		if !s.mapping() {
			continue
		}
		var a App
		a.ID = s.name("id", "apps", appName, "a letter or digit, then letters, digits, dots, _ and -, at most 64", taken)
		s.rename("apps", a.ID)
		s.kind(&a)
		s.everyKind(&a, c)
		switch a.Kind {
		case gateway.AppOIDC:
			s.oidc(&a, c)
		case gateway.AppForwardAuth:
			s.forwardAuth(&a, c, seen, proxied)
		case gateway.AppRelay:
			s.relay(&a, c, seen)
		}
		out = append(out, a)
	}
	return out
}

// seenApps are the lines of what may stand in one app only.
type seenApps struct {
	appIDs map[string]int // of entries too
	hosts  map[string]int
}

// kind reads the kind and faults the keys of other kinds. An app whose kind is missing or misspelt is judged by what its keys look like, so that all is
// told at once.
func (s section) kind(a *App) {
	v := s.one("kind")
	if a.Kind = gateway.AppKind(v.choice("", appKinds()...)); !v.given() {
		v.fault("is missing: %s", alternatives(appKinds()))
	}
	if a.Kind == "" {
		switch {
		case s.has("hosts"):
			a.Kind = gateway.AppForwardAuth
		case s.has("appid"), s.has("return_hosts"):
			a.Kind = gateway.AppRelay
		default:
			a.Kind = gateway.AppOIDC
		}
		return
	}
	for _, key := range appKeys() {
		if kinds := kindsOf(key); s.has(key) && kinds != nil && !slices.Contains(kinds, string(a.Kind)) {
			s.at(key).fault("is no key of an app of kind %s, but of %s", a.Kind, alternatives(kinds))
		}
	}
}

// everyKind reads what every app has: its name, and who may use it through which doors.
func (s section) everyKind(a *App, c *Config) {
	name := s.one("name")
	a.Name = a.ID
	if text, ok := name.text(); ok {
		if a.Name = text; text == "" || len([]rune(text)) > 100 {
			name.fault("must have 1 to 100 characters: people read it")
		}
	}
	a.Access = s.access()
	a.Methods = s.methods(c)
}

// clientSecrets reads the app's own secrets, and tells whether any is given.
func (s section) clientSecrets() (out []wechat.Secret, given bool) {
	for _, each := range s.secrets("secret", 2) {
		if len(each.value) < minClientSecret {
			each.at.fault("must have %d characters or more: make one with openssl rand -base64 32", minClientSecret)
		}
		out = append(out, each.value)
	}
	return out, s.one("secret").given() || s.one("secret_file").given()
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
	into := map[string]*[]string{"users": &rule.Users, "openids": &rule.OpenIDs, "unionids": &rule.UnionIDs, "groups": &rule.Groups}
	for _, key := range accessKeys() {
		list, _ := lists.at(key).texts()
		*into[key] = list
		people += len(list)
	}
	if people == 0 && v.node.Kind == yaml.MappingNode && known == len(s.r.problems) {
		v.fault("lists nobody: name users, openids, unionids or groups")
	}
	return rule
}

// doors reads the ways in. A door that no entry can serve would be a way in that is none.
func (s section) methods(c *Config) []string {
	all := []string{MethodWeChat, MethodScan, MethodWebsite}
	list := s.at("methods")
	texts, at := list.texts()
	var out []string
	for i, text := range texts {
		wants := OfficialAccount
		if text == MethodWebsite {
			wants = Website
		}
		switch {
		case !slices.Contains(all, text):
			at[i].fault("must be %s%s", alternatives(all), hint(text, all))
		case len(c.WeChat) > 0 && !slices.ContainsFunc(c.WeChat, func(e Connector) bool { return e.Kind == wants || e.Kind == "" }):
			at[i].fault("the door %s needs an entry of kind %s below wechat, and there is none", text, wants) // two fixed words
		default:
			out = append(out, text)
		}
	}
	if list.given() && list.node.Kind == yaml.SequenceNode && len(list.node.Content) == 0 {
		list.fault("is empty, so nobody could come in: leave it out for every door")
	}
	if len(out) == 0 {
		return all
	}
	return out
}

// existing says which names there are.
func existing(names []string) string {
	if len(names) == 0 {
		return "there is none"
	}
	return "there is " + strings.Join(names, ", ")
}
