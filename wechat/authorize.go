package wechat

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Scope is what a person is asked for.
type Scope string

const (
	// ScopeBase gives the openid and shows nothing.
	ScopeBase Scope = "snsapi_base"
	// ScopeUserInfo gives nickname and picture too, after the person's consent. Ask for it when the person has pressed
	// something: asked at page open it sends people to the snapshot page (WeChat's announcement, in force since 2022-07-12).
	ScopeUserInfo Scope = "snsapi_userinfo"
	// ScopeLogin is the only scope of a website app.
	ScopeLogin Scope = "snsapi_login"
)

// Errors of AuthorizeURL and QRConnectURL. WeChat shows all of these as a page on the person's phone that the app never hears
// of; here they are errors, and the text says which rule was broken.
var (
	ErrAppID       = errors.New("wechat: appid refused")
	ErrRedirectURI = errors.New("wechat: redirect_uri refused")
	ErrState       = errors.New("wechat: state refused")
	ErrScope       = errors.New("wechat: scope refused")
	ErrLang        = errors.New("wechat: lang refused")
)

// maxState is the longest state that WeChat takes, in bytes (its documentation, "网页授权"; a longer one was seen to end in an
// error page).
const maxState = 128

// AuthorizeRequest is what AuthorizeURL puts into an address.
type AuthorizeRequest struct {
	// RedirectURI is where WeChat sends the person back: an absolute http or https address on a callback domain (网页授权域名) of
	// the account. It must not have a parameter code or state of its own, since WeChat would append a second one. A fragment is
	// allowed: WeChat puts code and state in front of it. Keep it short; addresses over 1,000 bytes were reported to fail on
	// some phones.
	RedirectURI string

	// State comes back unchanged: 1 to 128 bytes of A-Z, a-z, 0-9. WeChat does not escape it when it sends the person back, so
	// other characters arrive damaged.
	State string

	// Scope is ScopeBase or ScopeUserInfo; "" means ScopeBase.
	Scope Scope

	// ForcePopup asks for the consent page even when WeChat would pass silently.
	ForcePopup bool

	// ForceSnapShot asks for the snapshot page, to try how an app looks in it.
	ForceSnapShot bool
}

// AuthorizeURL returns the address that starts sign-in for a person inside WeChat. The parameters stand in WeChat's order, which
// it checks ("网页授权", WeChat's documentation; an address with scope in front of response_type was refused in the field).
//
// Errors to test for: [ErrAppID], [ErrRedirectURI], [ErrState], [ErrScope], and [ErrConfiguration] for an unusable OpenURL.
func (c *Client) AuthorizeURL(r AuthorizeRequest) (string, error) {
	scope := r.Scope
	switch scope {
	case "":
		scope = ScopeBase
	case ScopeBase, ScopeUserInfo:
	case ScopeLogin:
		return "", fmt.Errorf("%w: snsapi_login belongs to website apps, use QRConnectURL", ErrScope)
	default:
		return "", fmt.Errorf("%w: it must be snsapi_base or snsapi_userinfo", ErrScope)
	}
	tail := ""
	if r.ForcePopup {
		tail += "&forcePopup=true"
	}
	if r.ForceSnapShot {
		tail += "&forceSnapShot=true"
	}
	return c.address("/connect/oauth2/authorize", r.RedirectURI, scope, r.State, tail)
}

// QRConnectRequest is what QRConnectURL puts into an address.
type QRConnectRequest struct {
	// RedirectURI is where WeChat sends the browser back, on the callback domain (授权回调域) of the website app. The rules of
	// AuthorizeRequest hold. In addition it must have no fragment: WeChat's QR page would put the code behind it, where no
	// server sees it.
	RedirectURI string

	// State follows the rules of AuthorizeRequest.
	State string

	// Lang is the language of WeChat's page: "cn", "en", or "" for WeChat's own choice.
	Lang string
}

// QRConnectURL returns the address of the page with a QR code that starts sign-in on a desktop. It asks for [ScopeLogin], the
// only scope there is for a website app.
//
// Errors to test for: [ErrAppID], [ErrRedirectURI], [ErrState], [ErrLang], and [ErrConfiguration] for an unusable OpenURL.
func (c *Client) QRConnectURL(r QRConnectRequest) (string, error) {
	tail := ""
	switch r.Lang {
	case "":
	case "cn", "en":
		tail = "&lang=" + r.Lang
	default:
		return "", fmt.Errorf("%w: this page takes \"cn\" or \"en\"", ErrLang)
	}
	if strings.Contains(r.RedirectURI, "#") {
		return "", fmt.Errorf("%w: it has a fragment, and WeChat's QR page puts the code behind it", ErrRedirectURI)
	}
	return c.address("/connect/qrconnect", r.RedirectURI, ScopeLogin, r.State, tail)
}

// address puts the parts together by hand: url.Values would sort the keys.
func (c *Client) address(path, redirectURI string, scope Scope, state, tail string) (string, error) {
	open, err := base("OpenURL", c.OpenURL, defaultOpenURL)
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
		"&response_type=code&scope=" + string(scope) + "&state=" + state + tail + "#wechat_redirect", nil
}

// escape is url.QueryEscape with %20 for a space, which every decoder reads alike.
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

func checkAppID(id string) error {
	if id == "" {
		return fmt.Errorf("%w: it is empty", ErrAppID)
	}
	if len(id) > 64 || !alphanumeric(id) {
		return fmt.Errorf("%w: it must be at most 64 letters and digits", ErrAppID)
	}
	return nil
}

func checkState(state string) error {
	switch {
	case state == "":
		return fmt.Errorf("%w: it is empty", ErrState)
	case len(state) > maxState:
		return fmt.Errorf("%w: it has %d bytes, WeChat takes %d", ErrState, len(state), maxState)
	case !alphanumeric(state):
		return fmt.Errorf("%w: only A-Z, a-z and 0-9 come back unharmed", ErrState)
	}
	return nil
}

func checkRedirectURI(s string) error {
	u, err := url.Parse(s)
	switch {
	case s == "":
		return fmt.Errorf("%w: it is empty", ErrRedirectURI)
	case err != nil:
		return fmt.Errorf("%w: it cannot be parsed", ErrRedirectURI)
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return fmt.Errorf("%w: it must be absolute: http or https, and a host", ErrRedirectURI)
	case u.User != nil:
		return fmt.Errorf("%w: it has a user name in front of the host", ErrRedirectURI)
	}
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		key, _, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		if err != nil {
			return fmt.Errorf("%w: its query has a broken escape", ErrRedirectURI)
		}
		if key == "code" || key == "state" {
			return fmt.Errorf("%w: it has a parameter %s, and WeChat appends its own", ErrRedirectURI, key)
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
