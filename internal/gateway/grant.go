package gateway

import (
	"context"
	"time"
)

// Family is one permission that a person gave one app: everything that grew
// out of one authorization code. It exists from the code on, and each use of
// any of its tokens checks it.
type Grant struct {
	ID        string // opaque
	App       string
	UserID    string // follows joining
	Subject   string // sub, as pinned when the code was made; see PutCode for ""
	Scopes    []string
	AuthTime  time.Time
	Session   [32]byte // hash of the session that the person had; zero = none
	Connector string   // the identity with which the person had signed in
	AppID     string
	OpenID    string
	CreatedAt time.Time
	ExpiresAt time.Time // the end of all of it, refresh tokens too
	RevokedAt time.Time // zero = not revoked
	Counter   int       // of refresh tokens: 0 = none was made, 1 = the first is current
	RotatedAt time.Time // when Counter last moved
	Data      []byte    // the protocol's own, no secret in it; nil = none
}

// Live reports whether tokens of f may be used at now.
func (f Grant) Live(now time.Time) bool {
	return f.RevokedAt.IsZero() && now.Before(f.ExpiresAt)
}

// Code is an authorization code and the family that it opens.
type Code struct {
	Hash        [32]byte // SHA-256 of the code
	Grant       Grant    // Counter 0
	RedirectURI string
	Challenge   string // PKCE, S256; "" = none
	Nonce       string
	ExpiresAt   time.Time
	RedeemedAt  time.Time // zero = still good
	PinSubject  string    // subject to pin when Grant.Subject is empty and none is pinned; never read back
}

// Token is an access token.
type Token struct {
	Hash      [32]byte // SHA-256 of the token
	Grant     string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Issue is what one redemption of a code brings into being.
type TokenIssue struct {
	Access          Token     // Family is filled in by the store
	Refresh         [32]byte  // hash of the first refresh token; zero = none is given
	GrantExpires    time.Time // the family's new end; zero = Access.ExpiresAt
	ReplayTolerated bool      // a replay ends nothing: for a protocol whose clients send twice by accident
}

// Rotation exchanges a refresh token for its successor.
type Rotation struct {
	Grant     string
	Presented [32]byte      // hash of the refresh token that came
	Next      [32]byte      // hash of its successor, which is derived from family and counter
	Access    Token         // Family is filled in by the store
	Expires   time.Time     // the family's new end; it never moves back; zero = unchanged
	Now       time.Time     //
	Grace     time.Duration // how long after a rotation the same token gets the same successor
}

// Rotated is what a rotation led to.
type RotatedGrant struct {
	Grant    Grant    // after the rotation
	Refresh  [32]byte // hash of the refresh token that is current now
	Repeated bool     // the token came again within the grace: nothing moved
}

// Revocation says what to revoke. Families that match every field that is set
// are revoked; at least one of Family, AccountID, Session and Token is needed.
type Revocation struct {
	Grant   string
	UserID  string // resolved as by Accounts.Account
	App     string // narrows the others
	Session [32]byte
	Token   [32]byte // an access token: only this one, its family lives on
}

// Grants keeps what apps were given: codes, access and refresh tokens.
//
// A code or token that is dead – unknown, expired, of a family that is revoked
// or over, of an account that is gone – is ErrNotFound or its kind ErrExpired,
// and nothing more is said, except where a method's comment says so.
type Grants interface {
	// PutCode stores a code and its family. The account is resolved;
	// ErrNotFound when there is none, ErrBlocked when it is blocked,
	// ErrConflict when the hash or the family id is taken. An empty
	// Grant.Subject stands for the one that is pinned for the user in this app (see Subjects). When
	// none is pinned, c.PinSubject is pinned in the same transaction: ErrConflict, and nothing is
	// stored, when another user has it in this app; ErrNotFound when c.PinSubject is empty too.
	PutCode(ctx context.Context, c Code) error

	// Code reads a code without taking it, so that its client, its redirect
	// address and PKCE are checked before it is taken. It is returned also when
	// it has expired, was taken or was revoked (see ExpiresAt, TakenAt,
	// Family.RevokedAt), until it is swept: Redeem decides. ErrNotFound.
	Code(ctx context.Context, hash [32]byte) (Code, error)

	// Redeem takes the code and stores its tokens, in one transaction. Of any
	// number of callers at once exactly one gets the family. The others, and
	// all who come later, are replays: the family is revoked in the same
	// transaction, unless i is Forgiving, and they get ErrReplay, with the
	// family. So call it only for the client that the code was made for,
	// authenticated. ErrNotFound;
	// ErrExpired when the code or the family is over or was revoked before the
	// code was taken.
	Redeem(ctx context.Context, code [32]byte, now time.Time, i TokenIssue) (Grant, error)

	// Token returns an access token that is good at now, and its family.
	// ErrNotFound; ErrExpired.
	Token(ctx context.Context, hash [32]byte, now time.Time) (Token, Grant, error)

	// TokenUser returns a live access token, its grant and the grant's user, by
	// one query. The user may be blocked. ErrNotFound; ErrExpired.
	TokenUser(ctx context.Context, hash [32]byte, now time.Time) (Token, Grant, User, error)

	// Family returns a family by its id, whether it lives or not, until it is
	// swept. ErrNotFound.
	Grant(ctx context.Context, id string) (Grant, error)

	// Rotate exchanges a refresh token, in one transaction, and stores the new
	// access token.
	//
	// The current token moves the counter, and Next becomes current; Next may
	// be the presented token itself, which then stays good to the family's end,
	// also for many callers at once. The one
	// before it, within the grace after that move, moves nothing and gets the
	// token that is current (a client that sends twice gets one successor),
	// with an access token of its own. Any other token is a replay: the family
	// is revoked in the same transaction and the error is ErrReplay, with the
	// family. So call it only for the authenticated client and with a token
	// that is known to be genuine. Of callers at once with the same token one
	// moves the counter; the others are within the grace.
	//
	// ErrNotFound for an unknown family, ErrExpired for one that is over or was
	// revoked before.
	Rotate(ctx context.Context, r Rotation) (RotatedGrant, error)

	// Revoke revokes what r names and says how many families (or, for
	// r.Token, tokens) it found alive. What is revoked already is no error. A
	// revocation that names nothing is one.
	Revoke(ctx context.Context, r Revocation, now time.Time) (int, error)
}
