package gateway

import (
	"context"
	"time"
)

// Session is one signed-in browser.
type Session struct {
	Hash      [32]byte // SHA-256 of the session id in the cookie
	UserID    string
	Connector string // through which entry, with which identity the person came in
	AppID     string
	OpenID    string
	Method    string    // how: wechat, scan, website, …
	AuthTime  time.Time // when WeChat last vouched for the person: auth_time of OpenID Connect
	CreatedAt time.Time
	SeenAt    time.Time // to about a minute
	ExpiresAt time.Time
	Data      []byte // the owner's own, no secret in it; nil = none
}

// Sessions keeps who is signed in where. Rows that have expired count as absent
// for every method, whether or not a sweep has removed them.
type Sessions interface {
	// PutSession stores a session. ErrConflict when a session that lives at now
	// has this hash, whoever's it is, and of many at once one is stored; one
	// that has expired is replaced. AccountID is resolved as by
	// Accounts.Account; ErrNotFound when there is no such account, ErrBlocked
	// when it is blocked: then nothing is stored, also when the block happens at
	// the same moment.
	PutSession(ctx context.Context, s Session, now time.Time) error

	// Session returns the session with this hash. ErrNotFound; ErrExpired once
	// now reaches ExpiresAt. A deleted session is ErrNotFound for good unless
	// it is put again.
	Session(ctx context.Context, hash [32]byte, now time.Time) (Session, error)

	// SessionUser returns the live session with this hash and its user, by one
	// query. The user may be blocked. ErrNotFound; ErrExpired.
	SessionUser(ctx context.Context, hash [32]byte, now time.Time) (Session, User, error)

	// TouchSession records that the session was used, and moves its end to
	// expires. It writes at most once a minute, whatever the number of callers
	// and processes, and moves neither SeenAt nor ExpiresAt back. A session
	// that is gone stays gone, without an error: a touch never revives one.
	TouchSession(ctx context.Context, hash [32]byte, now, expires time.Time) error

	// UpdateSession lets change edit the session's AuthTime, Entry, AppID,
	// OpenID, Door, Data, SeenAt and ExpiresAt, in one transaction: of two
	// updates at once none is lost. SeenAt and ExpiresAt only move forward, an
	// earlier one is ignored; the other fields keep their value. change may run
	// more than once, must be quick and must not call the store; its error is
	// returned as it is and nothing is written. It never brings a session back:
	// ErrNotFound, ErrExpired.
	UpdateSession(ctx context.Context, hash [32]byte, now time.Time, change func(*Session) error) error

	// DeleteSession ends one session. One that is gone is no error.
	DeleteSession(ctx context.Context, hash [32]byte) error

	// DeleteAccountSessions ends every session of the account (sign-out
	// everywhere) and says how many there were. The id is resolved; an unknown
	// account has none.
	DeleteUserSessions(ctx context.Context, userID string) (int, error)

	// AccountSessions lists the account's sessions that live at now, the one
	// seen last first. The id is resolved; an unknown account has none.
	UserSessions(ctx context.Context, userID string, now time.Time) ([]Session, error)
}
