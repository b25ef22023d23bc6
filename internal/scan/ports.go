package scan

import (
	"context"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

// SignIn is who this browser is, how to find out, and the session that a phone has confirmed. signin.Handler is one.
type SignIn interface {
	session.Authenticator

	// CreateSession creates this browser's session and writes the event of the sign-in, or finds the session created already. It returns the session
	// cookie. gateway.ErrBlocked; gateway.ErrNotFound when there is no such user or, with Repeat, when that session has ended.
	CreateSession(r *http.Request, a session.Authentication) (*http.Cookie, error)

	// SessionHash is the hash under which Establish stores the session of a seed.
	SessionHash(seed []byte) ([32]byte, error)

	// End signs this browser out and clears its cookies with headers on w; it writes no status. Being signed out already is no error.
	End(w http.ResponseWriter, r *http.Request) error
}

// Sessions ends sessions that are not this browser's own. session.Book is one.
type Sessions interface {
	// End ends the session, and what apps were given through it. One that is gone is no error.
	End(ctx context.Context, hash [32]byte, now time.Time) error
}

// People finds accounts. gateway.Accounts is one.
type People interface {
	// Account is gateway.Accounts.Account.
	User(ctx context.Context, id string) (gateway.User, error)
}

// Events keeps what happened. gateway.Events is one.
type Events interface {
	// AppendEvents is gateway.Events.AppendEvents.
	AppendEvents(ctx context.Context, events ...gateway.Event) error
}
