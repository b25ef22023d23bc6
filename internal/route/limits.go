package route

import (
	"net/http"
	"strings"

	"github.com/weigate/weigate/internal/limit"
)

// rates are the rates that a policy applies to each network, address and browser. If the rate
// browser is zero, browsers are not counted.
type rates struct {
	policy                    Policy
	network, address, browser limit.Rate
}

var ratesByPolicy = []rates{
	{
		policy: Limited, network: limit.SignInPerNetwork, address: limit.SignInPerAddress,
		browser: limit.SignInPerBrowser,
	},
	{
		policy: LimitedSignedIn, network: limit.SignedInPerNetwork, address: limit.SignedInPerAddress,
		browser: limit.SignedInPerBrowser,
	},
	{
		policy: LimitedApp, network: limit.AppPerNetwork, address: limit.AppPerAddress,
	},
	{
		// The endpoint /verify of forward auth.
		policy: LimitedVerify, network: limit.VerifyPerNetwork, address: limit.VerifyPerAddress,
	},
	{
		policy: LimitedOther, network: limit.OtherPerNetwork, address: limit.OtherPerAddress,
	},
}

// limited counts a request and reports whether it exceeds a rate of its route.
func (rt *Router) limited(r *http.Request, policy Policy) bool {
	for _, each := range ratesByPolicy {
		if policy&each.policy != 0 {
			return !rt.cfg.Limits.Allow(rt.cfg.Now(), rt.buckets(r, each)...)
		}
	}
	return false
}

// buckets returns the token buckets that count a request: of its network, its address and its
// browser. The network's bucket is the first of them. A request that finds a bucket empty creates
// no later buckets, so a network over its rate creates no buckets for its addresses.
//
// A proxy's address has no buckets: the same bucket would count all its clients. There are two
// cases:
//   - A loopback address belongs to a proxy that is missing in the configuration of trusted
//     proxies.
//   - The peer is a trusted proxy, and has reported no client.
func (rt *Router) buckets(r *http.Request, each rates) []limit.Bucket {
	var buckets []limit.Bucket
	a := Address(r)
	isProxy := a.IsLoopback() || a == Peer(r) && rt.trusted(a)
	if a.IsValid() && !isProxy {
		if a.Is6() { // the network of an IPv4 address is the address
			buckets = append(buckets, limit.Bucket{Rate: each.network, Key: limit.Network(a)})
		}
		buckets = append(buckets, limit.Bucket{Rate: each.address, Key: limit.Address(a)})
	}
	if each.browser.Name == "" || rt.cfg.Browser == nil { // browsers are not counted
		return buckets
	}
	if key := rt.cfg.Browser(r); key != "" {
		buckets = append(buckets, limit.Bucket{Rate: each.browser, Key: key})
	}
	return buckets
}

// keepOwnCookies removes two kinds of cookies from a request: cookies that are not the gateway's,
// and cookies beyond limit.Cookies. So handlers read few cookies, however many a client sends.
func (rt *Router) keepOwnCookies(r *http.Request) {
	lines := r.Header["Cookie"]
	if len(lines) == 0 {
		return
	}
	var kept []string
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ";") {
			part = strings.TrimSpace(part)
			if !rt.isOwnCookie(part) {
				continue
			}
			if len(kept) == limit.Cookies.Max {
				rt.cfg.Limits.Exceeded(limit.Cookies.Name)
				r.Header["Cookie"] = []string{strings.Join(kept, "; ")}
				return
			}
			kept = append(kept, part)
		}
	}
	delete(r.Header, "Cookie")
	if len(kept) > 0 {
		r.Header["Cookie"] = []string{strings.Join(kept, "; ")}
	}
}

func (rt *Router) isOwnCookie(cookie string) bool {
	for _, prefix := range rt.cfg.CookiePrefixes {
		if strings.HasPrefix(cookie, prefix) {
			return true
		}
	}
	return false
}
