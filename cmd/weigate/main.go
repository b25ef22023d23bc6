// Command weigate runs the gateway, the simulator and the demo. See "weigate --help".
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // time zones, for machines without a time zone database

	_ "golang.org/x/crypto/x509roots/fallback" // root certificates, for machines that have none, such as a scratch image

	"github.com/weigate/weigate/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // signals have their default effect again: a second Ctrl-C ends the process
	err := cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	os.Exit(cli.ExitCode(err))
}
