package gateway

import (
	"context"
	"time"
)

// Session is one signed-in browser.
type Session struct {
	Hash [32]byte // SHA-256 of the session id in the cookie
	// First is the hash of the first session in a series of renewals. When the user signs in again,
	// the new session renews the previous session of the same browser. A session that renews none
	// has First equal to Hash; stores set it. Grants and the claim sid refer to First, so that apps
	// do not notice a renewal.
	First     [32]byte
	UserID    string
	Connector string // name of the connector (an app at WeChat) of the sign-in, and the identity there
	AppID     string
	OpenID    string
	Method    string    // sign-in method: one of the constants below
	AuthTime  time.Time // when WeChat last authenticated the user: auth_time of OpenID Connect
	CreatedAt time.Time
	SeenAt    time.Time // last use, accurate to about a minute
	ExpiresAt time.Time
	Data      []byte // owned by the caller, without secrets; nil = none
}

// The sign-in methods. MethodLink is the method of a session that an administrator's link created,
// without WeChat. The session has no connector and no identity. No app accepts it, and it never
// counts as a fresh sign-in: the holder of the link has not proven to be the user at WeChat.
const (
	MethodWeChat  = "wechat"  // inside WeChat, through the official account
	MethodScan    = "scan"    // in another browser: the user scans the gateway's QR code with a phone (公众号扫码)
	MethodWebsite = "website" // in another browser: the user scans the QR code of WeChat's page (网站应用扫码)
	MethodMessage = "message" // in any browser: the user sends a number to the official account (发消息)
	MethodFollow  = "follow"  // in any browser: the user follows the official account by its QR code (扫码关注)
	MethodLink    = "link"
)

// Sessions stores which users are signed in. A session that has expired counts as missing, also
// before a sweep (the regular deletion of expired rows) deletes it.
type Sessions interface {
	// PutSession stores a session. It returns ErrConflict when a session that has not expired at
	// now has this hash. Of concurrent callers with one hash, one succeeds. An expired session is
	// replaced. UserID is resolved as by Users.User: the id of a user who was joined into an older
	// one becomes the older id. PutSession returns ErrNotFound if the user does not exist. It
	// returns ErrBlocked when the user is blocked, also by a concurrent call. With an error, it
	// stores nothing.
	PutSession(ctx context.Context, s Session, now time.Time) error

	// Session returns the session with this hash. It returns ErrExpired when now is not before
	// ExpiresAt, and ErrNotFound when there is none.
	Session(ctx context.Context, hash [32]byte, now time.Time) (Session, error)

	// SessionUser returns the session with this hash and its user, by one query. The user may be
	// blocked. The errors are those of Session.
	SessionUser(ctx context.Context, hash [32]byte, now time.Time) (Session, User, error)

	// TouchSession records that the session was used, and extends it to expires. It writes at most
	// once a minute for any number of callers and processes, and moves neither SeenAt nor ExpiresAt
	// back. For a deleted session it returns nil and changes nothing.
	TouchSession(ctx context.Context, hash [32]byte, now, expires time.Time) error

	// UpdateSession calls change to edit AuthTime, Connector, AppID, OpenID, Method, Data, SeenAt
	// and ExpiresAt of the session, in one transaction: concurrent updates all take effect. SeenAt
	// and ExpiresAt only move forward; changes of other fields are ignored. change may run more
	// than once, must be quick and must not call the store. When change returns an error,
	// UpdateSession returns this error unchanged and writes nothing. Its other errors are the
	// errors of Session.
	UpdateSession(ctx context.Context, hash [32]byte, now time.Time, change func(*Session) error) error

	// DeleteSession deletes one session. A missing session is not an error. Apps are notified: see
	// Deliveries.
	DeleteSession(ctx context.Context, hash [32]byte, now time.Time) error

	// DeleteUserSessions deletes every session of the user and returns their number. The id is
	// resolved; an unknown user has none. Apps are notified: see Deliveries.
	DeleteUserSessions(ctx context.Context, userID string, now time.Time) (int, error)

	// UserSessions returns the user's sessions that have not expired at now, the last used one
	// first. The id is resolved; an unknown user has none.
	UserSessions(ctx context.Context, userID string, now time.Time) ([]Session, error)
}
