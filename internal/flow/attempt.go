package flow

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weigate/weigate/wechat"
)

// Errors of [Attempts] that the engine decides on. An implementation may wrap them.
var (
	// ErrAttemptLost means that FinishAttempt came too late, or for an attempt of another owner.
	ErrAttemptLost = errors.New("the attempt has another owner, or its lease has passed")
	// ErrFull means that the store has reached a limit.
	ErrFull = errors.New("the store is full")
	// ErrUnavailable means that the store cannot be reached now and may be soon.
	ErrUnavailable = errors.New("unavailable for now")
)

// IsTemporary reports whether the same call may succeed when the user tries again.
func IsTemporary(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrFull) || errors.Is(err, context.DeadlineExceeded)
}

// Attempt is the redemption of one code of a flow by one request.
type Attempt struct {
	Key     string    // the flow: a hash of its state
	Code    string    // a hash of WeChat's code
	Owner   string    // random, identifies this attempt
	Lease   time.Time // after this moment the attempt can have no outcome any more
	Expires time.Time // the row may be removed from then on; later than the flow's cookie
	Outcome Outcome   // zero while the redemption is in progress
}

// Outcome is the result of a redemption. Repeated callbacks are answered from it.
type Outcome struct {
	Kind string
	At   time.Time
	Text string // what the program tells the user, for OutcomeRefused
}

// The kinds of outcomes. The zero value "" is an attempt in progress.
const (
	OutcomeSignedIn       = "signed_in"       // the Complete function recorded the sign-in
	OutcomeCodeRefused    = "code_refused"    // WeChat refused the code: invalid, used, expired
	OutcomeSnapshot       = "snapshot"        // a virtual user of WeChat's snapshot page (快照页)
	OutcomeRefused        = "refused"         // the Complete function refused the user
	OutcomeUserRestricted = "user_restricted" // WeChat has restricted the user's account
	OutcomeBusy           = "busy"            // WeChat gave no usable answer, or the program's store is unavailable
	OutcomeRateLimited    = "rate_limited"    // WeChat's quota of calls is used up
	OutcomeFault          = "fault"           // wrong configuration, or an error of the program
)

// Attempts stores the attempts, for all processes that serve one address.
type Attempts interface {
	// BeginAttempt stores want unless the flow has an attempt already, in one atomic step. An
	// attempt whose outcome is OutcomeCodeRefused is replaced when want has another code. Otherwise
	// it returns the stored attempt and false.
	BeginAttempt(ctx context.Context, want Attempt, now time.Time) (have Attempt, won bool, err error)

	// FinishAttempt writes the outcome, once. It is ErrAttemptLost, and changes nothing, when the
	// row is missing, has another owner or an outcome, or its lease is not after now.
	FinishAttempt(ctx context.Context, key, owner string, out Outcome, now time.Time) error
}

const (
	// wechatLimit is for both calls to WeChat together, signInLimit for those and the Complete
	// function. The lease is longer than both: until it ends, repeated callbacks wait; after it the
	// attempt can have no outcome.
	wechatLimit  = 10 * time.Second
	signInLimit  = 13 * time.Second
	attemptLease = 15 * time.Second
	storeLimit   = attemptLease - signInLimit

	// Requests that wait for an outcome read the store after 5 ms, then at growing intervals.
	// WeChat answers within some 50 to 200 ms, so the first reads are the likely ones.
	firstPause   = 5 * time.Millisecond
	longestPause = 250 * time.Millisecond
)

// errRestart means that it is unknown whether the code was redeemed. It must not be sent twice, so
// the flow starts again.
var errRestart = errors.New("flow: the outcome of the redemption is unknown")

