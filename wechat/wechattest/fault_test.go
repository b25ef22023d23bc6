package wechattest_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	const path = "/sns/oauth2/access_token"
	whole := `{"access_token":"`
	tests := []struct {
		name   string
		fault  wechattest.Fault
		status int
		kind   string // start of Content-Type
		body   string // start of the body
		size   int    // of the body; 0 = any
		burned bool   // the code is used up
	}{
		{"system error", wechattest.Fault{Endpoint: path, Errcode: -1}, 200, "text/plain",
			`{"errcode":-1,"errmsg":"system error, rid: `, 0, false},
		{"own text", wechattest.Fault{Endpoint: path, Errcode: 50001, Errmsg: "no/way"}, 200, "text/plain",
			`{"errcode":50001,"errmsg":"no\/way, rid: `, 0, false},
		{"error with a status", wechattest.Fault{Endpoint: path, Errcode: -1, Status: 500}, 500, "text/plain",
			`{"errcode":-1`, 0, false},
		{"gateway's status", wechattest.Fault{Endpoint: path, Status: 502}, 502, "text/html",
			"<html>\r\n<head><title>Bad Gateway</title>", 0, false},
		{"HTML with status 200", wechattest.Fault{Endpoint: path, Body: "<html>sorry"}, 200,
			"text/html; charset=utf-8", "<html>sorry", 11, false},
		{"empty object", wechattest.Fault{Endpoint: path, Body: "{}",
			ContentType: "application/json; encoding=utf-8"}, 200, "application/json; encoding=utf-8", "{}", 2, false},
		{"truncated", wechattest.Fault{Endpoint: path, Truncate: 40}, 200, "text/plain", whole, 40, true},
		{"answer lost after the work", wechattest.Fault{Endpoint: path, Status: 504, AfterWork: true}, 504,
			"text/html", "<html>", 0, true},
		{"any path", wechattest.Fault{Errcode: -1}, 200, "text/plain", `{"errcode":-1`, 0, false},
		{"other path", wechattest.Fault{Endpoint: "/sns/userinfo", Errcode: -1}, 200, "text/plain", whole, 0, true},
		{"other app", wechattest.Fault{AppID: "wx0000000000000000", Errcode: -1}, 200, "text/plain", whole, 0, true},
		{"skipped", wechattest.Fault{Endpoint: path, Skip: 1, Errcode: -1}, 200, "text/plain", whole, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := simulate(t, wechattest.Config{})
			code := s.code(s.oa, "alice", "snsapi_base")
			s.Fail(tt.fault)
			params := []string{"appid", s.oa.AppID, "secret", s.oa.Secret, "code", code, "grant_type",
				"authorization_code"}
			g := s.sns("oauth2/access_token", params...)
			if g.status != tt.status || !strings.HasPrefix(g.header.Get("Content-Type"), tt.kind) ||
				!strings.HasPrefix(g.body, tt.body) || tt.size != 0 && len(g.body) != tt.size {
				t.Errorf("%d %q %q", g.status, g.header.Get("Content-Type"), g.body)
			}
			s.ClearFaults()
			if f, _ := s.exchange(s.oa, code); (f.Errcode == 40163) != tt.burned {
				t.Errorf("afterwards: %+v", f)
			}
		})
	}
}

func TestFaultsCountAndQueue(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	s.Fail(wechattest.Fault{Endpoint: "/sns/auth", Times: 2, Skip: 1, Errcode: -1})
	s.Fail(wechattest.Fault{Endpoint: "/sns/auth", Errcode: 45011})
	want := []int{45011, -1, -1, 41001} // the first lets one through, to which the second applies
	for i, code := range want {
		if f := parse(t, s.get("/sns/auth").body); f.Errcode != code {
			t.Errorf("call %d: %d, want %d", i+1, f.Errcode, code)
		}
	}
	if left := s.Faults(); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
	s.Fail(wechattest.Fault{Endpoint: "/sns/auth", Times: -1, Errcode: -1})
	for range 3 {
		if f := parse(t, s.get("/sns/auth").body); f.Errcode != -1 {
			t.Errorf("%+v", f)
		}
	}
	if left := s.Faults(); len(left) != 1 || left[0].Times != -1 {
		t.Errorf("left: %+v", left)
	}
}

func TestClosedConnection(t *testing.T) {
	t.Parallel()
	for _, bytes := range []int{0, 40} {
		s := simulate(t, wechattest.Config{})
		code := s.code(s.oa, "alice", "snsapi_base")
		s.Fail(wechattest.Fault{Cut: true, Truncate: bytes, AfterWork: true,
			Times: 2}) // two, since net/http repeats a GET without a response
		res, err := http.Get(s.base + "/sns/oauth2/access_token?" + query("appid", s.oa.AppID, "secret", s.oa.Secret,
			"code", code, "grant_type", "authorization_code"))
		if bytes == 0 {
			if err == nil {
				res.Body.Close()
				t.Error("an answer came")
			}
		} else if err != nil {
			t.Error(err)
		} else {
			b, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err == nil || len(b) != bytes {
				t.Errorf("%d bytes and %v, want %d and an error", len(b), err, bytes)
			}
		}
		s.ClearFaults()
		if f, _ := s.exchange(s.oa, code); f.Errcode != 40163 {
			t.Errorf("cut after %d bytes: the work was not done: %+v", bytes, f)
		}
	}
}

