package flow

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/weigate/weigate/wechat"
)

// Errors that an [Attempts] store returns, wrapped or not. An [Attempt] is one redemption of a
// code. The request that redeems the code owns the attempt, until the time Lease.
var (
	// ErrAttemptLost means that FinishAttempt was called too late, or by a request that does not
	// own the attempt.
	ErrAttemptLost = errors.New("the attempt has another owner, or its lease has passed")
	// ErrFull means that the store has reached a limit.
	ErrFull = errors.New("the store is full")
	// ErrUnavailable means that the store cannot be reached now. It is probably available again
	// soon.
	ErrUnavailable = errors.New("unavailable for now")
)

// IsTemporary reports whether the same call can succeed when the user tries again.
func IsTemporary(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrFull) || errors.Is(err, context.DeadlineExceeded)
}

// Attempt is one redemption of a callback's code. The attempt is stored before the code is sent to
// WeChat. Several requests can have the same state, in several processes. Only the request that
// stored the attempt sends the code. This request owns the attempt. The other requests wait until
// the attempt has an outcome.
type Attempt struct {
	Key     string    // identifies the flow: a hash of its state
	Code    string    // a hash of the code
	Owner   string    // random; identifies the request that redeems the code
	Lease   time.Time // the owner must write the outcome before this time
	Expires time.Time // from this time on, the store can remove the attempt: the flow's cookie has expired

	// WeChat sometimes sends two codes for one flow. If WeChat refuses the first code, a second
	// code can replace it until SecondCodeUntil. SecondCodeUntil is zero in the attempt with the
	// second code, because a flow accepts no third code.
	SecondCodeUntil time.Time

	Outcome Outcome // zero while the redemption is in progress
}

// Outcome is the result of a redemption. Repeated callbacks are answered from it.
type Outcome struct {
	Kind string
	At   time.Time // when the outcome was written
	Text string    // for the user, from the program that uses the engine; for OutcomeRefused
}

// The kinds of outcomes. The zero value "" is a redemption in progress.
const (
	OutcomeSignedIn       = "signed_in"       // the RecordFunc recorded the sign-in
	OutcomeCodeRefused    = "code_refused"    // WeChat refused the code: invalid, used, expired
	OutcomeSnapshot       = "snapshot"        // a virtual user of WeChat's snapshot page (快照页)
	OutcomeRefused        = "refused"         // the RecordFunc refused the user
	OutcomeConsentMissing = "consent_missing" // the user has to agree in WeChat (scope snsapi_userinfo), and has not
	OutcomeUserRestricted = "user_restricted" // WeChat has restricted the user's account
	OutcomeBusy           = "busy"            // WeChat gave no usable answer, or the program's store is unavailable
	OutcomeRateLimited    = "rate_limited"    // WeChat's quota of calls is used up
	OutcomeFault          = "fault"           // wrong configuration, or an error of the program
)

// Attempts stores the attempts, for all processes that serve one callback.
type Attempts interface {
	// BeginAttempt begins the attempt want, in one atomic step:
	//
	//   - If the flow has no attempt, BeginAttempt stores want, and returns want and true.
	//   - If want has an acceptable second code, BeginAttempt stores want with a zero
	//     SecondCodeUntil, and returns want and true. The code is acceptable if the stored attempt
	//     has OutcomeCodeRefused, another Code, and a SecondCodeUntil after now.
	//   - Otherwise BeginAttempt returns the stored attempt and false.
	BeginAttempt(ctx context.Context, want Attempt, now time.Time) (stored Attempt, begun bool, err error)

	// FinishAttempt writes the outcome, once. It returns ErrAttemptLost, and changes nothing, when
	// the attempt is missing, has another owner or an outcome, or its lease is not after now.
	FinishAttempt(ctx context.Context, key, owner string, out Outcome, now time.Time) error
}

