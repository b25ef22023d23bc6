package app

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/origin"
)

// This file compares url in the configuration with the address at which the gateways of the store
// have served.

// compareURL stores the address at the first start. When the configuration has another one, it logs
// this, and records a problem. The gateway serves nevertheless: an administrator may have moved it on
// purpose. An address on this machine is not stored. Apps on other machines cannot know it, and
// administrators often try a gateway there first.
func (a *App) compareURL(ctx context.Context) {
	c, log := a.options.Config, a.options.Logger
	known, err := a.store.ServedURL(ctx)
	if errors.Is(err, gateway.ErrNotFound) && !isOnThisMachine(c.URL) {
		known, err = a.store.RememberURL(ctx, c.URL, a.options.Now())
	}
	switch {
	case errors.Is(err, gateway.ErrNotFound):
	case err != nil: // a store that is read-only, or lost meanwhile, does not keep the gateway from starting
		log.WarnContext(ctx, "address of the gateway not compared", "error", err)
	case known.URL != c.URL:
		log.WarnContext(ctx, "gateway moved to another address", "url", c.URL, "known_url", known.URL,
			"since", known.Since.Format(time.RFC3339),
			"reason", "apps with OpenID Connect reject tokens of another issuer; callback domains at WeChat, the address of "+
				"message push, addresses in apps behind the relay and in proxies, links and API clients have the old address; "+
				"users sign in again",
			"advice", "keep the old url, or change all of these and then run: weigate url accept")
		a.recordOtherURL(known)
	}
}

// compareURLAgain records the problem while the store has another address than the configuration. So
// the problem ends when an administrator accepts the address, without a restart.
func (a *App) compareURLAgain(ctx context.Context) {
	known, err := a.store.ServedURL(ctx)
	if err == nil && known.URL != a.options.Config.URL {
		a.recordOtherURL(known)
	}
}

func (a *App) recordOtherURL(known gateway.ServedURL) {
	a.notices.statistics.Problem(gateway.Problem{
		Source: "url:" + a.options.Config.URL, Code: administration.URLChanged,
		Detail: "apps know this gateway as " + known.URL,
	})
}

// isOnThisMachine reports whether other machines cannot use an address.
func isOnThisMachine(address string) bool {
	u, err := url.Parse(address)
	return err == nil && origin.IsLoopback(u.Hostname())
}
