package gateway

import (
	"slices"
	"time"
)

// maxCodes bounds how many codes one sign-in may try. WeChat has been seen to
// send two; more is somebody trying.
const maxCodes = 8

// ClaimRecord is a claim as a store keeps it. The rules of Claims are its
// methods, so that every store has the same: a store reads the record under a
// lock, asks, and writes. The zero value is "nobody has claimed it".
type ClaimRecord struct {
	State      ClaimState // ClaimHeld, ClaimDone or ClaimRefused; "" = no record
	Holder     string
	Codes      [][32]byte // tried so far
	LeaseUntil time.Time
	FinishedAt time.Time
	Outcome    []byte
}

// Take returns the record as it is after r, and whether r got the claim; only
// then is there something to write. holder is the name that the new holder
// would have.
func (c ClaimRecord) Take(r ClaimRequest, holder string) (ClaimRecord, bool) {
	fresh := c.State == ""
	again := c.State == ClaimRefused && len(c.Codes) < maxCodes && !slices.Contains(c.Codes, r.Code)
	if !fresh && !again {
		return c, false
	}
	return ClaimRecord{
		State:      ClaimHeld,
		Holder:     holder,
		Codes:      append(slices.Clone(c.Codes), r.Code),
		LeaseUntil: r.Now.Add(r.Lease),
	}, true
}

// Answer is what a caller is told about the record at now; mine says that the
// caller has just taken it.
func (c ClaimRecord) Answer(now time.Time, mine bool) Claim {
	a := Claim{State: c.State, LeaseUntil: c.LeaseUntil, FinishedAt: c.FinishedAt, Outcome: slices.Clone(c.Outcome)}
	switch {
	case mine:
		a.State, a.Holder = ClaimMine, c.Holder
	case c.State == ClaimHeld && !now.Before(c.LeaseUntil):
		a.State = ClaimAbandoned
	}
	return a
}

// Finish says whether holder may finish the record at now: nil, or one of the
// errors of Claims.FinishClaim.
func (c ClaimRecord) Finish(holder string, now time.Time) error {
	switch {
	case c.State == "" || c.Holder != holder:
		return ErrNotFound
	case c.State != ClaimHeld:
		return ErrConflict
	case !now.Before(c.LeaseUntil):
		return ErrExpired
	}
	return nil
}
