package monitoring

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/metrics"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
)

// causeFaultsOfDays causes faults that an alert reports after days: it changes the clock
// of the signing keys, and spreads what happens in a test over a week of series.
func causeFaultsOfDays(t *testing.T, fired *firedAlerts) {
	t.Helper()
	stops, goesOn := requestsStop(t)
	old := []string{"WeigateSigningKeyOld"}
	none := []string{"WeigateNoSignIns"}
	fired.check(t, "1m", []scenario{
		{name: "the database accepts no new signing key", step: "1m", at: "15m", alerts: old, only: old,
			series: keyReplacement(t, false)},
		{name: "the signing keys are replaced", step: "1m", at: "15m", only: old, series: keyReplacement(t, true)},
	})
	fired.check(t, "2h", []scenario{
		{name: "the gateway receives no requests", step: "10m", at: "180h", alerts: none, only: none, series: stops},
		{name: "the gateway receives requests", step: "10m", at: "180h", only: none, series: goesOn},
	})
}

// keyReplacement returns the series of signing keys that became due to be replaced six days ago. The
// database accepts the new keys if writable is true.
func keyReplacement(t *testing.T, writable bool) []series {
	t.Helper()
	const day = 24 * time.Hour
	var clock fixture.Clock
	database := &keyStore{Store: sqlitetest.New(t), writable: true}
	set, err := keys.OpenSet(t.Context(), keys.SetConfig{Store: database, Sealer: sqlitetest.Sealer(), Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	f := &gatewayFixture{t: t, metrics: metrics.New()}
	f.metrics.SetState(metrics.State{SigningKeys: set.ActiveSince})
	database.writable = writable
	clock.Set(89*day + time.Hour) // the next key is created a day before it begins to sign
	if err := set.Maintain(t.Context()); (err == nil) != writable {
		t.Fatalf("Maintain returned %v", err)
	}
	clock.Set(96 * day)
	all := []series{up}
	for name, since := range f.scrape() {
		if isTime(name) {
			since -= (96 * day).Seconds() // Prometheus has the same clock as the gateway
			all = append(all, series{name, fmt.Sprintf("%fx100", since)})
		}
	}
	return all
}

// keyStore is a store of signing keys that rejects new keys unless it is writable.
type keyStore struct {
	*sqlite.Store
	writable bool
}

func (s *keyStore) PutKey(ctx context.Context, k gateway.Key) error {
	if !s.writable {
		return gateway.ErrUnavailable
	}
	return s.Store.PutKey(ctx, k)
}

// requestsStop signs three users in, who stand for the users of ten minutes. Then the reverse proxy
// fails, and users do not reach the gateway. requestsStop returns the series of a week that ends with
// two hours of this fault, and the series of a week without it.
func requestsStop(t *testing.T) (stops, goesOn []series) {
	t.Helper()
	f := newFixture(t)
	const begun = `weigate_sign_ins_begun_total{method="wechat"}`
	three := func() float64 {
		before := f.scrape()[begun]
		for _, user := range []string{"alice", "bob", "xiaoming"} {
			f.wechat.Phone(user).ClearCookies()
			f.signIn(user)
		}
		return f.scrape()[begun] - before
	}
	usual := three()
	f.server.Close()
	failing := three()
	week := func(last float64) []series {
		return []series{{up.Series, "1x1100"}, {begun, fmt.Sprintf("0+%[1]fx1000 %[2]f+%[3]fx100", usual, usual*1000, last)}}
	}
	return week(failing), week(usual)
}
