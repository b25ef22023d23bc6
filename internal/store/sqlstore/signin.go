package sqlstore

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// This file writes sign-ins: gateway.Attempts, and the methods RecordSignIn and CompleteSignIn of
// gateway.Users. Do runs one operation of the store. Exec changes rows, Get reads one row, list
// reads all, and Tx runs a transaction. Micros converts arguments; Time and Hash convert results.

// beginAttempt stores an attempt (the exclusive right to exchange one code of WeChat), unless an
// attempt with the same key is stored. $6 is the time. The stored attempt is replaced in two cases:
//
//   - It has expired.
//   - WeChat refused its code ($7), the new code is different, and second_code_until has not
//     passed.
//
// beginAttempt is a single statement, so exactly one of several concurrent callers succeeds.
const beginAttempt = `
	INSERT INTO attempts (key, code, owner, lease, expires_at, second_code_until, outcome, finished_at, message)
	VALUES ($1, $2, $3, $4, $5, $8, '', 0, '')
	ON CONFLICT (key) DO UPDATE
	SET code = $2, owner = $3, lease = $4, expires_at = $5, outcome = '', finished_at = 0, message = '',
		second_code_until = CASE WHEN attempts.expires_at <= $6 THEN $8 ELSE 0 END
	WHERE attempts.expires_at <= $6 OR
		attempts.outcome = $7 AND attempts.code <> $2 AND attempts.second_code_until > $6`

// BeginAttempt implements gateway.Attempts.
func (b Base) BeginAttempt(ctx context.Context, want gateway.Attempt, now time.Time) (have gateway.Attempt, won bool,
	err error) {
	err = b.db.Do(ctx, "begin_attempt", func(c Conn) error {
		for {
			n, err := c.Exec(beginAttempt, want.Key, want.Code, want.Owner, Micros(want.Lease), Micros(want.Expires),
				Micros(now), gateway.OutcomeCodeRefused, Micros(want.SecondCodeUntil))
			if err != nil {
				return err
			}
			won = n == 1
			if won {
				have = want
				have.Outcome = gateway.Outcome{}
				have.Lease, have.Expires = gateway.StoredTime(want.Lease), gateway.StoredTime(want.Expires)
				have.SecondCodeUntil = gateway.StoredTime(want.SecondCodeUntil)
				return nil
			}
			have = gateway.Attempt{Key: want.Key}
			err = c.Get(`
				SELECT code, owner, lease, expires_at, second_code_until, outcome, finished_at, message FROM attempts
				WHERE key = $1 AND expires_at > $2`,
				[]any{want.Key, Micros(now)}, &have.Code, &have.Owner, Time{&have.Lease}, Time{&have.Expires},
				Time{&have.SecondCodeUntil}, &have.Outcome.Kind, Time{&have.Outcome.At}, &have.Outcome.Text)
			if !errors.Is(err, gateway.ErrNotFound) {
				return err
			}
			// Sweep has deleted the other attempt between the two statements: try again.
		}
	})
	if err != nil {
		return gateway.Attempt{}, false, err
	}
	return have, won, nil
}

// finishAttempt writes an outcome into an attempt that has none. After a failure, it lowers
// expires_at to $7. After a success, $7 is later than any expiry, so expires_at and its index do
// not change.
const finishAttempt = `
	UPDATE attempts SET outcome = $3, finished_at = $4, message = $5,
		expires_at = CASE WHEN expires_at > $7 THEN $7 ELSE expires_at END
	WHERE key = $1 AND owner = $2 AND outcome = '' AND lease > $6 AND expires_at > $6`

// writeOutcome ends an attempt. It returns gateway.ErrConflict when the owner cannot end it any
// more.
func writeOutcome(q Querier, key, owner string, out gateway.Outcome, now time.Time) error {
	latest := int64(math.MaxInt64)
	if out.Kind != gateway.OutcomeSignedIn {
		latest = Micros(now.Add(gateway.FailedAttemptLife))
	}
	n, err := q.Exec(finishAttempt, key, owner, out.Kind, Micros(out.At), gateway.CleanText(out.Text), Micros(now), latest)
	if err == nil && n == 0 {
		err = gateway.ErrConflict
	}
	return err
}

// FinishAttempt implements gateway.Attempts.
func (b Base) FinishAttempt(ctx context.Context, key, owner string, out gateway.Outcome, now time.Time) error {
	if out.Kind == "" {
		return errors.New("an outcome needs its kind")
	}
	return b.db.Do(ctx, "finish_attempt", func(c Conn) error { return writeOutcome(c, key, owner, out, now) })
}

// maxDroppedAttempts limits how many rows one call of DropFailedAttempts deletes.
const maxDroppedAttempts = 1000

