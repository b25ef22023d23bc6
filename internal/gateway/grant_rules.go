package gateway

import (
	"errors"
	"time"
)

// Redeemable says what becomes of a redemption of c at now: nil, ErrReplay
// (revoke the family), or ErrExpired.
func (c Code) Redeemable(now time.Time) error {
	switch {
	case !c.RedeemedAt.IsZero():
		return ErrReplay
	case !c.Grant.Live(now) || !now.Before(c.ExpiresAt):
		return ErrExpired
	}
	return nil
}

// RefreshState is what a store keeps of a family's refresh tokens.
type RefreshState struct {
	Current  [32]byte // zero = none was made
	Previous [32]byte // zero = none
}

// Turn is what a rotation does to a family.
type RotationResult int

// What a rotation does.
const (
	RotationExpired  RotationResult = iota // the family is dead: ErrExpired
	RotationReplay                         // revoke the family: ErrReplay
	RotationRepeated                       // within the grace: nothing moves
	RotationMoves                          // the counter moves on
)

// Turn decides what r does to the family f, whose refresh tokens are s.
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

// Check says what a store refuses: a code that is not whole.
func (c Code) Check() error {
	f := c.Grant
	switch {
	case c.Hash == [32]byte{} || f.ID == "" || f.App == "" || f.UserID == "":
		return errors.New("a code needs a hash, a family, an app and an account")
	case c.ExpiresAt.IsZero() || f.CreatedAt.IsZero():
		return errors.New("a code needs its times")
	}
	return nil
}

// End is when the family of c is over before the code is taken: not before the
// code itself.
func (c Code) End() time.Time { return later(c.Grant.ExpiresAt, c.ExpiresAt) }

// End is when the family is over once the code was taken with i.
func (i TokenIssue) End() time.Time { return later(i.GrantExpires, i.Access.ExpiresAt) }

// Check says what a store refuses: a revocation that would revoke everything.
func (r Revocation) Check() error {
	if r.Grant == "" && r.UserID == "" && r.Session == [32]byte{} && r.Token == [32]byte{} {
		return errors.New("a revocation must name a family, an account, a session or a token")
	}
	return nil
}

// Moved returns f as it is after r moved its counter.
func (f Grant) Rotated(r Rotation) Grant {
	f.Counter++
	f.RotatedAt = r.Now
	f.ExpiresAt = f.EndAfter(r)
	return f
}

// Until is the family's end after r: it never moves back, and no token of r
// outlives it.
func (f Grant) EndAfter(r Rotation) time.Time {
	return later(later(f.ExpiresAt, r.Expires), r.Access.ExpiresAt)
}

// Micro returns t as stores keep it: in UTC, to the microsecond.
func Micro(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Truncate(time.Microsecond).UTC()
}
