package gateway

import (
	"errors"
	"time"
)

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
