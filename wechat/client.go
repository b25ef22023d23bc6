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

// Client is one app at WeChat: an official account, a test account, or a website app of the Open
// Platform. Use one Client per app for the life of the program: it keeps its connections open. All
// fields but AppID and Secret may stay empty. A Client is safe for concurrent use. After the first
// use its fields must not change, and it must not be copied.
type Client struct {
	// AppID is the appid: "wx" and 16 hexadecimal digits at WeChat itself.
	AppID string

	// Secret is the AppSecret. Only Exchange needs it.
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
	// Of a client that you set, only Transport and Timeout are used. Both are read at the first
	// call, and the shorter one of HTTPClient.Timeout and Client.Timeout applies. CheckRedirect and
	// Jar are ignored: cookies are not stored, and redirects are not followed, because the Referer
	// header would contain the app secret.
	HTTPClient *http.Client

	// Timeout limits one call with both attempts. 0 means 10 seconds; a negative value means no
	// limit besides the context's.
	Timeout time.Duration

	// OnCall, when not nil, is called after each attempt, in the goroutine of the call. Use it for
	// metrics: WeChat reports errors with HTTP status 200, so a RoundTripper cannot count them. It
	// may be called by several goroutines at once.
	OnCall func(context.Context, Call)

	once      sync.Once
	transport transport
}

// Call describes one attempt of a call, for [Client.OnCall]. It contains no secret.
type Call struct {
	Endpoint   string        // "access_token", "refresh_token", "userinfo" or "auth"
	AppID      string        // the AppID of the Client
	Code       int           // WeChat's errcode; 0 when there was none
	Err        error         // nil, or the *Error of this attempt
	Duration   time.Duration // from sending the request to the decoded response
	Attempt    int           // 1, or 2 for the second attempt of a call
	HTTPStatus int           // 0 when there was no response
}

// transport holds what a Client derives from its fields at the first call.
type transport struct {
	rt       http.RoundTripper // no http.Client, which copies each request for redirects
	timeout  time.Duration     // of one call; 0 or less means none
	urls     map[string]string // by endpoint, without the query
	encoding []string          // see noRewindBody
	err      error             // the problem of APIURL
}

// setUp returns the transport, which it makes at the first call.
func (c *Client) setUp() *transport {
	c.once.Do(func() {
		t := &c.transport
		api, err := baseURL("APIURL", c.APIURL, defaultAPIURL)
		t.err = err
		t.encoding = []string{"identity"}
		t.urls = map[string]string{
			endpointToken:    api + "/sns/oauth2/access_token",
			endpointRefresh:  api + "/sns/oauth2/refresh_token",
			endpointUserInfo: api + "/sns/userinfo",
			endpointAuth:     api + "/sns/auth",
		}
		t.timeout = c.Timeout
		if c.Timeout == 0 {
			t.timeout = defaultTimeout
		}
		given := c.HTTPClient
		switch {
		case given == nil:
			t.rt = privateTransport()
			return
		case given.Transport == nil:
			t.rt = http.DefaultTransport
		default:
			t.rt = given.Transport
		}
		if given.Timeout > 0 && (t.timeout <= 0 || given.Timeout < t.timeout) {
			t.timeout = given.Timeout
		}
	})
	return &c.transport
}

// privateTransport returns the default transport. All calls go to one host, so it keeps more idle
// connections than the two per host of net/http. It closes them before WeChat is likely to: an
// exchange on a connection that was just closed cannot be sent again.
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
		DisableCompression:     true, // responses are small, and maxBody should count bytes received
	}
}

// baseURL validates the base URL in the field name and returns it without trailing slashes. The
// error does not quote the URL, which may contain a password.
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