// Time limits of a redemption. Other requests wait for the outcome until the lease ends. Then they
// start the flow again. So the outcome must be stored before the lease ends. redeemLimit is shorter
// than the lease, and leaves time to store the outcome.
const (
	wechatLimit       = 10 * time.Second // for both calls to WeChat together
	redeemLimit       = 13 * time.Second // for the calls to WeChat and the RecordFunc
	attemptLease      = 15 * time.Second
	attemptStoreLimit = attemptLease - redeemLimit // for one call of Attempts

	// secondCodeWindow is how long after the first code of a flow WeChat's second code may come.
	// WeChat's second request follows within seconds (field reports, "callback called twice"). The
	// second request may have to wait until the first is answered.
	secondCodeWindow = attemptLease

	// Requests that wait for an outcome read the store after 5 ms, then at growing intervals.
	// WeChat usually answers within 50 to 200 ms, so the short intervals come first.
	firstPause   = 5 * time.Millisecond
	longestPause = 250 * time.Millisecond
)

// errStartAgain means that the flow must start again. There are two reasons:
//
//   - It is unknown whether the code was redeemed. A code must not be sent a second time.
//   - Another code of the flow created the session, and this browser must not get that session (see
//     acceptsOtherCode).
var errStartAgain = errors.New("flow: the flow must start again")

// redeemOrWait begins an attempt and redeems the code. If another request has begun the attempt, in
// any process, redeemOrWait waits for the outcome. redeemedHere reports whether this call redeemed
// the code.
func (e *Engine) redeemOrWait(
	b Browser, f *Flow, code string, record RecordFunc,
) (out Outcome, redeemedHere bool, err error) {
	started := time.Now()
	owner := rand.Text()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		now := e.cfg.Now()
		own := Attempt{
			Key: Hash("flow", f.state), Code: Hash("code", code), Owner: owner,
			Lease: now.Add(attemptLease), Expires: f.deadline.Add(attemptMargin),
			SecondCodeUntil: now.Add(secondCodeWindow),
		}
		stored, begun, err := e.beginAttempt(b, own, now)
		switch {
		case err != nil:
			return Outcome{}, false, fmt.Errorf("flow: begin an attempt: %w", err)
		case begun:
			out, err := e.redeem(b, f, code, own, record)
			return out, true, err
		case stored.Outcome.Kind == OutcomeSignedIn && stored.Code != own.Code && !e.acceptsOtherCode(b, f):
			return Outcome{}, false, errStartAgain
		case stored.Outcome.Kind != "":
			return stored.Outcome, false, nil
		case !stored.Lease.After(now) || time.Since(started) > attemptLease:
			// The clock of another process may have set the lease. Even if that clock is wrong, no
			// request waits longer than attemptLease.
			return Outcome{}, false, errStartAgain
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-b.Request.Context().Done():
			timer.Stop()
			return Outcome{}, false, b.Request.Context().Err()
		}
	}
}

// beginAttempt calls Attempts.BeginAttempt, and does not stop when the client closes the
// connection. Otherwise the store could contain an attempt without a request that redeems its code.
// The browser's next request would then wait until the lease ends.
func (e *Engine) beginAttempt(b Browser, want Attempt, now time.Time) (Attempt, bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.Request.Context()), attemptStoreLimit)
	defer cancel()
	return e.cfg.Attempts.BeginAttempt(ctx, want, now)
}

// acceptsOtherCode reports whether a callback with a second code gets the session that the first
// code created. WeChat sometimes sends a second code when it requests the callback twice.
//
// A second code can also be an attack, because the session id is derived from the flow cookie.
// First the attacker sets their own flow cookie in a victim's browser. Then the victim signs in
// with this flow. Finally the attacker repeats the callback with a code of their own, and gets the
// victim's session.
//
// The attacker cannot set a cookie with the prefix "__Host-" from another host. Without the prefix,
// the browser must have sent the session cookie already. Otherwise the flow starts again.
func (e *Engine) acceptsOtherCode(b Browser, f *Flow) bool {
	if e.cookies.HasHostPrefix() {
		return true
	}
	id, err := f.SessionID()
	sent, _, _ := strings.Cut(e.cookies.Value(b.Request, CookieSession), ".") // package session adds a tag to the id
	return err == nil && subtle.ConstantTimeCompare([]byte(sent), []byte(id)) == 1
}

// Authorization is what WeChat confirmed about the user who authorized a flow.
type Authorization struct {
	Flow    *Flow
	AppID   string
	OpenID  string
	UnionID string         // "" when WeChat did not return one
	Scopes  []wechat.Scope // as WeChat returned them
	Profile *Profile       // nil when it was not requested or not returned
	At      time.Time      // when WeChat confirmed it
	Attempt Attempt        // the attempt that redeemed the code

	engine *Engine
}

