package config

import (
	"regexp"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// This file reads the apps list. It declares the keys of all kinds of apps, and reads the keys that
// every kind has. The functions in app_kinds.go read the keys that only one kind has.

// appKeys declares the keys of an app. The fields of a key:
//
//   - required: what is missing without the key, for the message; "" = the key is optional
//   - read: the function that reads the value
//   - kinds: the kinds of apps that have the key; none = all
//   - noEnv: no environment variable sets the key
//   - below: the keys inside the value
//
// v.choice takes the default value, and then all valid values.
func appKeys() []key[App] {
	var (
		oidc        = []gateway.AppKind{gateway.AppOIDC}
		forwardAuth = []gateway.AppKind{gateway.AppForwardAuth}
		relay       = []gateway.AppKind{gateway.AppRelay}
		withSecret  = []gateway.AppKind{gateway.AppOIDC, gateway.AppRelay}
	)
	return []key[App]{
		{name: "id", noEnv: true, required: "the client_id, or another name of your choice", read: readAppID},
		{name: "kind", read: readAppKind},
		{name: "name", read: readAppName},
		{name: "secret", kinds: withSecret, read: readClientSecrets},
		{name: "secret_file", kinds: withSecret}, // readClientSecrets reads it
		{name: "public", kinds: oidc, read: readPublic},
		{name: "require_pkce", kinds: oidc,
			read: func(_ *section, v value, a *App) { a.RequirePKCE = v.boolean() }},
		{name: "redirect_uris", kinds: oidc, noEnv: true, read: readRedirectURIs,
			required: "where the browser returns to the app, such as [https://app.example.com/callback]"},
		{name: "post_logout_redirect_uris", kinds: oidc, noEnv: true, read: readPostLogoutRedirectURIs},
		{name: "backchannel_logout_uri", kinds: oidc, read: readBackchannelLogoutURI},
		{name: "response_modes", kinds: oidc, noEnv: true, read: readResponseModes},
		{name: "omit_iss", kinds: oidc, read: func(_ *section, v value, a *App) { a.OmitIss = v.boolean() }},
		{name: "origins", kinds: oidc, noEnv: true, read: readOrigins},
		{name: "access", noEnv: true, read: readAccess,
			// "" stands for access itself, whose value may also be a single word.
			below: append([]string{""}, prefixed(".", paths(accessKeys()))...)},
		{name: "methods", noEnv: true, read: readMethods},
		{name: "ask_profile",
			read: func(_ *section, v value, a *App) { a.AskProfile = v.boolean() }},
		{name: "home_url", noEnv: true, read: readHomeURL},
		{name: "icon", noEnv: true, read: readIcon},
		{name: "description", noEnv: true,
			read: func(_ *section, v value, a *App) { a.Description = v.shortText() }},
		{name: "hidden", read: func(_ *section, v value, a *App) { a.Hidden = v.boolean() }},
		{name: "subject", kinds: oidc, read: readSubject},
		{name: "email", kinds: oidc, noEnv: true, below: prefixed(".", paths(emailKeys())), read: readEmail},
		{name: "email_verified", kinds: oidc, read: readEmailVerified},
		{name: "id_token_alg", kinds: oidc,
			read: func(_ *section, v value, a *App) { a.IDTokenAlg = v.choice("RS256", "RS256", "ES256") }},
		{name: "id_token_claims", kinds: oidc,
			read: func(_ *section, v value, a *App) { a.IDTokenClaims = v.boolean() }},
		{name: "old_id_claim", kinds: oidc,
			read: func(_ *section, v value, a *App) { a.OldIDClaim = v.boolean() }},
		{name: "claims", kinds: oidc, noEnv: true, read: readClaims},
		{name: "lifetimes", kinds: oidc, noEnv: true, below: prefixed(".", paths(lifetimeKeys())),
			read: func(_ *section, v value, a *App) { readMapping(v, lifetimeKeys(), &a.Lifetimes) }},
		{name: "hosts", kinds: forwardAuth, noEnv: true, read: readHosts,
			required: "the hosts of the site, such as [wiki.example.com]"},
		{name: "preflight", kinds: forwardAuth,
			read: func(_ *section, v value, a *App) { a.Preflight = v.boolean() }},
		{name: "appid", kinds: relay, read: func(s *section, v value, a *App) { a.AppID = v.uniqueAppID(s.line) },
			required: "an appid for this app, not one of WeChat's: wx and 16 digits (openssl rand -hex 8)"},
		{name: "connector", kinds: relay, read: readRelayConnector,
			required: "the official account that users of this app sign in with"},
		{name: "website_connector", kinds: relay, read: readRelayWebsiteConnector},
		{name: "return_urls", kinds: relay, noEnv: true, read: readReturnURLs,
			required: "beginnings of the app's redirect addresses, such as [https://shop.example.com/wechat/]"},
	}
}

func accessKeys() []key[gateway.AccessRule] {
	type rule = gateway.AccessRule
	return []key[rule]{
		{name: "users", noEnv: true, read: func(_ *section, v value, r *rule) { r.Users, _ = v.texts() }},
		{name: "openids", noEnv: true, read: func(_ *section, v value, r *rule) { r.OpenIDs, _ = v.texts() }},
		{name: "unionids", noEnv: true, read: func(_ *section, v value, r *rule) { r.UnionIDs, _ = v.texts() }},
		{name: "groups", noEnv: true, read: func(_ *section, v value, r *rule) { r.Groups, _ = v.texts() }},
	}
}

func appKinds() []string { return kindNames(gateway.AppOIDC, gateway.AppForwardAuth, gateway.AppRelay) }

func kindNames(kinds ...gateway.AppKind) (out []string) {
	for _, kind := range kinds {
		out = append(out, string(kind))
	}
	return out
}

// apps reads the apps list. The list is read last, because its checks use the values of other keys,
// such as the connectors (the apps at WeChat).
func (v value) apps() (out []App) {
	for _, item := range v.items() {
		s := item.section(keyNames(appKeys()))
		if !s.requireMapping() {
			continue
		}
		var a App
		for _, k := range appKeys() {
			if k.validFor(a.Kind) { // readAppKind sets a.Kind, and comes before the keys that have kinds
				readKey(s, k, &a)
			}
		}
		out = append(out, a)
	}
	return out
}

// likelyKind guesses the kind of an app from its keys. It is for an app with a missing or
// misspelled kind: with a guess, one run also finds the other problems of the app.
func (s *section) likelyKind() gateway.AppKind {
	switch {
	case s.has("hosts"):
		return gateway.AppForwardAuth
	case s.has("appid"), s.has("return_urls"):
		return gateway.AppRelay
	}
	return gateway.AppOIDC
}

var validClientID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

func readAppID(s *section, v value, a *App) {
	rule := lang.Text("must be a letter or digit, then letters, digits, dots, _ or -, at most 64 characters")
	a.ID = v.uniqueName("apps", validClientID, rule, s.reader.appNames)
	a.Name = a.ID
	s.useNameInPath("apps", a.ID)
}

// readAppKind reads the kind of an app, and rejects the keys of other kinds.
func readAppKind(s *section, v value, a *App) {
	if !v.present() {
		v.reject("missing: %s", joinWithOr(appKinds()))
	}
	a.Kind = gateway.AppKind(v.choice("", appKinds()...))
	rejected := a.Kind == ""
	if rejected {
		a.Kind = s.likelyKind()
	}
	if a.Kind == gateway.AppForwardAuth && !s.reader.hasProxies {
		// In forward auth, a proxy sends the host and the client's address in X-Forwarded headers.
		// Without trusted_proxies, any client could forge these headers.
		v.reject("requires trusted_proxies, the addresses of your reverse proxies, such as [127.0.0.1]")
	}
	if rejected {
		return
	}
	for _, k := range appKeys() {
		if s.has(k.name) && !k.validFor(a.Kind) {
			s.fromFile(k.name).reject("only valid for kind %s", joinWithOr(kindNames(k.kinds...)))
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

// minClientSecret is the least length of an app's secret. A shorter secret could be guessed.
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
	return s.fromEnvOrFile("secret").present() || s.fromEnvOrFile("secret_file").present()
}

// readAccess reads who may use an app. Without the key, the key access at the top decides.
func readAccess(s *section, v value, a *App) {
	inherited := s.reader.conf.Access
	switch {
	case v.present() && !v.isEmptyList():
		a.Access = v.accessRule()
	case inherited.Rule != "" && !v.present(): // an empty list inherits nothing
		a.Access = inherited
	case !s.reader.faultyAccess: // otherwise the key at the top has been rejected already
		v.reject("missing: who may use the app: signed_in, approved, or lists such as {groups: [staff]}")
	}
}

// readDefaultAccess reads the access of apps that have no key access of their own.
func readDefaultAccess(_ *section, v value, c *Config) {
	if v.present() {
		c.Access = v.accessRule()
		v.reader.faultyAccess = c.Access.Rule == ""
	}
}

// accessRule reads signed_in, approved, or lists. It returns the zero value if v is invalid.
func (v value) accessRule() gateway.AccessRule {
	if v.node.Kind == yaml.ScalarNode {
		return gateway.AccessRule{
			Rule: gateway.Access(v.choice("", string(gateway.AccessSignedIn), string(gateway.AccessApproved))),
		}
	}
	problemsBefore := len(v.reader.problems)
	rule := gateway.AccessRule{Rule: gateway.AccessListed}
	readMapping(v, accessKeys(), &rule)
	listed := len(rule.Users) + len(rule.OpenIDs) + len(rule.UnionIDs) + len(rule.Groups)
	if listed == 0 && len(v.reader.problems) == problemsBefore {
		v.reject("must list users, openids, unionids or groups: nobody could use the app")
	}
	return rule
}

// Methods returns the sign-in methods for which the connector can be used.
func (c Connector) Methods() (out []string) {
	if c.Kind == Website {
		return []string{MethodWebsite}
	}
	if c.Kind == OfficialAccount {
		out = append(out, MethodWeChat, MethodScan)
	}
	if c.Push.Enabled {
		out = append(out, MethodMessage)
		if c.Kind == OfficialAccount && c.Secret != "" {
			out = append(out, MethodFollow) // needs QR codes with a parameter
		}
	}
	return out
}

// requiredConnector describes the connector that a method requires.
func requiredConnector(method string) lang.Message {
	switch method {
	case MethodWebsite:
		return lang.Text("a connector of kind website")
	case MethodMessage:
		return lang.Text("a connector with push")
	case MethodFollow:
		return lang.Text("a connector of kind official_account with push")
	}
	return lang.Text("a connector of kind official_account")
}

// readMethods reads the sign-in methods. Each method requires a connector that provides the method.
func readMethods(s *section, v value, a *App) {
	all := []string{MethodWeChat, MethodScan, MethodWebsite, MethodMessage, MethodFollow}
	connectors := s.reader.conf.WeChat
	texts, at := v.texts()
	for i, text := range texts {
		switch {
		case !slices.Contains(all, text):
			at[i].reject("must be %s%s", joinWithOr(all), didYouMean(text, all))
		case len(connectors) > 0 && !provides(connectors, text):
			// The message may repeat text, because it is one of our words and no misplaced secret.
			at[i].reject("%s requires %s", text, requiredConnector(text))
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

// provides reports whether a connector provides the method. A connector with a rejected kind or push
// counts too, so that one mistake does not cause two messages.
func provides(connectors []Connector, method string) bool {
	return slices.ContainsFunc(connectors, func(c Connector) bool {
		return c.Kind == "" || slices.Contains(c.Methods(), method)
	})
}

// configuredNames describes the names of connectors that a key may refer to, for messages.
func configuredNames(names []string) lang.Message {
	if len(names) == 0 {
		return lang.Text("none is configured")
	}
	return lang.Text("configured: %s", lang.Words(names))
}
