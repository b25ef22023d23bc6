package route

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// This file finds the IP address of the client behind proxies.

// Address returns the client's IP address. If the peer is a trusted proxy, this is the address that
// the peer reports, else the address of the peer. The result is the zero Addr if the address cannot
// be parsed.
func Address(r *http.Request) netip.Addr {
	if c, ok := r.Context().Value(addressKey{}).(client); ok {
		return c.address
	}
	return Peer(r)
}

// Reported reports whether [Address] is the address that a trusted proxy has reported.
func Reported(r *http.Request) bool {
	c, _ := r.Context().Value(addressKey{}).(client)
	return c.reported
}

// Trusted reports whether the peer is one of [Config].TrustedProxies. It is false for a request that
// did not pass through [Router.Wrap].
func Trusted(r *http.Request) bool {
	c, _ := r.Context().Value(addressKey{}).(client)
	return c.trusted
}

// client is the value of addressKey.
type client struct {
	address  netip.Addr
	trusted  bool // the peer is a trusted proxy
	reported bool // a trusted proxy has reported address; false = address is the peer's
}

// client returns the client of a request. X-Forwarded-For is read only if the peer is a trusted
// proxy. Each proxy appends the address of its own peer, so the header is read from right to left.
// The first address that is not a trusted proxy's is the client's: a trusted proxy has written it.
// The client may have forged all addresses to the left of it.
func (rt *Router) client(r *http.Request) client {
	peer := Peer(r)
	c := client{address: peer, trusted: rt.trusted(peer)}
	header := r.Header.Values("X-Forwarded-For")
	if len(header) == 0 {
		return c
	}
	if !c.trusted {
		if rt.warned.CompareAndSwap(false, true) {
			rt.cfg.Logger.WarnContext(r.Context(), "X-Forwarded-For of an untrusted peer ignored", "peer",
				peer.String(),
				"hint", "if it is your reverse proxy, and nothing else comes from its address, add it to trusted_proxies; "+
					"otherwise ignore this: anybody can send this header")
		}
		return c
	}
	hops := strings.Split(strings.Join(header, ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := ParseHop(strings.TrimSpace(hops[i]))
		if !ok {
			// The proxy wrote something other than an address. Values to the left are less reliable still.
			// The result is the peer: the rate limits skip the address of a trusted proxy that reported no
			// client. If the result were the last readable hop, an inner proxy, the limits would count its
			// address, and all clients behind it would share one bucket.
			rt.warnUnreadable(r, c.address)
			return client{address: peer, trusted: true}
		}
		c.address, c.reported = hop, true
		if !rt.trusted(hop) {
			break
		}
	}
	return c
}

// ParseHop parses a value of X-Forwarded-For: an address, an IPv6 address in brackets, or an
// address with a port. Azure's Application Gateway always adds the client's port, and AWS's load
// balancers do as an option. The result has the form of [Peer].
func ParseHop(text string) (hop netip.Addr, ok bool) {
	if hop, err := netip.ParseAddr(text); err == nil {
		return plain(hop), true
	}
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return plain(withPort.Addr()), true
	}
	if inner, found := strings.CutPrefix(text, "["); found {
		hop, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return plain(hop), err == nil && strings.HasSuffix(inner, "]")
	}
	return hop, false
}

// warnUnreadable logs once that a trusted proxy sends no readable address. The requests of its
// clients then have the proxy's address, and no rate limit by address.
func (rt *Router) warnUnreadable(r *http.Request, from netip.Addr) {
	if rt.warnedUnreadable.CompareAndSwap(false, true) {
		rt.cfg.Logger.WarnContext(r.Context(), "X-Forwarded-For of a trusted proxy not readable", "proxy", from.String(),
			"hint", "the rate limits do not count its clients: make the proxy send the client's IP address")
	}
}

func (rt *Router) trusted(a netip.Addr) bool { return Contains(rt.cfg.TrustedProxies, a) }

// Contains reports whether an address is in one of the networks. a is a result of [Peer] or
// [Address].
func Contains(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Peer returns the IP address at the other end of the connection. An IPv4 address in IPv6 becomes
// IPv4. The zone of a link-local address (such as %eth0) is removed, because netip.Prefix contains
// no address with a zone.
func Peer(r *http.Request) netip.Addr {
	addrPort, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return plain(addrPort.Addr())
}

// plain returns an address in the form that [Contains] compares.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// MaskedAddress returns an IP address for display, without its last part. That part would identify
// a household. The result is like "192.0.2.*" for IPv4, and has the first 48 bits for IPv6. The
// result is "" for an unknown address and for an address of this machine.
func MaskedAddress(a netip.Addr) string {
	a = plain(a)
	switch {
	case !a.IsValid() || a.IsLoopback() || a.IsUnspecified():
		return ""
	case a.Is4():
		b := a.As4()
		return fmt.Sprintf("%d.%d.%d.*", b[0], b[1], b[2])
	}
	p, err := a.Prefix(48)
	if err != nil {
		return ""
	}
	b := p.Addr().As16()
	return fmt.Sprintf("%x:%x:%x:*", binary.BigEndian.Uint16(b[0:]), binary.BigEndian.Uint16(b[2:]),
		binary.BigEndian.Uint16(b[4:]))
}

// IsPrivateMask reports whether a result of [MaskedAddress] belongs to a private network. No GeoIP
// database has these addresses.
func IsPrivateMask(masked string) bool {
	start, isMasked := strings.CutSuffix(masked, "*")
	if !isMasked {
		return false
	}
	end := "0" // IPv4: 192.0.2.* becomes 192.0.2.0
	if strings.Contains(start, ":") {
		end = ":" // IPv6: 2001:db8:1:* becomes 2001:db8:1::
	}
	a, err := netip.ParseAddr(start + end)
	return err == nil && !IsPublic(a)
}

// IsPublic reports whether an address can be the address of a client on the internet.
func IsPublic(a netip.Addr) bool {
	return !a.IsLoopback() && !a.IsPrivate() && !a.IsLinkLocalUnicast() && !sharedAddressSpace.Contains(a)
}

// sharedAddressSpace is used between providers and their customers (RFC 6598). Clouds use it for
// their load balancers.
var sharedAddressSpace = netip.MustParsePrefix("100.64.0.0/10")