// DropFailedAttempts implements gateway.Attempts.
func (b Base) DropFailedAttempts(ctx context.Context, keep int, now time.Time) (dropped int, err error) {
	err = b.db.Do(ctx, "drop_attempts", func(c Conn) error {
		// The attempts that expire so soon have usually failed: writeOutcome has shortened their life.
		var last int64 // the latest expiry of the attempts to delete
		err := c.Get(`
			SELECT expires_at FROM attempts WHERE expires_at <= $1 ORDER BY expires_at DESC LIMIT 1 OFFSET $2`,
			[]any{Micros(now.Add(gateway.FailedAttemptLife)), keep}, &last)
		if errors.Is(err, gateway.ErrNotFound) {
			return nil // there are at most keep of these attempts
		}
		if err == nil {
			dropped, err = c.Exec(b.deleteBatch("attempts", "key", `expires_at <= $1 ORDER BY expires_at`), last,
				maxDroppedAttempts)
		}
		return err
	})
	return dropped, err
}

// RecordSignIn implements gateway.Users.
func (b Base) RecordSignIn(ctx context.Context, s gateway.SignIn) (user gateway.User, events []gateway.Event,
	err error) {
	if err := s.Check(); err != nil {
		return gateway.User{}, nil, err
	}
	err = b.db.Do(ctx, "record_sign_in", func(c Conn) error {
		return c.Tx(func(q Querier) error {
			if user, events, err = b.recordUser(q, s); err != nil {
				return err
			}
			return appendEvents(q, events)
		})
	})
	if err != nil {
		return gateway.User{}, nil, err
	}
	return user, events, nil
}

// CompleteSignIn implements gateway.Users. It locks the row of the attempt first. So of concurrent
// callers with one attempt, one continues. The other callers wait, find an outcome in the row, and
// return gateway.ErrConflict.
func (b Base) CompleteSignIn(ctx context.Context, c gateway.Completion) (user gateway.User, events []gateway.Event,
	err error) {
	if err := c.Check(); err != nil {
		return gateway.User{}, nil, err
	}
	err = b.db.Do(ctx, "complete_sign_in", func(conn Conn) error {
		return conn.Tx(func(q Querier) error {
			var key string
			err := q.Get(`
				SELECT key FROM attempts
				WHERE key = $1 AND owner = $2 AND outcome = '' AND lease > $3 AND expires_at > $3 `+b.dialect.LockRow,
				[]any{c.AttemptKey, c.Owner, Micros(c.Now)}, &key)
			if errors.Is(err, gateway.ErrNotFound) {
				return gateway.ErrConflict
			}
			if err != nil {
				return err
			}
			if user, events, err = b.recordUser(q, c.SignIn); err != nil {
				return err
			}
			return b.finishCompletion(q, c, user, events)
		})
	})
	if err != nil {
		return gateway.User{}, nil, err
	}
	return user, events, nil
}

// finishCompletion writes what follows from a recorded sign-in: the session, the outcome and the
// events.
func (b Base) finishCompletion(q Querier, c gateway.Completion, user gateway.User, joinEvents []gateway.Event) error {
	signedIn, out, event := c.Decide(user)
	if signedIn {
		if err := b.replaceSession(q, c.Session, c.Previous, user.ID, c.Now); err != nil {
			return err
		}
	}
	if err := writeOutcome(q, c.AttemptKey, c.Owner, out, c.Now); err != nil {
		return err
	}
	return appendEvents(q, append([]gateway.Event{event}, joinEvents...))
}

// replaceSession stores the session of a completed sign-in, and ends the session previous that the
// browser had before; zero = none.
func (b Base) replaceSession(q Querier, s gateway.Session, previous [32]byte, userID string, now time.Time) error {
	first, err := renewedFirst(q, previous, userID)
	if err != nil {
		return err
	}
	s.First = first
	if err := b.putSession(q, s, userID, now); err != nil {
		return err
	}
	if previous != ([32]byte{}) {
		_, err = b.endSessions(q, now, `hash = $1`, previous[:])
	}
	return err
}

// renewedFirst returns the value of Session.First for a session that replaces the session previous
// in a browser: apps must not notice the renewal. It returns zero when previous is missing or
// belongs to another user.
func renewedFirst(q Querier, previous [32]byte, userID string) (first [32]byte, err error) {
	if previous == ([32]byte{}) {
		return first, nil
	}
	err = q.Get(`SELECT first_hash FROM sessions WHERE hash = $1 AND user_id = $2`, []any{previous[:], userID},
		Hash{&first})
	if errors.Is(err, gateway.ErrNotFound) {
		err = nil
	}
	return first, err
}

