package flow

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/wechat"
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
func (e *Engine) Callback(b Browser, complete RecordFunc) Result {
	if b.Request.Method == http.MethodHead {
		return Result{Kind: StatusOnly, Status: http.StatusOK} // a prefetch or a link checker: it must not use up a code
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
	if !b.HasSession() {
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
func (e *Engine) complete(b Browser, f *Flow, code string, complete RecordFunc) Result {
	out, fresh, err := e.outcome(b, f, code, complete)
	switch {
	case errors.Is(err, errRestart):
		return e.restart(b, f)
	case err != nil && b.Request.Context().Err() != nil:
		// The client closed the connection, so nobody reads this response.
		return Result{Kind: StatusOnly, Status: http.StatusServiceUnavailable}
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

// Ending is what the page for a failed callback needs. The page has an address of its own: the
// callback's still contains the code, which may be valid (WeChat did not answer, the secret is
// wrong), and users copy the address of an error page, or share it from WeChat's menu, to ask for
// help. An attacker with a valid code can sign in as its user, in a flow of their own.
//
// It is sealed in the query of that address, so that nobody else can choose the text of the page, and
// neither a cookie nor the store is needed.
type Failure struct {
	Outcome   string       `json:"k"` // an outcome, EventGaveUp, EventUnavailable or EventStoreFull
	ReturnTo  string       `json:"r"`
	Scope     wechat.Scope `json:"s"`
	Data      []byte       `json:"d,omitempty"`
	Text      string       `json:"t,omitempty"`
	RequestID string       `json:"q"`
	Until     int64        `json:"u"` // Unix seconds
}

// endingName is the name for which an Ending is sealed, as a cookie is sealed for its name.
const endingName = "ending"

func (e *Engine) end(b Browser, f *Flow, outcome, text string) Result {
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false) // return addresses have many "&", and the length is limited
	err := encoder.Encode(Failure{
		Outcome: outcome, ReturnTo: f.ReturnTo, Scope: f.Scope, Data: f.Data, Text: text,
		RequestID: b.RequestID, Until: e.cfg.Now().Add(Lifetime).Unix(),
	})
	if err != nil {
		return Result{Kind: InternalError, Err: err}
	}
	value, err := e.endings.Seal(endingName, plain.Bytes())
	if err != nil {
		return Result{Kind: InternalError, Err: err}
	}
	return Result{Kind: CallbackFailed, Flow: f, Failure: value}
}

// Ending reads Result.Ending. It returns false for a value that has expired, or that was not made
// here.
func (e *Engine) OpenFailure(value string) (Failure, bool) {
	var out Failure
	plain, err := e.endings.Open(endingName, value)
	if err != nil || json.Unmarshal(plain, &out) != nil || !e.cfg.Now().Before(time.Unix(out.Until, 0)) {
		return Failure{}, false
	}
	return out, true
}

// Event is one step of a sign-in, for metrics. It identifies no user, and its values come from
// small sets.
type Event struct {
	Outcome string // one of the constants below, or an outcome of a redemption
	Method  Method // "" when the flow is not known
}

// The steps that are not the outcome of a redemption.
const (
	EventStarted     = "begun"       // the browser was sent to WeChat
	EventDenied      = "denied"      // the user declined at WeChat
	EventRepeat      = "repeat"      // a callback was answered from the outcome of an earlier one
	EventLost        = "lost"        // a callback belongs to no flow of the browser
	EventGaveUp      = "gave_up"     // WeChat refused codes several times in a row
	EventStoreFull   = "store_full"  // the store has reached a limit
	EventUnavailable = "unavailable" // the store cannot be reached
)

const repeatOf = "repeat of "

func (e *Engine) event(b Browser, f *Flow, outcome string) {
	if strings.HasPrefix(outcome, repeatOf) {
		outcome = EventRepeat
	}
	v := Event{Outcome: outcome}
	if f != nil {
		v.Method = f.Method
	}
	e.cfg.OnEvent(b.Request.Context(), v)
}

// log calls OnEvent and logs the one line of a callback. The line does not contain the address of
// the request, which has the code.
func (e *Engine) log(b Browser, f *Flow, outcome string, err error, more ...slog.Attr) {
	e.event(b, f, outcome)
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

// userAttrs returns log attributes that identify a user. The openid is shortened: it is enough to
// find the user, and not the whole identity.
func userAttrs(appID, openID string) []slog.Attr {
	if len(openID) > 8 {
		openID = openID[:8] + "…"
	}
	return []slog.Attr{slog.String("appid", appID), slog.String("openid", openID)}
}
