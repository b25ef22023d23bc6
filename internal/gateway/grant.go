package gateway

import (
	"context"
	"errors"
	"time"
)

// Grant is the authorization that a user gave an app (RFC 6749): everything that results from one
// authorization code. It is created with the code, and every use of its tokens checks it.
type Grant struct {
	ID        string // opaque
	App       string
	UserID    string // follows joining
	Subject   string // sub, as pinned when the code was made; see PutCode for ""
	Scopes    []string
	AuthTime  time.Time
	Session   [32]byte // hash of the session of the authorization; zero = none
	Connector string   // identity of the sign-in
	AppID     string
	OpenID    string
	CreatedAt time.Time
	ExpiresAt time.Time // end of the grant and of all its tokens
	RevokedAt time.Time // zero = not revoked
	Counter   int       // of refresh tokens: 0 = none was made, 1 = the first is current
	RotatedAt time.Time // when Counter last changed
	Data      []byte    // owned by the caller, without secrets; nil = none
}

// Live reports whether tokens of f are valid at now.
func (f Grant) Live(now time.Time) bool {
	return f.RevokedAt.IsZero() && now.Before(f.ExpiresAt)
}

// Code is an authorization code and the grant that it opens.
type Code struct {
	Hash        [32]byte // SHA-256 of the code
	Grant       Grant    // Counter 0
	RedirectURI string
	Challenge   string // PKCE, S256; "" = none
	Nonce       string
	ExpiresAt   time.Time
	RedeemedAt  time.Time // zero = not redeemed
	PinSubject  string    // subject to pin when Grant.Subject is empty and none is pinned; never read back
}

