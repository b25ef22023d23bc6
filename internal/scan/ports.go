package scan

import (
	"context"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

// SignIn finds, makes and ends sessions of browsers. signin.Handler implements it.
type SignIn interface {
	session.Authenticator

	// CreateSession creates this browser's session and writes the event of the sign-in, or finds
	// the session created already. It returns the session cookie. gateway.ErrBlocked;
	// gateway.ErrNotFound when there is no such user or, with Repeat, when that session has ended.
	CreateSession(r *http.Request, a session.Authentication) (*http.Cookie, error)

	// SessionHash is the hash under which Establish stores the session of a seed.
	SessionHash(seed []byte) ([32]byte, error)

	// End signs this browser out and clears its cookies with headers on w; it writes no status.
	// Being signed out already is no error.
	End(w http.ResponseWriter, r *http.Request) error
}

// Sessions ends sessions of other browsers. session.Manager implements it.
type Sessions interface {
	// End ends the session and revokes its grants. One that does not exist any more is not an
	// error.
	End(ctx context.Context, hash [32]byte, now time.Time) error
}

// People finds users. gateway.Users implements it.
type People interface {
	// User is gateway.Users.User.
	User(ctx context.Context, id string) (gateway.User, error)
}

// Events stores events. gateway.Events implements it.
type Events interface {
	// AppendEvents is gateway.Events.AppendEvents.
	AppendEvents(ctx context.Context, events ...gateway.Event) error
}