// Profile is a user's nickname and avatar (头像昵称).
type Profile struct {
	Nickname  string
	AvatarURL string // "" or a URL that SafeAvatar returned
}

// RecordFunc records an authorization: the user, the session with the id Flow.SessionID, and the
// outcome of the attempt. It writes the outcome with [Authorization.Finish], or in the database
// transaction that creates the session. It returns the outcome.
//
// An error that a RecordFunc returns with an outcome is only logged, as the cause of the outcome.
// An error with the zero Outcome means that nothing was recorded. After [ErrAttemptLost] the
// browser is then sent to WeChat again. After any other error the browser gets an error page.
//
// A RecordFunc is called once per flow, in the request that redeemed the code. Its context is not
// cancelled when the client closes the connection. The deadline of the context is at least three
// seconds away.
type RecordFunc func(ctx context.Context, a Authorization) (Outcome, error)

// Finish writes the outcome of the attempt. It returns the outcome and cause, the error to be
// logged. If the outcome cannot be written, Finish returns the zero Outcome and an error.
//
// Finish writes even when ctx has ended. Without a stored outcome, every repeated callback would
// start the flow again.
func (a Authorization) Finish(ctx context.Context, kind, text string, cause error) (Outcome, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptStoreLimit)
	defer cancel()
	out := Outcome{Kind: kind, Text: text, At: a.engine.cfg.Now()}
	if err := a.engine.cfg.Attempts.FinishAttempt(ctx, a.Attempt.Key, a.Attempt.Owner, out, out.At); err != nil {
		return Outcome{}, errors.Join(fmt.Errorf("flow: write the outcome: %w", err), cause)
	}
	return out, cause
}

// redeem sends the code of a stored attempt to WeChat and calls record.
//
// redeem continues when the client closes the connection. If a callback is slow, WeChat drops the
// first request and sends a second one. The second request waits for the outcome that redeem
// writes.
func (e *Engine) redeem(b Browser, f *Flow, code string, attempt Attempt, record RecordFunc) (Outcome, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.Request.Context()), redeemLimit)
	defer cancel()
	a := Authorization{Flow: f, AppID: e.client(f.Method).AppID, Attempt: attempt, engine: e}
	var out Outcome
	// failure is the kind of the outcome of a failed redemption; "" = WeChat confirmed the user.
	failure, err := OutcomeRateLimited, errNoExchanges
	if e.takeExchange(b, f) {
		failure, err = e.authorize(ctx, b, code, &a)
	}
	if failure == OutcomeCodeRefused {
		e.countRefused(b)
	}
	if failure != "" {
		out, err = a.Finish(ctx, failure, "", err)
	} else {
		out, err = record(ctx, a)
	}
	if out.Kind == "" { // no outcome was written
		if errors.Is(err, ErrAttemptLost) {
			e.cfg.Logger.WarnContext(ctx, "attempt lost, sign-in restarted", "error", err, "request_id", b.RequestID)
			return Outcome{}, errStartAgain
		}
		return Outcome{}, err
	}
	var user []slog.Attr
	if a.OpenID != "" { // "" when the code was not redeemed, or for a virtual user
		user = userAttrs(a.AppID, a.OpenID)
	}
	e.logCallback(b, f, out.Kind, err, user...)
	return out, nil
}

// userAttrs returns log attributes that identify a user. The openid is shortened: enough to find
// the user, without logging the whole id.
func userAttrs(appID, openID string) []slog.Attr {
	if len(openID) > 8 {
		openID = openID[:8] + "…"
	}
	return []slog.Attr{slog.String("appid", appID), slog.String("openid", openID)}
}

