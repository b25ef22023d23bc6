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

// deleteTimeout limits how long a sign-in waits for the previous session of the browser to be
// ended.
const deleteTimeout = 3 * time.Second

// CreateSession creates a session for this browser after its user was authenticated by other means
// than WeChat's callback. Package scan calls it when the user has confirmed on a phone. It records
// the event of the sign-in, ends the session that the browser had before, and returns the session
// cookie.
//
// The session id is derived from Seed. Another call with the same Seed, on any replica, therefore
// returns the same cookie while the session exists. After the session has ended, such a call
// creates it again, unless Repeat is set. So that a sign-out is final, the caller must set Repeat
// as soon as it has stored that the sign-in is finished.
//
// The caller must have verified that the sign-in was started in this browser. Otherwise an attacker
// could sign a victim's browser in as the attacker (login CSRF).
//
// Errors to test for: gateway.ErrBlocked (the user is blocked), gateway.ErrNotFound (there is no
// such user, or with Repeat: the session has ended), gateway.ErrConflict (another sign-in has a
// session with this seed), gateway.ErrUnavailable.
func (h *Handler) CreateSession(r *http.Request, a session.Authentication) (*http.Cookie, error) {
	c := h.connector(a.Connector)
	if c == nil || c.Client.AppID != a.AppID || a.OpenID == "" || a.Method == "" || a.AuthTime.IsZero() {
		return nil, errors.New("signin: authentication without a known connector, openid, method or time")
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
		// The session exists already, or the caller set Repeat: compare, and create nothing.
		existing, owner, err := h.cfg.Sessions.Find(ctx, s.Hash, now)
		switch {
		case err != nil:
			return nil, fmt.Errorf("signin: read the session: %w", err)
		case owner.ID != user.ID || existing.AppID != s.AppID || existing.OpenID != s.OpenID ||
			existing.Method != s.Method:
			return nil, fmt.Errorf("signin: the seed belongs to another sign-in: %w", gateway.ErrConflict)
		}
	}
	h.endPrevious(r, s.Hash)
	if created {
		h.events.Record(ctx, gateway.Event{
			At: now, Kind: EventSignIn, UserID: user.ID, App: a.App, Connector: a.Connector, Method: a.Method, Outcome: "ok",
		})
	}
	return h.cfg.Sessions.NewCookie(id), nil
}

// endPrevious ends the session that this browser had. Its cookie is replaced, so its user could not
// sign out of it any more. An error is logged only: the new sign-in has succeeded.
func (h *Handler) endPrevious(r *http.Request, current [32]byte) {
	previous, sent := h.cfg.Sessions.CurrentHash(r)
	if !sent || previous == current {
		return
	}
	// The session is ended even if the client has closed the connection.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), deleteTimeout)
	defer cancel()
	if err := h.cfg.Sessions.Sessions.DeleteSession(ctx, previous); err != nil {
		h.cfg.Logger.ErrorContext(ctx, "previous session not ended", "error", err, "request_id", h.cfg.RequestID(ctx))
	}
}

// SessionHash returns the hash of the id of the session that CreateSession creates for a seed. The
// store finds sessions by this hash.
func (h *Handler) SessionHash(seed []byte) ([32]byte, error) {
	id, err := flow.SeedSessionID(seed)
	if err != nil {
		return [32]byte{}, fmt.Errorf("signin: %w", err)
	}
	return session.Hash(id), nil
}
