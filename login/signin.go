package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/wechat"
)

// signIn trades the code for a person and makes the session. The error is for
// the log; what the visitor sees depends on the outcome alone.
func (h *Handler) signIn(ctx context.Context, r *http.Request, f *flow, code, id string) (Outcome, []slog.Attr, error) {
	client := h.client(f.method)
	weCtx, cancel := context.WithTimeout(ctx, wechatLimit)
	defer cancel()
	token, err := client.Exchange(weCtx, code)
	if err != nil {
		return Outcome{Kind: classify(err)}, nil, err
	}
	person := who(client.AppID, token.OpenID)
	if token.SnapshotUser {
		// A virtual person: WeChat's documentation, announcement of 2022-05-09.
		// Its openid, nickname and avatar are nobody's.
		return Outcome{Kind: OutcomeSnapshot}, nil, nil
	}
	now := h.cfg.Now()
	in := &SignIn{
		Session: Session{
			Subject: client.AppID + ":" + token.OpenID,
			OpenID:  token.OpenID, UnionID: token.UnionID, AppID: client.AppID,
			Scopes: token.Scopes, Method: f.method, SignedInAt: now,
		},
		Return: h.returns.absolute(f.returnTo), Data: slices.Clone(f.data), RequestID: h.requestID(r),
	}
	h.keepKnown(r.WithContext(ctx), &in.Session)
	if askedForProfile(f, token) {
		h.addProfile(weCtx, r, client, token, &in.Session)
	}
	s := in.Session
	s.Scopes = slices.Clone(s.Scopes)
	if h.cfg.OnSignIn != nil {
		if out, err := h.ask(ctx, in); err != nil {
			return out, person, err
		}
	}
	s.Subject, s.Nickname, s.ProfileAt, s.Extra = in.Subject, in.Nickname, in.ProfileAt, in.Extra
	s.AvatarURL = h.safeAvatar(in.AvatarURL)
	s.ExpiresAt = h.expiry(now, now)
	if err := h.cfg.Store.CreateSession(ctx, hashed("session", id), s, h.cfg.Now()); err != nil {
		kind := OutcomeFault
		if isPassing(err) {
			kind = OutcomeBusy
		}
		return Outcome{Kind: kind}, person, fmt.Errorf("login: make the session: %w", err)
	}
	return Outcome{Kind: OutcomeSignedIn}, person, nil
}

// ask lets the app decide.
func (h *Handler) ask(ctx context.Context, in *SignIn) (Outcome, error) {
	err := h.cfg.OnSignIn(ctx, in)
	var refusal *RefusalError
	switch {
	case errors.As(err, &refusal):
		text := refusal.Text
		for len(text) > 500 || !utf8.ValidString(text) {
			text = text[:min(len(text)-1, 500)]
		}
		return Outcome{Kind: OutcomeAppRefused, Text: text}, err
	case isPassing(err):
		return Outcome{Kind: OutcomeBusy}, fmt.Errorf("login: OnSignIn: %w", err)
	case err != nil:
		return Outcome{Kind: OutcomeFault}, fmt.Errorf("login: OnSignIn: %w", err)
	case in.Subject == "":
		return Outcome{Kind: OutcomeFault}, errors.New("login: OnSignIn left Subject empty")
	}
	return Outcome{}, nil
}

// classify maps an error of the exchange to an outcome. A code that WeChat
// refused starts again. Where no usable answer came (the wechat package calls
// that ErrReauthorize too, since the code may be spent) the person decides when.
func classify(err error) OutcomeKind {
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

// askedForProfile says whether user info may be asked for with this token. With
// a base token WeChat answers 48001. The newest documentation omits the scope
// from the answer, so without one the flow's counts.
func askedForProfile(f *flow, token *wechat.Token) bool {
	if f.scope == wechat.ScopeBase {
		return false
	}
	return len(token.Scopes) == 0 || token.HasScope(f.scope)
}

// addProfile asks WeChat for nickname and avatar. A failure is not the person's:
// they are signed in with what is known, and asked again where a profile is
// required.
func (h *Handler) addProfile(ctx context.Context, r *http.Request, client *wechat.Client, token *wechat.Token, s *Session) {
	lang := wechat.LangZhCN
	if h.lang(r) == langEN {
		lang = wechat.LangEN
	}
	info, err := client.UserInfo(ctx, token.AccessToken, token.OpenID, lang)
	if err != nil {
		h.cfg.Logger.WarnContext(ctx, "sign-in: user info failed; going on without", "error", err, "request", h.requestID(r))
		return
	}
	s.Nickname, s.AvatarURL, s.ProfileAt = info.Nickname, h.safeAvatar(info.AvatarURL), s.SignedInAt
	s.ProfileDeclined = false
	if info.UnionID != "" {
		s.UnionID = info.UnionID
	}
}

// keepKnown carries over what the browser's session knows of the same person: a
// silent sign-in after one with a profile does not forget the profile.
func (h *Handler) keepKnown(r *http.Request, s *Session) {
	old, err := h.Session(r)
	if err != nil || old.AppID != s.AppID || old.OpenID != s.OpenID {
		return
	}
	s.Nickname, s.AvatarURL, s.ProfileAt, s.ProfileDeclined = old.Nickname, old.AvatarURL, old.ProfileAt, old.ProfileDeclined
	if s.UnionID == "" {
		s.UnionID = old.UnionID
	}
}

// safeAvatar returns an address that a page may show, or "". WeChat's avatars
// come from hosts below qlogo.cn; older accounts still have http addresses, which
// the same hosts serve by https.
func (h *Handler) safeAvatar(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Opaque != "" || len(text) > 1000 || strings.ContainsAny(text, "\"'<>\\` ") {
		return ""
	}
	host, err := origin.Canonical(u.Scheme + "://" + u.Host)
	if err != nil {
		return ""
	}
	if h.avatars[host] {
		return u.String()
	}
	if !strings.HasSuffix(strings.ToLower(u.Host), ".qlogo.cn") {
		return ""
	}
	u.Scheme = "https"
	return u.String()
}
