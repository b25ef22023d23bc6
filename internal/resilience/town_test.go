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
	"time"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/store/postgres"
	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
	"github.com/weigate/weigate/internal/store/sqlite"
)

const (
	appID       = "sample"
	appSecret   = "the-client-secret-of-the-sample-app"
	appRedirect = "http://127.0.0.1:1/callback" // nobody goes there: the code is read from the redirect
)

// town is WeChat, a proxy with replicas of the gateway behind it, and an app.
type town struct {
	t      *testing.T
	wx     *wechat
	proxy  *proxy
	config string // path of weigate.yaml
	store  string // as in the configuration

	mu       sync.Mutex
	replicas []*process
	verifier verifier
	codes    map[string]*codeRecord
}

// codeRecord is what the app knows of an authorization code.
type codeRecord struct {
	good  int  // how often it was redeemed
	lost  bool // an answer of the token endpoint was lost
	owner *person
}

// Names of the stores, which are the names of the tests on them.
const (
	onSQLite   = "SQLite"
	onPostgres = "PostgreSQL"
)

// newTown makes a town with so many people, and a gateway of so many replicas.
func newTown(t *testing.T, store, alg string, people, replicas int) *town {
	t.Helper()
	w := prepare(t, store, alg, people)
	for range replicas {
		w.start()
	}
	return w
}

// newTownInside is a town whose replicas run inside the test's process, each with a store of its own on the same database, and by the test's clock.
func newTownInside(t *testing.T, store, alg string, people, replicas int, now func() time.Time) *town {
	t.Helper()
	w := prepare(t, store, alg, people)
	conf := w.load()
	master, _, err := app.MasterKey(conf)
	if err != nil {
		t.Fatal(err)
	}
	for range replicas {
		a, err := app.New(t.Context(), app.Options{Config: conf, Store: w.open(), Sealer: master, Logger: leaktest.Logger(t), Now: now})
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

// prepare makes a town in which the gateway does not run yet.
func prepare(t *testing.T, store, alg string, people int) *town {
	t.Helper()
	w := &town{t: t, wx: newWeChat(t, people), proxy: newProxy(t), codes: map[string]*codeRecord{}}
	dir := t.TempDir()
	w.store = "sqlite:" + filepath.Join(dir, "weigate.db")
	if store == onPostgres {
		w.store = postgrestest.URL(t)
	}
	w.config = filepath.Join(dir, "weigate.yaml")
	text := strings.NewReplacer(
		"URL", w.proxy.url, "STORE", w.store, "KEYFILE", filepath.Join(dir, "weigate.key"), "APPID", w.wx.appID, "WXSECRET", leaktest.Secret, "WECHAT", w.wx.url,
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
  - {id: CLIENT, kind: oidc, name: Sample, secret: "CSECRET", redirect_uris: ["REDIRECT"], access: signed_in, id_token_alg: ALG}
`)
	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

// start starts a replica and puts it behind the proxy.
func (w *town) start() *process {
	w.t.Helper()
	p := serve(w.t, w.config)
	w.mu.Lock()
	w.replicas = append(w.replicas, p)
	w.mu.Unlock()
	w.proxy.add(p.host)
	return p
}

// oldest takes the replica that runs longest out of the list.
func (w *town) oldest() *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.replicas[0]
	w.replicas = w.replicas[1:]
	return p
}

// kill is kill -9 of the only replica, and its restart.
func (w *town) kill() {
	w.t.Helper()
	p := w.oldest()
	w.proxy.remove(p.host) // those who come now are told that nobody is there; those who are inside lose their connection
	p.kill()
	w.start()
}

// remember keeps a code of the app.
func (w *town) remember(code string, p *person) *codeRecord {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.codes[code]
	if c == nil {
		c = &codeRecord{owner: p}
		w.codes[code] = c
	}
	return c
}

// open opens the store beside the gateway, as a command does.
func (w *town) open() gateway.Store {
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

// load reads the configuration for a gateway inside the test's process.
func (w *town) load() *config.Config {
	w.t.Helper()
	c, err := config.Load(w.config, func(string) string { return "" })
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// accounts are all accounts by openid. An openid with two accounts, or an account with two openids, fails the test.
func (w *town) accounts(store gateway.Store) map[string]string {
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
				w.t.Errorf("account %s has %d identities, %v", a.ID, len(ids), err)
				continue
			}
			if other := byOpenID[ids[0].OpenID]; other != "" {
				w.t.Errorf("one person has the accounts %s and %s", other, a.ID)
			}
			byOpenID[ids[0].OpenID] = a.ID
			after = a.ID
		}
		if len(page) == 0 {
			return byOpenID
		}
	}
}

// crowd calls f for 0, 1, 2 … while more says so, so many at a time.
func crowd(more func(i int) bool, workers int, f func(i int)) {
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

// upTo is for a crowd of n.
func upTo(n int) func(int) bool { return func(i int) bool { return i < n } }

// each runs eight at once, which begin together, and gives their answers.
func each[T any](f func(i int) T) []T {
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

// tally counts answers, for a message.
func tally[T fmt.Stringer](all []T) map[string]int {
	out := map[string]int{}
	for _, a := range all {
		out[a.String()]++
	}
	return out
}
