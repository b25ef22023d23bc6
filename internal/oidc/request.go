package oidc

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/web"
)

// The supported scopes. Others are not granted.
const (
	scopeOpenID  = "openid"
	scopeProfile = "profile"
	scopeEmail   = "email"
	scopeGroups  = "groups"
	scopeWeChat  = "wechat"
	scopeOffline = "offline_access"
)

func knownScopes() []string {
	return []string{scopeOpenID, scopeProfile, scopeEmail, scopeGroups, scopeWeChat, scopeOffline}
}

// Parameters that the gateway adds to an authorize request. They only restrict or cancel the
// request, so a request in which an attacker sets them is harmless.
const (
	paramLoginRequest = "weigate_login_request" // ID of the LoginRequest that was made for this request
	paramContinue     = "weigate_continue"      // the user pressed "Continue" on the confirm page
	paramCancel       = "weigate_cancel"        // the user pressed "Cancel"
	// the sub of the id_token_hint; the token itself is too long for the return address
	paramSub = "weigate_sub"
)

const (
	maxQuery = 8 << 10
)

// authorizeRequest is a validated request at the authorize endpoint.
type authorizeRequest struct {
	client         *Client
	redirectURI    string
	state          string
	hasState       bool
	scopes         []string
	nonce          string
	challenge      string
	prompt         []string
	maxAge         time.Duration // negative = not given
	expectedSub    string        // the sub of the id_token_hint; "" = any user
	uiLocales      string
	loginRequestID string
	proceed        bool
	cancel         bool
}

// redirectable is a request whose client and redirect URI are valid, so that errors go to the app
// and not to the user.
type redirectable struct {
	client      *Client
	redirectURI string
	state       string
	hasState    bool
	noPages     bool // prompt=none
}

// target validates where responses may go. The rest of the request is read only after that. Errors
// are shown to the user.
func (h *Handler) target(q url.Values) (*redirectable, error) {
	if len(q["client_id"]) > 1 || len(q["redirect_uri"]) > 1 {
		return nil, &pageError{kind: web.BadRequest}
	}
	client := h.cfg.Clients().byID[q.Get("client_id")]
	if client == nil {
		return nil, &pageError{kind: web.UnknownApp}
	}
	if !client.redirectAllowed(q.Get("redirect_uri")) {
		return nil, &pageError{web.RedirectURI, client}
	}
	t := &redirectable{client: client, redirectURI: q.Get("redirect_uri"),
		noPages: slices.Contains(strings.Fields(q.Get("prompt")), "none")}
	if len(q["state"]) == 1 {
		t.state, t.hasState = q["state"][0], true
	}
	return t, nil
}

// parse validates everything else. Errors go to the app.
func (t *redirectable) parse(q url.Values) (*authorizeRequest, error) {
	for name, values := range q {
		// RFC 8707 allows several values of resource, which is ignored here.
		if len(values) > 1 && name != "resource" {
			return nil, badRequest("a parameter is given twice")
		}
	}
	req := &authorizeRequest{client: t.client, redirectURI: t.redirectURI, state: t.state, hasState: t.hasState,
		nonce:       q.Get("nonce"),
		expectedSub: q.Get(paramSub), uiLocales: q.Get("ui_locales"), loginRequestID: q.Get(paramLoginRequest),
		proceed: q.Has(paramContinue), cancel: q.Has(paramCancel)}
	if err := checkProfile(q); err != nil {
		return nil, err
	}
	for _, s := range strings.Fields(q.Get("scope")) {
		if slices.Contains(knownScopes(), s) && !slices.Contains(req.scopes, s) {
			req.scopes = append(req.scopes, s)
		}
	}
	if !slices.Contains(req.scopes, scopeOpenID) {
		return nil, &Error{http.StatusBadRequest, codeInvalidScope, "scope must contain openid"}
	}
	if err := req.parsePKCE(q); err != nil {
		return nil, err
	}
	req.prompt = strings.Fields(q.Get("prompt"))
	if slices.Contains(req.prompt, "none") && len(req.prompt) > 1 {
		return nil, badRequest("prompt=none cannot be combined with another value")
	}
	req.maxAge = -1
	if raw := q.Get("max_age"); raw != "" {
		seconds, err := strconv.ParseUint(raw, 10, 32)
		if err != nil {
			return nil, badRequest("max_age must be a number of seconds")
		}
		req.maxAge = time.Duration(seconds) * time.Second
	}
	return req, nil
}

// checkProfile rejects the features of OpenID Connect that this provider does not support, with the
// error code that the standard defines for each.
func checkProfile(q url.Values) error {
	switch {
	case q.Has("request"):
		return &Error{http.StatusBadRequest, codeRequestUnsupported, "request objects are not supported"}
	case q.Has("request_uri"):
		return &Error{http.StatusBadRequest, codeRequestURI, "request_uri is not supported"}
	case q.Has("registration"):
		return &Error{http.StatusBadRequest, codeRegistration, "registration is not supported"}
	case q.Get("response_type") == "":
		return badRequest("response_type is missing")
	case q.Get("response_type") != "code":
		return &Error{http.StatusBadRequest, codeUnsupportedType, "the only response_type is code"}
	case q.Get("response_mode") != "" && q.Get("response_mode") != "query":
		return badRequest("the only response_mode is query")
	}
	return nil
}

func (req *authorizeRequest) parsePKCE(q url.Values) error {
	req.challenge = q.Get("code_challenge")
	switch {
	case req.challenge == "" && q.Get("code_challenge_method") != "":
		return badRequest("code_challenge_method without code_challenge")
	case req.challenge == "" && req.client.Public:
		return badRequest("this client must use PKCE: code_challenge is missing")
	case req.challenge == "":
		return nil
	case q.Get("code_challenge_method") != "S256":
		// RFC 7636: without a method it would be plain.
		return badRequest("the only code_challenge_method is S256, and it must be given")
	}
	if sum, err := base64.RawURLEncoding.DecodeString(req.challenge); err != nil || len(sum) != 32 {
		return badRequest("code_challenge is not a SHA-256 in base64url")
	}
	return nil
}

func (req *authorizeRequest) hasPrompt(prompt string) bool {
	return slices.Contains(req.prompt, prompt)
}

// reauthenticates reports whether the app requires the user to confirm at WeChat even if they are
// signed in. WeChat has only its consent page for this, so the three values of prompt have the same
// effect.
func (req *authorizeRequest) reauthenticates() bool {
	return req.hasPrompt("login") || req.hasPrompt("consent") || req.hasPrompt("select_account")
}

// requestURL returns the address of this request, with parameters of the gateway added and unused
// parameters removed: it has to fit into a cookie.
func (h *Handler) requestURL(req *authorizeRequest, own ...string) string {
	q := url.Values{"response_type": {"code"}, "client_id": {req.client.ID}, "redirect_uri": {req.redirectURI},
		"scope": {strings.Join(req.scopes, " ")}}
	if req.hasState {
		q.Set("state", req.state)
	}
	if req.maxAge >= 0 {
		q.Set("max_age", strconv.FormatInt(int64(req.maxAge/time.Second), 10))
	}
	if req.challenge != "" {
		q.Set("code_challenge_method", "S256")
	}
	for name, value := range map[string]string{"nonce": req.nonce, "code_challenge": req.challenge,
		"prompt": strings.Join(req.prompt, " "),
		paramSub: req.expectedSub, "ui_locales": req.uiLocales} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for i := 0; i+1 < len(own); i += 2 {
		if own[i+1] != "" {
			q.Set(own[i], own[i+1])
		}
	}
	return h.path + pathAuthorize + "?" + q.Encode()
}
