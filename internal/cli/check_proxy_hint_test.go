package cli

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/proxycheck"
)

// TestCheckAdvisesNoTrustInForeignAddresses: behind a CDN, "weigate check" sees one edge server of many, and
// a private address can be that of all direct clients. It never says to trust either unconditionally.
func TestCheckAdvisesNoTrustInForeignAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		seen       proxycheck.Seen
	}{
		{name: "a CDN that is not trusted", want: "if it is yours, add its address to trusted_proxies and reload; " +
			"for a CDN, add all its addresses",
			seen: proxycheck.Seen{Proxied: true, Peer: netip.MustParseAddr("203.0.113.20")}},
		{name: "a Docker network", want: "if nothing else reaches the gateway from its address, add it",
			seen: proxycheck.Seen{Proxied: true, Peer: netip.MustParseAddr("172.18.0.1")}},
		{name: "a CDN in front of a trusted proxy", want: "if it is yours, add its address to trusted_proxies too; " +
			"for a CDN, add all its addresses",
			seen: proxycheck.Seen{Proxied: true, Reported: true, Client: netip.MustParseAddr("203.0.113.20"),
				ForwardedFor: "198.51.100.9, 203.0.113.20"}},
	} {
		tt.seen.Cookie = true
		var hint *hintError
		if err := proxyMistake(&config.Config{}, &proxycheck.Result{Seen: tt.seen}); !errors.As(err, &hint) ||
			!strings.HasPrefix(hint.hint.String(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
