package wechat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The names of WeChat's endpoints in Error.Endpoint and Call.Endpoint.
const (
	endpointToken    = "access_token"
	endpointRefresh  = "refresh_token"
	endpointUserInfo = "userinfo"
	endpointAuth     = "auth"

	// These act for the official account, not for a user who signs in; see StableToken.
	endpointStableToken = "stable_token"
	endpointQRCode      = "qrcode"
	endpointAccountUser = "account_user"
)

// transport holds the settings of a Client's calls. The first call derives them from the fields of
// the Client.
type transport struct {
	rt       http.RoundTripper // not an http.Client, which would follow redirects
	timeout  time.Duration     // of one call; 0 or less means none
	urls     map[string]string // by endpoint, without the query
	encoding []string          // Request.TransferEncoding of a code exchange, see noRewindBody
	err      error             // set when APIURL is invalid
}

// setUp returns the transport. The first call creates it.
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

			endpointStableToken: api + "/cgi-bin/stable_token",
			endpointQRCode:      api + "/cgi-bin/qrcode/create",
			endpointAccountUser: api + "/cgi-bin/user/info",
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

// privateTransport returns the transport of a Client without HTTPClient. It keeps 64 idle
// connections per host instead of the two of net/http, because all calls go to one host. It closes
// idle connections after 30 seconds, probably before WeChat does. If WeChat closed a connection
// during a code exchange, the exchange would fail and could not be sent again.
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

// request is a call of one of WeChat's endpoints. A call has one attempt (HTTP request), or two:
// the second is made if the first fails and retryable returns true.
type request struct {
	endpoint   string
	query      string    // escaped
	body       []byte    // JSON, for a POST; nil = GET
	secrets    [2]string // one or two values that are redacted in every error
	openID     string    // for userinfo and account_user: the openid that the response must have
	spendsCode bool      // the call is a code exchange: WeChat accepts the code only once, see retryable
}

// notSent returns the error of a call that made no request.
func notSent(endpoint string, err error) error {
	return &Error{Endpoint: endpoint, Err: err, unsent: true}
}

// do sends q, at most twice, and returns the decoded response. R is the type of the response, such
// as tokenResponse. P is always *R: the pointer, not R, implements the interface response.
func do[R any, P interface {
	*R
	response
}](ctx context.Context, c *Client, q *request) (*R, error) {
	t := c.setUp()
	if t.err != nil {
		return nil, notSent(q.endpoint, t.err)
	}
	if t.timesOutBefore(ctx) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.timeout)
		defer cancel()
	}
	for attempt := 1; ; attempt++ {
		v := new(R)
		err := c.attempt(ctx, t, q, attempt, P(v))
		if err == nil {
			return v, nil
		}
		if attempt == 2 || !q.retryable(err) {
			return nil, err
		}
		if cause := pause(ctx); cause != nil {
			return nil, err.notRetried(cause)
		}
	}
}

// timesOutBefore reports whether the timeout of a call that begins now ends before the deadline of
// ctx.
func (t *transport) timesOutBefore(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return t.timeout > 0 && (!ok || time.Until(end) > t.timeout)
}

// attempt sends q once, decodes the response into v, and calls OnCall.
func (c *Client) attempt(ctx context.Context, t *transport, q *request, attempt int, v response) *Error {
	if c.OnCall == nil {
		_, err := q.send(ctx, t, v)
		return err
	}
	start := time.Now()
	status, err := q.send(ctx, t, v)
	call := Call{
		Endpoint: q.endpoint, AppID: c.AppID, Duration: time.Since(start), Attempt: attempt, HTTPStatus: status,
	}
	if err != nil {
		call.Code, call.Err = err.Code, err
	}
	c.OnCall(ctx, call)
	return err
}

// send sends q once and decodes the response into v. It returns the HTTP status, or 0 when there
// was no response.
func (q *request) send(ctx context.Context, t *transport, v response) (int, *Error) {
	if err := ctx.Err(); err != nil {
		return 0, &Error{Endpoint: q.endpoint, Err: fmt.Errorf("%w: %w", ErrTransport, err), unsent: true}
	}
	method := http.MethodGet
	var body io.Reader
	if q.body != nil {
		method, body = http.MethodPost, bytes.NewReader(q.body)
	}
	r, err := http.NewRequestWithContext(ctx, method, t.urls[q.endpoint], body)
	if err != nil {
		// The URL has no query yet, so err contains no secret.
		return 0, &Error{Endpoint: q.endpoint, Err: fmt.Errorf("%w: %w", ErrConfiguration, err), unsent: true}
	}
	r.URL.RawQuery = q.query
	if q.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if q.spendsCode {
		r.Body, r.TransferEncoding = noRewindBody{}, t.encoding
	}
	resp, err := t.rt.RoundTrip(r)
	if err == nil && (resp == nil || resp.Body == nil) {
		err = errors.New("the RoundTripper returned neither a response nor an error")
	}
	if err != nil {
		return 0, &Error{
			Endpoint: q.endpoint,
			Err:      fmt.Errorf("%w: %w", ErrTransport, q.redactError(err)),
			unsent:   failedToDial(err),
		}
	}
	defer resp.Body.Close()
	e := q.readResponse(resp, v)
	if e != nil {
		e.Endpoint, e.HTTPStatus = q.endpoint, resp.StatusCode
	}
	return resp.StatusCode, e
}

