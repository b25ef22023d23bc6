package gateway

import (
	"context"
	"time"
)

// Session is one signed-in browser.
type Session struct {
	Hash      [32]byte // SHA-256 of the session id in the cookie
	UserID    string
	Connector string // connector and identity of the sign-in
	AppID     string
	OpenID    string
	Method    string    // sign-in method: wechat, scan, website
	AuthTime  time.Time // when WeChat last authenticated the user: auth_time of OpenID Connect
	CreatedAt time.Time
	SeenAt    time.Time // accurate to about a minute
	ExpiresAt time.Time
	Data      []byte // owned by the caller, without secrets; nil = none
}

// Sessions stores which users are signed in. Expired rows count as missing for every method,
// whether or not a sweep has deleted them.
type Sessions interface {
	// PutSession stores a session. It returns ErrConflict when a session that is live at now has
	// this hash; of concurrent callers with one hash, one succeeds. An expired session is replaced.
	// UserID is resolved as by Users.User. ErrNotFound when there is no such user, ErrBlocked when
	// the user is blocked, even when that happens at the same moment: then nothing is stored.
	PutSession(ctx context.Context, s Session, now time.Time) error

	// Session returns the session with this hash. ErrNotFound; ErrExpired when now is not before
	// ExpiresAt. A deleted session stays ErrNotFound unless it is stored again.
	Session(ctx context.Context, hash [32]byte, now time.Time) (Session, error)

	// SessionUser returns the live session with this hash and its user, by one query. The user may
	// be blocked. ErrNotFound; ErrExpired.
	SessionUser(ctx context.Context, hash [32]byte, now time.Time) (Session, User, error)

	// TouchSession records that the session was used, and extends it to expires. It writes at most
	// once a minute for any number of callers and processes, and moves neither SeenAt nor ExpiresAt
	// back. It never restores a session that is gone, and returns nil then.
	TouchSession(ctx context.Context, hash [32]byte, now, expires time.Time) error

	// UpdateSession calls change to edit AuthTime, Connector, AppID, OpenID, Method, Data, SeenAt
	// and ExpiresAt of the session, in one transaction: concurrent updates all take effect. SeenAt
	// and ExpiresAt only move forward; changes of other fields are ignored. change may run more
	// than once, must be quick and must not call the store; its error is returned as it is, and
	// nothing is written. ErrNotFound; ErrExpired.
	UpdateSession(ctx context.Context, hash [32]byte, now time.Time, change func(*Session) error) error

	// DeleteSession deletes one session. A missing session is not an error.
	DeleteSession(ctx context.Context, hash [32]byte) error

	// DeleteUserSessions deletes every session of the user and returns their number. The id is
	// resolved; an unknown user has none.
	DeleteUserSessions(ctx context.Context, userID string) (int, error)

	// UserSessions returns the user's sessions that are live at now, the one seen last first. The
	// id is resolved; an unknown user has none.
	UserSessions(ctx context.Context, userID string, now time.Time) ([]Session, error)
}
