package config

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/internal/gateway"
)

func appKeys() []key[App] {
	var (
		oidc        = []gateway.AppKind{gateway.AppOIDC}
		forwardAuth = []gateway.AppKind{gateway.AppForwardAuth}
		relay       = []gateway.AppKind{gateway.AppRelay}
		withSecret  = []gateway.AppKind{gateway.AppOIDC, gateway.AppRelay}
	)
	return []key[App]{
		{name: "id", fileOnly: true, required: "the client_id, or another name of your choice", read: readAppID},
		{name: "kind", read: readAppKind},
		{name: "name", read: readAppName},
		{name: "secret", kinds: withSecret, read: readClientSecrets},
		{name: "secret_file", kinds: withSecret}, // with secret
		{name: "public", kinds: oidc, read: readPublic},
		{name: "redirect_uris", kinds: oidc, fileOnly: true, read: readRedirectURIs,
			required: "where the browser returns to the app, such as [https://app.example.com/callback]"},
		{name: "post_logout_redirect_uris", kinds: oidc, fileOnly: true, read: readPostLogoutRedirectURIs},
		{name: "access", fileOnly: true, read: readAccess,
			below:    append([]string{""}, prefixed(".", paths(accessKeys()))...),
			required: "who may use the app: signed_in, approved, or lists such as {groups: [staff]}"},
		{name: "methods", fileOnly: true, read: readMethods},
		{name: "subject", kinds: oidc, read: readSubject},
		{name: "email", kinds: oidc, fileOnly: true, below: prefixed(".", paths(emailKeys())), read: readEmail},
		{name: "id_token_alg", kinds: oidc,
			read: func(_ *section, v value, a *App) { a.IDTokenAlg = v.choice("RS256", "RS256", "ES256") }},
		{name: "id_token_claims", kinds: oidc,
			read: func(_ *section, v value, a *App) { a.IDTokenClaims = v.boolean() }},
		{name: "lifetimes", kinds: oidc, fileOnly: true, below: prefixed(".", paths(lifetimeKeys())),
			read: func(_ *section, v value, a *App) { readMapping(v, lifetimeKeys(), &a.Lifetimes) }},
		{name: "hosts", kinds: forwardAuth, fileOnly: true, read: readHosts,
			required: "the hosts of the site, such as [wiki.example.com]"},
		{name: "appid", kinds: relay, read: func(s *section, v value, a *App) { a.AppID = v.appID(s.line) },
			required: "an appid for this app, not one of WeChat's: wx and 16 digits (openssl rand -hex 8)"},
		{name: "connector", kinds: relay, read: readRelayConnector,
			required: "the official account that users of this app sign in with"},
		{name: "website_connector", kinds: relay, read: readRelayWebsiteConnector},
		{name: "return_hosts", kinds: relay, fileOnly: true, read: readReturnHosts,
			required: "the hosts of the app's redirect addresses, such as [shop.example.com]"},
	}
}

func accessKeys() []key[gateway.AccessRule] {
	type rule = gateway.AccessRule
	return []key[rule]{
		{name: "users", fileOnly: true, read: func(_ *section, v value, r *rule) { r.Users, _ = v.texts() }},
		{name: "openids", fileOnly: true, read: func(_ *section, v value, r *rule) { r.OpenIDs, _ = v.texts() }},
		{name: "unionids", fileOnly: true, read: func(_ *section, v value, r *rule) { r.UnionIDs, _ = v.texts() }},
		{name: "groups", fileOnly: true, read: func(_ *section, v value, r *rule) { r.Groups, _ = v.texts() }},
	}
}

func appKinds() []string { return kindNames(gateway.AppOIDC, gateway.AppForwardAuth, gateway.AppRelay) }

func kindNames(kinds ...gateway.AppKind) (out []string) {
	for _, kind := range kinds {
		out = append(out, string(kind))
	}
	return out
}

// apps reads the list of apps. The rest of the configuration has been read before.
func (v value) apps() (out []App) {
	for _, item := range v.items() {
		s := item.section(keyNames(appKeys()))
		if !s.isMapping() {
			continue
		}
		var a App
		for _, k := range appKeys() {
			if k.validFor(a.Kind) {
				readKey(s, k, &a)
			}
		}
		out = append(out, a)
	}
	return out
}

// likelyKind returns the kind that an app seems to have by its keys. An app whose kind is missing
// or misspelled is read as that kind, so that its other problems are found as well.
func (s *section) likelyKind() gateway.AppKind {
	switch {
	case s.has("hosts"):
		return gateway.AppForwardAuth
	case s.has("appid"), s.has("return_hosts"):
		return gateway.AppRelay
	}
	return gateway.AppOIDC
}

