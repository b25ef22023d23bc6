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

// deleteTimeout is the time limit for ending the previous session of the browser.
const deleteTimeout = 3 * time.Second

// NewSession returns a new session and the event of the sign-in. The user was authenticated by
// other means than WeChat's callback: package scan calls NewSession. NewSession stores nothing. The
// caller must store the session and the event in the transaction that completes the sign-in, and
// then call [Handler.ResumeSession].
//
// The session id is derived from Seed, a secret of this sign-in. Every call with the same Seed
// therefore returns a session with the same id, on any replica.
//
// The caller must have verified that the sign-in was started in this browser. Otherwise an attacker
// could sign a victim's browser in as the attacker (login CSRF).
func (h *Handler) NewSession(a session.Authentication) (gateway.Session, gateway.Event, error) {
	c := h.connector(a.Connector)
	if c == nil || c.Client.AppID != a.AppID || a.OpenID == "" || a.Method == "" || a.AuthTime.IsZero() {
		return gateway.Session{}, gateway.Event{},
			errors.New("signin: authentication without a known connector, openid, method or time")
	}
	hash, err := h.SessionHash(a.Seed)
	if err != nil {
		return gateway.Session{}, gateway.Event{}, err
	}
	now := h.cfg.Now()
	s := gateway.Session{
		Hash: hash, UserID: a.UserID, Connector: a.Connector, AppID: a.AppID, OpenID: a.OpenID, Method: a.Method,
		AuthTime: a.AuthTime, CreatedAt: now, SeenAt: now, ExpiresAt: h.cfg.Sessions.Expiry(now, now),
		Data: session.Data{LoginRequestID: a.LoginRequestID, Scan: a.Scan, Browser: a.BrowserName}.Bytes(),
	}
	event := gateway.Event{
		At: now, Kind: EventSignIn, UserID: a.UserID, App: a.App, Connector: a.Connector, Method: a.Method, Outcome: "ok",
	}
	return s, event, nil
}

// ResumeSession returns the cookie of a session that NewSession returned for a and the caller has
// stored. It ends the session that the browser had before. ResumeSession creates no session, so a
// repeated request does not undo a sign-out.
//
// Errors to test for: gateway.ErrNotFound (no such user, or the session has ended),
// gateway.ErrBlocked, gateway.ErrConflict (the session is another user's), gateway.ErrUnavailable.
func (h *Handler) ResumeSession(r *http.Request, a session.Authentication) (*http.Cookie, error) {
	id, err := flow.SeedSessionID(a.Seed)
	if err != nil {
		return nil, fmt.Errorf("signin: %w", err)
	}
	ctx, hash := r.Context(), session.Hash(id)
	user, err := h.cfg.Users.User(ctx, a.UserID)
	switch {
	case err != nil:
		return nil, fmt.Errorf("signin: read the user: %w", err)
	case user.Status == gateway.Blocked:
		return nil, gateway.ErrBlocked
	}
	existing, owner, err := h.cfg.Sessions.Find(ctx, hash, h.cfg.Now())
	switch {
	case err != nil:
		return nil, fmt.Errorf("signin: read the session: %w", err)
	case owner.ID != user.ID || existing.AppID != a.AppID || existing.OpenID != a.OpenID ||
		existing.Method != a.Method:
		return nil, fmt.Errorf("signin: the seed belongs to another sign-in: %w", gateway.ErrConflict)
	}
	h.endPrevious(r, hash)
	return h.cfg.Sessions.NewCookie(id), nil
}

// endPrevious ends the session that this browser had before. The cookie of that session is
// replaced, so the user could not sign out of that session any more. An error is only logged,
// because the new sign-in has succeeded.
func (h *Handler) endPrevious(r *http.Request, current [32]byte) {
	previous, sent := h.cfg.Sessions.CurrentHash(r)
	if !sent || previous == current {
		return
	}
	// The session is ended even if the client has closed the connection.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), deleteTimeout)
	defer cancel()
	if err := h.cfg.Sessions.Sessions.DeleteSession(ctx, previous, h.cfg.Now()); err != nil {
		h.cfg.Logger.ErrorContext(ctx, "previous session not ended", "error", err, "request_id", h.cfg.RequestID(ctx))
	}
}

// SessionHash returns the hash of the id of the session that NewSession returns for a seed. The
// store finds sessions by this hash.
func (h *Handler) SessionHash(seed []byte) ([32]byte, error) {
	id, err := flow.SeedSessionID(seed)
	if err != nil {
		return [32]byte{}, fmt.Errorf("signin: %w", err)
	}
	return session.Hash(id), nil
}
