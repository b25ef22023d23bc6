package flow

import (
	"errors"
	"net/http"
	"net/url"
	"time"
)

const (
	// repeatWindow is how long a repeated callback may set the session cookie again. WeChat's
	// second call comes within seconds (field reports, "callback called twice"), a refresh or
	// "back" soon after.
	repeatWindow = time.Minute

	// maxCode is the greatest length of a code that is sent to WeChat: WeChat's have 32 characters,
	// WeCom documents at most 512 bytes.
	maxCode = 512
)

// Callback answers the request by which WeChat returns the browser, with code and state; without a
// code when the user declined (older WeChat; today it sends nothing). The result is SignedIn, Lost,
// Denied, Snapshot, Ended, ToWeChat, Empty or Failed.
//
// Nothing is sent to WeChat unless this browser has the cookie of the flow: Tencent's own machines
// fetch callbacks (field reports of 2017 to 2024), and a code that they used up would be lost to
// the user.
func (e *Engine) Callback(b Browser, complete Complete) Result {
	if b.Request.Method == http.MethodHead {
		return Result{Kind: Empty, Status: http.StatusOK} // a prefetch or a link checker: it must not use up a code
	}
	query, err := url.ParseQuery(b.Request.URL.RawQuery)
	state, okState := singleValue(query, "state")
	code, okCode := singleValue(query, "code")
	if err != nil || !okState || !okCode || !validState(state) {
		return e.Lost(b, nil)
	}
	f := e.cookies.find(b.Request, state)
	now := e.cfg.Now()
	switch {
	case f == nil:
		return e.Lost(b, nil)
	case !now.Before(f.deadline) || f.created.After(now.Add(time.Minute)) || e.client(f.Method) == nil:
		return e.Lost(b, f)
	case code == "" || code == "authdeny": // the latter is what one WeChat client sent (field report)
		// The flow is left as it was: GET changes nothing, and WeChat may still call with a code.
		e.log(b, f, EventDenied, nil)
		return Result{Kind: Denied, Flow: f}
	case !validCode(code):
		return e.Lost(b, f)
	}
	return e.complete(b, f, code, complete)
}

func validCode(code string) bool {
	if len(code) > maxCode {
		return false
	}
	for _, c := range []byte(code) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// Lost returns the result for a callback that belongs to no flow of this browser: a prefetch, a
// shared link, an old page, the state of another browser, or a browser without cookies. It sets a
// cookie that distinguishes the last case from the others. For a browser that is signed in the
// Result has no cookies: the caller redirects it without an explanation.
func (e *Engine) Lost(b Browser, f *Flow) Result {
	res := Result{Kind: Lost, Flow: f}
	if !b.SignedIn() {
		e.log(b, nil, EventLost, nil)
		res.Cookies = []*http.Cookie{e.cookies.New(cookieProbe, "1", probeAge)}
	}
	return res
}

// Fail returns the result for a callback that failed with an error of the program or its store.
func (e *Engine) Fail(b Browser, f *Flow, err error) Result {
	switch {
	case errors.Is(err, ErrFull):
		e.log(b, f, EventStoreFull, err)
		return e.end(b, f, EventStoreFull, "")
	case IsTemporary(err):
		e.log(b, f, EventUnavailable, err)
		return e.end(b, f, EventUnavailable, "")
	}
	e.cfg.Logger.ErrorContext(b.Request.Context(), "sign-in failed", "error", err, "request_id", b.RequestID)
	return e.end(b, f, OutcomeFault, "")
}

// complete redeems the code, or waits for the outcome of its redemption by another request.
func (e *Engine) complete(b Browser, f *Flow, code string, complete Complete) Result {
	out, fresh, err := e.outcome(b, f, code, complete)
	switch {
	case errors.Is(err, errRestart):
		return e.restart(b, f)
	case err != nil && b.Request.Context().Err() != nil:
		// The client closed the connection, so nobody reads this response.
		return Result{Kind: Empty, Status: http.StatusServiceUnavailable}
	case err != nil:
		return e.Fail(b, f, err)
	}
	if !fresh {
		e.log(b, f, repeatOf+out.Kind, nil)
	}
	switch out.Kind {
	case OutcomeSignedIn:
		now := e.cfg.Now()
		if !fresh && now.Sub(out.At) >= repeatWindow {
			return e.Lost(b, f)
		}
		trace := e.cookies.trace(restartsOf(f.state)+1, now)
		return Result{Kind: SignedIn, Flow: f, Outcome: out, Repeat: !fresh, Cookies: trace}
	case OutcomeCodeRefused:
		return e.restart(b, f)
	case OutcomeSnapshot:
		return Result{Kind: Snapshot, Flow: f, Cookies: []*http.Cookie{e.cookies.New(cookieNotice, "1", noticeAge)}}
	}
	return e.end(b, f, out.Kind, out.Text)
}
