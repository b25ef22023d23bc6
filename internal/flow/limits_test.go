package flow

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/weigate/weigate/wechat"
)

// exhausted implements Limits. It contains the limits that are exhausted, with their keys.
type exhausted map[Limit]string

func (e exhausted) Exhausted(l Limit, key string, _ time.Time) bool {
	exhaustedKey, found := e[l]
	return found && exhaustedKey == key
}

func (e exhausted) Take(l Limit, key string, now time.Time) bool { return !e.Exhausted(l, key, now) }

// TestWhichCodesAreExchanged tests the order in which codes are sent: those of networks without
// recent refusals first.
func TestWhichCodesAreExchanged(t *testing.T) {
	t.Parallel()
	const appID, here, elsewhere = "wx00000000000000aa", "203.0.113.9", "198.51.100.7"
	for name, c := range map[string]struct {
		limits  exhausted
		network string
		check   error
		take    bool
	}{
		"nothing exhausted":             {exhausted{}, here, nil, true},
		"recent refusals only":          {exhausted{RecentRefusals: here}, here, nil, true},
		"many refusals only":            {exhausted{RecentRefusals: here, RefusedCodesPerNetwork: here}, here, nil, true},
		"refusals in all":               {exhausted{RefusedCodes: ""}, here, nil, true},
		"many refusals here and in all": {exhausted{RefusedCodesPerNetwork: here, RefusedCodes: ""}, here, errSuspect, true},
		"many refusals elsewhere":       {exhausted{RefusedCodesPerNetwork: elsewhere, RefusedCodes: ""}, here, nil, true},
		"the reserve is for others": {exhausted{RecentRefusals: here, UnreservedExchanges: appID}, here, errSuspect,
			false},
		"the reserve":           {exhausted{RecentRefusals: elsewhere, UnreservedExchanges: appID}, here, nil, true},
		"another app's reserve": {exhausted{RecentRefusals: here, UnreservedExchanges: "wx2"}, here, nil, true},
		"no exchanges left":     {exhausted{Exchanges: appID}, here, errNoExchanges, false},
		"network not known": {exhausted{RecentRefusals: "", RefusedCodesPerNetwork: "", RefusedCodes: "",
			UnreservedExchanges: appID}, "", nil, true},
	} {
		e := newEngine(t, time.Now)
		e.cfg.Limits = c.limits
		b := Browser{Request: httptest.NewRequest("GET", "/", nil), Network: c.network}
		f := newFlow(Request{Method: MethodWeChat, Scope: wechat.ScopeBase}, 0, time.Now())
		if err := e.checkLimits(b, f); !errors.Is(err, c.check) {
			t.Errorf("%s: checkLimits returns %v, want %v", name, err, c.check)
		}
		if took := e.takeExchange(b, f); took != c.take {
			t.Errorf("%s: takeExchange returns %v", name, took)
		}
	}
}
