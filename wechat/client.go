package wechat

import (
	"context"
	"fmt"
	"net"
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

// Client is one app at WeChat: an official account, a test account, or a website app of the Open Platform. Make one per app and
// keep it: it holds its connections. All fields but AppID and Secret may stay empty. It is safe for concurrent use; its fields
// must not be changed, nor the Client copied, after the first use.
type Client struct {
	// AppID names the app, "wx" and 16 hexadecimal digits at WeChat itself.
	AppID string

	// Secret is the AppSecret. Only Exchange needs it.
	Secret Secret

	// OpenURL is the base of the pages that people see; "" means https://open.weixin.qq.com. It may have a path.
	OpenURL string

	// APIURL is the base of the server-to-server calls; "" means https://api.weixin.qq.com. It may have a path. Use plain http
	// only for a simulator: the app secret travels in the query.
	APIURL string

	// HTTPClient sends the calls; nil means a private one that honours HTTPS_PROXY, speaks HTTP/1.1 and keeps idle connections
	// for 30 seconds. Of a given one, Transport and Timeout are taken at first use, Timeout as a second limit beside the field
	// below. CheckRedirect and Jar are not used: no cookies are kept, and no redirect is ever followed, because the address in the
	// Referer would hold the app secret.
	HTTPClient *http.Client

	// Timeout limits one call with all its attempts; 0 means 10 seconds, and a negative value means no limit but the context's.
	Timeout time.Duration

	// Observe, when not nil, hears of each attempt as it ends, in the goroutine of the call. WeChat answers errors with HTTP
	// status 200, so this is the place to count them. It may be called by several goroutines at once.
	OnCall func(context.Context, Call)

	once sync.Once
	use  transport
}

// Call is what Observe hears of one attempt. It holds nothing secret.
type Call struct {
	Endpoint   string        // "access_token", "refresh_token", "userinfo" or "auth"
	AppID      string        // the AppID of the Client
	Code       int           // WeChat's errcode; 0 when there was none
	Err        error         // nil, or the *Error of this attempt
	Duration   time.Duration // from sending to the parsed answer
	Attempt    int           // 1, or 2 for the second try of the same call
	HTTPStatus int           // 0 when no answer came back
}

// transport is what a Client works out once from its fields.
type transport struct {
	rt       http.RoundTripper // not an http.Client, which copies each request for redirects that are never followed
	limit    time.Duration     // for one call; 0 or less is none
	urls     map[string]string // by endpoint, without the query
	encoding []string          // see onlyOnce
	err      error             // what is wrong with APIURL
}

// transport returns the settings for calls, made at first use.
func (c *Client) transport() *transport {
	c.once.Do(func() {
		api, err := base("APIURL", c.APIURL, defaultAPIURL)
		c.use.err = err
		c.use.encoding = []string{"identity"}
		c.use.urls = map[string]string{
			endpointToken:    api + "/sns/oauth2/access_token",
			endpointRefresh:  api + "/sns/oauth2/refresh_token",
			endpointUserInfo: api + "/sns/userinfo",
			endpointAuth:     api + "/sns/auth",
		}
		c.use.limit = c.Timeout
		if c.Timeout == 0 {
			c.use.limit = defaultTimeout
		}
		given := c.HTTPClient
		switch {
		case given == nil:
			c.use.rt = privateTransport()
			return
		case given.Transport == nil:
			c.use.rt = http.DefaultTransport
		default:
			c.use.rt = given.Transport
		}
		if given.Timeout > 0 && (c.use.limit <= 0 || given.Timeout < c.use.limit) {
			c.use.limit = given.Timeout
		}
	})
	return &c.use
}

// privateTransport keeps more idle connections than net/http's default of two for one host, since all calls go to one host, and
// drops them before WeChat's side is likely to: an exchange that meets a connection just closed cannot be sent again.
func privateTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // answers are small, and a limit on bytes should count the bytes that came
	}
}

// base checks the address in the field called name and returns it without a slash at its end. The error does not quote the
// address, which may hold a password.
func base(name, value, fallback string) (string, error) {
	if value == "" {
		return fallback, nil
	}
	u, err := url.Parse(value)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %s cannot be parsed as an address", ErrConfiguration, name)
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return "", fmt.Errorf("%w: %s must begin with https:// (or http://) and a host", ErrConfiguration, name)
	case u.User != nil, u.RawQuery != "", u.ForceQuery, u.Fragment != "", strings.HasSuffix(value, "#"):
		return "", fmt.Errorf("%w: %s must have no user, query or fragment", ErrConfiguration, name)
	}
	return strings.TrimRight(value, "/"), nil
}
