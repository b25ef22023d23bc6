package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

// TestPages goes by every page of the demo that is not on the main way, and by the ways that lead
// there.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, l := range flows {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			demo := startDemo(t)
			w := openBoth(t, &demo.addresses, l)
			w.appPages(demo)
			w.refusalPages(demo)
			w.troublePages(demo)
			w.controlPages(demo)
		})
	}
}

// appPages are those that need no more than a wrong address or a session.
func (w *window) appPages(demo *program) {
	w.t.Helper()
	for _, page := range []struct {
		name, path string
		status     int64
		en, zh     string
	}{
		{"not-found", "/nothing/here", 404, "Page not found", "页面不存在"},
		{"lost", "/wechat/callback?code=0A1b2C3d4E5f6G7h8I9j&state=abc", 400, "This sign-in has expired", "本次登录已失效"},
		{"bad-return", "/sign-in?return=https://evil.example/", 400, "This link leads to another site", "此链接指向其他网站"},
		{"bad-request", "/sign-in?scope=everything", 400, "This request is not valid", "请求无效"},
		{"sign-in-not-found", "/sign-in/nothing", 404, "Page not found", "页面不存在"},
	} {
		if status := w.visit(demo.app + page.path); status != page.status {
			w.t.Errorf("%s has status %d, want %d", page.path, status, page.status)
		}
		w.says(page.en, page.zh)
		w.see(page.name)
	}
	w.visit(demo.app + "/base")
	w.press("button[value=alice]")
	w.visit(demo.app + "/sign-in/profile?return=/sample/")
	w.says("Use your WeChat name and picture?", "是否提供微信头像昵称？")
	w.see("profile")
	w.press("form .button") // continue without the profile
	w.signedIn("snsapi_base", "")
	w.visit(demo.app + "/sign-out")
	w.says("Sign out?", "要退出登录吗？")
	w.see("sign-out")
	w.press("form .button")
	w.signedOut()
}

// refusalPages are what a person sees who does not agree, or who agrees too little.
func (w *window) refusalPages(demo *program) {
	w.t.Helper()
	w.visit(demo.app + "/profile")
	w.press("button.deny")
	w.says("You rejected the request", "你已拒绝")
	w.see("wechat-refused")

	demo.tell("/api/quirks", `{"legacyDenial": true}`)
	w.visit(demo.app + "/profile")
	w.press("button.deny")
	w.says("You declined at WeChat", "你在微信中拒绝了授权")
	w.see("denied")

	demo.tell("/api/quirks", `{"legacyDenial": false, "snapshot": true}`)
	w.visit(demo.app + "/profile")
	w.says("使用完整服务", "使用完整服务")
	w.see("snapshot")
	demo.tell("/api/quirks", `{"snapshot": false}`)
}

// troublePages are what a person sees when something is broken.
func (w *window) troublePages(demo *program) {
	w.t.Helper()
	for _, page := range []struct {
		name, fault string
		status      int64
		en, zh      string
	}{
		{"busy", `{"endpoint": "/sns/oauth2/access_token", "errcode": 45011}`, 503, "Try again in a moment", "请稍后再试"},
		{"fault", `{"endpoint": "/sns/oauth2/access_token", "errcode": 40125}`, 500, "Sign-in failed", "登录失败"},
	} {
		demo.complains = true // what went wrong stands in the terminal as well
		demo.tell("/api/faults", page.fault)
		if status := w.visit(demo.app + "/base"); status != page.status {
			w.t.Errorf("%s has status %d, want %d", page.name, status, page.status)
		}
		w.says(page.en, page.zh)
		w.see(page.name)
	}
	w.visit(demo.wechat +
		"/connect/oauth2/authorize?appid=wx0000000000000de1&redirect_uri=http%3A%2F%2Fevil.example%2F" +
		"&response_type=code&scope=snsapi_base&state=a")
	w.says("redirect_uri", "redirect_uri")
	w.see("wechat-error")
}

