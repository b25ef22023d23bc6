package signin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
)

// dropEvery is the number of failed attempts after which this process deletes the oldest failed
// attempts from the store. A failed attempt ended without a session.
const dropEvery = 100

// attempts implements flow.Attempts with the gateway's store. An attempt is one redemption of a
// callback's code. The store ensures that only one request redeems a code.
type attempts struct {
	store  gateway.Attempts
	logger *slog.Logger
	failed atomic.Int64 // how many attempts of this process ended without a session
}

// BeginAttempt implements flow.Attempts.
func (s *attempts) BeginAttempt(ctx context.Context, a flow.Attempt, now time.Time) (flow.Attempt, bool, error) {
	stored, begun, err := s.store.BeginAttempt(ctx, gateway.Attempt{
		Key: a.Key, Code: a.Code, Owner: a.Owner, Lease: a.Lease, Expires: a.Expires, SecondCodeUntil: a.SecondCodeUntil,
	}, now)
	return flow.Attempt{
		Key: stored.Key, Code: stored.Code, Owner: stored.Owner, Lease: stored.Lease, Expires: stored.Expires,
		SecondCodeUntil: stored.SecondCodeUntil, Outcome: flowOutcome(stored.Outcome),
	}, begun, flowError(err)
}

// FinishAttempt implements flow.Attempts. After every dropEvery failed attempts, it also deletes
// the oldest failed attempts from the store. About limit.FailedAttempts.Max failed attempts are
// kept.
func (s *attempts) FinishAttempt(ctx context.Context, key, owner string, out flow.Outcome, now time.Time) error {
	err := s.store.FinishAttempt(ctx, key, owner, gateway.Outcome{Kind: out.Kind, At: out.At, Text: out.Text}, now)
	if errors.Is(err, gateway.ErrConflict) {
		return fmt.Errorf("%w: %w", flow.ErrAttemptLost, err)
	}
	if err == nil && out.Kind != flow.OutcomeSignedIn && s.failed.Add(1)%dropEvery == 0 {
		// The outcome is already stored. An error of the deletion is therefore only logged.
		if _, err := s.store.DropFailedAttempts(ctx, limit.FailedAttempts.Max, now); err != nil {
			s.logger.WarnContext(ctx, "failed attempts not deleted", "error", err)
		}
	}
	return flowError(err)
}

// flowOutcome returns an outcome of the store as the type of package flow.
func flowOutcome(o gateway.Outcome) flow.Outcome {
	return flow.Outcome{Kind: o.Kind, At: o.At, Text: o.Text}
}

// flowError wraps gateway.ErrUnavailable in flow.ErrUnavailable, for which package flow tests. It
// returns any other error unchanged.
func flowError(err error) error {
	if errors.Is(err, gateway.ErrUnavailable) {
		return fmt.Errorf("%w: %w", flow.ErrUnavailable, err)
	}
	return err
}
