package resilience_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/keys"
)

// setting is a combination of replicas and store.
type setting struct {
	name string
	open func(t *testing.T, users int) *clusterFixture
}

func processes(store string, replicas int) func(*testing.T, int) *clusterFixture {
	return func(t *testing.T, users int) *clusterFixture {
		return newFixture(t, store, keys.ES256, users, replicas)
	}
}

// settings are one process and two replicas, on each store. A SQLite file can be served by one
// process only, so its two replicas are in one process, each with its own store.
var settings = []setting{
	{"one process on SQLite", processes(onSQLite, 1)},
	{"two replicas on SQLite", func(t *testing.T, users int) *clusterFixture {
		return newFixtureInProcess(t, onSQLite, keys.ES256, users, 2, new(fixture.Clock))
	}},
	{"one process on PostgreSQL", processes(onPostgres, 1)},
	{"two replicas on PostgreSQL", processes(onPostgres, 2)},
}

// Eight requests redeem a code at once, and one of them gets tokens.
func TestCodeRedeemedByEightAtOnce(t *testing.T) {
	t.Parallel()
	for _, s := range settings {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			n := signIns(t) * 3 / 20
			// The number of codes that one session may have at once is limited.
			w := s.open(t, n/100+1)
			users := make([]*user, n/100+1)
			for i := range users {
				users[i] = w.newUser(i, newTransport())
				if err := users[i].signIn(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			var doubles, nobody atomic.Int64
			runWorkers(upTo(n), 2, func(i int) {
				p := users[i%len(users)]
				code, err := p.visit(t.Context(), w.authorize())
				if err != nil {
					t.Error(err)
					return
				}
				answers := eightTimes(func(int) tokens { return p.redeem(t.Context(), code) })
				good := 0
				for _, a := range answers {
					switch {
					case a.status == http.StatusOK:
						good++
					case a.Error != "invalid_grant":
						t.Errorf("answers: %v", counts(answers))
					}
				}
				switch {
				case good > 1:
					doubles.Add(1)
				case good == 0:
					nobody.Add(1)
				}
				// Seven of them were replays, so the tokens of the first are revoked as well.
				for _, a := range answers {
					if a.status != http.StatusOK {
						continue
					}
					if _, status, err := p.userinfo(t.Context(), a.Access); err != nil || status != http.StatusUnauthorized {
						t.Errorf("the tokens of a replayed code are valid: %d, %v", status, err)
					}
				}
			})
			if doubles.Load() != 0 || nobody.Load() != 0 {
				t.Errorf("%d codes were redeemed more than once, %d never", doubles.Load(), nobody.Load())
			}
			t.Logf("%d codes, 8 requests each: %d doubles", n, doubles.Load())
		})
	}
}

// A browser requests the callback eight times at once. The code is exchanged once, and all requests
// are redirected to the same address.
func TestCallbackOpenedEightTimesAtOnce(t *testing.T) {
	t.Parallel()
	for _, s := range settings {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			n := signIns(t) / 20
			w := s.open(t, n)
			transport := newTransport()
			runWorkers(upTo(n), 2, func(i int) {
				p := w.newUser(i, transport)
				address, err := p.callback(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				answers := eightTimes(func(int) answer {
					a, err := p.get(t.Context(), address)
					if err != nil {
						t.Error(err)
					}
					return a
				})
				if all := counts(answers); len(all) != 1 || answers[0].status != http.StatusSeeOther ||
					!strings.HasPrefix(answers[0].location, w.proxy.url+"/oauth2/authorize?") {
					t.Errorf("answers: %v", all)
					return
				}
				p.signedIn = true // from here on, no redirect may lead to WeChat
				if _, err := p.visit(t.Context(), answers[0].location); err != nil {
					t.Error(err)
				}
			})
			if codes, twice := w.wx.exchanges(); codes != n || twice != 0 {
				t.Errorf("%d codes of WeChat were exchanged for %d sign-ins, %d of them twice", codes, n, twice)
			}
			store := w.open()
			stored := w.storedUsers(store)
			if len(stored) != n {
				t.Errorf("%d users", len(stored))
			}
			for _, id := range stored {
				if live, err := store.UserSessions(t.Context(), id, time.Now()); err != nil || len(live) != 1 {
					t.Errorf("user %s has %d sessions, %v", id, len(live), err)
				}
			}
		})
	}
}

// A refresh token that eight requests send at once gets one successor. The use of the token before
// the replaced one is a theft and revokes the grant.
func TestRefreshTokenSentAgain(t *testing.T) {
	t.Parallel()
	for _, s := range settings {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := s.open(t, 1)
			p := w.newUser(0, newTransport())
			if err := p.signIn(t.Context()); err != nil {
				t.Fatal(err)
			}
			first := p.latest.Refresh
			second := eightTimes(func(int) tokens { return p.refresh(t.Context(), first) })
			for _, a := range second {
				if a.status != http.StatusOK || a.Refresh == first || a.Refresh != second[0].Refresh {
					t.Fatalf("eight at once: %v, want one successor", counts(second))
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
				t.Errorf("the token before the replaced one: %v", a)
			}
			w.wantGrantRevoked(p, third)
		})
	}
}

// A replaced token within the grace period comes from a client that lost the response. After it,
// the token was stolen.
func TestRefreshTokenSentAgainAfterTheGrace(t *testing.T) {
	t.Parallel()
	for _, store := range []string{onSQLite, onPostgres} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			var clock fixture.Clock
			clock.Freeze()
			w := newFixtureInProcess(t, store, keys.ES256, 1, 2, &clock)
			p := w.newUser(0, newTransport())
			if err := p.signIn(t.Context()); err != nil {
				t.Fatal(err)
			}
			first := p.latest.Refresh
			second := p.refresh(t.Context(), first)
			clock.Set(29 * time.Second) // the grace period is 30 s
			again := p.refresh(t.Context(), first)
			if again.status != http.StatusOK || again.Refresh != second.Refresh {
				t.Fatalf("within the grace: %v", again)
			}
			clock.Set(31 * time.Second)
			if a := p.refresh(t.Context(), first); a.Error != "invalid_grant" {
				t.Errorf("after the grace: %v", a)
			}
			w.wantGrantRevoked(p, again)
		})
	}
}

func (w *clusterFixture) wantGrantRevoked(p *user, last tokens) {
	w.t.Helper()
	if a := p.refresh(w.t.Context(), last.Refresh); a.Error != "invalid_grant" {
		w.t.Errorf("the refresh token is valid: %v", a)
	}
	if _, status, err := p.userinfo(w.t.Context(), last.Access); err != nil || status != http.StatusUnauthorized {
		w.t.Errorf("the access token is valid: %d, %v", status, err)
	}
}
