package outgoing

import (
	"net/netip"
	"slices"

	"github.com/weigate/weigate/internal/lang"
)

// Policy decides which IP addresses a [Client] connects to:
//
//   - Public addresses are allowed, over https only.
//   - Other addresses, such as those of private networks, must be allowed by a field below. They may
//     use plain http too.
//   - Link-local addresses and the metadata services of clouds are always refused.
type Policy struct {
	Private    []netip.Prefix // allowed addresses that are not public
	AnyPrivate bool           // allows all addresses of private networks and of this machine
}

// allowsPrivate reports whether the policy allows some addresses that are not public.
func (p Policy) allowsPrivate() bool { return p.AnyPrivate || len(p.Private) > 0 }

// check returns an error if a client must not connect to an address. plain is true for plain http.
func (p Policy) check(address netip.Addr, plain bool) error {
	address = address.WithZone("").Unmap()
	if embedded, ok := fromNAT64(address); ok {
		address = embedded // a NAT64 gateway connects to this address
	}
	in := func(prefix netip.Prefix) bool { return prefix.Contains(address) }
	switch {
	case slices.ContainsFunc(refusedAlways, in):
		return &Error{Kind: AddressRefused, detail: lang.Text("%s is a link-local or metadata address", address)}
	case !isGlobal(address) && !p.allows(address):
		return &Error{Kind: AddressRefused, detail: lang.Text("%s is not a public address", address)}
	case plain && isGlobal(address):
		return &Error{Kind: AddressRefused, detail: lang.Text("plain http is not allowed to a public address")}
	}
	return nil
}

// allows reports whether the policy allows an address that is not public.
func (p Policy) allows(address netip.Addr) bool {
	in := func(prefix netip.Prefix) bool { return prefix.Contains(address) }
	return slices.ContainsFunc(p.Private, in) || p.AnyPrivate && slices.ContainsFunc(private, in)
}

// fromNAT64 returns the IPv4 address in an address of the well-known prefix of NAT64 (RFC 6052).
// Hosts in networks without IPv4 reach all IPv4 addresses through this prefix.
func fromNAT64(address netip.Addr) (netip.Addr, bool) {
	if !netip.MustParsePrefix("64:ff9b::/96").Contains(address) {
		return netip.Addr{}, false
	}
	bytes := address.As16()
	return netip.AddrFrom4([4]byte(bytes[12:])), true
}

// isGlobal reports whether an address belongs to a host of the public Internet. It is stricter than
// route.IsPublic, which looks at addresses of clients: to this address, the gateway connects. IPv6
// addresses are global only within 2000::/3, the space that is allocated to hosts. The lists below
// follow the special-purpose registries of IANA (RFC 6890), as of 2026-11-29.
func isGlobal(address netip.Addr) bool {
	in := func(prefix netip.Prefix) bool { return prefix.Contains(address) }
	if address.Is4() {
		return !slices.ContainsFunc(notPublic4, in)
	}
	return netip.MustParsePrefix("2000::/3").Contains(address) && !slices.ContainsFunc(notPublic6, in)
}

// The lists of addresses.
var (
	// refusedAlways has the link-local addresses, at which many clouds serve secrets of the machine
	// (169.254.169.254), and metadata services at other addresses.
	refusedAlways = prefixes(
		"169.254.0.0/16", "fe80::/10",
		"100.100.100.200/32", // Alibaba Cloud
		"192.0.0.192/32",     // Oracle Cloud
		"168.63.129.16/32",   // Azure; otherwise a public address
		"fd00:ec2::254/128",  // AWS
		"fd20:ce::254/128",   // Google Cloud
	)

	// private has the addresses of private networks and of this machine.
	private = prefixes(
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7", "::1/128",
	)

	// notPublic4 has the IPv4 addresses that are not public.
	notPublic4 = prefixes(
		"0.0.0.0/8",       // this host; Linux connects to 127.0.0.1
		"10.0.0.0/8",      // private
		"100.64.0.0/10",   // carrier-grade NAT, also inside clouds
		"127.0.0.0/8",     // this machine
		"169.254.0.0/16",  // link-local
		"172.16.0.0/12",   // private
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.88.99.0/24",  // 6to4 relays
		"192.168.0.0/16",  // private
		"198.18.0.0/15",   // benchmarks; local proxies with "fake-ip" resolve names to these
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"224.0.0.0/4",     // multicast
		"240.0.0.0/4",     // reserved, broadcast
	)

	// notPublic6 has the addresses within 2000::/3 that are not public. Addresses of 6to4 and Teredo
	// contain an IPv4 address, which may be private, and a relay would connect to it.
	notPublic6 = prefixes(
		"2001::/23",         // protocol assignments, with Teredo, benchmarks and ORCHID
		"2001:db8::/32",     // documentation
		"2002::/16",         // 6to4
		"3fff::/20",         // documentation
		"2620:4f:8000::/48", // AS112, which answers for private names
	)
)

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}
