package gateway

import (
	"context"
	"errors"
	"time"
)

// Grant is the authorization that a user gave an app (RFC 6749): everything that results from one
// authorization code. It is created with the code. The code, the access tokens and the refresh
// tokens are valid only while the grant is.
type Grant struct {
	ID        string // opaque
	App       string
	UserID    string // when the user is joined into an older one, the store sets the older id
	Subject   string // the sub claim, always the same for a user at an app (see Pin); "" = PutCode sets it
	Scopes    []string
	AuthTime  time.Time // when WeChat authenticated the user
	Session   [32]byte  // of the user's session: Session.First; with forward auth Session.Hash; zero = none
	Connector string    // connector and identity of the user's sign-in
	AppID     string
	OpenID    string
	Method    string // method of this sign-in, as in Session.Method
	CreatedAt time.Time
	ExpiresAt time.Time // end of the grant and of all its tokens
	RevokedAt time.Time // zero = not revoked
	Counter   int       // number of the current refresh token, from 1; 0 = the grant has none
	RotatedAt time.Time // when Counter last changed
	Data      []byte    // owned by the caller, without secrets; nil = none
}

// Live reports whether the grant is valid at now: neither expired nor revoked.
func (g Grant) Live(now time.Time) bool {
	return g.RevokedAt.IsZero() && now.Before(g.ExpiresAt)
}

// Code is an authorization code and its grant.
type Code struct {
	Hash        [32]byte // SHA-256 of the code
	Grant       Grant    // without refresh token: Counter is 0
	RedirectURI string
	Challenge   string // code_challenge of PKCE, method S256; "" = none
	Nonce       string
	ExpiresAt   time.Time
	RedeemedAt  time.Time // zero = not redeemed
	PinSubject  string    // PutCode stores it as the user's subject in the app (see Pin) if there is none yet

	// LogoutSessionID is the claim sid of an app with back-channel logout: PutCode then stores an
	// AppSession for Grant.Session, once for each session and app. "" = none.
	LogoutSessionID string
}

// Token is an access token.
type Token struct {
	Hash      [32]byte // SHA-256 of the token
	Grant     string   // id of its grant
	CreatedAt time.Time
	ExpiresAt time.Time
}

// TokenIssue describes the tokens that one redemption of a code creates.
type TokenIssue struct {
	Access          Token     // Grant is filled in by the store
	Refresh         [32]byte  // hash of the first refresh token; zero = none
	GrantExpires    time.Time // new end of the grant; zero = Access.ExpiresAt
	ReplayTolerated bool      // a second redemption revokes nothing: libraries of apps of kind relay may repeat it
}

// Rotation is a request to replace a refresh token: the client presents one, and gets its successor
// and an access token.
type Rotation struct {
	Grant     string    // id of the grant
	Presented [32]byte  // hash of the presented refresh token
	Next      [32]byte  // hash of its successor
	Access    Token     // Grant is filled in by the store
	Expires   time.Time // new end of the grant, which never moves back; zero = unchanged
	Now       time.Time
	Grace     time.Duration // how long after its replacement the old token still gets the same successor
}

// RotatedGrant is the result of a rotation.
type RotatedGrant struct {
	Grant    Grant    // after the rotation
	Refresh  [32]byte // hash of the current refresh token
	Repeated bool     // the token had been replaced within the grace period; the refresh token did not change
}

// Revocation selects the grants to revoke: those that match every field that is set. At least one
// of Grant, UserID, Session and Token is required. A revocation with Token selects this access
// token and no grant.
type Revocation struct {
	Grant   string   // id of the grant
	UserID  string   // also the id of a user who was joined into the user (see Users.User)
	App     string   // only grants at this app; not sufficient alone
	Session [32]byte // equals Grant.Session
	Token   [32]byte // hash of an access token; its grant stays valid
}

// AppGrants summarizes the grants of a user at one app.
type AppGrants struct {
	App    string
	LastAt time.Time // when the newest grant was created: the user's last sign-in to the app
	Live   int       // grants that are neither expired nor revoked
}