// controlPages are those of the simulator, with something to show on each.
func (w *window) controlPages(demo *program) {
	w.t.Helper()
	demo.tell("/api/phones/alice", `{"do": "open", "at": "`+demo.app+`/"}`)
	demo.tell("/api/phones/bob", `{"do": "open", "at": "`+demo.app+`/profile"}`)
	const chat = "/phones/alice/chats/wx0000000000000de1"
	for _, action := range []string{`{"do": "text", "text": "1234567"}`, `{"do": "voice"}`, `{"do": "revoke"}`} {
		demo.tell("/api"+chat, action)
	}
	demo.tell("/api/faults", `{"endpoint": "/sns/userinfo", "errcode": -1, "times": 2}`)
	demo.tell("/api/quirks", `{"doubleCallback": "first"}`)
	for _, page := range []struct{ name, path, en, zh string }{
		{"control-people", "/", "People", "用户"},
		{"control-phone", "/phones/alice", "Alice’s phone", "Alice 的手机"},
		{"control-phone-asks", "/phones/bob", "Bob’s phone", "Bob 的手机"},
		{"control-phone-empty", "/phones/xiaoming", "小明’s phone", "小明 的手机"},
		{"control-chat", "/phones/alice/chats/wx0000000000000de1", "Alice and Weigate", "Alice 与 Weigate"},
		{"control-chat-stranger", "/phones/bob/chats/wx0000000000000de1?note=not_following", "Follow it first", "请先关注"},
		{"control-apps", "/apps", "wx0000000000000de1", "wx0000000000000de1"},
		{"control-quirks", "/quirks", "doubleCallback", "doubleCallback"},
		{"control-faults", "/faults", "/sns/userinfo", "/sns/userinfo"},
		{"control-log", "/log", "/connect/oauth2/authorize", "/connect/oauth2/authorize"},
		{"control-error", "/nothing", "Page not found", "页面不存在"},
	} {
		w.visit(demo.control + page.path)
		w.says(page.en, page.zh)
		w.see(page.name)
	}
}

// TestSignInPages shows every page that package login has, on a phone's screen, in both languages:
// the demo does not come by all of them.
func TestSignInPages(t *testing.T) {
	t.Parallel()
	user := &wechat.Client{AppID: "wx00000000000000e1", Secret: "x"}
	handler, err := login.New(login.Config{URL: "http://127.0.0.1", Keys: [][]byte{make([]byte, 32)},
		OfficialAccount: user})
	if err != nil {
		t.Fatal(err)
	}
	kinds := []login.PageKind{login.PageOpenInWeChat, login.PageOpenElsewhere, login.PageMiniProgram,
		login.PageProfile, login.PageSnapshot, login.PageDenied,
		login.PageSignOut, login.PageSignedOut, login.PageLost, login.PageNoCookies, login.PageLoop, login.PageAgain,
		login.PageSuspect, login.PageConsent, login.PageRefused,
		login.PageUserRestricted, login.PageBusy, login.PageFault, login.PageBadReturn, login.PageBadRequest,
		login.PageForeignForm,
		login.PageNotFound, login.PageMethod}
	for _, l := range []look{{"en", 390}, {"zh-CN", 390}} {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				here := "http://" + r.Host
				p := login.Page{Kind: login.PageKind(r.URL.Path[1:]), Status: 200, Lang: l.lang, RequestID: "K7Q2ZD4MXA",
					AgainURL: here + "/sign-in?return=%2F"}
				switch p.Kind {
				case login.PageOpenInWeChat:
					p.CopyURL = here + "/sign-in?return=%2Fa%2Flong%2Faddress%2Fof%2Fa%2Fpage%2Fthat%2Fsomebody%2Fwanted%2F0123456789"
					p.WebsiteURL = here + "/website"
				case login.PageOpenElsewhere, login.PageMiniProgram:
					p.CopyURL = here + "/sign-in"
				case login.PageDenied:
					p.WithoutURL = here + "/sign-in"
				case login.PageProfile:
					p.DeclineURL, p.Return = here+"/sign-in/profile", "/"
				case login.PageSignOut:
					p.SignOutURL, p.Return, p.Nickname = here+"/sign-out", "/", "🌊 阿海 <b>"
				case login.PageRefused:
					p.Text = "Only members / 仅限会员"
				}
				handler.WritePage(w, r, p)
			}))
			t.Cleanup(server.Close)
			w := open(t, &addresses{app: server.URL, wechat: server.URL, control: server.URL}, l)
			for _, kind := range kinds {
				w.visit(server.URL + "/" + string(kind))
				if !w.has("#" + string(kind)) {
					t.Errorf("not the page %s", kind)
				}
				w.see("login-" + string(kind))
			}
		})
	}
}
