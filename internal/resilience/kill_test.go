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

	_ "modernc.org/sqlite" // the test counts rows that no contract of the store tells of

	"github.com/weigate/weigate/internal/keys"
)

// perSecond is how many people begin to sign in each second.
const perSecond = 50

// kill -9 comes while people sign in, fifty a second, at bad moments: when WeChat has used up a code and the gateway has not heard of it, when an app
// redeems a code, when a callback is under way. People reload and apps ask again. Nobody is lost or doubled, nobody who was signed in is signed out,
// no code is good twice, and WeChat gets no code twice.
func TestKillWhilePeopleSignIn(t *testing.T) {
	t.Parallel()
	for _, store := range []string{onSQLite, onPostgres} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			n := signIns(t)
			w := newTown(t, store, keys.ES256, n, 1)
			people, kills := w.rush(t, n)
			again := 0
			for _, p := range people {
				again += p.reloads
			}
			if again == 0 {
				t.Error("the kills hit nobody")
			}
			w.nothingLost(t, people)
			t.Logf("%d sign-ins, %d kills, %d requests sent again", n, kills, again)
		})
	}
}

// rush lets people sign in at their pace, and kills the gateway now and then.
func (w *town) rush(t *testing.T, n int) (people []*person, kills int64) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wires := newWires()
	people = make([]*person, n)
	var killed atomic.Int64
	moment := make(chan struct{}, 1)
	kill := func() {
		select {
		case moment <- struct{}{}:
		default: // one is under way
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
		people[i] = w.person(i, wires)
		people[i].patient = true
		all.Go(func() {
			if err := people[i].signIn(ctx); err != nil {
				t.Errorf("%s: %v", people[i].id, err)
			}
		})
	}
	all.Wait()
	close(moment)
	killer.Wait()
	return people, killed.Load()
}

// nothingLost looks at everything that must still be so.
func (w *town) nothingLost(t *testing.T, people []*person) {
	t.Helper()
	users := w.accounts(w.open())
	if len(users) != len(people) {
		t.Errorf("%d accounts for %d people", len(users), len(people))
	}
	for _, p := range people {
		if id := users[w.wx.OpenID(w.wx.appID, p.id)]; id != p.subject {
			t.Errorf("%s has the account %q, the app knows %q", p.id, id, p.subject)
		}
	}
	codes, twice := w.wx.exchanges()
	if twice != 0 {
		t.Errorf("%d of %d codes were sent to WeChat twice", twice, codes)
	}
	crowd(upTo(len(people)), 8, func(i int) {
		if err := people[i].stillIn(t.Context()); err != nil {
			t.Error(err)
		}
	})
	w.noCodeTwice(t)
}

// noCodeTwice: neither by what the apps were answered, nor by what the database holds, nor when all are tried once more.
func (w *town) noCodeTwice(t *testing.T) {
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
	// A family has one token by its code, and one more by each refresh: those that were refreshed have come by stillIn, once.
	var doubled int
	err = db.QueryRowContext(t.Context(), `SELECT count(*) FROM (SELECT g.family FROM grants g JOIN tokens k ON k.family = g.family
		GROUP BY g.family, g.counter HAVING count(*) > g.counter) AS too_many`).Scan(&doubled)
	if err != nil || doubled != 0 {
		t.Errorf("%d codes brought more than one token, %v", doubled, err)
	}
	var all []string
	lost := 0
	for code, c := range w.codes {
		all = append(all, code)
		if c.good > 1 {
			t.Errorf("a code was good %d times", c.good)
		}
		if c.lost {
			lost++
		}
	}
	crowd(upTo(len(all)), 8, func(i int) {
		if a := w.codes[all[i]].owner.redeem(t.Context(), all[i]); a.Error != "invalid_grant" || a.status != http.StatusBadRequest {
			t.Errorf("a code that was used is answered with %v", a)
		}
	})
	t.Logf("%d codes of the gateway, the answers to %d were lost", len(all), lost)
}