// Grants stores authorization codes, access tokens and refresh tokens.
//
// A code or token is invalid when it is unknown or expired, or when its grant is revoked or
// expired. Methods return ErrNotFound or ErrExpired for it, without further detail. Exceptions are
// in the comments of the methods.
type Grants interface {
	// PutCode stores a code and its grant. The user id is resolved as by Users.User: the id of a
	// user who was joined into an older one becomes the older id. ErrNotFound when the user does
	// not exist, or when c.LogoutSessionID is set and the session has ended. ErrBlocked when the user is
	// blocked. ErrConflict when the hash of the code or the id of the grant exists already.
	//
	// When Grant.Subject is empty, PutCode stores the subject that is pinned for the user in this
	// app (see Subjects). When none is pinned, it pins c.PinSubject in the same transaction.
	// ErrConflict when c.PinSubject is pinned for another user in this app; ErrNotFound when
	// c.PinSubject is empty too.
	PutCode(ctx context.Context, c Code) error

	// Code returns a code without redeeming it, so that the caller can verify client, redirect URI
	// and PKCE first. It does not check whether the code may still be redeemed, which Redeem does:
	// it returns expired, redeemed and revoked codes until a sweep (the regular deletion of expired
	// rows) deletes them. ErrNotFound when there is none.
	Code(ctx context.Context, hash [32]byte) (Code, error)

	// Redeem redeems the code and stores its tokens, in one transaction. Of any number of
	// concurrent callers exactly one gets the grant. All other calls are replays: their caller may
	// have stolen the code. A replay returns ErrReplay with the grant. It revokes the grant in the
	// same transaction, unless i.ReplayTolerated is set. Call Redeem only after authenticating the
	// client of the code. Otherwise anybody with a copy of the code could revoke the grant.
	// ErrNotFound if the code does not exist; ErrExpired when the code or the grant had expired or
	// was revoked before the first redemption, or when Grant.Session has ended since: a sign-out
	// invalidates the codes that no app has redeemed.
	Redeem(ctx context.Context, code [32]byte, now time.Time, i TokenIssue) (Grant, error)

	// Token returns an access token that is valid at now, and its grant. ErrNotFound when there is
	// no such token; ErrExpired when the token or its grant is no longer valid.
	Token(ctx context.Context, hash [32]byte, now time.Time) (Token, Grant, error)

	// TokenUser returns what Token returns, and the user of the grant, by one query. The user may
	// be blocked. The errors are those of Token.
	TokenUser(ctx context.Context, hash [32]byte, now time.Time) (Token, Grant, User, error)

	// Grant returns a grant by its id, valid or not, until a sweep deletes it. ErrNotFound when
	// there is none.
	Grant(ctx context.Context, id string) (Grant, error)

	// Rotate replaces a refresh token and stores the new access token, in one transaction.
	//
	// When r.Presented is the current refresh token, the counter is incremented and r.Next becomes
	// the current token. r.Next may equal r.Presented, for a protocol that does not replace refresh
	// tokens: then the token stays valid until the grant expires.
	//
	// When r.Presented is the previous refresh token, and was replaced less than r.Grace ago, the
	// refresh token does not change. Rotate returns the current refresh token and stores the new
	// access token, so a client that retries gets the same successor. Of concurrent callers with
	// one token, one increments the counter. For the others, the token is then the previous one.
	//
	// Any other token is a replay: the token was replaced earlier, so somebody has a copy. Rotate
	// revokes the grant in the same transaction, and returns ErrReplay with the grant. Before the
	// call, authenticate the client and verify that the gateway has issued the token. Otherwise
	// anybody could revoke the grant with an invented token. ErrNotFound for an unknown grant,
	// ErrExpired for a grant that has expired or was revoked.
	Rotate(ctx context.Context, r Rotation) (RotatedGrant, error)

	// Revoke revokes what r selects, and returns how many valid grants (or, for r.Token, tokens) it
	// revoked. 0 is not an error: they may be revoked already. A revocation without Grant, UserID,
	// Session and Token is an error.
	Revoke(ctx context.Context, r Revocation, now time.Time) (int, error)

	// UserGrants returns a summary of the user's grants for each app, sorted by app, by one query. A
	// grant counts until a sweep deletes it. The id is resolved as by Users.User; an unknown user has
	// none.
	UserGrants(ctx context.Context, userID string, now time.Time) ([]AppGrants, error)
}