var appName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

func readAppID(s *section, v value, a *App) {
	const rule = "must be a letter or digit, then letters, digits, dots, _ or -, at most 64 characters"
	a.ID = v.name("apps", appName, rule, s.r.appNames)
	a.Name = a.ID
	s.rename("apps", a.ID)
}

// readAppKind also rejects the keys of other kinds. The keys after it are read if a.Kind has them.
func readAppKind(s *section, v value, a *App) {
	if !v.present() {
		v.reject("missing: %s", alternatives(appKinds()))
	}
	a.Kind = gateway.AppKind(v.choice("", appKinds()...))
	misspelled := a.Kind == ""
	if misspelled {
		a.Kind = s.likelyKind()
	}
	if a.Kind == gateway.AppForwardAuth && !s.r.hasProxies {
		// Any other client could claim to be the proxy, and name a host and an address of its
		// choice.
		v.reject("requires trusted_proxies, the addresses of your reverse proxies, such as [127.0.0.1]")
	}
	if misspelled {
		return
	}
	for _, k := range appKeys() {
		if s.has(k.name) && !k.validFor(a.Kind) {
			s.listed(k.name).reject("only valid for kind %s", alternatives(kindNames(k.kinds...)))
		}
	}
}

func readAppName(_ *section, v value, a *App) {
	text, ok := v.text()
	if !ok {
		return
	}
	if text == "" || len([]rune(text)) > 100 {
		v.reject("must have 1 to 100 characters")
	}
	a.Name = text
}

// minClientSecret makes guessing infeasible: the gateway stores an unsalted hash of the secret.
const minClientSecret = 16

// readClientSecrets reads the secrets of an OpenID Connect client or a relay app.
func readClientSecrets(s *section, v value, a *App) {
	if a.Kind == gateway.AppRelay && !s.hasSecret() {
		v.reject("missing: one or two secrets for this app only, or secret_file (openssl rand -hex 16 generates one)")
		return
	}
	for _, each := range s.secrets(v, 2) {
		if len(each.value) < minClientSecret {
			each.at.reject("must have at least %d characters (openssl rand -base64 32 generates one)", minClientSecret)
		}
		a.Secrets = append(a.Secrets, each.value)
	}
}

// hasSecret reports whether a secret is configured, valid or not.
func (s *section) hasSecret() bool {
	return s.scalar("secret").present() || s.scalar("secret_file").present()
}

func readAccess(s *section, v value, a *App) {
	if v.node.Kind == yaml.ScalarNode {
		rule := v.choice("", string(gateway.AccessSignedIn), string(gateway.AccessApproved))
		a.Access = gateway.AccessRule{Rule: gateway.Access(rule)}
		return
	}
	before := len(s.r.problems)
	a.Access = gateway.AccessRule{Rule: gateway.AccessListed}
	readMapping(v, accessKeys(), &a.Access)
	listed := len(a.Access.Users) + len(a.Access.OpenIDs) + len(a.Access.UnionIDs) + len(a.Access.Groups)
	if listed == 0 && before == len(s.r.problems) {
		v.reject("must list users, openids, unionids or groups: nobody could use the app")
	}
}

// readMethods reads the sign-in methods. Each requires a connector of its kind.
func readMethods(s *section, v value, a *App) {
	all := []string{MethodWeChat, MethodScan, MethodWebsite}
	connectors := s.r.conf.WeChat
	texts, at := v.texts()
	for i, text := range texts {
		kind := OfficialAccount
		if text == MethodWebsite {
			kind = Website
		}
		switch {
		case !slices.Contains(all, text):
			at[i].reject("must be %s%s", alternatives(all), didYouMean(text, all))
		case len(connectors) > 0 && !hasKind(connectors, kind):
			at[i].reject("%s requires a connector of kind %s", text, kind) // two of our own words
		default:
			a.Methods = append(a.Methods, text)
		}
	}
	if v.isEmptyList() {
		v.reject("must not be empty: nobody could sign in; remove the key to allow every method")
	}
	if len(a.Methods) == 0 {
		a.Methods = all
	}
}

// hasKind reports whether there is a connector of a kind, or one whose kind was rejected.
func hasKind(connectors []Connector, kind string) bool {
	return slices.ContainsFunc(connectors, func(c Connector) bool { return c.Kind == kind || c.Kind == "" })
}

// among lists the names that a reference may have, for messages.
func among(names []string) string {
	if len(names) == 0 {
		return "none is configured"
	}
	return "configured: " + strings.Join(names, ", ")
}
