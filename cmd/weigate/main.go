// Command weigate runs the gateway, the simulator and the demo. See "weigate --help".
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // time zones of site.time_zone and TZ, on machines without a database of their own

	_ "golang.org/x/crypto/x509roots/fallback" // certificate authorities, on machines without their own: a scratch image

	"github.com/weigate/weigate/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	err := cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	os.Exit(cli.ExitCode(err))
}
