package oidc

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/savedrequest"
	"github.com/weigate/weigate/internal/web"
)

// This file validates requests at the authorize endpoint, in two steps:
//   - Handler.parseClient reads client_id and redirect_uri. Its errors are shown to the user,
//     since the gateway must not redirect to an address that is not registered.
//   - redirectable.parse reads the other parameters. Its errors are sent to the app.

// The supported scopes. Unknown scopes in a request are ignored, and not granted.
const (
	scopeOpenID  = "openid"
	scopeProfile = "profile"
	scopeEmail   = "email"
	scopeGroups  = "groups"
	scopeWeChat  = "wechat"
	scopeOffline = "offline_access"
	// Scopes of OpenID Connect Core, section 5.4, for which WeChat has no data. They are granted
	// and bring no claims: some clients fail if a standard scope is not granted
	// (oauthlib/oauthlib#562).
	scopePhone   = "phone"
	scopeAddress = "address"
)

func knownScopes() []string {
	return []string{scopeOpenID, scopeProfile, scopeEmail, scopeGroups, scopeWeChat, scopeOffline, scopePhone,
		scopeAddress}
}

// hasScope reports whether a scope was granted.
func hasScope(grant gateway.Grant, scope string) bool { return slices.Contains(grant.Scopes, scope) }

// Parameters that the gateway itself adds to the address of an authorize request. The browser
// brings them back when it returns from the sign-in or from a page. A link in which an attacker
// sets them is harmless, since all except paramConsent only restrict or cancel the request. The
// value of paramConsent contains an HMAC, so an attacker cannot make it.
const (
	paramLoginRequest = "weigate_login_request" // ID of the sign-in (session.LoginRequest) that this request has required
	paramContinue     = "weigate_continue"      // the user pressed "Continue" on the page that asks to sign in again
	paramCancel       = "weigate_cancel"        // the user pressed "Cancel"
	paramConsent      = "weigate_consent"       // the user pressed "Continue" on the consent page for a native app
	// the sub of the id_token_hint, since the hint itself is too long for the address
	paramSub = "weigate_sub"
)

// authorizeParameters are the parameters that have a meaning at the authorize endpoint. A second
// value of one of them is an error (RFC 6749, section 3.1). Other parameters are ignored, even if
// they are repeated. WeChat adds from and isappinstalled to each link that a user shares, also to a
// link that has them already (bangbang93/lmbtfy.cn#2).
func authorizeParameters() []string {
	return []string{"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce",
		"code_challenge", "code_challenge_method", "prompt", "max_age", "ui_locales", "id_token_hint",
		"request", "request_uri", "registration",
		paramLoginRequest, paramContinue, paramCancel, paramConsent, paramSub}
}

// maxQuery is the greatest length of the parameters in a form, in bytes.
const maxQuery = 8 << 10

// redirectable is an authorize request whose client and redirect URI are valid. All later errors
// are sent to the app.
type redirectable struct {
	client      *Client
	redirectURI string
	state       string
	hasState    bool   // state was sent, perhaps empty, so responses contain it
	noPages     bool   // prompt=none: the app forbids pages, and expects an error instead
	mode        string // of the response: ModeQuery or ModeFormPost
}

// authorizeRequest is a completely validated authorize request.
type authorizeRequest struct {
	client         *Client
	redirectURI    string
	state          string
	hasState       bool // state was sent, perhaps empty, so responses contain it
	scopes         []string
	nonce          string
	challenge      string // code_challenge (PKCE)
	prompt         []string
	maxAge         time.Duration // negative = no max_age was sent
	expectedSub    string        // the sub of the id_token_hint; "" = any user
	uiLocales      string
	responseMode   string // as sent; "" = the default
	loginRequestID string // paramLoginRequest; "" = the browser does not return from a sign-in
	confirmed      bool   // paramContinue: the user has agreed to sign in again
	cancel         bool   // paramCancel
	consent        string // paramConsent
	savedAs        string // the short address under which shorten saved a long request; "" = not saved
}

// parseClient validates client_id and redirect_uri, before any other parameter is read. Its errors
// are shown to the user.
func (h *Handler) parseClient(q url.Values) (*redirectable, error) {
	if len(q["client_id"]) > 1 || len(q["redirect_uri"]) > 1 {
		return nil, &pageError{kind: web.BadRequest}
	}
	client := h.cfg.Clients().byID[q.Get("client_id")]
	if client == nil {
		return nil, &pageError{kind: web.UnknownApp,
			logAttrs: []slog.Attr{slog.String("client_id", web.LoggedText(q.Get("client_id")))}}
	}
	if sent := q.Get("redirect_uri"); !isRegistered(sent, client.RedirectURIs) {
		return nil, &pageError{kind: web.RedirectURI, client: client, logAttrs: []slog.Attr{
			slog.String("redirect_uri", web.LoggedURL(sent)), slog.Any("registered", web.LoggedURLs(client.RedirectURIs))}}
	}
	t := &redirectable{client: client, redirectURI: q.Get("redirect_uri"),
		noPages: slices.Contains(strings.Fields(q.Get("prompt")), "none")}
	t.mode = client.responseMode(q["response_mode"], t.redirectURI)
	if len(q["state"]) == 1 {
		t.state, t.hasState = q["state"][0], true
	}
	return t, nil
}

