package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/weigate/weigate/internal/flow"
)

// deleteLimit is the time limit for deleting a session.
const deleteLimit = 2 * time.Second

// maxRefusal is the greatest length of RefusalError.Text, in bytes.
const maxRefusal = 500

// complete records an authorization: it calls Config.OnSignIn, creates the session and writes the
// outcome.
func (h *Handler) complete(ctx context.Context, r *http.Request, a flow.Authorization) (flow.Outcome, error) {
	s, kind, text, err := h.newSession(ctx, r, a)
	if err != nil {
		return a.Finish(ctx, kind, text, err)
	}
	id, err := a.Flow.SessionID()
	if err != nil {
		return a.Finish(ctx, flow.OutcomeFault, "", err)
	}
	if err := h.cfg.Store.CreateSession(ctx, flow.Hash("session", id), s, h.cfg.Now()); err != nil {
		return a.Finish(ctx, outcomeOf(err), "", fmt.Errorf("login: create the session: %w", err))
	}
	out, err := a.Finish(ctx, flow.OutcomeSignedIn, "", nil)
	// What follows must happen even when the time limit of the sign-in has passed.
	ctx = context.WithoutCancel(ctx)
	if err != nil {
		// The outcome was not written, so other requests of the browser start again. The session
		// must not stay.
		if err := h.deleteSession(ctx, flow.Hash("session", id)); err != nil {
			h.cfg.Logger.ErrorContext(ctx, "unfinished session not deleted", "error", err, "request_id", h.requestID(r))
		}
		return out, err
	}
	h.endPrevious(ctx, r, id)
	return out, nil
}

// newSession returns the session for an authorization, or the outcome and the text for a user who
// is refused.
func (h *Handler) newSession(
	ctx context.Context, r *http.Request, a flow.Authorization,
) (s Session, kind, text string, err error) {
	in := &SignIn{
		Session: Session{
			Subject: a.AppID + ":" + a.OpenID,
			OpenID:  a.OpenID, UnionID: a.UnionID, AppID: a.AppID,
			Scopes: a.Scopes, Method: Method(a.Flow.Method), SignedInAt: a.At,
		},
		Return: h.returns.Absolute(a.Flow.ReturnTo), Data: slices.Clone(a.Flow.Data), RequestID: h.requestID(r),
	}
	h.keepKnown(r.WithContext(ctx), &in.Session)
	if a.Profile != nil {
		in.Nickname, in.AvatarURL = a.Profile.Nickname, a.Profile.AvatarURL
		in.ProfileAt, in.ProfileDeclined = a.At, false
	}
	s = in.Session
	s.Scopes = slices.Clone(s.Scopes)
	if h.cfg.OnSignIn != nil {
		if kind, text, err = h.callOnSignIn(ctx, in); err != nil {
			return Session{}, kind, text, err
		}
	}
	s.Subject, s.Extra = in.Subject, in.Extra
	s.Nickname, s.ProfileAt = in.Nickname, in.ProfileAt
	s.AvatarURL = flow.SafeAvatar(in.AvatarURL, h.avatars)
	s.ExpiresAt = h.expiry(a.At, a.At)
	return s, "", "", nil
}

// callOnSignIn calls Config.OnSignIn. For an error it returns the outcome and the text for the user.
func (h *Handler) callOnSignIn(ctx context.Context, in *SignIn) (kind, text string, err error) {
	err = h.cfg.OnSignIn(ctx, in)
	var refusal *RefusalError
	switch {
	case errors.As(err, &refusal):
		text := refusal.Text
		for len(text) > maxRefusal || !utf8.ValidString(text) {
			text = text[:min(len(text)-1, maxRefusal)]
		}
		return flow.OutcomeRefused, text, err
	case err != nil:
		return outcomeOf(err), "", fmt.Errorf("login: OnSignIn: %w", err)
	case in.Subject == "":
		return flow.OutcomeFault, "", errors.New("login: OnSignIn left Subject empty")
	}
	return "", "", nil
}

// outcomeOf returns the outcome for an error of the program or its store.
func outcomeOf(err error) string {
	if isTemporary(err) {
		return flow.OutcomeBusy
	}
	return flow.OutcomeFault
}

// keepKnown copies the profile and the unionid from the browser's session of the same user: a silent
// sign-in after one with a profile keeps the profile.
func (h *Handler) keepKnown(r *http.Request, s *Session) {
	old, err := h.Session(r)
	if err != nil || old.AppID != s.AppID || old.OpenID != s.OpenID {
		return
	}
	s.Nickname, s.AvatarURL = old.Nickname, old.AvatarURL
	s.ProfileAt, s.ProfileDeclined = old.ProfileAt, old.ProfileDeclined
	if s.UnionID == "" {
		s.UnionID = old.UnionID
	}
}

// endPrevious ends the session that this browser had before: its cookie is about to be replaced, so
// nobody could sign out of it.
func (h *Handler) endPrevious(ctx context.Context, r *http.Request, id string) {
	old := h.cookies.Value(r, flow.CookieSession)
	if len(old) != flow.SessionIDLength || old == id {
		return
	}
	if err := h.deleteSession(ctx, flow.Hash("session", old)); err != nil {
		h.cfg.Logger.ErrorContext(ctx, "previous session not ended", "error", err, "request_id", h.requestID(r))
	}
}

// deleteSession deletes a session in a limited time.
func (h *Handler) deleteSession(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, deleteLimit)
	defer cancel()
	return h.cfg.Store.DeleteSession(ctx, id)
}