// authorize redeems the code and fills in what WeChat confirmed. When the sign-in cannot be
// completed, it returns the kind of the outcome, and the error that caused it, if any.
func (e *Engine) authorize(ctx context.Context, b Browser, code string, a *Authorization) (failure string, err error) {
	ctx, cancel := context.WithTimeout(ctx, wechatLimit)
	defer cancel()
	client := e.client(a.Flow.Method)
	token, err := client.Exchange(ctx, code)
	if err != nil {
		return exchangeOutcome(err), err
	}
	if token.SnapshotUser {
		// A virtual user (WeChat's announcement of 2022-05-09): the openid, nickname and avatar
		// are not those of a real user.
		return OutcomeSnapshot, nil
	}
	a.OpenID, a.UnionID = token.OpenID, token.UnionID
	a.Scopes, a.At = token.Scopes, e.cfg.Now()
	if a.Flow.Scope == wechat.ScopeUserInfo && len(token.Scopes) > 0 && !token.HasScope(wechat.ScopeUserInfo) {
		// The user, or somebody else, has changed the scope in the address at WeChat to snsapi_base.
		return OutcomeConsentMissing, nil
	}
	if profileGranted(a.Flow, token) {
		return e.addProfile(ctx, b, client, token, a)
	}
	return "", nil
}

// exchangeOutcome returns the outcome for an error of the exchange.
//
// After OutcomeCodeRefused the flow starts again automatically. exchangeOutcome therefore returns
// this outcome only for an invalid code: WeChat refused the code, or [wechat.Client] did not send
// the code because it is malformed. An error without a usable answer of WeChat matches
// [wechat.ErrReauthorize] too, because the code may have been used. The outcome of such an error is
// OutcomeBusy: the user decides when to try again.
func exchangeOutcome(err error) string {
	var wechatErr *wechat.Error
	answered := errors.As(err, &wechatErr) && wechatErr.Code != 0
	refused := answered || errors.Is(err, wechat.ErrInvalidCode)
	switch {
	case errors.Is(err, wechat.ErrConfiguration):
		return OutcomeFault
	case refused && errors.Is(err, wechat.ErrReauthorize):
		return OutcomeCodeRefused
	case errors.Is(err, wechat.ErrUserRestricted):
		return OutcomeUserRestricted
	case errors.Is(err, wechat.ErrRateLimited):
		return OutcomeRateLimited
	}
	return OutcomeBusy
}

// errcodeUnauthorized is WeChat's errcode for a token without the scope of the call (WeChat's
// documentation, api_snsuserinfo).
const errcodeUnauthorized = 48001

// profileGranted reports whether WeChat allows a request for the profile with a token. For a token
// with scope snsapi_base, WeChat would answer errcode 48001. WeChat's newest documentation omits
// the scope from the token response. If the response has no scope, profileGranted assumes that the
// scope of the flow was granted.
func profileGranted(f *Flow, token *wechat.Token) bool {
	if f.Scope == wechat.ScopeBase {
		return false
	}
	return len(token.Scopes) == 0 || token.HasScope(f.Scope)
}

// addProfile requests nickname and avatar. When that fails, the user is signed in without them.
//
// If the flow requires consent and the token response did not name the granted scopes, only this
// request shows that the user consented. When it fails, addProfile returns the kind of the outcome:
// OutcomeConsentMissing after WeChat's errcode 48001 (the token has scope snsapi_base), OutcomeBusy
// after any other error.
func (e *Engine) addProfile(
	ctx context.Context, b Browser, client *wechat.Client, token *wechat.Token, a *Authorization,
) (failure string, err error) {
	language := wechat.LangZhCN
	if b.Language == english {
		language = wechat.LangEN
	}
	info, err := client.UserInfo(ctx, token.AccessToken, token.OpenID, language)
	if err != nil && a.Flow.Scope == wechat.ScopeUserInfo && len(token.Scopes) == 0 {
		var wechatErr *wechat.Error
		if errors.As(err, &wechatErr) && wechatErr.Code == errcodeUnauthorized {
			return OutcomeConsentMissing, err
		}
		return OutcomeBusy, err
	}
	if err != nil {
		e.cfg.Logger.WarnContext(ctx, "profile not received, sign-in continued",
			"error", err, "request_id", b.RequestID)
		return "", nil
	}
	a.Profile = &Profile{Nickname: info.Nickname, AvatarURL: SafeAvatar(info.AvatarURL, e.cfg.AvatarHosts)}
	if info.UnionID != "" {
		a.UnionID = info.UnionID
	}
	return "", nil
}
