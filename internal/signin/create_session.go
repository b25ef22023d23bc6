package signin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/login"
)

// Establish makes this browser's session after another way in. It sets the session cookie on w and writes no status and no body. The same Seed is the
// same session, also at another replica; what that means after a sign-out, and what the caller has made sure of, is said at login.Handler.Establish.
//
// Errors to test for: gateway.ErrBlocked, gateway.ErrNotFound (no such account; with Repeat, that session is over, which is login.ErrNoSession as
// well), gateway.ErrUnavailable.
func (h *Handler) CreateSession(w http.ResponseWriter, r *http.Request, e session.Authentication) error {
	way, found := h.connector(e.Connector)
	if !found || way.connector.Client.AppID != e.AppID || e.OpenID == "" || e.Method == "" || e.AuthTime.IsZero() {
		return errors.New("signin: an established sign-in without entry, openid, door or time")
	}
	user, err := h.cfg.Users.User(r.Context(), e.UserID)
	switch {
	case err != nil:
		return fmt.Errorf("signin: find the account: %w", err)
	case user.Status == gateway.Blocked:
		return gateway.ErrBlocked
	}
	with, err := extra{LoginRequestID: e.LoginRequestID, AuthTime: e.AuthTime}.marshal()
	if err != nil {
		return err
	}
	made, err := way.login.CreateSession(w, r, login.Authentication{
		Session: login.Session{Subject: user.ID, AppID: e.AppID, OpenID: e.OpenID, Method: login.Method(e.Method), Extra: with},
		Seed:    e.Seed, Repeat: e.Repeat,
	})
	if errors.Is(err, login.ErrNoSession) {
		return fmt.Errorf("signin: %w: %w", gateway.ErrNotFound, err)
	}
	if err != nil {
		return fmt.Errorf("signin: %w", err)
	}
	if made {
		// The session is made: that is worth knowing, also when the browser has gone.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), noteLimit)
		defer cancel()
		h.recordEvent(ctx, gateway.Event{
			At: h.cfg.Now(), Kind: EventSignIn, UserID: user.ID, App: e.App, Connector: e.Connector, Method: e.Method, Outcome: "ok",
			RequestID: h.cfg.RequestID(r.Context()),
		})
	}
	return nil
}

const noteLimit = 3 * time.Second

// SessionHash is the hash under which the store has the session that Establish makes of seed.
func (h *Handler) SessionHash(seed []byte) ([32]byte, error) {
	id, err := login.AuthenticationSessionID(seed)
	if err != nil {
		return [32]byte{}, fmt.Errorf("signin: %w", err)
	}
	return parseHash(id)
}
