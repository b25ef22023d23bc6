package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// beginAttempt stores an attempt, unless another one with the same key is stored. It is one
// statement, so that of concurrent callers exactly one succeeds.
const beginAttempt = `
	INSERT INTO attempts (key, code, owner, lease, expires_at, outcome, finished_at, message)
	VALUES ($1, $2, $3, $4, $5, '', 0, '')
	ON CONFLICT (key) DO UPDATE
	SET code = $2, owner = $3, lease = $4, expires_at = $5, outcome = '', finished_at = 0, message = ''
	WHERE attempts.expires_at <= $6 OR attempts.outcome = $7 AND attempts.code <> $2`

// BeginAttempt implements gateway.Attempts.
func (b Base) BeginAttempt(ctx context.Context, want gateway.Attempt, now time.Time) (have gateway.Attempt, won bool,
	err error) {
	err = b.db.Do(ctx, "begin_attempt", func(c Conn) error {
		for {
			n, err := c.Exec(beginAttempt, want.Key, want.Code, want.Owner, Micros(want.Lease), Micros(want.Expires),
				Micros(now),
				gateway.OutcomeCodeRefused)
			if err != nil {
				return err
			}
			if won = n == 1; won {
				have = want
				have.Outcome = gateway.Outcome{}
				have.Lease, have.Expires = gateway.Micro(want.Lease), gateway.Micro(want.Expires)
				return nil
			}
			have = gateway.Attempt{Key: want.Key}
			err = c.Get(`
				SELECT code, owner, lease, expires_at, outcome, finished_at, message FROM attempts
				WHERE key = $1 AND expires_at > $2`,
				[]any{want.Key, Micros(now)}, &have.Code, &have.Owner, Time{&have.Lease}, Time{&have.Expires},
				&have.Outcome.Kind, Time{&have.Outcome.At}, &have.Outcome.Text)
			if !errors.Is(err, gateway.ErrNotFound) { // otherwise Sweep deleted it between the two statements
				return err
			}
		}
	})
	if err != nil {
		return gateway.Attempt{}, false, err
	}
	return have, won, nil
}

// finishAttempt writes an outcome into an attempt that has none.
const finishAttempt = `
	UPDATE attempts SET outcome = $3, finished_at = $4, message = $5
	WHERE key = $1 AND owner = $2 AND outcome = '' AND lease > $6 AND expires_at > $6`

func finish(q Querier, key, owner string, out gateway.Outcome, now time.Time) error {
	n, err := q.Exec(finishAttempt, key, owner, out.Kind, Micros(out.At), gateway.Clean(out.Text), Micros(now))
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
	return b.db.Do(ctx, "finish_attempt", func(c Conn) error { return finish(c, key, owner, out, now) })
}
