package wechat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	defaultOpenURL = "https://open.weixin.qq.com"
	defaultAPIURL  = "https://api.weixin.qq.com"
	defaultTimeout = 10 * time.Second
)

// Client is one app at WeChat: an official account, a test account, or a website app of the Open
// Platform (开放平台). Use one Client per app for the life of the program, because a Client reuses its
// connections. AppID and Secret are required; the other fields are optional. A Client is safe for
// concurrent use. Do not change or copy a Client after its first use.
type Client struct {
	// AppID is the appid: "wx" and 16 hexadecimal digits at WeChat itself.
	AppID string

	// Secret is the AppSecret. Exchange and StableToken need it.
	Secret Secret

	// OpenURL is the base URL of the pages that the browser visits. It may have a path. The default
	// is https://open.weixin.qq.com.
	OpenURL string

	// APIURL is the base URL of the server-to-server calls. It may have a path. The default is
	// https://api.weixin.qq.com. Use plain http only for a simulator: WeChat's protocol puts the
	// app secret into the query.
	APIURL string

	// HTTPClient makes the calls. The default is a private client that honours HTTPS_PROXY, uses
	// HTTP/1.1 and keeps idle connections for 30 seconds.
	//
	// Only Transport and Timeout of HTTPClient are used. Both are read at the first call. The
	// shorter of HTTPClient.Timeout and Client.Timeout applies. CheckRedirect is ignored: redirects
	// are not followed, because the Referer header of the next request would contain the app
	// secret. Jar is ignored too.
	HTTPClient *http.Client

	// Timeout limits one call. After some failures a call sends a second request; Timeout includes
	// both. 0 means 10 seconds. A negative value means no limit but the context.
	Timeout time.Duration

	// OnCall, when not nil, is called after each HTTP request to WeChat. A call sends one request,
	// and after some failures a second one. Use OnCall for metrics: WeChat reports errors with HTTP
	// status 200, so a RoundTripper cannot count them. OnCall runs in the goroutine of the call, so
	// it may run several times at once.
	OnCall func(context.Context, Call)

	once      sync.Once
	transport transport
}

// Call describes one attempt of a call, for [Client.OnCall]. It contains no secret.
type Call struct {
	// Endpoint is "access_token", "refresh_token", "userinfo" or "auth", or a call of StableToken:
	// "stable_token", "qrcode" or "account_user".
	Endpoint   string
	AppID      string        // the AppID of the Client
	Code       int           // WeChat's errcode; 0 when there was none
	Err        error         // nil, or the *Error of this attempt
	Duration   time.Duration // from sending the request to the decoded response
	Attempt    int           // 1, or 2 for the second attempt of a call
	HTTPStatus int           // 0 when there was no response
}

// baseURL validates the base URL in the field name and returns it without trailing slashes. The
// error does not quote the URL, because the URL may contain a password.
func baseURL(name, value, fallback string) (string, error) {
	if value == "" {
		return fallback, nil
	}
	u, err := url.Parse(value)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %s is not a URL", ErrConfiguration, name)
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return "", fmt.Errorf("%w: %s must begin with https:// (or http://) and a host", ErrConfiguration, name)
	case u.User != nil, u.RawQuery != "", u.ForceQuery, u.Fragment != "", strings.HasSuffix(value, "#"):
		return "", fmt.Errorf("%w: %s must not have a user, query or fragment", ErrConfiguration, name)
	}
	return strings.TrimRight(value, "/"), nil
}

// Scope is an OAuth 2.0 scope of WeChat.
type Scope string

const (
	// ScopeBase grants the openid. WeChat shows no page.
	ScopeBase Scope = "snsapi_base"
	// ScopeUserInfo also grants nickname and avatar, after the user's consent. Request it only
	// after the user has pressed a button. Without a press, WeChat shows the snapshot page (快照页):
	// the app gets the openid of a virtual user (WeChat's announcement, in force since 2022-07-12).
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

// maxState is the longest state that WeChat accepts, in bytes (WeChat's documentation, 网页授权).
// Longer states were seen to lead to an error page.
const maxState = 128

// AuthorizeRequest has the parameters of [Client.AuthorizeURL].
type AuthorizeRequest struct {
	// RedirectURI is the address that WeChat redirects the browser to: an absolute http or https
	// URL on a callback domain (网页授权域名) of the official account. Its query must not contain code or
	// state, because WeChat appends these two parameters. A fragment is allowed: WeChat puts code
	// and state in front of the "#". URLs over 1,000 bytes were reported to fail on some phones.
	RedirectURI string

	// State is returned unchanged in the callback. It has 1 to 128 bytes of A-Z, a-z and 0-9.
	// WeChat damages other characters, because it does not escape them.
	State string

	// Scope is ScopeBase or ScopeUserInfo; "" means ScopeBase.
	Scope Scope

	// ForcePopup shows the consent page even if the user has already given consent.
	ForcePopup bool

	// ForceSnapShot shows the snapshot page (快照页), to test how an app behaves there.
	ForceSnapShot bool
}

// AuthorizeURL returns the URL that starts sign-in in WeChat's own browser. The parameters are in
// the order of WeChat's documentation (网页授权). WeChat checks the order: a URL with scope before
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
	// (授权回调域) of the website app. The rules of AuthorizeRequest apply, but a fragment is not
	// allowed. WeChat's QR page would append the code to the fragment, and browsers do not send
	// fragments to a server.
	RedirectURI string

	// State is returned unchanged in the callback. The rules of AuthorizeRequest apply.
	State string

	// Lang is the language of WeChat's page: "cn", "en", or "" for WeChat's default.
	Lang string
}

// QRConnectURL returns the URL of WeChat's page with a QR code. The page starts sign-in in a
// desktop browser. The scope is [ScopeLogin], the only scope of a website app.
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

// buildURL validates the parameters and returns the URL. extra is a list of further parameters,
// such as "&lang=en". WeChat checks the order of the parameters, so buildURL does not use
// url.Values: that type sorts.
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

// escape escapes s for a query. A space becomes %20: every decoder accepts %20, but not "+".
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
