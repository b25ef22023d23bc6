package metrics_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/metrics"
	"github.com/weigate/weigate/internal/store/sqlite"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// read returns the response that Prometheus gets, without the metrics of the process and of Go.
func read(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(rec.Result().Body)
	if err != nil || rec.Code != http.StatusOK {
		t.Fatalf("%d %v", rec.Code, err)
	}
	var own []string
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "weigate_") {
			own = append(own, line)
		}
	}
	leaktest.Check(t, "the metrics", string(body))
	return strings.Join(own, "")
}

func expect(t *testing.T, got string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("missing: %s\nin\n%s", line, got)
		}
	}
}

func TestSignInsAndAnswers(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	m.SignInBegan("wechat")
	m.SignInBegan("wechat")
	m.SignInEnded("wechat", "signed_in")
	m.OIDC("token", "authorization_code", "wiki", "invalid_grant")
	m.Relay("access_token", "shop", "40163")
	m.Limited("sign_in_address")
	expect(t, read(t, m),
		`weigate_sign_ins_begun_total{method="wechat"} 2`,
		`weigate_sign_ins_ended_total{method="wechat",outcome="signed_in"} 1`,
		`weigate_oidc_answers_total{app="wiki",endpoint="token",grant="authorization_code",outcome="invalid_grant"} 1`,
		`weigate_relay_answers_total{app="shop",endpoint="access_token",outcome="40163"} 1`,
		`weigate_limited_total{limit="sign_in_address"} 1`)
}

