// Command scan measures the sign-in of desktops by phones while a thousand other desktops wait, and
// prints a table: the memory and CPU that waiting costs, and the complete sign-ins a second at the
// same time. README.md describes how to read it.
//
// The gateway runs as "weigate serve"; WeChat, the desktops and the phones are in this process. It
// runs on Linux.
package main

import (
	"flag"
	"fmt"
	"os"
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
	phones := flag.Int("phones", 500, "how many phones the desktops have, which take turns")
	b := load.Waiting{}
	flag.IntVar(&b.Desktops, "waiting", 1000, "how many desktops wait")
	flag.DurationVar(&b.For, "for", 10*time.Second, "how long is measured")
	flag.IntVar(&b.Workers, "workers", 16, "how many desktops sign in at once")
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
	b.Wait, b.SignIn = g.wait, g.signIn
	return b.Run(started, *store)
}
