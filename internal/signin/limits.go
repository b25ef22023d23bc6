package signin

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/route"
)

// limits implements flow.Limits for one connector, with the gateway's limiter.
type limits struct {
	limiter *limit.Limiter
	rates   map[flow.Limit]limit.Rate

	// version is the configured limit, as a part of the bucket's key. The limiter never changes the
	// rate of a bucket. With another limit in the configuration, another bucket is used.
	version string
}

// newLimits returns the limits of a connector (an official account or website app). The connector
// sends at most perMinute codes to WeChat in a minute. If limiter is nil or perMinute is 0,
// newLimits returns nil: no limits.
func newLimits(limiter *limit.Limiter, perMinute int) flow.Limits {
	if limiter == nil || perMinute <= 0 {
		return nil
	}
	return limits{
		limiter: limiter, version: " " + strconv.Itoa(perMinute),
		rates: map[flow.Limit]limit.Rate{
			flow.RecentRefusals:         limit.RecentRefusals,
			flow.UnreservedExchanges:    limit.UnreservedExchanges(perMinute),
			flow.RefusedCodesPerNetwork: limit.RefusedCodesPerNetwork,
			flow.RefusedCodes:           limit.RefusedCodes,
			flow.Exchanges:              limit.Exchanges(perMinute),
		},
	}
}

// Exhausted implements flow.Limits. If package flow refuses a callback because of the limit,
// Exhausted also counts this in the metrics. It does not count RecentRefusals and
// RefusedCodesPerNetwork (limits of one client's network), because these alone refuse no callback.
func (l limits) Exhausted(which flow.Limit, key string, now time.Time) bool {
	b := l.bucket(which, key)
	if !l.limiter.Exhausted(now, b) {
		return false
	}
	if which != flow.RecentRefusals && which != flow.RefusedCodesPerNetwork {
		l.limiter.Exceeded(b.Rate.Name)
	}
	return true
}

// Take implements flow.Limits.
func (l limits) Take(which flow.Limit, key string, now time.Time) bool {
	return l.limiter.Allow(now, l.bucket(which, key))
}

// bucket returns the token bucket of a limit and a key.
func (l limits) bucket(which flow.Limit, key string) limit.Bucket {
	if which == flow.UnreservedExchanges || which == flow.Exchanges {
		key += l.version
	}
	return limit.Bucket{Rate: l.rates[which], Key: key}
}

// network returns the network of the client that sent r. It returns "" for a loopback address: a
// proxy that is missing in the configuration of trusted proxies has such an address, and all
// clients would share it.
func network(r *http.Request) string {
	address := route.Address(r)
	if !address.IsValid() || address.IsLoopback() {
		return ""
	}
	return limit.Network(address)
}

// tooManyNewUsers reports whether the network of r has created as many users as the limit allows.
func (h *Handler) tooManyNewUsers(r *http.Request) bool {
	from := network(r)
	return from != "" && h.cfg.Limits.Exhausted(h.cfg.Now(), limit.Bucket{Rate: limit.NewUsersPerNetwork, Key: from})
}

// countNewUser counts a user that a sign-in created. changes are the events that the store recorded
// for the sign-in.
func (h *Handler) countNewUser(r *http.Request, changes []gateway.Event) {
	created := slices.ContainsFunc(changes, func(e gateway.Event) bool { return e.Kind == gateway.EventUserCreated })
	if from := network(r); created && from != "" {
		h.cfg.Limits.Allow(h.cfg.Now(), limit.Bucket{Rate: limit.NewUsersPerNetwork, Key: from})
	}
}
