package resilience_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
	"github.com/weigate/weigate/internal/store/sqlite"
)

const (
	appID       = "sample"
	appSecret   = "the-client-secret-of-the-sample-app"
	appRedirect = "http://127.0.0.1:1/callback" // not requested: the code is read from the redirect
)

// clusterFixture is the simulator of WeChat, a proxy with replicas of the gateway behind it, and an
// app.
type clusterFixture struct {
	t      *testing.T
	wx     *wechat
	proxy  *proxy
	config string // path of weigate.yaml
	store  string // as in the configuration

	mu       sync.Mutex
	replicas []*fixture.Process
	verifier verifier
	codes    map[string]*codeRecord
}

// codeRecord is what the app records of an authorization code.
type codeRecord struct {
	good  int  // successful redemptions
	lost  bool // a response of the token endpoint was lost
	owner *user
}

// Names of the stores, which are the names of the tests on them.
const (
	onSQLite   = "SQLite"
	onPostgres = "PostgreSQL"
)

// newFixture starts a gateway with that number of replicas, each a process, for that number of
// users.
func newFixture(t *testing.T, store, alg string, users, replicas int) *clusterFixture {
	t.Helper()
	w := prepare(t, store, alg, users)
	for range replicas {
		w.start()
	}
	return w
}

// newFixtureInProcess starts replicas in the process of the test, each with its own store on the
// same database. They use the given clock.
func newFixtureInProcess(t *testing.T, store, alg string, users, replicas int, clock *fixture.Clock) *clusterFixture {
	t.Helper()
	w := prepare(t, store, alg, users)
	conf := w.load()
	master, _, err := keys.LoadOrCreate(conf.MasterKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	for range replicas {
		a, err := app.New(t.Context(),
			app.Options{Config: conf, Store: w.open(), Sealer: master, Logger: leaktest.Logger(t), Now: clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(a.Handler())
		t.Cleanup(func() {
			server.Close()
			if err := a.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		w.proxy.add(server.Listener.Addr().String())
	}
	return w
}

// prepare makes the fixture without a running gateway.
func prepare(t *testing.T, store, alg string, users int) *clusterFixture {
	t.Helper()
	w := &clusterFixture{t: t, wx: newWeChat(t, users), proxy: newProxy(t), codes: map[string]*codeRecord{}}
	dir := t.TempDir()
	w.store = "sqlite:" + filepath.Join(dir, "weigate.db")
	if store == onPostgres {
		w.store = postgrestest.URL(t)
	}
	w.config = filepath.Join(dir, "weigate.yaml")
	text := strings.NewReplacer(
		"URL", w.proxy.url, "STORE", w.store, "KEYFILE", filepath.Join(dir, "weigate.key"), "APPID", w.wx.appID, "WXSECRET",
		leaktest.Secret, "WECHAT", w.wx.URL,
		"CLIENT", appID, "CSECRET", appSecret, "REDIRECT", appRedirect, "ALG", alg,
	).Replace(`
url: URL
listen: 127.0.0.1:0
metrics: ""
store: 'STORE'
master_key_file: 'KEYFILE'
trusted_proxies: [127.0.0.1]
wechat:
  - {name: main, kind: official_account, appid: APPID, secret: WXSECRET, api: "WECHAT", open: "WECHAT"}
apps:
  - id: CLIENT
    kind: oidc
    name: Sample
    secret: "CSECRET"
    redirect_uris: ["REDIRECT"]
    access: signed_in
    id_token_alg: ALG
`)
	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// start starts a replica and puts it behind the proxy.
func (w *clusterFixture) start() *fixture.Process {
	w.t.Helper()
	p := serve(w.t, w.config)
	w.mu.Lock()
	w.replicas = append(w.replicas, p)
	w.mu.Unlock()
	w.proxy.add(p.Host)
	return p
}

// oldest removes the replica that has run longest from the list and returns it.
func (w *clusterFixture) oldest() *fixture.Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.replicas[0]
	w.replicas = w.replicas[1:]
	return p
}

// kill kills the only replica by SIGKILL and starts another one.
func (w *clusterFixture) kill() {
	w.t.Helper()
	p := w.oldest()
	w.proxy.remove(p.Host) // new requests get a 502, requests in progress lose their connection
	p.Kill()
	w.start()
}

// remember returns the record of a code, which it creates for a new code.
func (w *clusterFixture) remember(code string, p *user) *codeRecord {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.codes[code]
	if c == nil {
		c = &codeRecord{owner: p}
		w.codes[code] = c
	}
	return c
}

// open opens the store beside the running gateway, as a command does.
func (w *clusterFixture) open() gateway.Store {
	w.t.Helper()
	var store gateway.Store
	var err error
	if path, ok := strings.CutPrefix(w.store, "sqlite:"); ok {
		store, err = sqlite.Open(w.t.Context(), path, sqlite.Options{})
	} else {
		store, err = postgres.Open(w.t.Context(), w.store, postgres.Options{})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { store.Close() })
	return store
}

// load reads the configuration for a gateway in the process of the test.
func (w *clusterFixture) load() *config.Config {
	w.t.Helper()
	c, err := config.Load(w.config, func(string) string { return "" })
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// storedUsers returns the ids of all users by openid. It fails the test when an openid has two
// users, or a user two openids.
func (w *clusterFixture) storedUsers(store gateway.Store) map[string]string {
	w.t.Helper()
	byOpenID := map[string]string{}
	for after := ""; ; {
		page, err := store.Users(w.t.Context(), gateway.UserQuery{After: after, Limit: 500})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, a := range page {
			ids, err := store.Identities(w.t.Context(), a.ID)
			if err != nil || len(ids) != 1 {
				w.t.Errorf("user %s has %d identities, %v", a.ID, len(ids), err)
				continue
			}
			if other := byOpenID[ids[0].OpenID]; other != "" {
				w.t.Errorf("one openid has the users %s and %s", other, a.ID)
			}
			byOpenID[ids[0].OpenID] = a.ID
			after = a.ID
		}
		if len(page) == 0 {
			return byOpenID
		}
	}
}

// runWorkers calls f(0), f(1), f(2) … while more reports true, in that number of workers at a time.
func runWorkers(more func(i int) bool, workers int, f func(i int)) {
	next := make(chan int)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := 0; more(i); i++ {
		next <- i
	}
	close(next)
	all.Wait()
}

// upTo returns a condition for runWorkers that calls f n times.
func upTo(n int) func(int) bool { return func(i int) bool { return i < n } }

// eightTimes calls f eight times at once and returns the results.
func eightTimes[T any](f func(i int) T) []T {
	out := make([]T, 8)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range out {
		all.Go(func() {
			<-begin
			out[i] = f(i)
		})
	}
	close(begin)
	all.Wait()
	return out
}

// counts returns how often each answer occurs, for a message.
func counts[T fmt.Stringer](all []T) map[string]int {
	out := map[string]int{}
	for _, a := range all {
		out[a.String()]++
	}
	return out
}
