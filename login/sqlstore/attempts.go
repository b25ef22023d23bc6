package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/weigate/weigate/login"
)

// failedAttemptLife is how long the store keeps an attempt that ended without a session. An attempt
// is the record of one callback, and a repeated callback gets the same response from it. Without
// the attempt, a repeated callback sends the code to WeChat again, and WeChat refuses it. The time
// is short, because everyone can cause failed attempts with made-up codes.
const failedAttemptLife = 2 * time.Minute

// BeginAttempt implements login.Store.
func (s *Store) BeginAttempt(
	ctx context.Context, want login.Attempt, now time.Time,
) (stored login.Attempt, begun bool, err error) {
	stored, begun, err = s.beginAttempt(ctx, want, now)
	if err != nil {
		return login.Attempt{}, false, fmt.Errorf("sqlstore: begin an attempt: %w", err)
	}
	if begun {
		s.sweepSometimes(ctx, now)
	}
	return stored, begun, nil
}

func (s *Store) beginAttempt(ctx context.Context, want login.Attempt, now time.Time) (login.Attempt, bool, error) {
	if err := checkID(want.ID); err != nil {
		return login.Attempt{}, false, err
	}
	insert := []any{want.ID, want.Code, want.Owner, micros(want.Lease), micros(want.Expires),
		micros(want.SecondCodeUntil), micros(want.Expires)}
	for range maxRounds { // another call may change or delete the row between two statements
		n, err := s.exec(ctx, s.statements.insertAttempt, insert...)
		if err != nil || n > 0 {
			return want, err == nil, err
		}
		stored, found, err := s.attempt(ctx, want.ID)
		if err != nil {
			return login.Attempt{}, false, err
		}
		if !found {
			continue // the row was deleted meanwhile
		}
		row := want // the stored row may differ from want, but the result is want: see login.Store
		if stored.Expires.After(now) {
			if !isSecondCode(stored, want, now) {
				return stored, false, nil
			}
			row.SecondCodeUntil = time.Time{}
		}
		// The row is replaced only if it has not changed since it was read.
		n, err = s.exec(ctx, s.statements.replaceAttempt, row.Code, row.Owner, micros(row.Lease), micros(row.Expires),
			micros(row.SecondCodeUntil), micros(row.Expires),
			stored.ID, stored.Owner, string(stored.Outcome.Kind), micros(stored.Expires))
		if err != nil || n > 0 {
			return want, err == nil, err
		}
	}
	return login.Attempt{}, false, errContended
}

// isSecondCode reports whether want may replace a stored attempt. WeChat sometimes sends two codes
// for one state. So want may replace an attempt whose code was refused, if want has a different
// code and SecondCodeUntil has not passed.
func isSecondCode(stored, want login.Attempt, now time.Time) bool {
	return stored.Outcome.Kind == login.OutcomeCodeRefused && stored.Code != want.Code &&
		stored.SecondCodeUntil.After(now)
}

// attempt returns the row of an attempt, and whether there is one.
func (s *Store) attempt(ctx context.Context, id string) (a login.Attempt, found bool, err error) {
	rows, err := query(ctx, s, s.statements.selectAttempt, []any{id}, scanAttempt)
	if err != nil || len(rows) == 0 {
		return login.Attempt{}, false, err
	}
	return rows[0], true, nil
}

// scanAttempt reads a row of selectAttempt.
func scanAttempt(rows *sql.Rows) (a login.Attempt, err error) {
	var lease, expires, second, at int64
	err = rows.Scan(&a.ID, &a.Code, &a.Owner, &lease, &expires, &second, &a.Outcome.Kind, &at, &a.Outcome.Text)
	a.Lease, a.Expires, a.SecondCodeUntil = fromMicros(lease), fromMicros(expires), fromMicros(second)
	a.Outcome.At = fromMicros(at)
	return a, err
}

// FinishAttempt implements login.Store.
func (s *Store) FinishAttempt(ctx context.Context, id, owner string, out login.Outcome, now time.Time) error {
	sweepAt := micros(now.Add(failedAttemptLife))
	if out.Kind == login.OutcomeSignedIn {
		sweepAt = forever // finishAttempt stores the lesser of this time and Attempt.Expires
	}
	text := strings.ReplaceAll(out.Text, "\x00", "") // PostgreSQL cannot store this character
	n, err := s.exec(ctx, s.statements.finishAttempt,
		string(out.Kind), micros(out.At), text, sweepAt, sweepAt, id, owner, micros(now), micros(now))
	switch {
	case err != nil:
		return fmt.Errorf("sqlstore: finish an attempt: %w", err)
	case n == 0:
		return login.ErrAttemptLost
	}
	return nil
}
