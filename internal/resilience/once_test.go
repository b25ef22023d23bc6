package resilience_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/keys"
)

// setting is where a test runs.
type setting struct {
	name string
	open func(t *testing.T, people int) *town
}

func processes(store string, replicas int) func(*testing.T, int) *town {
	return func(t *testing.T, people int) *town { return newTown(t, store, keys.ES256, people, replicas) }
}

// settings are one process and two replicas, on each store. A SQLite file lets one process serve from it, so its two replicas are in one process, with
// a store each.
var settings = []setting{
	{"one process on SQLite", processes(onSQLite, 1)},
	{"two replicas on SQLite", func(t *testing.T, people int) *town {
		return newTownInside(t, onSQLite, keys.ES256, people, 2, time.Now)
	}},
	{"one process on PostgreSQL", processes(onPostgres, 1)},
	{"two replicas on PostgreSQL", processes(onPostgres, 2)},
}

// A code that eight requests redeem at once gives tokens to one of them.
func TestCodeRedeemedByEightAtOnce(t *testing.T) {
	t.Parallel()
	for _, s := range settings {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			n := signIns(t) / 2
			// One browser may not ask for hundreds of codes at once.
			w := s.open(t, n/100+1)
			people := make([]*person, n/100+1)
			for i := range people {
				people[i] = w.person(i, newWires())
				if err := people[i].signIn(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			var doubles, nobody atomic.Int64
			crowd(upTo(n), 2, func(i int) {
				p := people[i%len(people)]
				code, err := p.visit(t.Context(), w.authorize())
				if err != nil {
					t.Error(err)
					return
				}
				answers := each(func(int) tokens { return p.redeem(t.Context(), code) })
				good := 0
				for _, a := range answers {
					switch {
					case a.status == http.StatusOK:
						good++
					case a.Error != "invalid_grant":
						t.Errorf("answers: %v", tally(answers))
					}
				}
				switch {
				case good > 1:
					doubles.Add(1)
				case good == 0:
					nobody.Add(1)
				}
				// Seven of them were replays by the app itself: what the one got is dead as well.
				for _, a := range answers {
					if a.status != http.StatusOK {
						continue
					}
					if _, status, err := p.userinfo(t.Context(), a.Access); err != nil || status != http.StatusUnauthorized {
						t.Errorf("the tokens of a code that was replayed live: %d, %v", status, err)
					}
				}
			})
			if doubles.Load() != 0 || nobody.Load() != 0 {
				t.Errorf("%d codes were good more than once, %d never", doubles.Load(), nobody.Load())
			}
			t.Logf("%d codes, 8 requests each: %d doubles", n, doubles.Load())
		})
	}
}

// The callback of one browser, opened eight times at once: the code is sent once, and everybody goes to the same place.
func TestCallbackOpenedEightTimesAtOnce(t *testing.T) {
	t.Parallel()
	for _, s := range settings {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			n := signIns(t) / 20
			w := s.open(t, n)
			wires := newWires()
			crowd(upTo(n), 2, func(i int) {
				p := w.person(i, wires)
				address, err := p.callback(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				answers := each(func(int) answer {
					a, err := p.get(t.Context(), address)
					if err != nil {
						t.Error(err)
					}
					return a
				})
				if all := tally(answers); len(all) != 1 || answers[0].status != http.StatusSeeOther || !strings.HasPrefix(answers[0].location, w.proxy.url+"/oauth2/authorize?") {
					t.Errorf("answers: %v", all)
					return
				}
				p.signedIn = true // from here on, WeChat is not asked again
				if _, err := p.visit(t.Context(), answers[0].location); err != nil {
					t.Error(err)
				}
			})
			if codes, twice := w.wx.exchanges(); codes != n || twice != 0 {
				t.Errorf("%d codes of WeChat were exchanged for %d sign-ins, %d of them twice", codes, n, twice)
			}
			store := w.open()
			users := w.accounts(store)
			if len(users) != n {
				t.Errorf("%d accounts", len(users))
			}
			for _, id := range users {
				if live, err := store.UserSessions(t.Context(), id, time.Now()); err != nil || len(live) != 1 {
					t.Errorf("account %s has %d sessions, %v", id, len(live), err)
				}
			}
		})
	}
}

// A refresh token that is sent by eight at once gets one successor. A genuine one from before that is a theft: nothing of its family lives on.
func TestRefreshTokenSentAgain(t *testing.T) {
	t.Parallel()
	for _, s := range settings {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := s.open(t, 1)
			p := w.person(0, newWires())
			if err := p.signIn(t.Context()); err != nil {
				t.Fatal(err)
			}
			first := p.latest.Refresh
			second := each(func(int) tokens { return p.refresh(t.Context(), first) })
			for _, a := range second {
				if a.status != http.StatusOK || a.Refresh == first || a.Refresh != second[0].Refresh {
					t.Fatalf("eight at once: %v, want one successor", tally(second))
				}
			}
			third := p.refresh(t.Context(), second[3].Refresh)
			if third.status != http.StatusOK {
				t.Fatalf("the successor: %v", third)
			}
			if _, status, err := p.userinfo(t.Context(), third.Access); err != nil || status != http.StatusOK {
				t.Fatalf("userinfo: %d, %v", status, err)
			}
			if a := p.refresh(t.Context(), first); a.Error != "invalid_grant" {
				t.Errorf("the token before the one before: %v", a)
			}
			w.familyIsDead(p, third)
		})
	}
}

// Within the grace a token that comes twice is a client that lost the answer; after it, it is a thief.
func TestRefreshTokenSentAgainAfterTheGrace(t *testing.T) {
	t.Parallel()
	for _, store := range []string{onSQLite, onPostgres} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			var skew atomic.Int64
			w := newTownInside(t, store, keys.ES256, 1, 2, func() time.Time { return time.Now().Add(time.Duration(skew.Load())) })
			p := w.person(0, newWires())
			if err := p.signIn(t.Context()); err != nil {
				t.Fatal(err)
			}
			first := p.latest.Refresh
			second := p.refresh(t.Context(), first)
			skew.Store(int64(20 * time.Second)) // the grace is 30 s; the rest is for a slow machine
			again := p.refresh(t.Context(), first)
			if again.status != http.StatusOK || again.Refresh != second.Refresh {
				t.Fatalf("within the grace: %v", again)
			}
			skew.Store(int64(31 * time.Second))
			if a := p.refresh(t.Context(), first); a.Error != "invalid_grant" {
				t.Errorf("after the grace: %v", a)
			}
			w.familyIsDead(p, again)
		})
	}
}

func (w *town) familyIsDead(p *person, last tokens) {
	w.t.Helper()
	if a := p.refresh(w.t.Context(), last.Refresh); a.Error != "invalid_grant" {
		w.t.Errorf("the refresh token lives: %v", a)
	}
	if _, status, err := p.userinfo(w.t.Context(), last.Access); err != nil || status != http.StatusUnauthorized {
		w.t.Errorf("the access token lives: %d, %v", status, err)
	}
}