// outcome begins an attempt and redeems the code, or waits for the outcome of the request that did,
// in this process or another. fresh reports whether this call redeemed the code.
func (e *Engine) outcome(b Browser, f *Flow, code string, complete RecordFunc) (out Outcome, fresh bool, err error) {
	began := time.Now()
	owner := rand.Text()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		now := e.cfg.Now()
		want := Attempt{
			Key: Hash("flow", f.state), Code: Hash("code", code), Owner: owner,
			Lease: now.Add(attemptLease), Expires: f.deadline.Add(attemptMargin),
		}
		have, won, err := e.beginAttempt(b, want, now)
		switch {
		case err != nil:
			return Outcome{}, false, fmt.Errorf("flow: begin an attempt: %w", err)
		case won:
			out, err := e.redeem(b, f, code, want, complete)
			return out, true, err
		case have.Outcome.Kind == OutcomeSignedIn && have.Code != want.Code && !e.acceptsOtherCode(b, f):
			return Outcome{}, false, errRestart
		case have.Outcome.Kind != "":
			return have.Outcome, false, nil
		case !have.Lease.After(now) || time.Since(began) > attemptLease:
			return Outcome{}, false, errRestart
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

// beginAttempt does not end when the browser goes away: an attempt that was stored while its
// request died would keep the next request of the browser waiting.
func (e *Engine) beginAttempt(b Browser, want Attempt, now time.Time) (Attempt, bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.Request.Context()), storeLimit)
	defer cancel()
	return e.cfg.Attempts.BeginAttempt(ctx, want, now)
}

// acceptsOtherCode reports whether a repeated callback with a second code may get the session that
// the first code created. WeChat's double call with two codes is such a repeat. So is this attack:
// the attacker sets their own flow cookie in a victim's browser, the victim signs in with it, and
// the attacker repeats the callback to get the victim's session. No other host can set a "__Host-"
// cookie. Where the cookie has another prefix, the browser must have the session already; otherwise
// the flow starts again.
func (e *Engine) acceptsOtherCode(b Browser, f *Flow) bool {
	id, err := f.SessionID()
	sent := e.cookies.Value(b.Request, CookieSession)
	return err == nil && (e.cookies.HostOnly() || subtle.ConstantTimeCompare([]byte(sent), []byte(id)) == 1)
}

// finish writes an outcome, with a time limit of its own: without a stored outcome every repeated
// callback starts the flow again.
func (e *Engine) finish(ctx context.Context, key, owner string, out Outcome) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeLimit)
	defer cancel()
	return e.cfg.Attempts.FinishAttempt(ctx, key, owner, out, out.At)
}

// Authorization is what WeChat confirmed about the user who authorized a flow.
type Authorization struct {
	Flow    *Flow
	AppID   string
	OpenID  string
	UnionID string         // "" when WeChat did not return one
	Scopes  []wechat.Scope // as WeChat returned them
	Profile *Profile       // nil: not requested, or WeChat did not return it
	At      time.Time
	Attempt Attempt // Key and Owner identify it in the store

	engine *Engine
}

// Profile is a user's nickname and avatar (头像昵称).
type Profile struct {
	Nickname  string
	AvatarURL string // "" or an address that SafeAvatar accepts
}

// Complete records an authorization: the user, the session under Flow.SessionID, and the outcome of
// the attempt, by [Authorization.Finish] or in a transaction of its own. It returns the outcome that
// it recorded. With an outcome, an error is only logged as its cause. Without one (Kind is empty)
// nothing was recorded: the browser is then sent to WeChat again for [ErrAttemptLost], and gets an
// error page for other errors.
//
// It is called once per flow, in the request that redeemed the code. Its context outlives that
// request and leaves three seconds or more.
type RecordFunc func(ctx context.Context, a Authorization) (Outcome, error)

// Finish writes the outcome of the attempt and returns it together with cause, for the log.
func (a Authorization) Finish(ctx context.Context, kind, text string, cause error) (Outcome, error) {
	out := Outcome{Kind: kind, Text: text, At: a.engine.cfg.Now()}
	if err := a.engine.finish(ctx, a.Attempt.Key, a.Attempt.Owner, out); err != nil {
		return Outcome{}, errors.Join(fmt.Errorf("flow: write the outcome: %w", err), cause)
	}
	return out, cause
}