// recordUser decides which user signs in, and writes the user and the identity. It returns the
// events and does not store them.
func (b Base) recordUser(q Querier, s gateway.SignIn) (user gateway.User, events []gateway.Event, err error) {
	if b.dialect.LockSignIns != nil {
		if err := b.dialect.LockSignIns(q, []gateway.SignIn{s}); err != nil {
			return user, nil, err
		}
	}
	byOpenID, byUnionID, err := b.lockCandidates(q, s)
	if err != nil {
		return user, nil, err
	}
	plan := gateway.Join(s, byOpenID, byUnionID, gateway.NewID())
	if err := s.CheckPlan(plan); err != nil {
		return user, nil, err
	}
	if events, err = b.applyPlan(q, s, plan); err != nil {
		return user, nil, err
	}
	user, err = readUser(q, plan.User.ID)
	return user, events, err
}

// findUserIDs returns the id of the user who has the openid of a sign-in ("" = nobody), and the
// sorted ids of the other users who have its unionid.
func findUserIDs(q Querier, s gateway.SignIn) (byOpenID string, byUnionID []string, err error) {
	err = q.Get(`SELECT user_id FROM identities WHERE open_id = $1 AND app_id = $2`, []any{s.OpenID, s.AppID}, &byOpenID)
	if err != nil && !errors.Is(err, gateway.ErrNotFound) {
		return "", nil, err
	}
	shared := s.SharedAppIDs()
	if shared == nil {
		return byOpenID, nil, nil
	}
	// union_id <> '' repeats the condition of a partial index.
	found, err := list(q, `SELECT user_id, app_id FROM identities WHERE union_id = $1 AND union_id <> ''`,
		[]any{s.UnionID},
		func(i *gateway.Identity) []any { return []any{&i.UserID, &i.AppID} })
	for _, i := range found {
		if slices.Contains(shared, i.AppID) && i.UserID != byOpenID {
			byUnionID = append(byUnionID, i.UserID)
		}
	}
	slices.Sort(byUnionID)
	return byOpenID, slices.Compact(byUnionID), err
}

// lockCandidates locks and returns the users that gateway.Join decides about. It finds the ids of
// these users first, and locks the users afterwards. In between, a concurrent join may move
// identities to other users. So lockCandidates finds the ids again under the lock, and returns
// ErrRepeat when they have changed.
func (b Base) lockCandidates(q Querier, s gateway.SignIn) (byOpenID *gateway.Candidate,
	byUnionID []gateway.Candidate, err error) {
	openIDUser, unionIDUsers, err := findUserIDs(q, s)
	if err != nil {
		return nil, nil, err
	}
	ids := unionIDUsers
	if openIDUser != "" {
		ids = append(slices.Clone(unionIDUsers), openIDUser)
	}
	if len(ids) == 0 {
		return nil, nil, nil
	}
	users, err := b.lockUsers(q, ids)
	if err != nil {
		return nil, nil, err
	}
	if b.dialect.ForUpdate != "" { // not on SQLite, where no other transaction writes meanwhile
		openIDUserNow, unionIDUsersNow, err := findUserIDs(q, s)
		if err != nil {
			return nil, nil, err
		}
		if openIDUserNow != openIDUser || !slices.Equal(unionIDUsersNow, unionIDUsers) || len(users) != len(ids) {
			return nil, nil, ErrRepeat
		}
	}
	for _, u := range users {
		candidate := gateway.Candidate{User: u}
		if candidate.Identities, err = readIdentities(q, u.ID); err != nil {
			return nil, nil, err
		}
		if u.ID == openIDUser {
			byOpenID = &candidate
		} else {
			byUnionID = append(byUnionID, candidate)
		}
	}
	return byOpenID, byUnionID, nil
}

// lockUsers locks and returns the users with these ids, without users who were joined into another.
// It locks them in the order of their ids, so that concurrent transactions do not deadlock.
func (b Base) lockUsers(q Querier, ids []string) ([]gateway.User, error) {
	query := `SELECT ` + userColumns + ` FROM users WHERE ` + b.dialect.In("id", "$1") +
		` AND joined_into = '' ORDER BY id ` + b.dialect.ForUpdate
	return list(q, query, []any{b.dialect.List(ids)}, userFields)
}

// applyPlan writes a plan of gateway.Join. It returns the events, which the caller stores.
func (b Base) applyPlan(q Querier, s gateway.SignIn, plan gateway.Plan) ([]gateway.Event, error) {
	if _, err := q.Exec(putUser, userArgs(plan.User)...); err != nil {
		return nil, err
	}
	if len(plan.Joined) > 0 { // a join keeps the groups, but may take the real name and note of a younger user
		if err := writeSearch(q, gateway.User{ID: plan.User.ID, Groups: plan.User.Groups}, plan.User); err != nil {
			return nil, err
		}
	}
	events := plan.Events
	for _, younger := range plan.Joined {
		more, err := b.joinInto(q, s, plan.User.ID, younger)
		if err != nil {
			return nil, err
		}
		events = append(events, more...)
	}
	if plan.User.Status == gateway.Blocked {
		if err := b.endAccess(q, plan.User.ID, s.At); err != nil {
			return nil, err
		}
	}
	_, err := q.Exec(putIdentity, identityArgs(plan.Identity)...)
	return events, err
}
