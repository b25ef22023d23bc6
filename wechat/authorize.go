package wechat

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Scope is an OAuth 2.0 scope of WeChat.
type Scope string

const (
	// ScopeBase grants the openid. WeChat shows no page.
	ScopeBase Scope = "snsapi_base"
	// ScopeUserInfo also grants nickname and avatar, after the user's consent. Request it after the
	// user has pressed a button: without one WeChat shows the snapshot page (快照页; WeChat's
	// announcement, in force since 2022-07-12).
	ScopeUserInfo Scope = "snsapi_userinfo"
	// ScopeLogin is the only scope of a website app. QRConnectURL requests it.
	ScopeLogin Scope = "snsapi_login"
)

// Errors of AuthorizeURL and QRConnectURL. The text names the rule that was violated. WeChat itself
// shows these errors only as a page on the user's phone.
var (
	ErrAppID       = errors.New("wechat: invalid appid")
	ErrRedirectURI = errors.New("wechat: invalid redirect_uri")
	ErrState       = errors.New("wechat: invalid state")
	ErrScope       = errors.New("wechat: invalid scope")
	ErrLang        = errors.New("wechat: invalid lang")
)

// maxState is the longest state that WeChat accepts, in bytes (WeChat's documentation, 网页授权; a
// longer one was seen to lead to an error page).
const maxState = 128

// AuthorizeRequest has the parameters of [Client.AuthorizeURL].
type AuthorizeRequest struct {
	// RedirectURI is the address that WeChat redirects the browser to: an absolute http or https
	// URL on a callback domain (网页授权域名) of the official account. It must not have a query
	// parameter code or state, because WeChat appends both. A fragment is allowed: WeChat puts code
	// and state in front of it. URLs over 1,000 bytes were reported to fail on some phones.
	RedirectURI string

	// State is returned unchanged in the callback. It has 1 to 128 bytes of A-Z, a-z and 0-9. Other
	// characters arrive damaged, because WeChat does not escape them.
	State string

	// Scope is ScopeBase or ScopeUserInfo; "" means ScopeBase.
	Scope Scope

	// ForcePopup shows the consent page even if the user has already given consent.
	ForcePopup bool

	// ForceSnapShot shows the snapshot page (快照页), to test an app in it.
	ForceSnapShot bool
}

// AuthorizeURL returns the URL that starts sign-in in WeChat's own browser. The parameters are in
// the order of WeChat's documentation (网页授权), which WeChat checks: a URL with scope before
// response_type was rejected.
//
// Errors to test for: [ErrAppID], [ErrRedirectURI], [ErrState], [ErrScope], and [ErrConfiguration]
// for an invalid OpenURL.
func (c *Client) AuthorizeURL(r AuthorizeRequest) (string, error) {
	scope := r.Scope
	switch scope {
	case "":
		scope = ScopeBase
	case ScopeBase, ScopeUserInfo:
	case ScopeLogin:
		return "", fmt.Errorf("%w: snsapi_login is for website apps; use QRConnectURL", ErrScope)
	default:
		return "", fmt.Errorf("%w: must be snsapi_base or snsapi_userinfo", ErrScope)
	}
	extra := ""
	if r.ForcePopup {
		extra += "&forcePopup=true"
	}
	if r.ForceSnapShot {
		extra += "&forceSnapShot=true"
	}
	return c.buildURL("/connect/oauth2/authorize", r.RedirectURI, scope, r.State, extra)
}

// QRConnectRequest has the parameters of [Client.QRConnectURL].
type QRConnectRequest struct {
	// RedirectURI is the address that WeChat redirects the browser to, on the callback domain
	// (授权回调域) of the website app. The rules of AuthorizeRequest apply. It must not have a
	// fragment either: WeChat's QR page would put the code behind it, where no server receives it.
	RedirectURI string

	// State is returned unchanged in the callback. The rules of AuthorizeRequest apply.
	State string

	// Lang is the language of WeChat's page: "cn", "en", or "" for WeChat's default.
	Lang string
}

// QRConnectURL returns the URL of WeChat's page with a QR code, which starts sign-in in a desktop
// browser. It requests [ScopeLogin], the only scope of a website app.
//
// Errors to test for: [ErrAppID], [ErrRedirectURI], [ErrState], [ErrLang], and [ErrConfiguration]
// for an invalid OpenURL.
func (c *Client) QRConnectURL(r QRConnectRequest) (string, error) {
	extra := ""
	switch r.Lang {
	case "":
	case "cn", "en":
		extra = "&lang=" + r.Lang
	default:
		return "", fmt.Errorf("%w: must be cn or en", ErrLang)
	}
	if strings.Contains(r.RedirectURI, "#") {
		return "", fmt.Errorf("%w: must not have a fragment; WeChat's QR page puts the code behind it", ErrRedirectURI)
	}
	return c.buildURL("/connect/qrconnect", r.RedirectURI, ScopeLogin, r.State, extra)
}

// buildURL validates the parameters and returns the URL. It does not use url.Values, which sorts.
func (c *Client) buildURL(path, redirectURI string, scope Scope, state, extra string) (string, error) {
	open, err := baseURL("OpenURL", c.OpenURL, defaultOpenURL)
	if err != nil {
		return "", fmt.Errorf("wechat: %w", err)
	}
	if err := checkAppID(c.AppID); err != nil {
		return "", err
	}
	if err := checkRedirectURI(redirectURI); err != nil {
		return "", err
	}
	if err := checkState(state); err != nil {
		return "", err
	}
	return open + path + "?appid=" + c.AppID + "&redirect_uri=" + escape(redirectURI) +
		"&response_type=code&scope=" + string(scope) + "&state=" + state + extra + "#wechat_redirect", nil
}

// escape escapes s for a query. A space becomes %20, which every decoder accepts, unlike +.
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

func checkAppID(id string) error {
	if id == "" {
		return fmt.Errorf("%w: must not be empty", ErrAppID)
	}
	if len(id) > 64 || !alphanumeric(id) {
		return fmt.Errorf("%w: must be at most 64 letters and digits", ErrAppID)
	}
	return nil
}

func checkState(state string) error {
	switch {
	case state == "":
		return fmt.Errorf("%w: must not be empty", ErrState)
	case len(state) > maxState:
		return fmt.Errorf("%w: has %d bytes; WeChat accepts at most %d", ErrState, len(state), maxState)
	case !alphanumeric(state):
		return fmt.Errorf("%w: must have only A-Z, a-z and 0-9; WeChat damages other characters", ErrState)
	}
	return nil
}

func checkRedirectURI(s string) error {
	u, err := url.Parse(s)
	switch {
	case s == "":
		return fmt.Errorf("%w: must not be empty", ErrRedirectURI)
	case err != nil:
		return fmt.Errorf("%w: cannot be parsed", ErrRedirectURI)
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return fmt.Errorf("%w: must be absolute, with http or https and a host", ErrRedirectURI)
	case u.User != nil:
		return fmt.Errorf("%w: must not have a user name", ErrRedirectURI)
	}
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		key, _, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		if err != nil {
			return fmt.Errorf("%w: has an invalid escape in its query", ErrRedirectURI)
		}
		if key == "code" || key == "state" {
			return fmt.Errorf("%w: must not have a parameter %s; WeChat appends it", ErrRedirectURI, key)
		}
	}
	return nil
}

func alphanumeric(s string) bool {
	for i := range len(s) {
		b := s[i]
		if (b < '0' || b > '9') && (b < 'A' || b > 'Z') && (b < 'a' || b > 'z') {
			return false
		}
	}
	return true
}