// CheckRedeemable returns nil when the code may be redeemed at now. When the code was redeemed
// before, it returns ErrReplay, and Redeem has to revoke the grant (see Redeem for the exception).
// Otherwise it returns ErrExpired.
func (c Code) CheckRedeemable(now time.Time) error {
	switch {
	case !c.RedeemedAt.IsZero():
		return ErrReplay
	case !c.Grant.Live(now) || !now.Before(c.ExpiresAt):
		return ErrExpired
	}
	return nil
}

// RefreshHashes are the hashes of a grant's refresh tokens that a store has.
type RefreshHashes struct {
	Current  [32]byte // zero = the grant has no refresh token
	Previous [32]byte // the token that Current replaced; zero = none
}

// RotationResult is the effect of a rotation on its grant.
type RotationResult int

// The results of a rotation.
const (
	RotationExpired  RotationResult = iota // nothing changes: the grant has expired or was revoked
	RotationReplay                         // the grant is revoked
	RotationRepeated                       // only the access token is stored: a retry within the grace period
	RotationAccepted                       // the refresh token is replaced, and the new access token is stored
)

// DecideRotation returns the effect of r on the grant, which has these refresh tokens. The comment
// of [Grants].Rotate has the rules.
func (g Grant) DecideRotation(stored RefreshHashes, r Rotation) RotationResult {
	var none [32]byte
	switch {
	case !g.Live(r.Now):
		return RotationExpired
	case r.Presented == none || stored.Current == none:
		// Without this case, a zero hash would equal the missing refresh token of the grant.
		return RotationReplay
	case r.Presented == stored.Current:
		return RotationAccepted
	case r.Presented == stored.Previous && r.Now.Before(g.RotatedAt.Add(r.Grace)):
		return RotationRepeated
	}
	return RotationReplay
}

// Check returns an error for an incomplete code, which stores reject.
func (c Code) Check() error {
	g := c.Grant
	switch {
	case c.Hash == [32]byte{} || g.ID == "" || g.App == "" || g.UserID == "":
		return errors.New("a code needs a hash, a grant, an app and a user")
	case c.ExpiresAt.IsZero() || g.CreatedAt.IsZero():
		return errors.New("a code needs its times")
	}
	return nil
}

// GrantExpiry returns when the grant ends if the code is not redeemed: not before the code expires.
func (c Code) GrantExpiry() time.Time { return later(c.Grant.ExpiresAt, c.ExpiresAt) }

// GrantExpiry returns when the grant ends after the code was redeemed with i: not before the access
// token expires.
func (i TokenIssue) GrantExpiry() time.Time { return later(i.GrantExpires, i.Access.ExpiresAt) }

// Check returns an error for a revocation without Grant, UserID, Session and Token. Stores reject
// it, because it would select all grants of an app, or all grants.
func (r Revocation) Check() error {
	if r.Grant == "" && r.UserID == "" && r.Session == [32]byte{} && r.Token == [32]byte{} {
		return errors.New("a revocation must name a grant, a user, a session or a token")
	}
	return nil
}

// Rotated returns the grant as it is after r has replaced its refresh token.
func (g Grant) Rotated(r Rotation) Grant {
	g.Counter++
	g.RotatedAt = r.Now
	g.ExpiresAt = g.ExpiryAfter(r)
	return g
}

// ExpiryAfter returns when the grant ends after r: not earlier than before, and not before the new
// access token expires.
func (g Grant) ExpiryAfter(r Rotation) time.Time {
	return later(later(g.ExpiresAt, r.Expires), r.Access.ExpiresAt)
}

// StoredTime returns t as a store returns a stored time: in UTC, truncated to the microsecond.
func StoredTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Truncate(time.Microsecond).UTC()
}
