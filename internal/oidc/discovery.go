package oidc

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/weigate/weigate/internal/keys"
)

// This file serves the public documents of the provider: its metadata, and the keys that verify
// its ID tokens.

// metadata is the discovery document (OpenID Connect Discovery 1.0, RFC 8414, RFC 9207).
type metadata struct {
	Issuer                     string   `json:"issuer"`
	AuthorizationEndpoint      string   `json:"authorization_endpoint"`
	TokenEndpoint              string   `json:"token_endpoint"`
	UserinfoEndpoint           string   `json:"userinfo_endpoint"`
	JWKSURI                    string   `json:"jwks_uri"`
	RevocationEndpoint         string   `json:"revocation_endpoint"`
	IntrospectionEndpoint      string   `json:"introspection_endpoint"`
	EndSessionEndpoint         string   `json:"end_session_endpoint"`
	ScopesSupported            []string `json:"scopes_supported"`
	ResponseTypesSupported     []string `json:"response_types_supported"`
	ResponseModesSupported     []string `json:"response_modes_supported"`
	GrantTypesSupported        []string `json:"grant_types_supported"`
	SubjectTypesSupported      []string `json:"subject_types_supported"`
	IDTokenAlgs                []string `json:"id_token_signing_alg_values_supported"`
	TokenAuthMethods           []string `json:"token_endpoint_auth_methods_supported"`
	RevocationAuthMethods      []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectionAuthMethods   []string `json:"introspection_endpoint_auth_methods_supported"`
	CodeChallengeMethods       []string `json:"code_challenge_methods_supported"`
	PromptValuesSupported      []string `json:"prompt_values_supported"`
	ClaimTypesSupported        []string `json:"claim_types_supported"`
	ClaimsSupported            []string `json:"claims_supported"`
	UILocalesSupported         []string `json:"ui_locales_supported"`
	ClaimsParameterSupported   bool     `json:"claims_parameter_supported"`
	RequestParameterSupported  bool     `json:"request_parameter_supported"`
	RequestURIParamSupported   bool     `json:"request_uri_parameter_supported"` // required: missing means true
	AuthorizationResponseIssIn bool     `json:"authorization_response_iss_parameter_supported"`
	BackchannelLogout          bool     `json:"backchannel_logout_supported"`
	BackchannelLogoutSession   bool     `json:"backchannel_logout_session_supported"` // tokens have sid
}

func (h *Handler) metadata() metadata {
	confidential := []string{"client_secret_basic", "client_secret_post"}
	all := append([]string{"none"}, confidential...) // "none" is for public clients
	clients := h.cfg.Clients()
	return metadata{
		Issuer:                 h.cfg.Issuer,
		AuthorizationEndpoint:  h.cfg.Issuer + pathAuthorize,
		TokenEndpoint:          h.cfg.Issuer + pathToken,
		UserinfoEndpoint:       h.cfg.Issuer + pathUserinfo,
		JWKSURI:                h.cfg.Issuer + pathJWKS,
		RevocationEndpoint:     h.cfg.Issuer + pathRevoke,
		IntrospectionEndpoint:  h.cfg.Issuer + pathIntrospect,
		EndSessionEndpoint:     h.cfg.Issuer + pathLogout,
		ScopesSupported:        knownScopes(),
		ResponseTypesSupported: []string{"code"},
		ResponseModesSupported: clients.responseModes(),
		GrantTypesSupported:    []string{grantCode, grantRefresh},
		// With "public", all apps receive the same sub for a user (OpenID Connect Core, section 8).
		// At this provider, all apps with the same Client.Subject receive the same sub.
		SubjectTypesSupported:    []string{"public"},
		IDTokenAlgs:              idTokenAlgs(clients.algorithms()),
		TokenAuthMethods:         all,
		RevocationAuthMethods:    all,
		IntrospectionAuthMethods: confidential,
		CodeChallengeMethods:     []string{"S256"},
		PromptValuesSupported:    []string{"none", "login", "consent", "select_account"},
		ClaimTypesSupported:      []string{"normal"},
		ClaimsSupported: append([]string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "sid", "name",
			"nickname", "preferred_username", "picture", "locale", "updated_at", claimNameFromWeChat, "old_id", "groups",
			"appid", "openid", "unionid", "email", "email_verified"}, clients.claims()...),
		UILocalesSupported:         []string{"en", "zh-CN"},
		AuthorizationResponseIssIn: true,
		BackchannelLogout:          true,
		BackchannelLogoutSession:   true,
	}
}

// idTokenAlgs returns the algorithms for the metadata: those that apps use, and RS256, which OpenID
// Connect Discovery, section 3, requires in the metadata.
func idTokenAlgs(used []string) []string {
	if slices.Contains(used, keys.RS256) {
		return used
	}
	return append([]string{keys.RS256}, used...)
}

// cacheSeconds is how long an app may cache the metadata and the key set. A new key is published
// for a much longer time before it signs, so no app misses it.
const cacheSeconds = 600

func (h *Handler) discovery(w http.ResponseWriter, r *http.Request) {
	if h.preflight(w, r, "GET") {
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		notAllowed(w, "GET")
		return
	}
	h.allowOrigin(w, r, nil)
	w.Header().Set("Cache-Control", "public, max-age="+strconv.Itoa(cacheSeconds))
	writeJSON(w, http.StatusOK, h.metadata())
}

func (h *Handler) jwks(w http.ResponseWriter, r *http.Request) {
	if h.preflight(w, r, "GET") {
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		notAllowed(w, "GET")
		return
	}
	// Some clients reject the whole set if it has a key of a type that they do not know
	// (nextcloud/user_oidc#1231, envoyproxy/envoy#9426). So the set has only the algorithms that apps
	// use, and package forwardauth has a key set of its own.
	keySet, err := h.cfg.Keys.JWKS(r.Context(), h.cfg.Clients().algorithms()...)
	if err != nil {
		h.writeError(w, r, "key set", nil, err)
		return
	}
	h.allowOrigin(w, r, nil)
	w.Header().Set("Cache-Control", "public, max-age="+strconv.Itoa(cacheSeconds))
	writeJSON(w, http.StatusOK, json.RawMessage(keySet))
}
