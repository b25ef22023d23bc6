package route

import (
	"net/http"
	"net/netip"
	"strings"
)

// address finds the visitor's address. X-Forwarded-For is believed from trusted proxies only, from the right: each proxy appends whom it saw, so the
// last address that is no trusted proxy's is the first that nobody could have made up.
func (rt *Router) address(r *http.Request) netip.Addr {
	from := peer(r)
	header := r.Header.Values("X-Forwarded-For")
	if len(header) == 0 {
		return from
	}
	if !rt.trusted(from) {
		if rt.warned.CompareAndSwap(false, true) {
			rt.cfg.Logger.WarnContext(r.Context(), "X-Forwarded-For came from a peer that is not among trusted_proxies, and was not read; "+
				"behind a proxy, name it there: else all visitors look like one", "peer", from.String())
		}
		return from
	}
	hops := strings.Split(strings.Join(header, ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return from // the proxy next to us wrote something else; what stands further left is worth even less
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
