package flow

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/weigate/weigate/wechat"
)

const (
	// repeatWindow is how long a repeated callback can set the session cookie again. WeChat's
	// second request comes within seconds (field reports, "callback called twice"). Users reload
	// the page or press the back button soon after.
	repeatWindow = time.Minute

	// maxCode is the greatest length of a code that is sent to WeChat, in bytes. WeChat's codes
	// have 32; WeCom documents at most 512.
	maxCode = 512
)

// Callback answers the request by which WeChat returns the browser, with code and state. The result
// is SignedIn, Lost, Denied, Snapshot, CallbackFailed, ToWeChat, StatusOnly or InternalError.
//
// The code is sent to WeChat only if this browser has the cookie of the flow, the authorization in
// progress. Tencent's own machines fetch callbacks too (field reports of 2017 to 2024). They have
// no cookie. If their request redeemed the code, the user could not sign in with it.
func (e *Engine) Callback(b Browser, record RecordFunc) Result {
	if b.Request.Method == http.MethodHead {
		// A prefetch or a link checker. It must not redeem the code.
		return Result{Kind: StatusOnly, Status: http.StatusOK}
	}
	query, err := url.ParseQuery(b.Request.URL.RawQuery)
	state, stateOK := singleValue(query, "state")
	code, codeOK := singleValue(query, "code")
	if err != nil || !stateOK || !codeOK || !validState(state) {
		return e.Lost(b, nil)
	}
	f := e.cookies.find(b.Request, state)
	if f == nil {
		return e.Lost(b, nil)
	}
	now := e.cfg.Now()
	expired := !now.Before(f.deadline)
	fromFuture := f.created.After(now.Add(time.Minute)) // the clock of one of the program's machines is wrong
	// WeChat omits the code when the user declined. One version of WeChat sent the code "authdeny"
	// (field report). Current versions do not return to the callback at all.
	declined := code == "" || code == "authdeny"
	switch {
	case expired || fromFuture || e.client(f.Method) == nil:
		return e.Lost(b, f)
	case declined:
		// The cookie of the flow stays, since WeChat may still request the callback with a code.
		e.logCallback(b, f, EventDenied, nil)
		return Result{Kind: Denied, Flow: f}
	case !validCode(code):
		return e.Lost(b, f)
	}
	return e.callbackResult(b, f, code, record)
}

// singleValue returns the value of a parameter, "" when it is absent. It accepts a value that is
// repeated, because WeChat was seen to send the same state twice. ok is false for two different
// values, which only an attacker sends.
func singleValue(query url.Values, name string) (value string, ok bool) {
	for i, v := range query[name] {
		if i > 0 && v != value {
			return "", false
		}
		value = v
	}
	return value, true
}

// validCode reports whether code is printable ASCII without spaces, and at most maxCode bytes.
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

// callbackResult redeems the code, or waits until another request has redeemed it, and returns the
// result for the outcome.
func (e *Engine) callbackResult(b Browser, f *Flow, code string, record RecordFunc) Result {
	if err := e.checkLimits(b, f); err != nil {
		return e.limited(b, f, err)
	}
	out, redeemedHere, err := e.redeemOrWait(b, f, code, record)
	switch {
	case errors.Is(err, errStartAgain):
		return e.restart(b, f)
	case err != nil && b.Request.Context().Err() != nil:
		// The client closed the connection and does not receive this response.
		return Result{Kind: StatusOnly, Status: http.StatusServiceUnavailable}
	case err != nil:
		return e.Fail(b, f, err)
	}
	if !redeemedHere {
		e.logRepeat(b, f, out.Kind)
	}
	switch out.Kind {
	case OutcomeSignedIn:
		now := e.cfg.Now()
		if !redeemedHere && now.Sub(out.At) >= repeatWindow {
			return e.Lost(b, f)
		}
		// The state counts sign-ins that left the browser without a session (see Start). Until the
		// browser shows its new session, this sign-in counts as one of them.
		count := e.cookies.newSignInCount(restartsOf(f.state)+1, now)
		return Result{Kind: SignedIn, Flow: f, Outcome: out, Repeat: !redeemedHere, Cookies: count}
	case OutcomeCodeRefused:
		return e.restart(b, f)
	case OutcomeSnapshot:
		return Result{Kind: Snapshot, Flow: f, Cookies: []*http.Cookie{e.cookies.New(cookieNotice, "1", noticeAge)}}
	}
	return e.callbackFailed(b, f, out.Kind, out.Text)
}

