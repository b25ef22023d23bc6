package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

func claim(t tx, key string, now time.Time) (c gateway.ClaimRecord, err error) {
	var codes []byte
	err = t.get(`SELECT holder, codes, state, lease_until, finished_at, outcome FROM claims WHERE key = ?1 AND expires_at > ?2`,
		[]any{key, micros(now)}, &c.Holder, &codes, &c.State, moment{&c.LeaseUntil}, moment{&c.FinishedAt}, &c.Outcome)
	for len(codes) >= 32 {
		c.Codes = append(c.Codes, [32]byte(codes))
		codes = codes[32:]
	}
	return c, err
}

// Claim implements gateway.Claims.
func (s *Store) Claim(ctx context.Context, r gateway.ClaimRequest) (answer gateway.Claim, err error) {
	err = s.write(ctx, "claim a sign-in", func(t tx) error {
		rec, err := claim(t, r.Key, r.Now)
		if err != nil && !errors.Is(err, gateway.ErrNotFound) {
			return err
		}
		next, take := rec.Take(r, gateway.NewID())
		answer = next.Answer(r.Now, take)
		if !take {
			return nil
		}
		var codes []byte
		for _, c := range next.Codes {
			codes = append(codes, c[:]...)
		}
		_, err = t.exec(`
			INSERT INTO claims (key, holder, codes, state, lease_until, finished_at, outcome, expires_at)
			VALUES (?1, ?2, ?3, ?4, ?5, 0, NULL, ?6)
			ON CONFLICT (key) DO UPDATE SET holder = ?2, codes = ?3, state = ?4, lease_until = ?5, finished_at = 0, outcome = NULL, expires_at = ?6`,
			r.Key, next.Holder, codes, string(next.State), micros(next.LeaseUntil), micros(r.Now.Add(r.Keep)))
		return err
	})
	if err != nil {
		return gateway.Claim{}, err
	}
	return answer, nil
}

// FinishClaim implements gateway.Claims.
func (s *Store) FinishClaim(ctx context.Context, key, holder string, state gateway.ClaimState, outcome []byte, now time.Time) error {
	if state != gateway.ClaimDone && state != gateway.ClaimRefused {
		return errors.New("sqlite: a claim ends done or refused")
	}
	return s.write(ctx, "finish a sign-in", func(t tx) error {
		rec, err := claim(t, key, now)
		if err == nil {
			err = rec.Finish(holder, now)
		}
		if err != nil {
			return err
		}
		_, err = t.exec(`UPDATE claims SET state = ?2, finished_at = ?3, outcome = ?4 WHERE key = ?1`, key, string(state), micros(now), outcome)
		return err
	})
}

// ClaimOutcome implements gateway.Claims.
func (s *Store) ClaimOutcome(ctx context.Context, key string, now time.Time) (answer gateway.Claim, err error) {
	err = s.read(ctx, "look at a sign-in", func(t tx) error {
		rec, err := claim(t, key, now)
		answer = rec.Answer(now, false)
		return err
	})
	if err != nil {
		return gateway.Claim{}, err
	}
	return answer, nil
}
