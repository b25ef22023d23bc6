//go:build unix

package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/api"
	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/store/postgres/postgrestest"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
	"github.com/weigate/weigate/internal/store/storetest"
	"github.com/weigate/weigate/wechat"
)

// The benchmark in this file measures every page of administrators and every GET operation of the
// HTTP API in a database with many users, on both stores. These environment variables change it:
//
//	WEIGATE_BENCH_USERS     number of users, 1,000 by default; there are ten times as many events
//	WEIGATE_BENCH_SQLITE    SQLite file, which is kept; a file that a former run filled is used again
//	WEIGATE_BENCH_POSTGRES  address of a PostgreSQL database, likewise
//	WEIGATE_BENCH_ONLY      regular expression: only the addresses that it matches are measured

// slowest is the time in which a page must be served at the median.
const slowest = 100 * time.Millisecond

// administered is a gateway on a filled store.
type administered struct {
	storetest.Administered
	store   gateway.Store
	handler http.Handler
	admin   gateway.User
	service *administration.Service
	cookies session.Manager
	clients int // requests of this number of browsers and programs so far
}

// BenchmarkAdministration reports the median, the best and the worst time of each page and operation.
func BenchmarkAdministration(b *testing.B) {
	users := 1000
	if n, err := strconv.Atoi(os.Getenv("WEIGATE_BENCH_USERS")); err == nil && n > 0 {
		users = n
	}
	b.Run("sqlite", func(b *testing.B) {
		path := os.Getenv("WEIGATE_BENCH_SQLITE")
		if path == "" {
			path = filepath.Join(b.TempDir(), "w.db")
		}
		newAdministered(b, "sqlite:"+path, users, sqlitetest.Filler(b.Context(), path)).run(b)
	})
	b.Run("postgres", func(b *testing.B) {
		address := os.Getenv("WEIGATE_BENCH_POSTGRES")
		if address == "" {
			cluster, err := postgrestest.Start(b.Context()) // with the settings of a server in use
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = cluster.Stop() })
			address = cluster.URL()
		}
		newAdministered(b, address, users, postgrestest.Filler(b.Context(), address)).run(b)
	})
}

