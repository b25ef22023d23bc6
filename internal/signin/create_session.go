package signin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

// deleteLimit is the time for ending the previous session of a browser.
const deleteLimit = 3 * time.Second

// CreateSession creates a session for this browser after its user was authenticated by other means,
// writes the event of the sign-in, and returns the session cookie. The session that the browser had
// before ends. The session id is derived from Seed, so another call with the same Seed, on any
// replica, returns the cookie again while the session lives. After the session has ended, such a
// call creates it again unless Repeat is set. So a caller sets Repeat once it has stored that the
// sign-in is used; then a sign-out is final.
//
// The caller has verified that the sign-in was started in this browser. Otherwise an attacker could
// sign a victim's browser in as the attacker (login CSRF).
//
// Errors to test for: gateway.ErrBlocked, gateway.ErrNotFound (no such user; with Repeat, that
// session has ended), gateway.ErrConflict (a live session of another user has this seed),
// gateway.ErrUnavailable.
func (h *Handler) CreateSession(r *http.Request, a session.Authentication) (*http.Cookie, error) {
	c := h.connector(a.Connector)
	if c == nil || c.Client.AppID != a.AppID || a.OpenID == "" || a.Method == "" || a.AuthTime.IsZero() {
		return nil, errors.New("signin: an authentication without connector, openid, method or time")
	}
	id, err := flow.SeedSessionID(a.Seed)
	if err != nil {
		return nil, fmt.Errorf("signin: %w", err)
	}
	ctx, now := r.Context(), h.cfg.Now()
	user, err := h.cfg.Users.User(ctx, a.UserID)
	switch {
	case err != nil:
		return nil, fmt.Errorf("signin: read the user: %w", err)
	case user.Status == gateway.Blocked:
		return nil, gateway.ErrBlocked
	}
	s := gateway.Session{
		Hash: session.Hash(id), UserID: user.ID, Connector: a.Connector, AppID: a.AppID, OpenID: a.OpenID, Method: a.Method,
		AuthTime: a.AuthTime, CreatedAt: now, SeenAt: now, ExpiresAt: h.cfg.Sessions.Expiry(now, now),
		Data: session.Data{LoginRequestID: a.LoginRequestID}.Bytes(),
	}
	created := false
	if !a.Repeat {
		err = h.cfg.Sessions.Sessions.PutSession(ctx, s, now)
		if err != nil && !errors.Is(err, gateway.ErrConflict) {
			return nil, fmt.Errorf("signin: create the session: %w", err)
		}
		created = err == nil
	}
	if !created {
		live, liveUser, err := h.cfg.Sessions.Find(ctx, s.Hash, now)
		switch {
		case err != nil:
			return nil, fmt.Errorf("signin: read the session: %w", err)
		case liveUser.ID != user.ID || live.AppID != s.AppID || live.OpenID != s.OpenID || live.Method != s.Method:
			return nil, fmt.Errorf("signin: the seed belongs to another sign-in: %w", gateway.ErrConflict)
		}
	}
	h.endPrevious(r, s.Hash)
	if created {
		h.events.Record(ctx, gateway.Event{
			At: now, Kind: EventSignIn, UserID: user.ID, App: a.App, Connector: a.Connector, Method: a.Method, Outcome: "ok",
		})
	}
	return h.sessionCookie(id), nil
}

// endPrevious ends the session that this browser had: its cookie is about to be replaced, so nobody
// could sign out of it. It continues when the client closes the connection.
func (h *Handler) endPrevious(r *http.Request, current [32]byte) {
	previous, sent := h.cfg.Sessions.CurrentHash(r)
	if !sent || previous == current {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), deleteLimit)
	defer cancel()
	if err := h.cfg.Sessions.Sessions.DeleteSession(ctx, previous); err != nil {
		h.cfg.Logger.ErrorContext(ctx, "previous session not ended", "error", err, "request_id", h.cfg.RequestID(ctx))
	}
}

// SessionHash returns the hash under which the store has the session that CreateSession creates of
// seed.
func (h *Handler) SessionHash(seed []byte) ([32]byte, error) {
	id, err := flow.SeedSessionID(seed)
	if err != nil {
		return [32]byte{}, fmt.Errorf("signin: %w", err)
	}
	return session.Hash(id), nil
}