// limited returns the result for a callback after an error of checkLimits: the code of the callback
// must not be sent to WeChat now. errSuspect means that many codes of the browser's network were
// refused, perhaps because of other browsers. After errSuspect the error page has a button that
// starts a new flow. A signed-in browser continues at the return address instead, because it has
// probably sent the callback twice.
func (e *Engine) limited(b Browser, f *Flow, err error) Result {
	outcome := OutcomeRateLimited
	if errors.Is(err, errSuspect) {
		outcome = EventSuspect
		if b.HasSession() {
			return Result{Kind: Lost, Flow: f}
		}
	}
	e.logCallback(b, f, outcome, err)
	return e.callbackFailed(b, f, outcome, "")
}

// Lost returns the result for a callback that belongs to no pending flow of this browser. The
// request may be a prefetch, a shared link, an old page, or have the state of another browser.
//
// Another cause is a browser that rejects cookies. Lost sets a test cookie, and AcceptsCookies
// later reports whether the browser sent it. f is the flow if its cookie was found, else nil.
//
// For a browser that is signed in, the result has no cookies: the caller redirects it to the return
// address without an explanation.
func (e *Engine) Lost(b Browser, f *Flow) Result {
	if b.HasSession() {
		return Result{Kind: Lost, Flow: f}
	}
	e.logCallback(b, nil, EventLost, nil)
	return Result{Kind: Lost, Flow: f, Cookies: []*http.Cookie{e.cookies.New(cookieProbe, "1", probeAge)}}
}

// Fail returns the result for a callback that failed with an error of the program or its store.
func (e *Engine) Fail(b Browser, f *Flow, err error) Result {
	switch {
	case errors.Is(err, ErrFull):
		e.logCallback(b, f, EventStoreFull, err)
		return e.callbackFailed(b, f, EventStoreFull, "")
	case IsTemporary(err):
		e.logCallback(b, f, EventUnavailable, err)
		return e.callbackFailed(b, f, EventUnavailable, "")
	}
	e.cfg.Logger.ErrorContext(b.Request.Context(), "sign-in failed", "error", err, "request_id", b.RequestID)
	return e.callbackFailed(b, f, OutcomeFault, "")
}

// Failure is the content of the error page of a callback. The page has a URL of its own, to which
// the caller redirects the browser. The URL of the callback contains the code, and the code may
// still be valid, for example if WeChat did not answer. Users send the URL of an error page to
// others when they ask for help. With a valid code, an attacker could sign in as the user, in a
// flow of their own.
//
// A Failure is encrypted into the query of the page's URL. It therefore needs no cookie and no row
// in the store. Nobody else can choose the text of the page. The JSON keys are short because the
// length of the URL is limited.
type Failure struct {
	Outcome    string       `json:"k"` // an outcome, EventGaveUp, EventSuspect, EventUnavailable or EventStoreFull
	ReturnTo   string       `json:"r"`
	Scope      wechat.Scope `json:"s"`
	ForcePopup bool         `json:"p,omitempty"`
	Data       []byte       `json:"d,omitempty"` // Request.Data of the flow
	Text       string       `json:"t,omitempty"` // Outcome.Text
	RequestID  string       `json:"q"`
	Until      int64        `json:"u"` // when the page expires, in Unix seconds
}

// failureName is the name for which the [seal.Sealer] encrypts a Failure. The Sealer requires this
// name to decrypt the value.
const failureName = "failure"

