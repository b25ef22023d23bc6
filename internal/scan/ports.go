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

	// Establish makes this browser's session, or finds it made already, and sets its cookie with headers on w; it writes no status. The event of the
	// sign-in is written with it. gateway.ErrBlocked; gateway.ErrNotFound when there is no such account or, with Repeat, when that session is over.
	CreateSession(w http.ResponseWriter, r *http.Request, e session.Authentication) error

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
