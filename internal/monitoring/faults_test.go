package monitoring

import (
	"database/sql"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // a test locks the database from outside

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat/wechattest"
)

// causeFaults causes faults in the simulator of WeChat and around a running gateway, scrapes its
// metrics before and after, and evaluates the rules as if the same happened each minute.
//
// Without a fault, no alert fires. The alerts about durations are left out there, because the machine
// may be slow during the test. TestEachAlertFires has durations with which they do not fire.
func causeFaults(t *testing.T, fired *firedAlerts) {
	t.Helper()
	f := newFixture(t)
	f.signIn("alice") // creates the series of a normal sign-in
	f.redeem(f.app.LastQuery().Get("code"), appSecret)
	code := f.app.LastQuery().Get("code")
	failure := func(fault wechattest.Fault) func() {
		return func() {
			fault.Times = -1
			f.wechat.Fail(fault)
			f.signIn("bob")
			f.wechat.ClearFaults()
		}
	}
	errcode := func(code int) func() {
		return failure(wechattest.Fault{Endpoint: "/sns/oauth2/access_token", Errcode: code})
	}
	var scenarios []scenario
	for _, c := range []struct {
		name  string
		cause func()
		fires []string
	}{
		{"no fault", func() { f.signIn("xiaoming"); f.get("/readyz", "") }, nil},
		{"the address is not on the allow-list", errcode(40164),
			[]string{"WeigateAddressNotAllowed", "WeigateSignInFaults", "WeigateNobodySignsIn"}},
		{"the AppSecret was reset", errcode(40125), []string{"WeigateSecretWrong", "WeigateSignInFaults",
			"WeigateServerErrors"}},
		{"the appid is wrong", errcode(40013), []string{"WeigateAccountRejected"}},
		{"the quota of the day is used up", errcode(45009),
			[]string{"WeigateQuotaExceeded", "WeigateSignInsTurnedAway"}},
		{"WeChat is busy", errcode(-1), []string{"WeigateWeChatFailing"}},
		{"connections to WeChat break", failure(wechattest.Fault{Endpoint: "/sns/oauth2/access_token", Cut: true}),
			[]string{"WeigateWeChatFailing"}},
		{"WeChat answers slowly", failure(wechattest.Fault{Endpoint: "/sns/oauth2/access_token", Errcode: 50002,
			Latency: 5100 * time.Millisecond}), []string{"WeigateWeChatSlow", "WeigateSlow"}},
		// WeChat shows its own page, and the gateway receives nothing.
		{"the callback domain is wrong", failure(wechattest.Fault{Endpoint: "/connect/oauth2/authorize", Errcode: 10003}),
			[]string{"WeigateNobodySignsIn"}},
		{"the callback domain is wrong for most users", func() {
			f.signIn("emoji")
			for range 3 {
				failure(wechattest.Fault{Endpoint: "/connect/oauth2/authorize", Errcode: 10003})()
			}
		}, []string{"WeigateSignInsNotFinished"}},
		{"an app sends a wrong secret", func() { f.redeem("a-code", "a-wrong-secret-of-the-app") },
			[]string{"WeigateAppSecretWrong"}},
		{"a code is used twice", func() { f.redeem(code, appSecret) }, []string{"WeigateReplay"}},
		{"a flood of cookies", func() { f.floodOfCookies() }, []string{"WeigateLimitReached"}},
		{"the limit of calls to WeChat is reached", func() { f.exhaustCalls() },
			[]string{"WeigateCapacityReached", "WeigateSignInsTurnedAway"}},
		{"an app refuses the logout token", func() { f.signOut("xiaoming") }, []string{"WeigateDeliveriesGivenUp"}},
		{"the certificate file is broken", func() { f.replaceCertificate(func(cert, _ string) { f.write(cert, "broken") }) },
			[]string{"WeigateCertificateProblem"}},
		{"the certificate was not renewed", func() {
			f.replaceCertificate(func(cert, key string) {
				fixture.WriteCertificate(t, cert, key, "127.0.0.1", time.Now().Add(9*24*time.Hour))
			})
		}, []string{"WeigateCertificateExpires", "WeigateCertificateProblem"}},
		{"the clock is wrong", func() { f.clock.Set(90 * time.Second) }, []string{"WeigateClockWrong"}},
		{"the database fails", func() { f.failStore() },
			[]string{"WeigateStoreUnavailable", "WeigateEventsNotStored"}},
	} {
		before := f.scrape()
		c.cause()
		only := c.fires
		if only == nil {
			only = alertsExcept(t, "WeigateSlow", "WeigateStoreSlow", "WeigateWeChatSlow")
		}
		scenarios = append(scenarios, scenario{name: c.name, step: "1m", at: "15m", alerts: c.fires, only: only,
			series: continued(before, f.scrape())})
	}
	slow := []string{"WeigateStoreSlow"}
	fired.check(t, "1m", append(scenarios, scenario{name: "another program locks the database", step: "1m",
		at: "15m", alerts: slow, only: slow, series: lockedStore(t)}))
}

// alertsExcept returns the names of all alerts but some.
func alertsExcept(t *testing.T, excluded ...string) (names []string) {
	t.Helper()
	for _, a := range readAlerts(t) {
		if !slices.Contains(excluded, a.Alert) {
			names = append(names, a.Alert)
		}
	}
	return names
}

// lockedStore returns the series of a gateway with a user who signs in while another program writes to
// the database. The other program writes for 600 ms, or longer if no operation of the store has waited
// for it: a machine under load may reach the store later.
func lockedStore(t *testing.T) []series {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weigate.db")
	f := newFixtureOn(t, path)
	other, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for locked := 600 * time.Millisecond; locked < time.Minute; locked *= 2 {
		before := f.scrape()
		tx, err := other.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		time.AfterFunc(locked, func() { ended <- tx.Rollback() })
		f.signIn("bob")
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		after := f.scrape()
		if slowOperations(after) > slowOperations(before) {
			return continued(before, after)
		}
	}
	t.Fatal("no operation of the store waits for another program")
	return nil
}

