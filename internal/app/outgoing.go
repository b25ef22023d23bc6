package app

import (
	"context"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/outgoing"
)

// newOutgoing returns a client for requests to other servers, with the settings of the
// configuration. timeout 0 means the default of package outgoing.
func newOutgoing(c *config.Config, policy outgoing.Policy, timeout time.Duration) (*outgoing.Client, error) {
	settings := outgoing.Config{Policy: policy, CAs: c.Outgoing.CAs, Timeout: timeout}
	if c.Outgoing.Proxy {
		settings.Proxy = http.ProxyFromEnvironment
	}
	return outgoing.New(settings)
}

// ReachReceiver connects to a receiver of notices as the gateway will, and sends nothing.
func ReachReceiver(ctx context.Context, c *config.Config, n config.Notify) error {
	client, err := newOutgoing(c, receiverPolicy(n), 0)
	if err != nil {
		return err
	}
	return client.Reach(ctx, string(n.URL))
}

// ReachApp connects to an address of an app, such as its backchannel_logout_uri, as the gateway
// will, and sends nothing.
func ReachApp(ctx context.Context, c *config.Config, address string) error {
	client, err := newOutgoing(c, appPolicy(c), 0)
	if err != nil {
		return err
	}
	return client.Reach(ctx, address)
}

// receiverPolicy returns the policy for the address of a receiver of notices.
func receiverPolicy(n config.Notify) outgoing.Policy {
	return outgoing.Policy{Private: n.PrivateAddresses}
}

// appPolicy returns the policy for the addresses of apps, such as backchannel_logout_uri. These
// addresses come from the configuration. Private addresses are normal there, such as http://app:3000
// in a compose network.
func appPolicy(c *config.Config) outgoing.Policy {
	return outgoing.Policy{AnyPrivate: c.Outgoing.PrivateApps}
}
