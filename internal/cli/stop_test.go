package cli_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

// A gateway that is stopped during sign-ins finishes them first: WeChat's code works once, so an
// interrupted sign-in would be lost.
func TestTermDuringSignIns(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	g.instrumented = true
	g.configure("")
	g.serve()
	people := []string{"alice", "bob", "xiaoming"}
	// WeChat responds slowly, so that the signal arrives during the request to it.
	g.sim.Fail(wechattest.Fault{Endpoint: "/sns/oauth2/access_token", Latency: 700 * time.Millisecond, Times: -1})
	var all sync.WaitGroup
	for _, person := range people {
		all.Go(func() {
			// The requests after the callback may fail, because the gateway has stopped. The callback
			// must succeed.
			_, _ = g.sim.Phone(person).Open(t.Context(), g.authorize("openid"))
		})
	}
	const exchange = "/sns/oauth2/access_token"
	end := time.Now().Add(processDeadline)
	for g.wechatRequests(exchange) < len(people) {
		if time.Now().After(end) {
			t.Fatal("the codes did not come to WeChat")
		}
		time.Sleep(5 * time.Millisecond) // polls until the requests have arrived
	}
	g.term()
	all.Wait()
	in := 0
	g.mu.Lock()
	for _, a := range g.answers {
		if a.path == "/wechat/callback" && strings.Contains(a.header.Get("Location"), "/oauth2/authorize") &&
			len(a.header["Set-Cookie"]) > 0 {
			in++
		}
	}
	g.mu.Unlock()
	if in != len(people) || g.wechatRequests(exchange) != len(people) {
		t.Errorf("%d of %d sign-ins in progress completed, by %d exchanges: %s", in, len(people),
			g.wechatRequests(exchange), g.errs)
	}
	if list := g.run("user", "list"); strings.Count(list, " pending ") != len(people) {
		t.Errorf("after the end the store holds:\n%s", list)
	}
	g.sim.ClearFaults()
	g.serve() // with the same database
	before := g.wechatRequests(exchange)
	for _, person := range people {
		if page, err := g.sim.Phone(person).Open(t.Context(), g.authorize("openid")); err != nil ||
			!strings.HasPrefix(page.URL, g.app.URL) {
			t.Errorf("%s after the restart: %+v, %v", person, page, err)
		}
	}
	if n := g.wechatRequests(exchange) - before; n != 0 {
		t.Errorf("%d people had to sign in again after the restart", n)
	}
	g.term()
	if list := g.run("user", "list"); strings.Count(list, " pending ") != len(people) {
		t.Errorf("after the restart the store holds:\n%s", list)
	}
}

// An app that does not respond to a logout token must not make a stop fail. The token is sent again
// later, by the next process.
func TestTermDuringALogout(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	received := make(chan struct{}, 10)
	done := make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		received <- struct{}{}
		<-done
	}))
	t.Cleanup(app.Close)
	t.Cleanup(func() { close(done) }) // runs first: the server waits for its requests
	g.configure(fmt.Sprintf("  - {id: slow, kind: oidc, secret: %s, access: signed_in, redirect_uris: [%q],\n"+
		"     backchannel_logout_uri: %q}\noutgoing: {private_apps: true}\n", clientSecret, g.app.URL+"/cb", app.URL))
	g.serve()
	phone := g.sim.Phone("alice")
	address := strings.Replace(g.authorize("openid"), "client_id=sample", "client_id=slow", 1)
	if _, err := phone.Open(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.front.URL+"/sign-out", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", g.front.URL)
	for _, c := range phone.Cookies(g.front.URL) {
		r.AddCookie(c)
	}
	g.body(r)
	<-received
	g.term()
}

// Twenty reloads, half of them of an invalid configuration, must not disturb concurrent sign-ins and
// token requests.
func TestHangupUnderLoad(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	g.instrumented = true
	g.configure("")
	g.serve()
	done := make(chan struct{})
	var load sync.WaitGroup
	for _, person := range []string{"alice", "bob", "xiaoming"} {
		load.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					if i < 1 {
						t.Errorf("%s: only %d rounds", person, i)
					}
					return
				default:
				}
				p := g.sim.Phone(person)
				p.ClearCookies()
				page, err := p.Open(t.Context(), g.authorize("openid"))
				if err != nil || !strings.HasPrefix(page.URL, g.app.URL) {
					t.Errorf("%s, round %d: %+v, %v", person, i, page, err)
					return
				}
				_, code, _ := strings.Cut(page.URL, "code=")
				code, _, _ = strings.Cut(code, "&")
				if got := g.redeem(code); !strings.Contains(got, "id_token") {
					t.Errorf("%s, round %d: %s", person, i, got)
					return
				}
			}
		})
	}
	for i := range 10 {
		g.configure("lsten: nowhere\n")
		g.hangup()
		g.await("configuration not reloaded, previous one kept", i+1)
		g.configure(fmt.Sprintf(
			"  - {id: more%d, kind: oidc, secret: %s, access: signed_in, redirect_uris: [https://more.example.com/cb]}\n", i,
			clientSecret))
		g.hangup()
		g.await("configuration reloaded", i+1)
	}
	close(done)
	load.Wait()
	if page := g.get(strings.Replace(g.authorize("openid"), "client_id=sample", "client_id=more9", 1),
		""); !strings.Contains(page, `id="`) {
		t.Errorf("the last configuration is not in force: %s", page)
	}
	g.term()
}

func (g *fixture) hangup() {
	g.t.Helper()
	if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		g.t.Fatal(err)
	}
}