// newAdministered fills the store at address and starts a gateway on it, with an administrator.
func newAdministered(b *testing.B, address string, users int, fill storetest.Fill) *administered {
	b.Helper()
	store, err := app.OpenStore(b.Context(), wechat.Secret(address), app.StoreOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	began := time.Now()
	a := &administered{Administered: storetest.FillAdministration(b, store, users, fill), store: store}
	if strings.HasPrefix(address, "postgres") { // as autovacuum does later
		if err := postgrestest.Vacuum(b.Context(), address); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("filled in %s", time.Since(began).Round(time.Second))
	c := administeredConfig()
	gate, err := app.New(b.Context(), app.Options{
		Config: c, Store: store, Sealer: sqlitetest.Sealer(), Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return a.Now },
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := gate.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	a.handler = gate.Handler()
	if a.service, err = app.NewAdministration(c, app.AdministrationOptions{
		Store: store, Now: func() time.Time { return a.Now },
	}); err != nil {
		b.Fatal(err)
	}
	a.admin, err = store.UpdateUser(b.Context(), a.UserIDs[len(a.UserIDs)/2], a.Now, func(u *gateway.User) error {
		u.Status, u.Admin = gateway.Active, true
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	home := &url.URL{Scheme: "https", Host: "login.example.com"}
	a.cookies = session.Manager{
		Cookies: cookie.For(home, "weigate"), Keys: sqlitetest.Sealer().Derive("session cookie"), Max: time.Hour,
	}
	return a
}

// administeredConfig is a configuration with the apps of storetest.FillAdministration.
func administeredConfig() *config.Config {
	c := &config.Config{
		URL: "https://login.example.com", Session: config.Session{Idle: 24 * time.Hour, Max: 720 * time.Hour},
		ProfileMaxAge: 720 * time.Hour, Events: config.Events{Keep: 20 * 365 * 24 * time.Hour},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Site:           config.Site{TimeZone: time.UTC},
		WeChat: []config.Connector{{
			Name: "main", Kind: config.OfficialAccount, AppID: "wx1", Secret: wechat.Secret("s"),
			API: "https://api.weixin.qq.com", Open: "https://open.weixin.qq.com",
		}},
	}
	for i := range 7 {
		c.Apps = append(c.Apps, config.App{
			App: gateway.App{ID: fmt.Sprint("app", i), Kind: gateway.AppForwardAuth, Name: fmt.Sprint("App ", i),
				Access: gateway.AccessRule{Rule: gateway.AccessApproved}},
			Hosts: []string{fmt.Sprintf("app%d.example.com", i)},
		})
	}
	return c
}

// client returns a function that sends requests as authenticate makes them.
func (a *administered) client(b *testing.B, api bool) func(r *http.Request) *httptest.ResponseRecorder {
	authenticate := a.authenticate(b, api)
	return func(r *http.Request) *httptest.ResponseRecorder {
		authenticate(r)
		w := httptest.NewRecorder()
		a.handler.ServeHTTP(w, r)
		return w
	}
}

// authenticate returns a function that makes requests those of the administrator, in a browser with a
// new session or with a new API key, from a new address: so that no rate limit is reached.
func (a *administered) authenticate(b *testing.B, api bool) func(*http.Request) {
	b.Helper()
	a.clients++
	address := fmt.Sprintf("198.51.%d.%d", a.clients/250, a.clients%250+1)
	header := http.Header{"Accept-Language": {"zh-CN"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-For": {address}}
	if api {
		_, key, err := a.service.CreateAPIKey(b.Context(), administration.Actor{ID: gateway.ActorCommand},
			administration.NewAPIKey{Name: "benchmark", Scopes: administration.Scopes(), Expires: 24 * time.Hour})
		if err != nil {
			b.Fatal(err)
		}
		header.Set("Authorization", "Bearer "+key)
	} else {
		id := strings.ToLower(gateway.NewID() + gateway.NewID())[:43]
		err := a.store.PutSession(b.Context(), gateway.Session{
			Hash: session.Hash(id), UserID: a.admin.ID, Method: gateway.MethodWeChat, AuthTime: a.Now, CreatedAt: a.Now,
			SeenAt: a.Now, ExpiresAt: a.Now.Add(time.Hour), Connector: "main", AppID: "wx1",
		}, a.Now)
		if err != nil {
			b.Fatal(err)
		}
		c := a.cookies.NewCookie(id)
		header.Set("Cookie", c.Name+"="+c.Value)
	}
	return func(r *http.Request) {
		for name, values := range header {
			r.Header[name] = values
		}
		r.RemoteAddr = "127.0.0.1:1"
	}
}

// run measures everything.
func (a *administered) run(b *testing.B) {
	cases := a.cases(b)
	wantEveryRoute(b, cases)
	only, err := regexp.Compile(os.Getenv("WEIGATE_BENCH_ONLY"))
	if err != nil {
		b.Fatal(err)
	}
	medians := map[string][]time.Duration{} // by route
	for _, c := range cases {
		if !only.MatchString(c.name()) {
			continue
		}
		b.Run(c.name(), func(b *testing.B) { medians[c.route] = append(medians[c.route], a.measure(b, c)) })
	}
	if only.String() != "" {
		b.Log(tableOf(medians))
		return
	}
	for _, format := range []administration.Format{administration.CSV, administration.JSONLines} {
		b.Run("export of events as "+string(format), func(b *testing.B) { a.export(b, format) })
	}
	for _, act := range []string{"block", "unblock", "sign-out"} {
		b.Run("500 users: "+act, func(b *testing.B) { a.actOnList(b, act) })
	}
	b.Log(tableOf(medians))
}

// tableOf returns a table of the routes, with the best and the worst median of their addresses.
func tableOf(medians map[string][]time.Duration) string {
	var table strings.Builder
	slow, addresses := 0, 0
	for _, route := range slices.Sorted(maps.Keys(medians)) {
		of := medians[route]
		slices.Sort(of)
		fmt.Fprintf(&table, "\n%-45s %4d addresses, medians %7.1f to %7.1f ms", route, len(of), milliseconds(of[0]),
			milliseconds(of[len(of)-1]))
		addresses += len(of)
		for _, median := range of {
			if median > slowest {
				slow++
			}
		}
	}
	return fmt.Sprintf("%d of %d addresses are slower than %s%s", slow, addresses, slowest, table.String())
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// measure sends one request again and again, and reports the times. It returns the median.
func (a *administered) measure(b *testing.B, c benchCase) time.Duration {
	send := a.client(b, strings.HasPrefix(c.route, api.Path))
	var times []time.Duration
	before := processorTime(b)
	for b.Loop() {
		began := time.Now()
		w := send(httptest.NewRequest(http.MethodGet, "https://login.example.com"+c.address, nil))
		times = append(times, time.Since(began))
		if w.Code != http.StatusOK {
			b.Fatalf("GET %s: %d, %.300s", c.address, w.Code, w.Body)
		}
	}
	b.ReportMetric(milliseconds(processorTime(b)-before)/float64(len(times)), "cpu-ms")
	slices.Sort(times)
	median := times[len(times)/2]
	b.ReportMetric(milliseconds(median), "median-ms")
	b.ReportMetric(milliseconds(times[0]), "best-ms")
	b.ReportMetric(milliseconds(times[len(times)-1]), "worst-ms")
	b.ReportMetric(0, "ns/op") // 0 omits it
	return median
}

// processorTime returns the processor time of this process so far. Other programs on the machine do
// not change it much, unlike the other times. It includes SQLite, and not the PostgreSQL server.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// counter is a response whose body is counted and dropped.
type counter struct {
	header http.Header
	bytes  int
}

func (c *counter) Header() http.Header { return c.header }
func (c *counter) WriteHeader(int)     {}
func (c *counter) Write(p []byte) (int, error) {
	c.bytes += len(p)
	return len(p), nil
}

// export exports all events once, and reports the peak and the later size of the heap.
func (a *administered) export(b *testing.B, format administration.Format) {
	target := "https://login.example.com" + api.Path + "/events/export?format=" + string(format)
	r := httptest.NewRequest(http.MethodGet, target, nil)
	a.authenticate(b, true)(r)
	var peak uint64
	var sampling sync.WaitGroup
	stop := make(chan struct{})
	sampling.Go(func() {
		for done := false; !done; {
			peak = max(peak, heap())
			select {
			case <-stop:
				done = true
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	w := &counter{header: http.Header{}}
	began := time.Now()
	a.handler.ServeHTTP(w, r)
	b.ReportMetric(time.Since(began).Seconds(), "s")
	close(stop)
	sampling.Wait()
	runtime.GC()
	b.ReportMetric(float64(w.bytes)/1e6, "MB-sent")
	b.ReportMetric(float64(peak)/1e6, "MB-heap-peak")
	b.ReportMetric(float64(heap())/1e6, "MB-heap-after")
	b.ReportMetric(0, "ns/op")
}

// heap returns the size of the heap.
func heap() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapInuse
}

// actOnList changes the 500 newest users by one operation of the API, once.
func (a *administered) actOnList(b *testing.B, act string) {
	body, err := json.Marshal(map[string]any{"users": a.UserIDs[:min(500, len(a.UserIDs))]})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "https://login.example.com"+api.Path+"/users/"+act, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	send := a.client(b, true)
	began := time.Now()
	if w := send(r); w.Code != http.StatusOK {
		b.Fatalf("%s: %d, %.300s", act, w.Code, w.Body)
	}
	b.ReportMetric(time.Since(began).Seconds(), "s")
	b.ReportMetric(0, "ns/op")
}
