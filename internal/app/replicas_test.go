package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

const uaWeChat = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Mobile Safari/537.36 MicroMessenger/8.0.18.2060(0x28001237) WeChat/arm64"

// browser is WeChat's, and stops at every redirect.
type browser struct {
	w      *town
	client *http.Client
}

func (w *town) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &browser{w, &http.Client{Jar: jar, CheckRedirect: func(*http.Request,
		[]*http.Request) error {
		return http.ErrUseLastResponse
	}}}
}

func (b *browser) get(address string) (status int, location, body string) {
	b.w.t.Helper()
	r, err := http.NewRequestWithContext(b.w.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		b.w.t.Fatal(err)
	}
	r.Header.Set("User-Agent", uaWeChat)
	r.Header.Set("Accept", "text/html")
	res, err := b.client.Do(r)
	if err != nil {
		b.w.t.Error(err)
		return 0, "", ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.w.t.Error(err)
	}
	return res.StatusCode, res.Header.Get("Location"), string(text)
}

// callback begins a sign-in and returns the address to which WeChat would send the browser.
func (b *browser) callback(person string) string {
	b.w.t.Helper()
	status, location, body := b.get(b.w.authorize("sample"))
	u, err := url.Parse(location)
	if err != nil || !strings.HasPrefix(location, b.w.world+"/connect/oauth2/authorize") {
		b.w.t.Fatalf("authorize: %d to %s: %s", status, location, body)
	}
	code, err := b.w.sim.Code(u.Query().Get("appid"), person, "snsapi_base")
	if err != nil {
		b.w.t.Fatal(err)
	}
	return u.Query().Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {u.Query().Get("state")}}.Encode()
}

func onPostgres(w *town) {
	store, err := postgres.Open(w.t.Context(), postgrestest.URL(w.t), postgres.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { store.Close() })
	w.store = store
}

// WeChat calls back twice, people reload, and a proxy spreads the requests over replicas: the code
// is sent once, and everybody gets to the same place.
func TestCallbackEightTimesOverTwoReplicas(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]option{"SQLite": nil, "PostgreSQL": {onPostgres}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, options...)
			w.start()
			for round := range 3 {
				b := w.browser()
				address := b.callback("alice")
				before := w.exchanges()
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
				if n := w.exchanges() - before; n != 1 {
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

func live(t *testing.T, w *town) int {
	t.Helper()
	people, err := w.store.Users(t.Context(), gateway.UserQuery{})
	if err != nil || len(people) != 1 {
		t.Fatalf("accounts %+v, %v", people, err)
	}
	sessions, err := w.store.UserSessions(t.Context(), people[0].ID, w.now())
	if err != nil {
		t.Fatal(err)
	}
	return len(sessions)
}

// A whole journey with every request at another replica than the one before.
func TestNoStickySessions(t *testing.T) {
	t.Parallel()
	w := newTown(t, onPostgres)
	w.start()
	w.start()
	for _, person := range []string{"alice", "bob", "xiaoming"} {
		p := w.phone(person)
		p.want(p.on(p.Open(t.Context(), w.authorize("sample", "scope", withProfile))), "profile", 200)
		p.press()
		w.at(p.on(p.Allow(t.Context())), w.app.URL+"/sample")
		if got := w.redeem("sample", w.told().Get("code")); got.IDToken == "" {
			t.Errorf("%s: %+v", person, got)
		}
		p.want(p.on(p.Open(t.Context(), w.url+"/")), "own", 200)
		p.want(p.on(p.Submit(t.Context(), "everywhere", nil)), "ended_all", 200)
		for range 3 {
			p.want(p.on(p.Open(t.Context(), w.url+"/")), "welcome", 200)
		}
	}
}

// The callback of somebody else's sign-in, opened in this browser, sends nothing to WeChat and
// signs nobody in.
func TestForeignCallbackSendsNothing(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	attacker, victim := w.browser(), w.browser()
	address := attacker.callback("bob")
	status, location, _ := victim.get(address)
	if status != 303 || !strings.HasPrefix(location, w.url+"/sign-in/lost") || w.exchanges() != 0 {
		t.Errorf("%d %s after %d exchanges", status, location, w.exchanges())
	}
	if _, _, body := victim.get(w.url + "/"); !strings.Contains(body, `id="welcome"`) {
		t.Errorf("the victim sees %s", body)
	}
	if status, location, _ := attacker.get(address); status != 303 || !strings.Contains(location, "/oauth2/authorize") {
		t.Errorf("the code was lost to its owner: %d %s", status, location)
	}
}
