package config

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// This file reads the setting claims of an app. It maps the name of each further claim to the
// existing claim whose value it gets, such as {role: groups}. Further claims are for an app that
// reads a value only from a claim with a certain name.

var validClaimName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.:/-]{0,99}$`)

// claimSources returns the claims whose value a further claim may have.
func claimSources() []string {
	return []string{"groups", "sub", "preferred_username", "name", "nickname", "picture", "locale", "old_id", "openid",
		"unionid", "appid", "email"}
}

// fixedClaims returns the names that a further claim must not have. These claims have a meaning in
// the protocol, or come from other settings.
func fixedClaims() []string {
	return []string{"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "auth_time", "nonce", "at_hash", "c_hash", "azp",
		"acr", "amr", "sid", "events", "act", "cnf", "email", "email_verified", "phone_number_verified", "groups",
		"picture", "locale", "updated_at", "name_from_wechat", "old_id", "openid", "unionid", "appid", "_claim_names",
		"_claim_sources"}
}

// identifiesUsers reports whether a claim has a name by which apps identify users or decide what they
// may do. It reads the last part of names such as https://app.example.com/Roles, cognito:groups and
// resource_access.app.roles, without regard to case.
func identifiesUsers(name string) bool {
	last := strings.ToLower(name[strings.LastIndexAny(name, ".:/")+1:])
	last = strings.NewReplacer("_", "", "-", "").Replace(last)
	return identifyingClaim.MatchString(last)
}

var identifyingClaim = regexp.MustCompile(
	`username|userid|userprincipal|login|account|mail|role|group|permission|privilege|admin|scope|entitlement|tenant|` +
		`^(id|user|uid|upn|oid|sub|subject|uniquename|scp|memberof|clientid|nameidentifier|nameid)$`)

func readClaims(_ *section, v value, a *App) {
	if !v.present() {
		return
	}
	if v.node.Kind != yaml.MappingNode {
		v.reject("must be a mapping such as {role: groups}, not %s", typeName(v.node))
		return
	}
	a.Claims = map[string]string{}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		name, source := v.node.Content[i], resolve(v.node.Content[i+1]) // source is nil for null
		at := value{reader: v.reader, node: source, line: name.Line, path: v.path}
		text := ""
		if source != nil {
			text = source.Value // "" for a list or a mapping
		}
		_, duplicate := a.Claims[name.Value]
		switch {
		case name.Kind != yaml.ScalarNode || !validClaimName.MatchString(name.Value):
			at.reject("the name of a claim must consist of letters, digits and _ . : / -")
		case duplicate:
			at.reject("a claim is listed twice")
		case slices.Contains(fixedClaims(), name.Value):
			at.reject("the claim %s cannot be replaced", name.Value)
		case !slices.Contains(claimSources(), text):
			at.reject("the value of a claim must be %s%s", joinWithOr(claimSources()), didYouMean(text, claimSources()))
		case (text == "name" || text == "nickname") && identifiesUsers(name.Value):
			at.reject("the claim %s cannot be a nickname: users choose it, and could choose another user's", name.Value)
		default:
			a.Claims[name.Value] = text
		}
	}
}
