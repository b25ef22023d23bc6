package flow

import (
	"errors"
	"time"
)

// Limit is a limit on exchanges: the calls that send a code to WeChat. Everybody can start a flow
// (an authorization at WeChat) and request its callback with a made-up code. Each made-up code
// costs an exchange and a row in the store. WeChat allows 50,000 exchanges a minute for all users
// of an app together (WeChat's documentation, api_snsaccesstoken).
type Limit int

// The limits. Each limit counts separately for every key: a network, an appid, or "" for all.
const (
	// RecentRefusals counts the codes of a network that WeChat refused within about a minute. A
	// network is one IP address or a range of addresses. If RecentRefusals is exhausted for a
	// network, its codes are exchanged only while UnreservedExchanges is not exhausted.
	RecentRefusals Limit = iota
	// UnreservedExchanges counts, for an appid, the exchanges for networks with recent refusals. It
	// allows half as many as Exchanges. The rest is reserved for networks without recent refusals.
	UnreservedExchanges
	// RefusedCodesPerNetwork counts the codes of a network that WeChat refused. If it is exhausted
	// for a network, the codes of this network are exchanged only while RefusedCodes is not
	// exhausted.
	RefusedCodesPerNetwork
	// RefusedCodes counts the codes that WeChat refused, of all networks. The key is "".
	RefusedCodes
	// Exchanges counts all exchanges, by appid. It is well below WeChat's quota.
	Exchanges
)

// Limits counts events against the limits: a token bucket for each limit and key. Its memory is
// bounded. The methods are safe for concurrent use.
type Limits interface {
	// Exhausted reports whether the bucket is empty. It does not take a token.
	Exhausted(l Limit, key string, now time.Time) bool

	// Take takes a token for one event, and reports whether the bucket had one.
	Take(l Limit, key string, now time.Time) bool
}

// Errors of checkLimits.
var (
	errSuspect     = errors.New("flow: too many codes of this network were refused")
	errNoExchanges = errors.New("flow: the limit of calls to WeChat is reached")
)

// unlimited implements Limits for a Config without limits.
type unlimited struct{}

func (unlimited) Exhausted(Limit, string, time.Time) bool { return false }
func (unlimited) Take(Limit, string, time.Time) bool      { return true }

// networkExhausted reports whether a limit is exhausted for the network of a browser. It returns
// false if the network is not known. Otherwise all browsers without a known network would share one
// count.
func (e *Engine) networkExhausted(l Limit, b Browser) bool {
	return b.Network != "" && e.cfg.Limits.Exhausted(l, b.Network, e.cfg.Now())
}

// checkLimits returns nil if the code of a callback may be exchanged, else errSuspect or
// errNoExchanges. It is called before an attempt is stored, so that a refused callback adds no row.
func (e *Engine) checkLimits(b Browser, f *Flow) error {
	limits, appID, now := e.cfg.Limits, e.client(f.Method).AppID, e.cfg.Now()
	switch {
	case e.networkExhausted(RefusedCodesPerNetwork, b) && limits.Exhausted(RefusedCodes, "", now):
		return errSuspect
	case e.networkExhausted(RecentRefusals, b) && limits.Exhausted(UnreservedExchanges, appID, now):
		return errSuspect
	case limits.Exhausted(Exchanges, appID, now):
		return errNoExchanges
	}
	return nil
}

// takeExchange counts an exchange. It reports false when concurrent requests have used up a limit
// since checkLimits was called.
func (e *Engine) takeExchange(b Browser, f *Flow) bool {
	limits, appID, now := e.cfg.Limits, e.client(f.Method).AppID, e.cfg.Now()
	if e.networkExhausted(RecentRefusals, b) && !limits.Take(UnreservedExchanges, appID, now) {
		return false
	}
	return limits.Take(Exchanges, appID, now)
}

// countRefused counts a code that WeChat refused.
func (e *Engine) countRefused(b Browser) {
	now := e.cfg.Now()
	if b.Network != "" {
		e.cfg.Limits.Take(RefusedCodesPerNetwork, b.Network, now)
		e.cfg.Limits.Take(RecentRefusals, b.Network, now)
	}
	e.cfg.Limits.Take(RefusedCodes, "", now)
}
