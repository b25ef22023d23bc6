package wechattest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

func TestAuthorizeReturnsTheCallbackOfWeChat(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	const back = "http://127.0.0.1:9/back?x=1#top"
	for _, tt := range []struct {
		name string
		req  wechattest.AuthorizationRequest
		want string // with CODE
	}{
		{"an official account", wechattest.AuthorizationRequest{AppID: s.oa.AppID, RedirectURI: back, State: "s1"},
			"http://127.0.0.1:9/back?x=1&code=CODE&state=s1#top"},
		{"an address", wechattest.AuthorizationRequest{URL: "https://open.weixin.qq.com" + s.authorize(s.oa, "snsapi_base")},
			"http://127.0.0.1:9/back?code=CODE&state=State123"},
		{"a website app", wechattest.AuthorizationRequest{AppID: s.web.AppID, RedirectURI: back, State: "s1"},
			"http://127.0.0.1:9/back?x=1#top&code=CODE&state=s1"},
		{"an address of a website app", wechattest.AuthorizationRequest{URL: s.base + s.qrConnect()}, ""},
	} {
		tt.req.Person = "alice"
		got, err := s.Authorize(tt.req)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if want := strings.Replace(tt.want, "CODE", got.Code, 1); want != "" && got.CallbackURL != want {
			t.Errorf("%s: %s, want %s", tt.name, got.CallbackURL, want)
		}
		app := s.oa
		if got.AppID == s.web.AppID {
			app = s.web
		}
		if f, _ := s.exchange(app, got.Code); f.OpenID != got.OpenID || f.Scope != got.Scope {
			t.Errorf("%s: the code of %+v gave %+v", tt.name, got, f)
		}
	}
}

func TestAuthorizeFailsWhereWeChatShowsAnErrorPage(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	const back = "http://127.0.0.1:9/back"
	misspelt := strings.Replace(s.authorize(s.oa, "snsapi_userinfo"), "?appid=", "?appId=", 1)
	for _, tt := range []struct {
		name string
		req  wechattest.AuthorizationRequest
		code int
		text string
		hint string
	}{
		{"another host", wechattest.AuthorizationRequest{AppID: s.oa.AppID, RedirectURI: "http://evil.example/"}, 10003,
			"redirect_uri 参数错误", "not a callback domain"},
		{"a scope of another kind", wechattest.AuthorizationRequest{AppID: s.oa.AppID, RedirectURI: back,
			Scope: "snsapi_login"}, 10005, "Scope 参数错误或没有 Scope 权限", "does not have the scope"},
		{"a person who does not follow", wechattest.AuthorizationRequest{Person: "bob", AppID: s.test.AppID,
			RedirectURI: back}, 10006, "必须关注此测试号", "does not follow"},
		{"no state", wechattest.AuthorizationRequest{URL: s.base + s.authorize(s.oa, "snsapi_base", "state", "")}, 10013,
			"state 不能为空", "missing"},
		{"appId", wechattest.AuthorizationRequest{URL: s.base + misspelt}, 0, "", "blank page"},
		{"a website app's domain", wechattest.AuthorizationRequest{AppID: s.web.AppID, RedirectURI: "http://x.example/"}, 0,
			"redirect_uri 参数错误", "not a callback domain"},
	} {
		if tt.req.Person == "" {
			tt.req.Person = "alice"
		}
		_, err := s.Authorize(tt.req)
		var e *wechattest.AuthorizeError
		if !errors.As(err, &e) || e.Code != tt.code || e.Text != tt.text || !strings.Contains(e.Hint, tt.hint) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for name, req := range map[string]wechattest.AuthorizationRequest{
		"unknown app":    {Person: "alice", AppID: "wx1", RedirectURI: back},
		"unknown person": {Person: "nobody", AppID: s.oa.AppID, RedirectURI: back},
		"not a page":     {Person: "alice", URL: s.base + "/sns/userinfo"},
		"not an address": {Person: "alice", URL: "javascript:alert(1)"},
	} {
		if got, err := s.Authorize(req); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// WeChat does not notify the app of a refusal, so there is no callback.
func TestAuthorizeRefused(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	req := wechattest.AuthorizationRequest{Person: "alice", AppID: s.oa.AppID, RedirectURI: "http://127.0.0.1:9/back",
		State: "s1", Refuse: true}
	if got, err := s.Authorize(req); err != nil || got.Code != "" || got.CallbackURL != "" {
		t.Errorf("refused: %+v %v", got, err)
	}
	website := req
	website.AppID = s.web.AppID
	if got, err := s.Authorize(website); err != nil || got.Code != "" || got.CallbackURL != "" {
		t.Errorf("refused at a website app: %+v %v", got, err)
	}
	s.UpdateQuirks(func(q *wechattest.Quirks) { q.LegacyDenial = true })
	if got, err := s.Authorize(req); err != nil || got.CallbackURL != "http://127.0.0.1:9/back?state=s1" {
		t.Errorf("refused, with LegacyDenial: %+v %v", got, err)
	}
	req.Scope = "snsapi_base"
	if got, err := s.Authorize(req); err == nil {
		t.Errorf("snsapi_base was refused, although it shows no page: %+v", got)
	}
}

// A person in snapshot mode gets a virtual account, and cannot refuse: there is no page.
func TestAuthorizeInSnapshotMode(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{Snapshot: true}})
	req := wechattest.AuthorizationRequest{Person: "alice", AppID: s.oa.AppID, RedirectURI: "http://127.0.0.1:9/back"}
	got, err := s.Authorize(req)
	if err != nil || !got.Snapshot || got.OpenID == s.OpenID(s.oa.AppID, "alice") {
		t.Fatalf("%+v %v", got, err)
	}
	if f, _ := s.exchange(s.oa, got.Code); f.OpenID != got.OpenID || f.Snapshot != 1 {
		t.Errorf("%+v", f)
	}
	req.Refuse = true
	if got, err := s.Authorize(req); err == nil {
		t.Errorf("refused: %+v", got)
	}
}