// Token is an access token.
type Token struct {
	Hash      [32]byte // SHA-256 of the token
	Grant     string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// TokenIssue is what one redemption of a code creates.
type TokenIssue struct {
	Access          Token     // Grant is filled in by the store
	Refresh         [32]byte  // hash of the first refresh token; zero = none
	GrantExpires    time.Time // new end of the grant; zero = Access.ExpiresAt
	ReplayTolerated bool      // a replay revokes nothing: for a protocol whose clients retry
}

// Rotation replaces a refresh token.
type Rotation struct {
	Grant     string
	Presented [32]byte  // hash of the presented refresh token
	Next      [32]byte  // hash of its successor, which is derived from grant and counter
	Access    Token     // Grant is filled in by the store
	Expires   time.Time // new end of the grant, which never moves back; zero = unchanged
	Now       time.Time
	Grace     time.Duration // grace period, in which the same token gets the same successor
}

// RotatedGrant is the result of a rotation.
type RotatedGrant struct {
	Grant    Grant    // after the rotation
	Refresh  [32]byte // hash of the current refresh token
	Repeated bool     // within the grace period: nothing changed
}

// Revocation selects what to revoke: grants that match every field that is set. At least one of
// Grant, UserID, Session and Token is required.
type Revocation struct {
	Grant   string
	UserID  string // resolved as by Users.User
	App     string // narrows the other fields
	Session [32]byte
	Token   [32]byte // an access token: only this one, its grant stays live
}

// Grants stores authorization codes, access tokens and refresh tokens.
//
// A code or token that is no longer valid (unknown, expired, of a grant that is revoked or expired)
// is ErrNotFound or ErrExpired without further detail, unless the comment of a method says
// otherwise.
type Grants interface {
	// PutCode stores a code and its grant. The user is resolved; ErrNotFound when there is none,
	// ErrBlocked when it is blocked, ErrConflict when the hash or the id of the grant exists
	// already.
	//
	// An empty Grant.Subject stands for the subject that is pinned for the user in this app (see
	// Subjects). When none is pinned, c.PinSubject is pinned in the same transaction: ErrConflict,
	// and nothing is stored, when another user has it in this app; ErrNotFound when c.PinSubject is
	// empty.
	PutCode(ctx context.Context, c Code) error

	// Code returns a code without redeeming it, so that the caller can verify client, redirect URI
	// and PKCE first. It also returns a code that has expired, was redeemed or was revoked (see
	// ExpiresAt, RedeemedAt, Grant.RevokedAt), until a sweep deletes it: Redeem decides.
	// ErrNotFound.
	Code(ctx context.Context, hash [32]byte) (Code, error)

	// Redeem redeems the code and stores its tokens, in one transaction. Of any number of
	// concurrent callers exactly one gets the grant. The others, and all later callers, are
	// replays: the grant is revoked in the same transaction, unless i.ReplayTolerated is set, and
	// they get ErrReplay with the grant. Call it for the authenticated client of the code only.
	// ErrNotFound; ErrExpired when the code or the grant has expired or was revoked before the code
	// was redeemed.
	Redeem(ctx context.Context, code [32]byte, now time.Time, i TokenIssue) (Grant, error)

	// Token returns an access token that is valid at now, and its grant. ErrNotFound; ErrExpired.
	Token(ctx context.Context, hash [32]byte, now time.Time) (Token, Grant, error)

	// TokenUser returns a live access token, its grant and the grant's user, by
	// one query. The user may be blocked. ErrNotFound; ErrExpired.
	TokenUser(ctx context.Context, hash [32]byte, now time.Time) (Token, Grant, User, error)

	// Grant returns a grant by its id, live or not, until a sweep deletes it. ErrNotFound.
	Grant(ctx context.Context, id string) (Grant, error)

	// Rotate replaces a refresh token and stores the new access token, in one transaction.
	//
	// The current token increments the counter, and Next becomes current. Next may equal the
	// presented token, which then stays valid until the grant expires, also for concurrent callers.
	//
	// The previous token, within the grace period, changes nothing and returns the current refresh
	// token with a new access token: a client that retries gets the same successor. Of concurrent
	// callers with one token, one increments the counter and the others are within the grace
	// period.
	//
	// Any other token is a replay: the grant is revoked in the same transaction, and the error is
	// ErrReplay, with the grant. Call it for the authenticated client only, with a token that is
	// authentic. ErrNotFound for an unknown grant, ErrExpired for one that has expired or was
	// revoked.
	Rotate(ctx context.Context, r Rotation) (RotatedGrant, error)

	// Revoke revokes what r selects and returns the number of live grants (or, for r.Token, tokens)
	// that it found. What is revoked already is not an error. A revocation that selects nothing is
	// an error.
	Revoke(ctx context.Context, r Revocation, now time.Time) (int, error)
}

// Redeemable returns nil when c may be redeemed at now, ErrReplay when it was redeemed before
// (revoke the grant), or ErrExpired.
func (c Code) Redeemable(now time.Time) error {
	switch {
	case !c.RedeemedAt.IsZero():
		return ErrReplay
	case !c.Grant.Live(now) || !now.Before(c.ExpiresAt):
		return ErrExpired
	}
	return nil
}

// RefreshState is what a store keeps of a grant's refresh tokens.
type RefreshState struct {
	Current  [32]byte // zero = none was made
	Previous [32]byte // zero = none
}

// RotationResult is what a rotation does to a grant.
type RotationResult int

// The results of a rotation.
const (
	RotationExpired  RotationResult = iota // the grant has expired or was revoked: ErrExpired
	RotationReplay                         // revoke the grant: ErrReplay
	RotationRepeated                       // within the grace period: nothing changes
	RotationMoves                          // the counter is incremented
)

// Rotate decides what r does to the grant f, whose refresh tokens are s.
func (f Grant) Rotate(s RefreshState, r Rotation) RotationResult {
	var none [32]byte
	switch {
	case !f.Live(r.Now):
		return RotationExpired
	case r.Presented == none || s.Current == none:
		return RotationReplay
	case r.Presented == s.Current:
		return RotationMoves
	case r.Presented == s.Previous && r.Now.Before(f.RotatedAt.Add(r.Grace)):
		return RotationRepeated
	}
	return RotationReplay
}

// Check returns an error for an incomplete code, which stores reject.
func (c Code) Check() error {
	f := c.Grant
	switch {
	case c.Hash == [32]byte{} || f.ID == "" || f.App == "" || f.UserID == "":
		return errors.New("a code needs a hash, a grant, an app and a user")
	case c.ExpiresAt.IsZero() || f.CreatedAt.IsZero():
		return errors.New("a code needs its times")
	}
	return nil
}

// End returns the end of the grant before the code is redeemed: not before the code expires.
func (c Code) End() time.Time { return later(c.Grant.ExpiresAt, c.ExpiresAt) }

// End returns the end of the grant once the code was redeemed with i.
func (i TokenIssue) End() time.Time { return later(i.GrantExpires, i.Access.ExpiresAt) }

// Check returns an error for a revocation that would select every grant, which stores reject.
func (r Revocation) Check() error {
	if r.Grant == "" && r.UserID == "" && r.Session == [32]byte{} && r.Token == [32]byte{} {
		return errors.New("a revocation must name a grant, a user, a session or a token")
	}
	return nil
}

// Rotated returns f as it is after r has incremented its counter.
func (f Grant) Rotated(r Rotation) Grant {
	f.Counter++
	f.RotatedAt = r.Now
	f.ExpiresAt = f.EndAfter(r)
	return f
}

// EndAfter returns the end of the grant after r: it never moves back, and no token of r outlives
// it.
func (f Grant) EndAfter(r Rotation) time.Time {
	return later(later(f.ExpiresAt, r.Expires), r.Access.ExpiresAt)
}

// Micro returns t as stores keep it: in UTC, truncated to the microsecond.
func Micro(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Truncate(time.Microsecond).UTC()
}
