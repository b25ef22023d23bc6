package wechat

import (
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

// Names of the endpoints, as they stand in Error.Endpoint and Call.Endpoint.
const (
	endpointToken    = "access_token"
	endpointRefresh  = "refresh_token"
	endpointUserInfo = "userinfo"
	endpointAuth     = "auth"
)

// request is one call to WeChat's server, ready to be sent more than once.
type request struct {
	endpoint string
	query    string    // escaped
	hidden   [2]string // values that must not show in any text
	openID   string    // whom the answer must be about, or ""
	spends   bool      // it carries a code: once it may have been received it must not be sent again
}

// refuse is the error of a call that was not made.
func refuse(endpoint string, err error) error {
	return &Error{Endpoint: endpoint, Err: err, unsent: true}
}

// do sends q, at most twice, and returns the answer.
func do[A any, P interface {
	*A
	answer
}](ctx context.Context, c *Client, q *request) (*A, error) {
	t := c.transport()
	if t.err != nil {
		return nil, refuse(q.endpoint, t.err)
	}
	if t.endsBefore(ctx) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.limit)
		defer cancel()
	}
	for attempt := 1; ; attempt++ {
		a := new(A)
		err := c.observed(ctx, t, q, attempt, P(a))
		if err == nil {
			return a, nil
		}
		if attempt == 2 || !q.repeatable(err) {
			return nil, err
		}
		if cause := pause(ctx); cause != nil {
			return nil, err.gaveUp(cause)
		}
	}
}

// endsBefore reports whether the limit of a call that begins now ends before ctx does.
func (t *transport) endsBefore(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	return t.limit > 0 && (!ok || time.Until(end) > t.limit)
}

// observed is one attempt, told to Observe.
func (c *Client) observed(ctx context.Context, t *transport, q *request, attempt int, a answer) *Error {
	if c.OnCall == nil {
		_, err := q.send(ctx, t, a)
		return err
	}
	began := time.Now()
	code, err := q.send(ctx, t, a)
	call := Call{Endpoint: q.endpoint, AppID: c.AppID, Duration: time.Since(began), Attempt: attempt, HTTPStatus: code}
	if err != nil {
		call.Code, call.Err = err.Code, err
	}
	c.OnCall(ctx, call)
	return err
}

// send makes one attempt and fills a. It returns the HTTP status, 0 without an answer.
func (q *request) send(ctx context.Context, t *transport, a answer) (int, *Error) {
	if err := ctx.Err(); err != nil {
		return 0, &Error{Endpoint: q.endpoint, Err: fmt.Errorf("%w: %w", ErrTransport, err), unsent: true}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, t.urls[q.endpoint], nil)
	if err != nil {
		// The query is not part of it yet, so the text holds nothing secret.
		return 0, &Error{Endpoint: q.endpoint, Err: fmt.Errorf("%w: %w", ErrConfiguration, err), unsent: true}
	}
	r.URL.RawQuery = q.query
	if q.spends {
		r.Body, r.TransferEncoding = onlyOnce{}, t.encoding
	}
	resp, err := t.rt.RoundTrip(r)
	if err == nil && (resp == nil || resp.Body == nil) {
		err = errors.New("the RoundTripper returned no answer and no error")
	}
	if err != nil {
		return 0, &Error{Endpoint: q.endpoint, Err: fmt.Errorf("%w: %w", ErrTransport, q.stripped(err)), unsent: dialling(err)}
	}
	defer resp.Body.Close()
	e := q.judge(resp, a)
	if e != nil {
		e.Endpoint, e.HTTPStatus = q.endpoint, resp.StatusCode
	}
	return resp.StatusCode, e
}

// judge reads an answer. The errcode counts before the status, and the status before the shape: an errcode is WeChat's own word,
// while a bad status with a page of HTML is somebody else's.
func (q *request) judge(resp *http.Response, a answer) *Error {
	body, err := read(resp)
	if err == nil {
		err = decode(body, a)
	}
	if s := a.said(); err == nil && s.Errcode.n != 0 {
		e := &Error{Code: int(s.Errcode.n)}
		e.Message, e.RequestID = splitMessage(q.hide(s.Errmsg))
		return e
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return &Error{Err: ErrHTTPStatus}
	}
	if err == nil {
		err = a.complete()
	}
	if u, ok := a.(*userAnswer); ok && err == nil && u.OpenID != q.openID {
		err = ErrOtherOpenID
	}
	if err != nil {
		return &Error{Err: q.stripped(err)}
	}
	return nil
}

// repeatable reports whether q may be sent again after e. For an exchange only two things prove that the code is not spent: no
// connection, and errcode -1. The other calls change nothing at WeChat, so any doubt is worth one more try.
func (q *request) repeatable(e *Error) bool {
	switch {
	case e.Code != 0:
		return e.Code == -1
	case q.spends && !e.unsent, e.class() == ErrConfiguration:
		return false
	}
	return errors.Is(e.Err, ErrTransport) || errors.Is(e.Err, ErrTruncated) || errors.Is(e.Err, ErrNotJSON) ||
		errors.Is(e.Err, ErrEmpty) || e.HTTPStatus >= 500
}

// gaveUp adds why there was no second attempt.
func (e *Error) gaveUp(cause error) *Error {
	again := *e
	if e.Err == nil {
		again.Err = cause
	} else {
		again.Err = fmt.Errorf("%w (not tried again: %w)", e.Err, cause)
	}
	return &again
}

// pause waits a moment between two attempts: long enough for a server to come back, short enough for a person who watches a
// white page. It returns early, and with the reason, when ctx ends before the pause would.
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

// onlyOnce is an empty body that cannot be had again. net/http sends a GET without a body a second time by itself when a reused
// connection breaks before the answer, although the first may have arrived; with this body it does not. The encoding "identity"
// beside it tells net/http not to probe in a goroutine of its own whether there is a body; neither shows on the wire.
type onlyOnce struct{}

func (onlyOnce) Read([]byte) (int, error)         { return 0, io.EOF }
func (onlyOnce) WriteTo(io.Writer) (int64, error) { return 0, nil } // spares a copy's buffer
func (onlyOnce) Close() error                     { return nil }

// dialling reports whether err came before any connection: nothing of the request can have left. It relies on net/http not
// sending a request again by itself.
func dialling(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// stripped takes the address out of an error: *url.Error prints it, and the secret is in its query. Should the text of the cause
// still hold a hidden value, as the error of a foreign RoundTripper may, only a masked text is left, and errors.Is.
func (q *request) stripped(err error) error {
	for {
		u, ok := err.(*url.Error)
		if !ok {
			break
		}
		err = u.Err
	}
	text := err.Error()
	if masked := q.hide(text); masked != text {
		return &maskedError{masked, func(target error) bool { return errors.Is(err, target) }}
	}
	return err
}

// maskedError keeps nothing of the error it stands for but a text and an answer to errors.Is.
type maskedError struct {
	text string
	is   func(target error) bool
}

func (m *maskedError) Error() string        { return m.text }
func (m *maskedError) Is(target error) bool { return m.is(target) }

// hide masks the hidden values in a text, as they are and as they stand in a query. Anything shorter than eight bytes is no
// secret of WeChat's, and masking it would garble the text.
func (q *request) hide(text string) string {
	for _, v := range q.hidden {
		if len(v) < 8 {
			continue
		}
		text = strings.ReplaceAll(text, v, redacted)
		text = strings.ReplaceAll(text, escape(v), redacted)
		text = strings.ReplaceAll(text, url.QueryEscape(v), redacted)
	}
	return text
}