// slowOperations returns the number of operations of the store that took longer than WeigateStoreSlow
// allows.
func slowOperations(samples map[string]float64) (n float64) {
	for name, value := range samples {
		switch {
		case strings.Contains(name, `operation="sweep"`): // the rule leaves it out
		case strings.HasPrefix(name, "weigate_store_operation_seconds_count"):
			n += value
		case strings.HasPrefix(name, "weigate_store_operation_seconds_bucket") && strings.Contains(name, `le="0.25"`):
			n -= value
		}
	}
	return n
}

// floodOfCookies sends requests with more cookies than the limit.
func (f *gatewayFixture) floodOfCookies() {
	var cookies []string
	for i := range 60 {
		cookies = append(cookies, fmt.Sprintf("weigate_%d=x", i))
	}
	for range 20 {
		f.get("/", strings.Join(cookies, "; "))
	}
}

// exhaustCalls allows one call to WeChat a minute, and signs in twice.
func (f *gatewayFixture) exhaustCalls() {
	changed := *f.config
	changed.Limits.WeChatCalls = 1
	if err := f.gateway.Reload(&changed); err != nil {
		f.t.Fatal(err)
	}
	f.wechat.Fail(wechattest.Fault{Endpoint: "/sns/oauth2/access_token", Errcode: 50002, Times: -1})
	f.signIn("bob")
	f.signIn("bob")
	f.wechat.ClearFaults()
	if err := f.gateway.Reload(f.config); err != nil {
		f.t.Fatal(err)
	}
}

// signOut signs a user out, and waits until the gateway has told the app, or has given up.
func (f *gatewayFixture) signOut(user string) {
	f.t.Helper()
	f.signIn(user)
	r, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.config.URL+"/sign-out", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	r.Header.Set("Origin", f.config.URL)
	for _, c := range f.wechat.Phone(user).Cookies(f.config.URL) {
		r.AddCookie(c)
	}
	f.send(r)
	const delivered = "weigate_deliveries_total"
	ended := func(name string) bool { return strings.HasPrefix(name, delivered) }
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for late := time.After(time.Minute); !slices.ContainsFunc(slices.Collect(maps.Keys(f.scrape())), ended); {
		select {
		case <-look.C:
		case <-late:
			f.t.Fatal("the app was not told")
		}
	}
}

// replaceCertificate changes the files of the certificate, and makes the gateway read them.
func (f *gatewayFixture) replaceCertificate(change func(cert, key string)) {
	f.t.Helper()
	change(f.path("cert.pem"), f.path("key.pem"))
	f.gateway.Certificate().Reload(f.t.Context())
}

func (f *gatewayFixture) write(path, text string) {
	f.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// failStore closes the database, as if the disk were gone.
func (f *gatewayFixture) failStore() {
	if err := f.store.Close(); err != nil {
		f.t.Fatal(err)
	}
	f.signIn("alice")
	f.signIn("bob")
	f.get("/readyz", "")
	_ = f.store.AppendEvents(f.t.Context(), gateway.Event{Kind: "sign_in", At: f.clock.Now()})
}

// continued returns the series of both scrapes: a counter grows each minute as between the scrapes.
func continued(before, after map[string]float64) (all []series) {
	all = append(all, up)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		step := after[name] - before[name]
		start := before[name]
		switch {
		case name == "weigate_clock_seconds":
			start, step = after[name], 60
		case isTime(name), strings.HasPrefix(name, "go_"), strings.HasPrefix(name, "process_"):
			start, step = after[name], 0
		}
		metric, labels, _ := strings.Cut(strings.TrimSuffix(name, "}"), "{")
		if labels != "" {
			labels = "," + labels
		}
		all = append(all, series{metric + `{job="weigate",instance="a"` + labels + `}`,
			fmt.Sprintf("%f+%fx20", start, step)})
	}
	return all
}

// TestMetricNamesExist looks for each metric that the rules, the dashboard and the documents name in
// the metrics of a gateway.
func TestMetricNamesExist(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.signIn("alice")
	f.redeem(f.app.LastQuery().Get("code"), appSecret)
	f.floodOfCookies()
	f.get("/verify", "")
	f.get("/connect/oauth2/authorize?appid=wx00000000000000ff", "")
	// Package app calls these for deliveries and pushes, and package cli for a certificate.
	f.metrics.Push("text", "handled")
	f.metrics.Delivery(gateway.DeliverNotification, "ops", "sent")
	f.metrics.Certificate("files", time.Now())
	f.metrics.CertificateProblem("files", "not_loaded")
	names := map[string]bool{"process_open_fds": true, "process_max_fds": true}
	for sample := range f.scrape() {
		name, _, _ := strings.Cut(sample, "{")
		names[name] = true
		names[strings.TrimSuffix(name, "_count")] = true // as the documents name a histogram
	}
	metric := regexp.MustCompile(`\b(weigate|process|go)_[a-z_]*[a-z]\b`)
	for _, path := range []string{rulesPath, dashboardPath, "../../docs/en/metrics.md", "../../docs/zh-CN/metrics.md",
		"../../docs/en/monitoring.md", "../../docs/zh-CN/monitoring.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := metric.FindAllString(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s names no metric", path)
		}
		for _, name := range found {
			if !names[name] {
				t.Errorf("%s names %s, which a gateway does not have", path, name)
			}
		}
	}
}
