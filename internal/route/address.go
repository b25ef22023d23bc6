package route

import (
	"net/http"
	"net/netip"
	"strings"
)

// This file finds the IP address of the client behind proxies.

// address returns the client's IP address. X-Forwarded-For is read only when the peer is a trusted
// proxy, and from right to left: each proxy appends the address of its peer. So the rightmost
// address that is not a trusted proxy's was written by a trusted proxy, and everything to the left
// of it may be forged by the client.
func (rt *Router) address(r *http.Request) netip.Addr {
	from := peer(r)
	header := r.Header.Values("X-Forwarded-For")
	if len(header) == 0 {
		return from
	}
	if !rt.trusted(from) {
		if rt.warned.CompareAndSwap(false, true) {
			rt.cfg.Logger.WarnContext(r.Context(), "X-Forwarded-For of an untrusted peer ignored", "peer",
				from.String(),
				"hint", "behind a proxy, add it to trusted_proxies, or all clients have its address")
		}
		return from
	}
	hops := strings.Split(strings.Join(header, ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := parseHop(strings.TrimSpace(hops[i]))
		if !ok {
			// A proxy wrote something else, and the values to the left are less reliable.
			rt.warnUnreadable(r, from)
			return from
		}
		from = hop.Unmap()
		if !rt.trusted(from) {
			return from
		}
	}
	return from
}

// parseHop parses a value of X-Forwarded-For: an address, or an address with a port. Azure's
// Application Gateway always adds the port of the client, and AWS's load balancers do as an option.
func parseHop(text string) (hop netip.Addr, ok bool) {
	if hop, err := netip.ParseAddr(text); err == nil {
		return hop, true
	}
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr(), true
	}
	if inner, found := strings.CutPrefix(text, "["); found {
		hop, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return hop, err == nil && strings.HasSuffix(inner, "]")
	}
	return hop, false
}

// warnUnreadable logs once that a trusted proxy sends no readable address: its clients then have no
// rate limit.
func (rt *Router) warnUnreadable(r *http.Request, from netip.Addr) {
	if rt.warnedUnreadable.CompareAndSwap(false, true) {
		rt.cfg.Logger.WarnContext(r.Context(), "X-Forwarded-For of a trusted proxy not readable", "proxy", from.String(),
			"hint", "the rate limits do not count its clients: make the proxy send the client's IP address")
	}
}

func (rt *Router) trusted(a netip.Addr) bool {
	for _, p := range rt.cfg.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// peer returns the IP address at the other end of the connection.
func peer(r *http.Request) netip.Addr {
	addrPort, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return addrPort.Addr().Unmap()
}
