package resilience_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/keys"
)

// The bounds of docs/en/limits.md that a flood must not exceed, for one process. maxLogPerSecond and
// maxDisk bound what a flood leaves on the disk. maxHonestTime is long: other tests and the attackers
// use the same processors. A user whom the flood shuts out never signs in.
const (
	maxMemory       = 400e6 // bytes, resident
	maxDescriptors  = 4096 + 256
	maxLogPerSecond = 500e3 // bytes
	maxDisk         = 400e6 // bytes of the database, for SQLite with its journal
	maxHonestTime   = patience
)

// TestHonestUsersDuringAFlood attacks the gateway from thousands of networks in every way that a
// security review has found, while users sign in. Each of their sign-ins succeeds, and the memory,
// descriptors, log and database of the gateway stay within the documented bounds.
//
// It runs for 5 s; WEIGATE_FLOOD=10m is the full test.
func TestHonestUsersDuringAFlood(t *testing.T) {
	for store, replicas := range map[string]int{onSQLite: 1, onPostgres: 2} {
		t.Run(store, func(t *testing.T) {
			const honestPerSecond = 4
			d := floodTime(t)
			n := int(d.Seconds()*honestPerSecond) + 1
			w := newFixture(t, store, keys.ES256, n, replicas)
			f := &flood{w: w, hosts: w.hosts(), counts: map[string]*atomic.Int64{}}
			ctx, stop := context.WithTimeout(t.Context(), d)
			defer stop()
			wait := f.begin(ctx)
			use := f.watch(ctx)
			times := w.signInHonestly(ctx, t, n, time.Second/honestPerSecond)
			<-ctx.Done()
			wait()
			use.check(t, w, d)
			slices.Sort(times)
			t.Logf("%s, %s: %d honest sign-ins, median %s, 95 %% within %s, longest %s; resident %.0f MB, %d descriptors, "+
				"%.1f kB of log a second, database %.1f MB; requests of the attackers: %s", store, d, len(times),
				times[len(times)/2].Round(time.Millisecond), times[len(times)*95/100].Round(time.Millisecond),
				times[len(times)-1].Round(time.Millisecond), use.memory/1e6, use.descriptors,
				use.log/d.Seconds()/1e3, use.disk/1e6, f)
		})
	}
}

// signInHonestly begins a sign-in of a new user at each interval and returns how long each took.
func (w *clusterFixture) signInHonestly(
	ctx context.Context, t *testing.T, n int, interval time.Duration,
) (times []time.Duration) {
	transport := newTransport()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range n {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			p := w.newUser(i, transport)
			p.address = fmt.Sprintf("100.64.%d.%d", i/250%250, i%250+1)
			began := time.Now()
			err := p.signIn(t.Context())
			for errors.Is(err, errBusy) && time.Since(began) < maxHonestTime { // its page has a button
				err = p.signIn(t.Context())
			}
			if err != nil {
				t.Errorf("honest %s: %v", p.id, err)
			}
			mu.Lock()
			defer mu.Unlock()
			times = append(times, time.Since(began))
		})
	}
	all.Wait()
	if len(times) == 0 {
		t.Fatal("no honest user has signed in")
	}
	if longest := slices.Max(times); longest > maxHonestTime {
		t.Errorf("an honest sign-in took %s", longest)
	}
	return times
}

// flood sends the requests of attackers.
type flood struct {
	w      *clusterFixture
	hosts  []string
	counts map[string]*atomic.Int64 // by attack: requests that got a response
}

// begin starts the attacks, which end with ctx. wait waits for their end.
func (f *flood) begin(ctx context.Context) (wait func()) {
	attacks := map[string]func(context.Context, *attacker){
		"made-up codes":        madeUpCodes,
		"tickets":              tickets,
		"forms of other sites": foreignForms,
		"cookies":              manyCookies,
		"secrets and tokens":   guesses,
		"unfinished requests":  unfinished,
	}
	var all sync.WaitGroup
	for name, attack := range attacks {
		f.counts[name] = &atomic.Int64{}
		for i := range 2 {
			all.Go(func() {
				a := &attacker{f: f, host: f.hosts[i%len(f.hosts)], count: f.counts[name]}
				a.client = &http.Client{
					Transport:     &http.Transport{MaxIdleConnsPerHost: 1},
					CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
					Timeout:       30 * time.Second,
				}
				for ctx.Err() == nil {
					attack(ctx, a)
				}
				a.client.CloseIdleConnections()
			})
		}
	}
	return all.Wait
}

