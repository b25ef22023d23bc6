package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weigate/weigate/internal/gateway"
)

const claimQuery = `SELECT holder, codes, state, lease_until, finished_at, outcome FROM claims WHERE key = $1 AND expires_at > $2`

func claim(ctx context.Context, q querier, query, key string, now time.Time) (c gateway.ClaimRecord, err error) {
	var codes [][]byte
	err = get(ctx, q, query, []any{key, micros(now)},
		&c.Holder, &codes, &c.State, moment{&c.LeaseUntil}, moment{&c.FinishedAt}, &c.Outcome)
	for _, b := range codes {
		if len(b) == 32 {
			c.Codes = append(c.Codes, [32]byte(b))
		}
	}
	return c, err
}

// Claim implements gateway.Claims. The insert decides who is first; only those
// who are not, and a claim that may be taken anew, need a transaction.
func (s *Store) Claim(ctx context.Context, r gateway.ClaimRequest) (answer gateway.Claim, err error) {
	first, _ := gateway.ClaimRecord{}.Take(r, gateway.NewID())
	done, err := s.pool.Exec(ctx, `
		INSERT INTO claims (key, holder, codes, state, lease_until, finished_at, expires_at) VALUES ($1, $2, $3, $4, $5, 0, $6)
		ON CONFLICT (key) DO NOTHING`,
		r.Key, first.Holder, [][]byte{r.Code[:]}, string(first.State), micros(first.LeaseUntil), micros(r.Now.Add(r.Keep)))
	if err != nil {
		return gateway.Claim{}, failed("claim a sign-in", err)
	}
	if done.RowsAffected() == 1 {
		return first.Answer(r.Now, true), nil
	}
	err = s.write(ctx, "claim a sign-in", func(tx pgx.Tx) error {
		var there bool
		if err := get(ctx, tx, `SELECT true FROM claims WHERE key = $1 FOR UPDATE`, []any{r.Key}, &there); err != nil {
			return err
		}
		rec, err := claim(ctx, tx, claimQuery, r.Key, r.Now)
		if err != nil && !errors.Is(err, gateway.ErrNotFound) {
			return err
		}
		next, take := rec.Take(r, gateway.NewID())
		answer = next.Answer(r.Now, take)
		if !take {
			return nil
		}
		var codes [][]byte
		for _, c := range next.Codes {
			codes = append(codes, c[:])
		}
		_, err = tx.Exec(ctx, `
			UPDATE claims SET holder = $2, codes = $3, state = $4, lease_until = $5, finished_at = 0, outcome = NULL, expires_at = $6
			WHERE key = $1`,
			r.Key, next.Holder, codes, string(next.State), micros(next.LeaseUntil), micros(r.Now.Add(r.Keep)))
		return err
	})
	if errors.Is(err, gateway.ErrNotFound) { // swept between the two: it was over
		return s.Claim(ctx, r)
	}
	if err != nil {
		return gateway.Claim{}, err
	}
	return answer, nil
}

// FinishClaim implements gateway.Claims.
func (s *Store) FinishClaim(ctx context.Context, key, holder string, state gateway.ClaimState, outcome []byte, now time.Time) error {
	if state != gateway.ClaimDone && state != gateway.ClaimRefused {
		return errors.New("postgres: a claim ends done or refused")
	}
	done, err := s.pool.Exec(ctx, `
		UPDATE claims SET state = $3, finished_at = $4, outcome = $5
		WHERE key = $1 AND holder = $2 AND state = 'held' AND lease_until > $4 AND expires_at > $4`,
		key, holder, string(state), micros(now), outcome)
	if err != nil || done.RowsAffected() == 1 {
		return failed("finish a sign-in", err)
	}
	rec, err := claim(ctx, s.pool, claimQuery, key, now)
	if err == nil {
		err = rec.Finish(holder, now)
	}
	return failed("finish a sign-in", err)
}

// ClaimOutcome implements gateway.Claims.
func (s *Store) ClaimOutcome(ctx context.Context, key string, now time.Time) (gateway.Claim, error) {
	rec, err := claim(ctx, s.pool, claimQuery, key, now)
	if err != nil {
		return gateway.Claim{}, failed("look at a sign-in", err)
	}
	return rec.Answer(now, false), nil
}