// redeem sends the code to WeChat for an attempt that was stored, and calls complete.
//
// It continues when the client closes the connection: WeChat calls a slow callback a second time and drops
// the first, and that second request waits for this one.
func (e *Engine) redeem(b Browser, f *Flow, code string, attempt Attempt, complete RecordFunc) (Outcome, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.Request.Context()), signInLimit)
	defer cancel()
	a := Authorization{Flow: f, AppID: e.client(f.Method).AppID, Attempt: attempt, engine: e}
	out, err := e.authorize(ctx, b, code, &a)
	if out.Kind == "" && err == nil {
		out, err = complete(ctx, a)
	} else {
		out, err = a.Finish(ctx, out.Kind, "", err)
	}
	var user []slog.Attr
	if a.OpenID != "" {
		user = userAttrs(a.AppID, a.OpenID)
	}
	if out.Kind == "" {
		if errors.Is(err, ErrAttemptLost) {
			e.cfg.Logger.WarnContext(ctx, "attempt lost, sign-in restarted", "error", err, "request_id", b.RequestID)
			return Outcome{}, errRestart
		}
		return Outcome{}, err
	}
	e.log(b, f, out.Kind, err, user...)
	return out, nil
}

// authorize redeems the code and fills in what WeChat confirmed. It returns an outcome when
// the sign-in cannot be completed.
func (e *Engine) authorize(ctx context.Context, b Browser, code string, a *Authorization) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, wechatLimit)
	defer cancel()
	client := e.client(a.Flow.Method)
	token, err := client.Exchange(ctx, code)
	if err != nil {
		return Outcome{Kind: classify(err)}, err
	}
	if token.SnapshotUser {
		// A virtual user (WeChat's announcement of 2022-05-09): its openid, nickname and avatar
		// belong to nobody.
		return Outcome{Kind: OutcomeSnapshot}, nil
	}
	a.OpenID, a.UnionID, a.Scopes, a.At = token.OpenID, token.UnionID, token.Scopes, e.cfg.Now()
	if profileGranted(a.Flow, token) {
		e.addProfile(ctx, b, client, token, a)
	}
	return Outcome{}, nil
}

// classify returns the outcome for an error of the exchange. When WeChat refused the code, the flow
// starts again. When WeChat gave no usable answer, the user decides when to try again; package
// wechat returns ErrReauthorize for that too, since the code may have been used.
func classify(err error) string {
	var answer *wechat.Error
	refused := errors.Is(err, wechat.ErrInvalidCode) || (errors.As(err, &answer) && answer.Code != 0)
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

// profileGranted reports whether the profile may be requested with this token. For a token with
// scope snsapi_base WeChat answers 48001. WeChat's newest documentation omits scope from the token
// response; without it the scope of the flow is used.
func profileGranted(f *Flow, token *wechat.Token) bool {
	if f.Scope == wechat.ScopeBase {
		return false
	}
	return len(token.Scopes) == 0 || token.HasScope(f.Scope)
}

// addProfile requests nickname and avatar. When that fails, the user is signed in without them.
func (e *Engine) addProfile(
	ctx context.Context, b Browser, client *wechat.Client, token *wechat.Token, a *Authorization,
) {
	language := wechat.LangZhCN
	if b.Language == english {
		language = wechat.LangEN
	}
	info, err := client.UserInfo(ctx, token.AccessToken, token.OpenID, language)
	if err != nil {
		e.cfg.Logger.WarnContext(ctx, "profile not received, sign-in continued",
			"error", err, "request_id", b.RequestID)
		return
	}
	a.Profile = &Profile{Nickname: info.Nickname, AvatarURL: SafeAvatar(info.AvatarURL, e.cfg.AvatarHosts)}
	if info.UnionID != "" {
		a.UnionID = info.UnionID
	}
}
