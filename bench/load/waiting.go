package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Waiting is a benchmark of desktops that wait for a phone, while others sign in.
type Waiting struct {
	Desktops int           // how many desktops wait
	For      time.Duration // how long is measured
	Workers  int           // how many desktops sign in at once

	Wait   func(ctx context.Context) error // opens the page of a desktop, which then waits until ctx ends
	SignIn func() error                    // performs one complete sign-in with a new desktop
}

// Run measures the gateway without a waiting desktop, with waiting desktops, and with sign-ins at the
// same time. It prints a table.
func (b *Waiting) Run(g *Gateway, store string) error {
	idle, err := g.Measure(b.For, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range b.Desktops {
		if err := b.Wait(ctx); err != nil {
			return err
		}
	}
	time.Sleep(2 * time.Second)
	calm, err := g.Measure(b.For, nil)
	if err != nil {
		return err
	}
	var done atomic.Int64
	full, err := g.Measure(b.For, func(until time.Time) {
		var all sync.WaitGroup
		for range b.Workers {
			all.Go(func() {
				for time.Now().Before(until) && g.Failed() == nil {
					g.Fail(b.SignIn())
					done.Add(1)
				}
			})
		}
		all.Wait()
	})
	if err := errors.Join(err, g.Failed()); err != nil {
		return err
	}
	name, _, _ := strings.Cut(store, ":")
	fmt.Printf("| %s | memory | CPU |\n|---|---:|---:|\n", name)
	fmt.Printf("| no desktop waits | %.1f MB | %.1f %% of one core |\n", idle.MB, idle.Percent)
	fmt.Printf("| %d desktops wait | %.1f MB | %.1f %% of one core |\n", b.Desktops, calm.MB, calm.Percent)
	fmt.Printf("| %d desktops wait, %.0f others a second sign in (%d, no failure) | %.1f MB | %.1f %% of one core |\n",
		b.Desktops, float64(done.Load())/full.Seconds, done.Load(), full.MB, full.Percent)
	return nil
}
