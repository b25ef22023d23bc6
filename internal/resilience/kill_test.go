package resilience_test

import (
	"context"
	"database/sql"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the test counts rows that no contract of the store returns

	"github.com/weigate/weigate/internal/keys"
)

// perSecond is the number of sign-ins that begin each second.
const perSecond = 50

// The gateway is killed by SIGKILL during fifty sign-ins a second, at the worst moments: after
// WeChat has accepted a code and before the gateway has the response, while an app redeems a code,
// and during a callback. Users reload and apps repeat their requests. No user is lost or stored
// twice, no session ends, no code is redeemed twice, and no code is sent to WeChat twice.
func TestKillWhilePeopleSignIn(t *testing.T) {
	t.Parallel()
	for _, store := range []string{onSQLite, onPostgres} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			n := signIns(t)
			w := newFixture(t, store, keys.ES256, n, 1)
			users, kills := w.signInUnderKills(t, n)
			again := 0
			for _, p := range users {
				again += p.reloads
			}
			if again == 0 {
				t.Error("the kills interrupted no request")
			}
			w.wantNothingLost(t, users)
			t.Logf("%d sign-ins, %d kills, %d requests sent again", n, kills, again)
		})
	}
}

// signInUnderKills signs n users in and kills the gateway five times meanwhile.
func (w *clusterFixture) signInUnderKills(t *testing.T, n int) (users []*user, kills int64) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	transport := newTransport()
	users = make([]*user, n)
	var killed atomic.Int64
	moment := make(chan struct{}, 1)
	kill := func() {
		select {
		case moment <- struct{}{}:
		default: // a kill is in progress
		}
	}
	var killer, all sync.WaitGroup
	killer.Go(func() {
		for range moment {
			w.kill()
			killed.Add(1)
		}
	})
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	for i := range n {
		<-tick.C
		switch i {
		case n / 6:
			kill()
		case 2 * n / 6:
			w.wx.set(kill)
		case 3 * n / 6:
			w.proxy.set("/oauth2/token", kill)
		case 4 * n / 6:
			w.wx.set(kill)
		case 5 * n / 6:
			w.proxy.set("/oauth2/authorize", kill)
		}
		users[i] = w.newUser(i, transport)
		users[i].patient = true
		all.Go(func() {
			if err := users[i].signIn(ctx); err != nil {
				t.Errorf("%s: %v", users[i].id, err)
			}
		})
	}
	all.Wait()
	close(moment)
	killer.Wait()
	return users, killed.Load()
}

// wantNothingLost checks the users, their sessions and tokens, and the codes.
func (w *clusterFixture) wantNothingLost(t *testing.T, users []*user) {
	t.Helper()
	stored := w.storedUsers(w.open())
	if len(stored) != len(users) {
		t.Errorf("%d users stored for %d sign-ins", len(stored), len(users))
	}
	for _, p := range users {
		if id := stored[w.wx.OpenID(w.wx.appID, p.id)]; id != p.subject {
			t.Errorf("%s has the user id %q, the app has the subject %q", p.id, id, p.subject)
		}
	}
	codes, twice := w.wx.exchanges()
	if twice != 0 {
		t.Errorf("%d of %d codes were sent to WeChat twice", twice, codes)
	}
	runWorkers(upTo(len(users)), 8, func(i int) {
		if err := users[i].stillIn(t.Context()); err != nil {
			t.Error(err)
		}
	})
	w.wantNoCodeRedeemedTwice(t)
}

// wantNoCodeRedeemedTwice checks this by the responses to the apps, by the rows of the database,
// and by another request for each code.
func (w *clusterFixture) wantNoCodeRedeemedTwice(t *testing.T) {
	t.Helper()
	driver, address := "pgx", w.store
	if path, ok := strings.CutPrefix(w.store, "sqlite:"); ok {
		driver, address = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// A grant has one access token from its code, and one more from each refresh. stillIn refreshes
	// once.
	var doubled int
	err = db.QueryRowContext(t.Context(), `SELECT count(*) FROM (
		SELECT g.id FROM grants g JOIN tokens k ON k.grant_id = g.id
		GROUP BY g.id, g.counter HAVING count(*) > g.counter) AS too_many`).Scan(&doubled)
	if err != nil || doubled != 0 {
		t.Errorf("%d codes got more than one token, %v", doubled, err)
	}
	var all []string
	lost := 0
	for code, c := range w.codes {
		all = append(all, code)
		if c.good > 1 {
			t.Errorf("a code was redeemed %d times", c.good)
		}
		if c.lost {
			lost++
		}
	}
	runWorkers(upTo(len(all)), 8, func(i int) {
		if a := w.codes[all[i]].owner.redeem(t.Context(), all[i]); a.Error != "invalid_grant" ||
			a.status != http.StatusBadRequest {
			t.Errorf("a redeemed code got the response %v", a)
		}
	})
	t.Logf("%d codes of the gateway, the responses to %d were lost", len(all), lost)
}