// readResponse decodes and validates a response. It reports the first problem of this list:
//
//   - an errcode: the response is from WeChat itself;
//   - a status outside 2xx: the response is probably the HTML page of a proxy;
//   - invalid content.
func (q *request) readResponse(resp *http.Response, v response) *Error {
	body, err := readBody(resp)
	if err == nil {
		err = decode(body, v)
	}
	if f := v.failure(); err == nil && f.Errcode.n != 0 {
		e := &Error{Code: int(f.Errcode.n)}
		e.Message, e.RequestID = splitErrmsg(q.redact(f.Errmsg))
		return e
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return &Error{Err: ErrHTTPStatus}
	}
	if err == nil {
		err = v.validate()
	}
	switch v := v.(type) {
	case *userInfoResponse:
		if err == nil && v.OpenID != q.openID {
			err = ErrOtherOpenID
		}
	case *accountUserResponse:
		if err == nil && v.OpenID != q.openID {
			err = ErrOtherOpenID
		}
	}
	if err != nil {
		return &Error{Err: q.redactError(err)}
	}
	return nil
}

// retryable reports whether q may be sent again after e. An exchange is sent again only when WeChat
// has certainly not used up the code: no connection was made, or WeChat answered errcode -1 (system
// busy). Other calls spend no code, so they are sent again whenever there was no usable response.
// No call is sent again after a configuration error: it would fail again.
func (q *request) retryable(e *Error) bool {
	switch {
	case e.Code != 0:
		return e.Code == -1
	case q.spendsCode && !e.unsent, e.class() == ErrConfiguration:
		return false
	}
	return errors.Is(e.Err, ErrTransport) || errors.Is(e.Err, ErrTruncated) || errors.Is(e.Err, ErrNotJSON) ||
		errors.Is(e.Err, ErrEmpty) || e.HTTPStatus >= 500
}

// notRetried returns a copy of e that also wraps cause, the reason why there was no second attempt.
// e.Err is nil when WeChat sent an errcode.
func (e *Error) notRetried(cause error) *Error {
	out := *e
	if e.Err == nil {
		out.Err = cause
	} else {
		out.Err = fmt.Errorf("%w (not tried again: %w)", e.Err, cause)
	}
	return &out
}

// pause waits 100 to 300 ms between two attempts. It returns an error if ctx ends during the pause.
func pause(ctx context.Context) error {
	wait := 100*time.Millisecond + rand.N(200*time.Millisecond)
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= wait {
		return context.DeadlineExceeded
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// noRewindBody is an empty request body. It prevents a second use of a code by net/http: when a
// reused connection breaks, net/http sends a GET request without a body again. WeChat may already
// have redeemed the code of the first request. A request with a body is not sent again.
//
// The transfer encoding "identity" goes with noRewindBody: without it, net/http would start a
// goroutine that reads ahead in the body. The body and the encoding do not change the bytes that
// are sent.
type noRewindBody struct{}

func (noRewindBody) Read([]byte) (int, error)         { return 0, io.EOF }
func (noRewindBody) WriteTo(io.Writer) (int64, error) { return 0, nil } // avoids a copy buffer
func (noRewindBody) Close() error                     { return nil }

// failedToDial reports whether err means that no connection was made. Then no byte of the request
// was sent. For an exchange, this conclusion needs noRewindBody. Without it, net/http could have
// sent the request before, and err could be the error of its automatic retry.
func failedToDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// redactError removes secrets from an error. It unwraps every *url.Error, because the text of a
// *url.Error contains the query. If the text still contains a secret, redactError returns a
// redactedError. A redactedError works with errors.Is, but cannot be unwrapped.
func (q *request) redactError(err error) error {
	for {
		u, ok := err.(*url.Error)
		if !ok {
			break
		}
		err = u.Err
	}
	text := err.Error()
	if clean := q.redact(text); clean != text {
		return &redactedError{text: clean, matches: func(target error) bool { return errors.Is(err, target) }}
	}
	return err
}

// redactedError has the redacted text of an original error. The function matches reports whether
// errors.Is finds a target in the original error.
type redactedError struct {
	text    string
	matches func(target error) bool
}

func (r *redactedError) Error() string        { return r.text }
func (r *redactedError) Is(target error) bool { return r.matches(target) }

// redact replaces the secrets of q in a text, both plain and escaped. It skips secrets under eight
// bytes, because a short value may occur in the text by chance. WeChat's own secrets are longer.
func (q *request) redact(text string) string {
	for _, v := range q.secrets {
		if len(v) < 8 {
			continue
		}
		text = strings.ReplaceAll(text, v, redacted)
		// escape and net/url escape a space in two ways.
		text = strings.ReplaceAll(text, escape(v), redacted)
		text = strings.ReplaceAll(text, url.QueryEscape(v), redacted)
	}
	return text
}