// callbackFailed returns the result that redirects to the error page.
func (e *Engine) callbackFailed(b Browser, f *Flow, outcome, text string) Result {
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false) // return addresses contain many "&", and the length is limited
	err := encoder.Encode(Failure{
		Outcome: outcome, ReturnTo: f.ReturnTo, Scope: f.Scope, ForcePopup: f.ForcePopup, Data: f.Data, Text: text,
		RequestID: b.RequestID, Until: e.cfg.Now().Add(Lifetime).Unix(),
	})
	if err != nil {
		return Result{Kind: InternalError, Err: err}
	}
	value, err := e.failures.Seal(failureName, plain.Bytes())
	if err != nil {
		return Result{Kind: InternalError, Err: err}
	}
	return Result{Kind: CallbackFailed, Flow: f, Failure: value}
}

// OpenFailure decrypts Result.Failure. It returns false for a value that has expired or was not
// sealed by an engine with the same keys.
func (e *Engine) OpenFailure(value string) (Failure, bool) {
	plain, err := e.failures.Open(failureName, value)
	if err != nil {
		return Failure{}, false
	}
	var failure Failure
	if json.Unmarshal(plain, &failure) != nil || !e.cfg.Now().Before(time.Unix(failure.Until, 0)) {
		return Failure{}, false
	}
	return failure, true
}

// Event is one step of a sign-in, for metrics. It identifies no user, and each field has few
// different values.
type Event struct {
	Outcome string // one of the constants below, or the kind of an [Outcome]
	Method  Method // "" when the flow is not known
}

// The steps that are not the outcome of a redemption.
const (
	EventStarted     = "begun"       // the browser was sent to WeChat
	EventDenied      = "denied"      // the user declined at WeChat
	EventRepeat      = "repeat"      // a callback was answered from the outcome of an earlier one
	EventLost        = "lost"        // a callback belongs to no flow of the browser
	EventGaveUp      = "gave_up"     // WeChat refused codes several times in a row
	EventSuspect     = "suspect"     // too many codes of the browser's network were refused, so this code was not sent
	EventStoreFull   = "store_full"  // the store has reached a limit
	EventUnavailable = "unavailable" // the store cannot be reached
)

// sendEvent calls Config.OnEvent. f may be nil.
func (e *Engine) sendEvent(b Browser, f *Flow, outcome string) {
	event := Event{Outcome: outcome}
	if f != nil {
		event.Method = f.Method
	}
	e.cfg.OnEvent(b.Request.Context(), event)
}

// logCallback sends an event and writes the one log line of a callback. f may be nil.
func (e *Engine) logCallback(b Browser, f *Flow, outcome string, err error, more ...slog.Attr) {
	e.sendEvent(b, f, outcome)
	e.writeLog(b, f, outcome, err, more...)
}

// logRepeat is logCallback for a callback that was answered from the outcome of an earlier one.
func (e *Engine) logRepeat(b Browser, f *Flow, outcome string) {
	e.sendEvent(b, f, EventRepeat)
	e.writeLog(b, f, "repeat of "+outcome, nil)
}

// writeLog writes the log line. It does not log the URL of the request, which contains the code.
func (e *Engine) writeLog(b Browser, f *Flow, outcome string, err error, more ...slog.Attr) {
	level := slog.LevelInfo
	attrs := []slog.Attr{slog.String("outcome", outcome), slog.String("request_id", b.RequestID)}
	if f != nil {
		attrs = append(attrs, slog.String("method", string(f.Method)), slog.String("scope", string(f.Scope)),
			slog.Int("restarts", restartsOf(f.state)))
	}
	attrs = append(attrs, more...)
	if err != nil {
		level = slog.LevelWarn
		if outcome == OutcomeFault || outcome == EventUnavailable {
			level = slog.LevelError
		}
		attrs = append(attrs, slog.Any("error", err))
	}
	e.cfg.Logger.LogAttrs(b.Request.Context(), level, "sign-in callback answered", attrs...)
}
