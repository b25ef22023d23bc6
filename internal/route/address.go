package route

import (
	"net/http"
	"net/netip"
	"strings"
)

// address returns the client's address. X-Forwarded-For is read only from trusted proxies, and from
// the right: each proxy appends the address of its peer, so the last address that does not belong
// to a trusted proxy is the first one that a client cannot forge.
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
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return from // the nearest proxy wrote something else; what is further left is less reliable
		}
		from = hop.Unmap()
		if !rt.trusted(from) {
			return from
		}
	}
	return from
}

func (rt *Router) trusted(a netip.Addr) bool {
	for _, p := range rt.cfg.TrustedProxy {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
