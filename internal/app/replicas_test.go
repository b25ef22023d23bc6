package app_test

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

// browser is a browser inside WeChat that stops at every redirect.
type browser struct {
	w *gatewayFixture
	*fixture.Browser
}

func (w *gatewayFixture) browser() *browser {
	return &browser{w, fixture.NewBrowser(w.t, fixture.AgentWeChat)}
}

func (b *browser) get(address string) (status int, location, body string) {
	b.w.t.Helper()
	res, err := b.Get(b.w.t.Context(), address)
	if err != nil {
		b.w.t.Error(err)
	}
	return res.Status, res.Location, res.Body
}

// callback begins a sign-in and returns the address to which WeChat would send the browser.
func (b *browser) callback(user string) string {
	b.w.t.Helper()
	status, location, body := b.get(b.w.authorize("sample"))
	u, err := url.Parse(location)
	if err != nil || !strings.HasPrefix(location, b.w.wechat.URL+"/connect/oauth2/authorize") {
		b.w.t.Fatalf("authorize: %d to %s: %s", status, location, body)
	}
	code, err := b.w.wechat.Code(u.Query().Get("appid"), user, "snsapi_base")
	if err != nil {
		b.w.t.Fatal(err)
	}
	return u.Query().Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {u.Query().Get("state")}}.Encode()
}

func onPostgres(w *gatewayFixture) {
	store, err := postgres.Open(w.t.Context(), postgrestest.Reused(w.t), postgres.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { store.Close() })
	w.store = store
}

// WeChat redirects twice, users reload the page, and a proxy spreads the requests over replicas: the code
// is sent once, and everybody gets to the same place.
func TestCallbackEightTimesOverTwoReplicas(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]option{"SQLite": nil, "PostgreSQL": {onPostgres}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, options...)
			w.start()
			for round := range 3 {
				b := w.browser()
				address := b.callback("alice")
				before := w.wechat.Exchanges()
				answers := make([]string, 8)
				var all sync.WaitGroup
				for i := range answers {
					all.Go(func() {
						status, location, _ := b.get(address)
						answers[i] = fmt.Sprint(status, " ", location)
					})
				}
				all.Wait()
				for _, a := range answers {
					if a != answers[0] || !strings.HasPrefix(a, "303 "+w.url+"/oauth2/authorize?") {
						t.Fatalf("round %d: answers %q", round, answers)
					}
				}
				if n := w.wechat.Exchanges() - before; n != 1 {
					t.Errorf("round %d: %d exchanges", round, n)
				}
				if status, location, body := b.get(strings.TrimPrefix(answers[0], "303 ")); status != 303 ||
					!strings.Contains(location, "code=") {
					t.Errorf("round %d: authorize: %d %s %s", round, status, location, body)
				}
				if round == 0 {
					if sessions := live(t, w); sessions != 1 {
						t.Errorf("%d sessions", sessions)
					}
				}
			}
		})
	}
}

func live(t *testing.T, w *gatewayFixture) int {
	t.Helper()
	users, err := w.store.Users(t.Context(), gateway.UserQuery{})
	if err != nil || len(users) != 1 {
		t.Fatalf("users %+v, %v", users, err)
	}
	sessions, err := w.store.UserSessions(t.Context(), users[0].ID, w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return len(sessions)
}

// A complete sign-in in which every request reaches another replica than the one before.
func TestNoStickySessions(t *testing.T) {
	t.Parallel()
	w := newFixture(t, onPostgres)
	w.start()
	w.start()
	for _, person := range []string{"alice", "bob", "xiaoming"} {
		p := w.phone(person)
		p.WantPage(p.Must(p.Open(t.Context(), w.authorize("sample", "scope", withProfile))), "profile", 200)
		p.Press()
		fixture.WantAt(w.t, p.Must(p.Allow(t.Context())), w.app.URL+"/sample")
		if got := w.redeem("sample", w.app.LastQuery().Get("code")); got.IDToken == "" {
			t.Errorf("%s: %+v", person, got)
		}
		p.WantPage(p.Must(p.Open(t.Context(), w.url+"/")), "own", 200)
		p.WantPage(p.Must(p.Submit(t.Context(), "everywhere", nil)), "ended_all", 200)
		for range 3 {
			p.WantPage(p.Must(p.Open(t.Context(), w.url+"/")), "welcome", 200)
		}
	}
}

// The callback of somebody else's sign-in, opened in this browser, sends nothing to WeChat and
// signs nobody in.
func TestForeignCallbackSendsNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	attacker, victim := w.browser(), w.browser()
	address := attacker.callback("bob")
	status, location, _ := victim.get(address)
	if status != 303 || !strings.HasPrefix(location, w.url+"/sign-in/lost") || w.wechat.Exchanges() != 0 {
		t.Errorf("%d %s after %d exchanges", status, location, w.wechat.Exchanges())
	}
	if _, _, body := victim.get(w.url + "/"); !strings.Contains(body, `id="welcome"`) {
		t.Errorf("the victim sees %s", body)
	}
	if status, location, _ := attacker.get(address); status != 303 || !strings.Contains(location, "/oauth2/authorize") {
		t.Errorf("the code was lost to its owner: %d %s", status, location)
	}
}
