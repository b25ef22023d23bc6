package flow

import (
	"errors"
	"time"
)

// Limit is a bound on the exchanges of codes. Everybody can start a flow and request its callback
// with a made-up code. Each such request is a call to WeChat, which allows 50,000 exchanges a minute
// for all users of an app together (WeChat's documentation, api_snsaccesstoken), and a row in the
// store.
type Limit int

// The limits. Each counts by a key.
const (
	// RecentRefusals counts the codes that WeChat refused, by the network of the browser, within a
	// minute or so. The codes of a network that has exhausted it are exchanged only while
	// UnreservedExchanges is not exhausted.
	RecentRefusals Limit = iota
	// UnreservedExchanges counts, by appid, the exchanges for networks with recent refusals. It is
	// half of Exchanges: the other half is reserved for networks without.
	UnreservedExchanges
	// RefusedCodesOfNetwork counts the codes that WeChat refused, by the network of the browser. The
	// codes of a network that has exhausted it are exchanged only while RefusedCodes is not exhausted.
	RefusedCodesOfNetwork
	// RefusedCodes counts the codes that WeChat refused, of all networks. The key is "".
	RefusedCodes
	// Exchanges counts all exchanges, by appid. It is well below WeChat's quota.
	Exchanges
)

// Limits counts events against the limits: a token bucket for each limit and key. Its memory is
// bounded. The methods may be called from many goroutines at once.
type Limits interface {
	// Exhausted reports whether the bucket is empty. It takes nothing from it.
	Exhausted(l Limit, key string, now time.Time) bool

	// Take takes one event from the bucket, and reports whether the bucket was not empty.
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

// ofNetwork reports whether a limit of the network of a browser is exhausted. A browser whose
// network is not known has no limits, because all such browsers would be one network.
func (e *Engine) ofNetwork(l Limit, b Browser) bool {
	return b.Network != "" && e.cfg.Limits.Exhausted(l, b.Network, e.cfg.Now())
}

// checkLimits returns nil if the code of a callback may be exchanged, else errSuspect or
// errNoExchanges. It is called before an attempt is stored, so that a refused callback adds no row.
func (e *Engine) checkLimits(b Browser, f *Flow) error {
	limits, appID, now := e.cfg.Limits, e.client(f.Method).AppID, e.cfg.Now()
	switch {
	case e.ofNetwork(RefusedCodesOfNetwork, b) && limits.Exhausted(RefusedCodes, "", now):
		return errSuspect
	case e.ofNetwork(RecentRefusals, b) && limits.Exhausted(UnreservedExchanges, appID, now):
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
	if e.ofNetwork(RecentRefusals, b) && !limits.Take(UnreservedExchanges, appID, now) {
		return false
	}
	return limits.Take(Exchanges, appID, now)
}

// countRefused counts a code that WeChat refused.
func (e *Engine) countRefused(b Browser) {
	now := e.cfg.Now()
	if b.Network != "" {
		e.cfg.Limits.Take(RefusedCodesOfNetwork, b.Network, now)
		e.cfg.Limits.Take(RecentRefusals, b.Network, now)
	}
	e.cfg.Limits.Take(RefusedCodes, "", now)
}
