package flow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weigate/weigate/wechat"
)

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
type Complete func(ctx context.Context, a Authorization) (Outcome, error)

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
func (e *Engine) redeem(b Browser, f *Flow, code string, attempt Attempt, complete Complete) (Outcome, error) {
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