func (f *flood) String() string {
	var out []string
	for name, n := range f.counts {
		out = append(out, fmt.Sprintf("%s %d", name, n.Load()))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// attacker sends requests to one replica, each from a network of its choice.
type attacker struct {
	f      *flood
	host   string
	client *http.Client
	count  *atomic.Int64
}

// network returns an address in one of about 4,000 networks.
func network() string {
	n := mathrand.IntN(4000)
	if n%4 == 0 {
		return fmt.Sprintf("2001:db8:%x:%x::1", n, mathrand.IntN(1<<16))
	}
	return fmt.Sprintf("203.%d.%d.%d", n/250, n%250, mathrand.IntN(250)+1)
}

// send sends a request and returns the response with its body read; nil when there is none.
func (a *attacker) send(ctx context.Context, method, path string, form url.Values, header http.Header) *http.Response {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+a.host+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil
	}
	r.Header = header
	own, err := url.Parse(a.f.w.proxy.url)
	if err != nil {
		return nil
	}
	r.Host = own.Host
	if r.Header.Get("X-Forwarded-For") == "" {
		r.Header.Set("X-Forwarded-For", network())
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := a.client.Do(r)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	a.count.Add(1)
	return res
}

// madeUpCodes begins one flow and sends made-up codes to its callback from many networks.
func madeUpCodes(ctx context.Context, a *attacker) {
	agent := http.Header{"User-Agent": {fixture.AgentWeChat}, "Accept": {"text/html"}}
	res := a.send(ctx, http.MethodGet, "/sign-in?return=/", nil, agent.Clone())
	if res == nil {
		return
	}
	to, err := url.Parse(res.Header.Get("Location"))
	if err != nil {
		return
	}
	back, err := url.Parse(to.Query().Get("redirect_uri"))
	if err != nil || back.Path == "" {
		return
	}
	var cookies []string
	for _, c := range res.Cookies() {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	for range 20 {
		header := agent.Clone()
		header.Set("Cookie", strings.Join(cookies, "; "))
		q := url.Values{"code": {rand.Text() + "000000"}, "state": {to.Query().Get("state")}}
		a.send(ctx, http.MethodGet, back.Path+"?"+q.Encode(), nil, header)
	}
}

// tickets opens sign-in pages of desktops, each of which shows a QR code.
func tickets(ctx context.Context, a *attacker) {
	a.send(ctx, http.MethodGet, "/sign-in?return=/", nil,
		http.Header{"User-Agent": {fixture.AgentDesktop}, "Accept": {"text/html"}})
}

// foreignForms sends long forms of another site.
func foreignForms(ctx context.Context, a *attacker) {
	a.send(ctx, http.MethodPost, "/sign-out/"+strings.Repeat("x", 4000), url.Values{"a": {"1"}},
		http.Header{"Origin": {"https://attacker.example"}, "Sec-Fetch-Site": {"cross-site"}})
}

// manyCookies sends as many made-up cookies with names of the gateway as headers may contain.
func manyCookies(ctx context.Context, a *attacker) {
	port := a.f.w.proxy.url[strings.LastIndexByte(a.f.w.proxy.url, ':')+1:]
	var cookies []string
	for i := range 400 {
		cookies = append(cookies, fmt.Sprintf("weigate%s-scan-%d=%s", port, i, rand.Text()[:10]))
	}
	header := http.Header{"User-Agent": {fixture.AgentDesktop}, "Cookie": {strings.Join(cookies, "; ")}}
	for _, path := range []string{"/sign-in?return=/", "/", "/oauth2/authorize?client_id=" + appID} {
		a.send(ctx, http.MethodGet, path, nil, header.Clone())
	}
}

// guesses sends wrong client secrets and made-up tokens.
func guesses(ctx context.Context, a *attacker) {
	a.send(ctx, http.MethodPost, "/oauth2/token",
		url.Values{"grant_type": {"authorization_code"}, "code": {rand.Text()}, "client_id": {appID},
			"client_secret": {rand.Text()}}, http.Header{})
	a.send(ctx, http.MethodGet, "/oauth2/userinfo", nil, http.Header{"Authorization": {"Bearer " + rand.Text()}})
	a.send(ctx, http.MethodGet, "/oauth2/authorize?client_id="+rand.Text(), nil, http.Header{})
}

// unfinished opens 50 connections that send half a request, and closes them after a while.
func unfinished(ctx context.Context, a *attacker) {
	var open []net.Conn
	for range 50 {
		c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", a.host)
		if err != nil {
			break
		}
		open = append(open, c)
		fmt.Fprintf(c, "GET /sign-in HTTP/1.1\r\nHost: x\r\nX-Filler: %s\r\n", strings.Repeat("y", 8000))
		a.count.Add(1)
	}
	select {
	case <-ctx.Done():
	case <-time.After(500 * time.Millisecond):
	}
	for _, c := range open {
		c.Close()
	}
}

// use is the greatest use of resources by one process.
type use struct {
	done        chan struct{}
	memory      float64 // bytes
	descriptors int
	log         float64 // bytes, of all processes
	disk        float64 // bytes of the database; on PostgreSQL at the end, as it does not shrink its tables
	problem     error
}

// watch reads the use of resources every 200 ms until ctx ends.
func (f *flood) watch(ctx context.Context) *use {
	u := &use{done: make(chan struct{})}
	go func() {
		defer close(u.done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			u.read(f.w)
			<-tick.C
		}
	}()
	return u
}

func (u *use) read(w *clusterFixture) {
	u.log = 0
	for _, p := range w.replicas {
		proc := "/proc/" + strconv.Itoa(p.PID)
		statm, err := os.ReadFile(proc + "/statm")
		if err != nil {
			u.problem = err
			return
		}
		pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
		if err != nil {
			u.problem = err
			return
		}
		u.memory = max(u.memory, float64(pages*os.Getpagesize()))
		open, err := os.ReadDir(proc + "/fd")
		if err != nil {
			u.problem = err
			return
		}
		u.descriptors = max(u.descriptors, len(open))
		u.log += float64(len(p.Log.String()))
	}
	if path, isFile := strings.CutPrefix(w.store, "sqlite:"); isFile {
		files, err := filepath.Glob(path + "*")
		if err != nil {
			u.problem = err
			return
		}
		size := 0.0
		for _, name := range files {
			if info, err := os.Stat(name); err == nil { // the journal may have been removed meanwhile
				size += float64(info.Size())
			}
		}
		u.disk = max(u.disk, size)
	}
}

// check compares the use of a flood that lasted d with the bounds.
func (u *use) check(t *testing.T, w *clusterFixture, d time.Duration) {
	t.Helper()
	<-u.done
	if strings.HasPrefix(w.store, "postgres") {
		u.disk = schemaSize(t, w.store)
	}
	if u.problem != nil {
		t.Fatal(u.problem)
	}
	for _, bound := range []struct {
		what     string
		got, max float64
	}{
		{"bytes of memory", u.memory, maxMemory},
		{"descriptors", float64(u.descriptors), maxDescriptors},
		{"bytes of log a second", u.log / d.Seconds(), maxLogPerSecond},
		{"bytes of database", u.disk, maxDisk},
	} {
		if bound.got > bound.max {
			t.Errorf("%.0f %s, more than %.0f", bound.got, bound.what, bound.max)
		}
	}
}

// schemaSize returns the bytes of all tables and indexes of a PostgreSQL store.
func schemaSize(t *testing.T, store string) (bytes float64) {
	t.Helper()
	db, err := sql.Open("pgx", store)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.QueryRowContext(t.Context(), `SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c
		JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind = 'r'`).Scan(&bytes)
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}