func TestFaultAppliesToPages(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{ConsentAs: "alice"}})
	s.Fail(wechattest.Fault{Endpoint: "/connect/oauth2/authorize", Status: 503})
	if g := s.get(s.authorize(s.oa, "snsapi_base"), "User-Agent", inWeChat); g.status != 503 {
		t.Errorf("%d", g.status)
	}
	s.Fail(wechattest.Fault{Status: 503})
	if g := s.get("/connect/simulator/wechat-page.css"); g.status != 200 {
		t.Errorf("the fault hit a style sheet: %d", g.status)
	}
}

// An app's errors arrive in the format of the endpoint. The authorize page, for example, shows its
// errors to the user and has no JSON.
func TestErrcodeOfAFaultHasTheFormatOfTheEndpoint(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	for _, tt := range []struct {
		path, errmsg string
		errcode      int
		kind, body   string // start of Content-Type, part of the body
	}{
		{"/sns/userinfo", "", 45011, "text/plain", `{"errcode":45011,"errmsg":"api minute-quota reach limit`},
		{"/sns/auth", "", 12345, "text/plain", `{"errcode":12345,"errmsg":"error 12345, rid: `},
		{"/cgi-bin/token", "", 40013, "application/json; encoding=utf-8", `{"errcode":40013,"errmsg":"invalid appid rid: `},
		{"/cgi-bin/token", "closed", 40013, "application/json; encoding=utf-8", `"errmsg":"closed rid: `},
		{"/connect/oauth2/authorize", "", 10003, "text/html", ">redirect_uri 参数错误，错误码：10003<"},
		{"/connect/oauth2/authorize", "", 10009, "text/html", ">操作太频繁，请稍后再试，错误码：10009<"},
		{"/connect/oauth2/authorize", "", -1, "text/html", ">系统错误，错误码：-1<"},
		{"/connect/qrconnect", "<维护中>", 1, "text/html", ">&lt;维护中&gt;，错误码：1<"},
		{"/connect/l/qrconnect", "", 500, "text/javascript", "window.wx_errcode=500;window.wx_code='';"},
	} {
		s.Fail(wechattest.Fault{Endpoint: tt.path, Errcode: tt.errcode, Errmsg: tt.errmsg})
		g := s.get(tt.path, "User-Agent", inWeChat)
		if g.status != 200 || !strings.HasPrefix(g.header.Get("Content-Type"), tt.kind) ||
			!strings.Contains(g.body, tt.body) {
			t.Errorf("%s %d: %d %s\n%s", tt.path, tt.errcode, g.status, g.header.Get("Content-Type"), g.body)
		}
		calls := s.Calls()
		if last := calls[len(calls)-1]; last.Errcode != tt.errcode || !last.Fault {
			t.Errorf("%s %d: log %+v", tt.path, tt.errcode, last)
		}
	}
}

// A test whose fault never applies would pass without testing anything.
func TestFaultForAnUnknownEndpointIsRejected(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	for _, endpoint := range []string{"/sns/userinfos", "/sns/userinfo/", "/sns/userinfo?lang=en", "userinfo", "/",
		"/connect/simulator/person", "https://api.weixin.qq.com/sns/userinfo"} {
		fault := wechattest.Fault{Endpoint: endpoint, Errcode: -1}
		if err := fault.Check(); err == nil || !strings.Contains(err.Error(), "/sns/auth, ") {
			t.Errorf("%s: %v", endpoint, err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: Fail did not panic", endpoint)
				}
			}()
			s.Fail(fault)
		}()
	}
	// A fault for each of the others applies.
	for _, endpoint := range append(wechattest.FaultEndpoints(), "", "/cgi-bin/token", "/mmopen/vi_32/alice/46",
		"/connect/qrcode/x") {
		path := endpoint
		if path == "" {
			path = "/sns/auth"
		}
		s.Fail(wechattest.Fault{Endpoint: endpoint, Status: 503})
		if g := s.get(path); g.status != 503 {
			t.Errorf("%q: %d", endpoint, g.status)
		}
	}
	if left := s.Faults(); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
}

// /sns/userinfo has no parameter appid: its app is that of the token.
func TestFaultOfAnAppAppliesToItsTokens(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	token, _ := s.exchange(s.oa, s.code(s.oa, "alice", "snsapi_userinfo"))
	s.Fail(wechattest.Fault{Endpoint: "/sns/userinfo", AppID: s.web.AppID, Errcode: 1})
	s.Fail(wechattest.Fault{Endpoint: "/sns/userinfo", AppID: s.oa.AppID, Errcode: 2})
	if f := parse(t, s.sns("userinfo", "access_token", token.AccessToken, "openid", token.OpenID).body); f.Errcode != 2 {
		t.Errorf("%+v", f)
	}
}

func TestLatencyEndsWhenTheCallerDisconnects(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := wechattest.New(wechattest.Config{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ask := func(limit time.Duration) time.Duration {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/sns/auth", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.RemoteAddr = "127.0.0.1:1"
			began := time.Now()
			s.ServeHTTP(discard{}, r)
			return time.Since(began)
		}
		s.Fail(wechattest.Fault{Latency: 3 * time.Second, Times: 2})
		if d := ask(time.Minute); d != 3*time.Second {
			t.Errorf("answered after %v, want 3s", d)
		}
		if d := ask(time.Second); d != time.Second {
			t.Errorf("the caller left after 1s, the wait ended after %v", d)
		}
		if c := s.Calls(); len(c) != 2 || c[0].Duration != 3*time.Second || !c[0].Fault || c[0].Errcode != 41001 {
			t.Errorf("log: %+v", c)
		}
	})
}

// discard is a ResponseWriter that discards everything.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
