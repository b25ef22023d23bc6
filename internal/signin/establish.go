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
func (h *Handler) Establish(w http.ResponseWriter, r *http.Request, e session.Established) error {
	way, found := h.way(e.Entry)
	if !found || way.entry.Client.AppID != e.AppID || e.OpenID == "" || e.Door == "" || e.AuthTime.IsZero() {
		return errors.New("signin: an established sign-in without entry, openid, door or time")
	}
	account, err := h.cfg.Accounts.Account(r.Context(), e.AccountID)
	switch {
	case err != nil:
		return fmt.Errorf("signin: find the account: %w", err)
	case account.Status == gateway.Blocked:
		return gateway.ErrBlocked
	}
	with, err := extra{Demand: e.Demand, AuthTime: e.AuthTime}.marshal()
	if err != nil {
		return err
	}
	made, err := way.login.Establish(w, r, login.Established{
		Session: login.Session{Subject: account.ID, AppID: e.AppID, OpenID: e.OpenID, Door: login.Door(e.Door), Extra: with},
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
		h.note(ctx, gateway.Event{
			At: h.cfg.Now(), Kind: EventSignIn, AccountID: account.ID, App: e.App, Entry: e.Entry, Door: e.Door, Outcome: "ok",
			RequestID: h.cfg.RequestID(r.Context()),
		})
	}
	return nil
}

const noteLimit = 3 * time.Second

// SessionHash is the hash under which the store has the session that Establish makes of seed.
func (h *Handler) SessionHash(seed []byte) ([32]byte, error) {
	id, err := login.EstablishedID(seed)
	if err != nil {
		return [32]byte{}, fmt.Errorf("signin: %w", err)
	}
	return parseHash(id)
}