// TestLabelsAreBounded sends values that are in no table: they count as "other", so that neither a
// visitor nor WeChat can create time series.
func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /known/{id}", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) })
	h := m.HTTP(mux)
	for i := range 50 {
		text := fmt.Sprintf("made-up-%d", i)
		m.SignInBegan(text)
		m.SignInEnded(text, text)
		m.OIDC(text, text, "", text)
		m.Relay(text, "", text)
		m.WeChat(t.Context(), wechat.Call{Endpoint: text, Code: 70000 + i})
		for _, r := range []*http.Request{
			httptest.NewRequest(http.MethodGet, "/known/"+text, nil), httptest.NewRequest(http.MethodGet, "/"+text, nil),
			httptest.NewRequest("MADE-UP"+text, "/known/1", nil),
		} {
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	got := read(t, m)
	if strings.Contains(got, "ade-up") || strings.Contains(got, `"7000`) {
		t.Errorf("a made-up value became a label:\n%s", got)
	}
	expect(t, got,
		`weigate_http_requests_total{method="GET",route="GET /known/{id}",status="418"} 50`,
		`weigate_http_requests_total{method="GET",route="other",status="404"} 50`,
		`weigate_wechat_calls_total{endpoint="other",result="other"} 50`)
}

// TestCallsToWeChatByErrcode counts the calls of a wechat.Client to the simulator.
func TestCallsToWeChatByErrcode(t *testing.T) {
	t.Parallel()
	wx, err := wechattest.New(wechattest.Config{Mark: leaktest.Mark, Apps: []wechattest.App{
		{Kind: wechattest.OfficialAccount, AppID: "wx0123456789abcdef", Secret: leaktest.Secret, Name: "A",
			Domains: []string{"localhost"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer wx.Close()
	srv := httptest.NewServer(wx)
	defer srv.Close()
	m := metrics.New()
	c := &wechat.Client{AppID: "wx0123456789abcdef", Secret: leaktest.Secret, APIURL: srv.URL, OnCall: m.WeChat}
	if _, err := c.Exchange(t.Context(), "no-such-code"); err == nil {
		t.Fatal("a made-up code was exchanged")
	}
	code, err := wx.Code("wx0123456789abcdef", "alice", "snsapi_base")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exchange(t.Context(), code); err != nil {
		t.Fatal(err)
	}
	wx.Fail(wechattest.Fault{Endpoint: "/sns/oauth2/access_token", Times: 1, Body: "<html>"})
	if _, err := c.Exchange(t.Context(), "no-such-code"); err == nil {
		t.Fatal("a page was taken for an answer")
	}
	expect(t, read(t, m),
		`weigate_wechat_calls_total{endpoint="access_token",result="40029"} 1`,
		`weigate_wechat_calls_total{endpoint="access_token",result="ok"} 1`,
		`weigate_wechat_calls_total{endpoint="access_token",result="not_json"} 1`,
		`weigate_wechat_call_seconds_count{endpoint="access_token"} 3`)
}

func TestStoreOperationsAndTokens(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	inner, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{Observe: m.Store})
	if err != nil {
		t.Fatal(err)
	}
	s := m.Tokens(inner)
	now := time.Now()
	user, _, err := s.RecordSignIn(t.Context(),
		gateway.SignIn{Connector: "main", AppID: "wx0123456789abcdef", OpenID: leaktest.Mark, At: now,
			InitialStatus: gateway.Active})
	if err != nil {
		t.Fatal(err)
	}
	put := func(code byte) {
		t.Helper()
		grant := gateway.Grant{ID: fmt.Sprint("f", code), App: "wiki", UserID: user.ID, Subject: "s", CreatedAt: now,
			AuthTime: now, ExpiresAt: now.Add(time.Hour)}
		if err := s.PutCode(t.Context(),
			gateway.Code{Hash: [32]byte{code}, Grant: grant, ExpiresAt: now.Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	put(1)
	put(2)
	access := func(n byte) gateway.Token {
		return gateway.Token{Hash: [32]byte{100, n}, CreatedAt: now, ExpiresAt: now.Add(time.Minute)}
	}
	if _, err := s.Redeem(t.Context(), [32]byte{1}, now, gateway.TokenIssue{Access: access(1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Redeem(t.Context(), [32]byte{2}, now,
		gateway.TokenIssue{Access: access(2), Refresh: [32]byte{7}, GrantExpires: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Redeem(t.Context(), [32]byte{1}, now, gateway.TokenIssue{Access: access(3)}); err == nil {
		t.Fatal("a code was redeemed twice")
	}
	rotate := func(n byte) {
		t.Helper()
		r := gateway.Rotation{Grant: "f2", Presented: [32]byte{7}, Next: [32]byte{8}, Access: access(n),
			Expires: now.Add(time.Hour), Now: now, Grace: time.Minute}
		if _, err := s.Rotate(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	rotate(4)
	rotate(5) // within the grace: the same refresh token again, another access token
	if _, err := s.User(t.Context(), "nobody"); err == nil {
		t.Fatal("nobody was found")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Ping(ended); err == nil {
		t.Fatal("a cancelled ping returned no error")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Fatal("a closed store answered")
	}
	expect(t, read(t, m),
		`weigate_tokens_issued_total{kind="code"} 2`,
		`weigate_tokens_issued_total{kind="access"} 4`,
		`weigate_tokens_issued_total{kind="refresh"} 2`,
		`weigate_store_operations_total{operation="redeem",outcome="replay"} 1`,
		`weigate_store_operations_total{operation="redeem",outcome="ok"} 2`,
		`weigate_store_operations_total{operation="user",outcome="not_found"} 1`,
		`weigate_store_operations_total{operation="ping",outcome="cancelled"} 1`,
		`weigate_store_operations_total{operation="ping",outcome="unavailable"} 1`,
		`weigate_store_operation_seconds_count{operation="record_sign_in"} 1`)
}

// TestConcurrentCounting checks that no increment is lost when goroutines count the same series and
// different ones at once.
func TestConcurrentCounting(t *testing.T) {
	t.Parallel()
	const goroutines = 16
	const requests = 100
	m := metrics.New()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) {})
	h := m.HTTP(mux)
	methods := []string{"wechat", "scan"}
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			for range requests {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
				m.SignInBegan("website")
				m.SignInBegan(methods[i%2])
			}
		})
	}
	wg.Wait()
	expect(t, read(t, m),
		`weigate_sign_ins_begun_total{method="website"} 1600`,
		`weigate_sign_ins_begun_total{method="wechat"} 800`,
		`weigate_sign_ins_begun_total{method="scan"} 800`,
		`weigate_http_requests_total{method="GET",route="GET /",status="200"} 1600`,
		`weigate_http_request_seconds_bucket{route="GET /",le="+Inf"} 1600`,
		`weigate_http_request_seconds_count{route="GET /"} 1600`)
}

// TestPanicCountsAs500: the middleware above serves a 500 for a handler that panics.
func TestPanicCountsAs500(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bad", func(http.ResponseWriter, *http.Request) { panic("as a test") })
	func() {
		defer func() { _ = recover() }()
		m.HTTP(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/bad", nil))
	}()
	expect(t, read(t, m), `weigate_http_requests_total{method="GET",route="GET /bad",status="500"} 1`)
}

// TestNilMetrics calls every method on nil, as a gateway without metrics does.
func TestNilMetrics(t *testing.T) {
	t.Parallel()
	var m *metrics.Metrics
	m.SignInBegan("wechat")
	m.SignInEnded("wechat", "signed_in")
	m.OIDC("token", "", "", "ok")
	m.Relay("auth", "", "ok")
	m.Limited("cookies")
	m.WeChat(t.Context(), wechat.Call{})
	m.Store("ping", time.Second, nil)
	if s := m.Tokens(nil); s != nil {
		t.Error("Tokens(nil) returned a store")
	}
	rec := httptest.NewRecorder()
	m.HTTP(http.NotFoundHandler()).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
	m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if rec.Code != http.StatusNotFound {
		t.Errorf("%d", rec.Code)
	}
}