// parse validates the other parameters. Its errors are sent to the app.
func (t *redirectable) parse(q url.Values) (*authorizeRequest, error) {
	if name := repeated(q, authorizeParameters()); name != "" {
		return nil, badRequest(name + " is given twice")
	}
	if err := rejectUnsupported(q); err != nil {
		return nil, err
	}
	if err := t.checkResponseMode(q.Get("response_mode")); err != nil {
		return nil, err
	}
	req := &authorizeRequest{
		client: t.client, redirectURI: t.redirectURI, state: t.state, hasState: t.hasState,
		nonce: q.Get("nonce"), uiLocales: q.Get("ui_locales"), responseMode: q.Get("response_mode"),
		expectedSub: q.Get(paramSub), loginRequestID: q.Get(paramLoginRequest),
		confirmed: q.Has(paramContinue), cancel: q.Has(paramCancel), consent: q.Get(paramConsent),
	}
	for _, s := range strings.Fields(q.Get("scope")) {
		if slices.Contains(knownScopes(), s) && !slices.Contains(req.scopes, s) {
			req.scopes = append(req.scopes, s)
		}
	}
	if !slices.Contains(req.scopes, scopeOpenID) {
		return nil, newError(http.StatusBadRequest, codeInvalidScope,
			"scope must contain openid; it was understood as "+quoted(strings.Fields(q.Get("scope")))+
				", since spaces separate scopes").
			because(codeInvalidScope, slog.String("scope", web.LoggedText(q.Get("scope"))))
	}
	if err := req.parsePKCE(q); err != nil {
		return nil, err
	}
	req.prompt = strings.Fields(q.Get("prompt"))
	if slices.Contains(req.prompt, "none") && len(req.prompt) > 1 {
		return nil, badRequest("prompt=none cannot be combined with another value")
	}
	if strings.Contains(q.Get("prompt"), ",") { // if "login,consent" were ignored, the user would not sign in again
		return nil, badRequest("prompt was understood as " + quoted(req.prompt) + ", since spaces separate its values")
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

// quoted returns words of a request for an error_description. It replaces the characters that RFC
// 6749, section 5.2, does not allow there, and cuts off a long text.
func quoted(words []string) string {
	if len(words) == 0 {
		return "nothing"
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, web.LoggedText(strings.Join(words, "', '")))
	return "'" + text + "'"
}

// rejectUnsupported rejects the features of OpenID Connect that this provider does not support,
// with the error code that the standard defines for each.
func rejectUnsupported(q url.Values) error {
	switch {
	case q.Has("request"):
		return newError(http.StatusBadRequest, codeRequestUnsupported, "request objects are not supported")
	case q.Has("request_uri"):
		return newError(http.StatusBadRequest, codeRequestURI, "request_uri is not supported")
	case q.Has("registration"):
		return newError(http.StatusBadRequest, codeRegistration, "registration is not supported")
	case q.Get("response_type") == "":
		return badRequest("response_type is missing")
	case q.Get("response_type") != "code":
		return newError(http.StatusBadRequest, codeUnsupportedType, "the only response_type is code").
			because(codeUnsupportedType, slog.String("response_type", web.LoggedText(q.Get("response_type"))))
	}
	return nil
}

func (req *authorizeRequest) parsePKCE(q url.Values) error {
	req.challenge = q.Get("code_challenge")
	switch {
	case req.challenge == "" && q.Get("code_challenge_method") != "":
		return badRequest("code_challenge_method without code_challenge")
	case req.challenge == "" && (req.client.Public || req.client.RequirePKCE):
		return badRequest("this client must use PKCE: code_challenge is missing")
	case req.challenge == "":
		return nil // a confidential client may omit PKCE
	case q.Get("code_challenge_method") != "S256":
		// RFC 7636: when the parameter is missing, the method is "plain", which is not supported.
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

// reauthenticates reports whether even a signed-in user must sign in at WeChat again. WeChat's
// consent page is the only way to enforce it. So the three values of prompt have the same effect.
func (req *authorizeRequest) reauthenticates() bool {
	return req.hasPrompt("login") || req.hasPrompt("consent") || req.hasPrompt("select_account")
}

// requestURL returns the path and query at which the browser makes this request again, after a
// sign-in or a page. pairs are the names and values of parameters that the gateway adds. Unknown
// parameters of the original request are dropped, so that the address often fits into a cookie.
func (h *Handler) requestURL(req *authorizeRequest, pairs ...string) string {
	q := url.Values{"response_type": {"code"}, "client_id": {req.client.ID}, "redirect_uri": {req.redirectURI},
		"scope": {strings.Join(req.scopes, " ")}}
	if req.hasState {
		q.Set("state", req.state)
	}
	if req.maxAge >= 0 {
		q.Set("max_age", strconv.FormatInt(int64(req.maxAge/time.Second), 10))
	}
	if req.challenge != "" {
		q.Set("code_challenge", req.challenge)
		q.Set("code_challenge_method", "S256")
	}
	setNonEmpty(q, "nonce", req.nonce)
	setNonEmpty(q, "prompt", strings.Join(req.prompt, " "))
	setNonEmpty(q, "ui_locales", req.uiLocales)
	setNonEmpty(q, "response_mode", req.responseMode)
	setNonEmpty(q, paramSub, req.expectedSub)
	for i := 0; i+1 < len(pairs); i += 2 {
		setNonEmpty(q, pairs[i], pairs[i+1])
	}
	return h.path + pathAuthorize + "?" + q.Encode()
}

// shorten saves a request that is too long for a cookie, so that continueURL returns short
// addresses. When it returns false, it has written the response.
func (h *Handler) shorten(w http.ResponseWriter, r *http.Request, req *authorizeRequest) bool {
	address := h.requestURL(req)
	short, ok := h.cfg.Saved.Shorten(w, r, address)
	if ok && short != address {
		req.savedAs = short
	}
	return ok
}

// continueURL returns the address of requestURL, or the short address of a saved request.
func (h *Handler) continueURL(req *authorizeRequest, pairs ...string) string {
	if req.savedAs == "" {
		return h.requestURL(req, pairs...)
	}
	return savedrequest.Join(req.savedAs, pairs...)
}

func setNonEmpty(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}
