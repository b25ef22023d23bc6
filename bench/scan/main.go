// Command scan measures the sign-in of desktops by phones while a thousand other desktops wait, and
// prints a table: the memory and CPU that waiting costs, and the complete sign-ins a second at the
// same time. README.md describes how to read it.
//
// The gateway runs as "weigate serve"; WeChat, the desktops and the phones are in this process. It
// runs on Linux.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weigate/weigate/bench/load"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "scan:", err)
		os.Exit(1)
	}
}

func run() error {
	store := flag.String("store", "sqlite:weigate.db",
		"the store, as in the configuration: postgres://… for PostgreSQL, an empty database")
	waiting := flag.Int("waiting", 1000, "how many desktops wait")
	busy := flag.Duration("for", 10*time.Second, "how long is measured")
	workers := flag.Int("workers", 16, "how many desktops sign in at once")
	phones := flag.Int("phones", 500, "how many phones they have, which take turns")
	flag.Parse()
	dir, err := os.MkdirTemp("", "weigate-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	started, err := load.Start(dir, load.Config{Store: *store, Users: *phones, Apps: "[]"})
	if err != nil {
		return err
	}
	g := &gateway{Gateway: started, phones: make(chan *load.Browser, *phones)}
	defer g.Stop()
	if err := g.signInPhones(*phones); err != nil {
		return err
	}

	idle, err := g.Measure(*busy, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range *waiting {
		if err := g.wait(ctx); err != nil {
			return err
		}
	}
	time.Sleep(2 * time.Second)
	calm, err := g.Measure(*busy, nil)
	if err != nil {
		return err
	}
	var done atomic.Int64
	full, err := g.Measure(*busy, func(until time.Time) {
		var all sync.WaitGroup
		for range *workers {
			all.Go(func() {
				for time.Now().Before(until) && g.Failed() == nil {
					g.Fail(g.signIn())
					done.Add(1)
				}
			})
		}
		all.Wait()
	})
	if err := errors.Join(err, g.Failed()); err != nil {
		return err
	}
	name, _, _ := strings.Cut(*store, ":")
	fmt.Printf("| %s | memory | CPU |\n|---|---:|---:|\n", name)
	fmt.Printf("| no desktop waits | %.1f MB | %.1f %% of one core |\n", idle.MB, idle.Percent)
	fmt.Printf("| %d desktops wait | %.1f MB | %.1f %% of one core |\n", *waiting, calm.MB, calm.Percent)
	fmt.Printf("| %d desktops wait, %.0f others a second sign in (%d, no failure) | %.1f MB | %.1f %% of one core |\n",
		*waiting, float64(done.Load())/full.Seconds, done.Load(), full.MB, full.Percent)
	return nil
}
