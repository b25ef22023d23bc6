package scan

import (
	"context"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

// SignIn finds, creates and ends sessions of browsers. signin.Handler implements it.
type SignIn interface {
	session.Authenticator

	// CreateSession creates this browser's session and records the sign-in, or finds the session if
	// it was created already. It returns the session cookie. It returns gateway.ErrBlocked for a
	// blocked user, and gateway.ErrNotFound when there is no such user or, with Repeat, when that
	// session has ended.
	CreateSession(r *http.Request, a session.Authentication) (*http.Cookie, error)

	// SessionHash returns the hash under which CreateSession stores the session of a seed.
	SessionHash(seed []byte) ([32]byte, error)

	// End signs this browser out and clears its cookies with headers on w; it writes no status. A
	// browser that is signed out already is not an error.
	End(w http.ResponseWriter, r *http.Request) error
}

// Sessions ends sessions of other browsers. session.Manager implements it.
type Sessions interface {
	// End ends the session and revokes its grants. A session that does not exist any more is not an
	// error.
	End(ctx context.Context, hash [32]byte, now time.Time) error
}

// Users finds users. gateway.Users implements it.
type Users interface {
	// User is gateway.Users.User.
	User(ctx context.Context, id string) (gateway.User, error)
}

// Events stores events. gateway.Events implements it.
type Events interface {
	// AppendEvents is gateway.Events.AppendEvents.
	AppendEvents(ctx context.Context, events ...gateway.Event) error
}
