package outgoing_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/weigate/weigate/internal/outgoing"
)

// The policies of webhooks and of back-channel logout.
var (
	webhooks = outgoing.Policy{}
	listed   = outgoing.Policy{Private: []netip.Prefix{
		netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/64"), netip.MustParsePrefix("169.254.0.0/16"),
	}}
	apps = outgoing.Policy{AnyPrivate: true}
)

// TestPolicyJudgesAddresses lists the addresses that guards of other products forgot: 0.0.0.0
// (QuantumNous/new-api, CVE-2026-42339), 6to4, NAT64 and site-local (Gotenberg, CVE-2026-45741, and
// Mailpit, CVE-2026-55187), incomplete lists (Gitea, CVE-2026-22874; Zitadel, CVE-2024-49753).
func TestPolicyJudgesAddresses(t *testing.T) {
	t.Parallel()
	const none, onlyApps, onlyListed, private, all = "", "apps", "listed", "apps listed", "apps listed webhooks"
	for address, allowedBy := range map[string]string{
		// public
		"1.1.1.1": all, "100.63.255.255": all, "100.128.0.1": all, "172.32.0.1": all, "2606:4700::1111": all,
		"::ffff:1.1.1.1": all, "64:ff9b::1.1.1.1": all, "2402:4e00::1": all,
		// this machine and private networks
		"127.0.0.1": onlyApps, "127.255.255.254": onlyApps, "::1": onlyApps, "::ffff:127.0.0.1": onlyApps,
		"10.0.0.1": onlyApps, "172.16.0.1": onlyApps, "172.31.255.255": onlyApps, "192.168.1.1": onlyApps,
		"100.64.0.1": onlyApps, "100.127.255.255": onlyApps, "fd12::1": onlyApps, "fc00::1": onlyApps,
		"64:ff9b::127.0.0.1": onlyApps, "64:ff9b::10.0.0.1": onlyApps, "::ffff:192.168.1.1": onlyApps,
		"10.1.2.3": private, "::ffff:10.1.2.3": private, "64:ff9b::10.1.2.3": private, "fd00::1": private,
		// link-local and metadata, also when they are listed
		"169.254.169.254": none, "169.254.0.1": none, "fe80::1": none, "fe80::1%eth0": none,
		"::ffff:169.254.169.254": none, "64:ff9b::169.254.169.254": none, "100.100.100.200": none,
		"::ffff:100.100.100.200": none, "192.0.0.192": none, "168.63.129.16": none, "fd00:ec2::254": none,
		// neither public nor private
		"0.0.0.0": none, "0.1.2.3": none, "::": none, "::ffff:0.0.0.0": none, "64:ff9b::0.0.0.0": none,
		"::127.0.0.1": none, "::10.1.2.3": none, // IPv4-compatible
		"2002:7f00:1::": none, "2002:a01:203::1": none, // 6to4 of 127.0.0.1 and 10.1.2.3
		"2001:0:4136:e378::1": none,                  // Teredo
		"64:ff9b:1::10.1.2.3": none,                  // NAT64 of a local network (RFC 8215)
		"64:ff9b:1::1.1.1.1":  none,                  //
		"fec0::1":             none, "feff::1": none, // site-local
		"192.0.2.1": none, "198.51.100.1": none, "203.0.113.1": none, "2001:db8::1": none, "3fff::1": none,
		"192.88.99.1": none, "198.18.0.1": none, "198.19.255.255": none, "100::1": none, "5f00::1": none,
		"224.0.0.1": none, "239.255.255.250": none, "240.0.0.1": none, "255.255.255.255": none, "ff02::1": none,
	} {
		got := ""
		if apps.CheckAddress(netip.MustParseAddr(address), false) == nil {
			got += " apps"
		}
		if listed.CheckAddress(netip.MustParseAddr(address), false) == nil {
			got += " listed"
		}
		if webhooks.CheckAddress(netip.MustParseAddr(address), false) == nil {
			got += " webhooks"
		}
		if want := allowedBy; got != want && got != " "+want {
			t.Errorf("%s is allowed by the policies%s, want: %s", address, got, want)
		}
	}
}

// TestPlainHTTPIsForPrivateAddresses: a request to a public address is readable on its way.
func TestPlainHTTPIsForPrivateAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"1.1.1.1": false, "10.1.2.3": true, "127.0.0.1": true, "64:ff9b::1.1.1.1": false, "169.254.1.1": false,
	} {
		err := apps.CheckAddress(netip.MustParseAddr(address), true)
		if (err == nil) != want {
			t.Errorf("plain http to %s: %v", address, err)
		}
		refused := &outgoing.Error{}
		if err != nil && (!errors.As(err, &refused) || refused.Kind != outgoing.AddressRefused) {
			t.Errorf("plain http to %s: error %v", address, err)
		}
	}
}
