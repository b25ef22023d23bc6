package app

import (
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/outgoing"
)

// newOutgoing returns a client for requests to other servers, with the settings of the
// configuration. timeout 0 is the default.
func newOutgoing(c *config.Config, policy outgoing.Policy, timeout time.Duration) (*outgoing.Client, error) {
	settings := outgoing.Config{Policy: policy, CAs: c.Outgoing.CAs, Timeout: timeout}
	if c.Outgoing.Proxy {
		settings.Proxy = http.ProxyFromEnvironment
	}
	return outgoing.New(settings)
}

// appPolicy returns the policy for the addresses of apps, such as those of back-channel logout. They
// come from the configuration, and private addresses are normal there: http://app:3000 in a compose
// network.
func appPolicy(c *config.Config) outgoing.Policy {
	return outgoing.Policy{AnyPrivate: c.Outgoing.PrivateApps}
}
