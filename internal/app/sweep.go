package app

import (
	"context"
	"time"
)

const (
	sweepEvery = 5 * time.Minute
	sweepBatch = 500
	sweepPause = 50 * time.Millisecond // between two batches, for other writers
)

// sweep deletes expired rows until ctx ends.
func (a *App) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		for more := true; more && ctx.Err() == nil; {
			now := a.o.Now()
			n, err := a.store.Sweep(ctx, now, now.Add(-time.Duration(a.keep.Load())), sweepBatch)
			if err != nil && ctx.Err() == nil {
				a.o.Logger.WarnContext(ctx, "expired rows not deleted", "error", err)
			}
			if more = err == nil && n > 0; more {
				pause(ctx, sweepPause)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
