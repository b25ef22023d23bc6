package wechattest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

func TestConsent(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	cookie := s.as("alice")
	open := func(pairs ...string) got {
		return s.get(s.authorize(s.oa, "snsapi_userinfo", pairs...), "User-Agent", inWeChat, "Cookie", cookie)
	}
	page := open()
	form := page.form()
	if page.status != http.StatusOK || !strings.Contains(page.body, s.oa.Name) || len(form.Get("uuid")) != 16 ||
		form.Get("snsapi_userinfo") != "on" || form.Get("uin") == "" {
		t.Fatalf("consent page: %d %v %s", page.status, form, page.body)
	}
	if strings.Contains(page.header.Get("Content-Security-Policy"), "form-action") {
		t.Error("Chromium would stop the redirect behind the form")
	}

	form.Set("allow", "1")
	for _, method := range []string{http.MethodPost,
		http.MethodGet} { // a second press makes a second code with the same state
		path, body := "/connect/oauth2/authorize_reply", form
		if method == http.MethodGet {
			path, body = path+"?"+form.Encode(), nil
		}
		g := s.send(method, path, body)
		if g.status != http.StatusFound || g.location.Query().Get("state") != "State123" {
			t.Fatalf("%s: %d %s", method, g.status, g.body)
		}
		f, _ := s.exchange(s.oa, g.location.Query().Get("code"))
		if f.Scope != "snsapi_userinfo" || f.OpenID != s.OpenID(s.oa.AppID, "alice") {
			t.Errorf("%s: %+v", method, f)
		}
	}

	silent := func() bool { return open().location != nil }
	if !silent() {
		t.Error("the consent was forgotten at once")
	}
	if open("forcePopup", "true").location != nil || open("forcePopup", "1").location != nil {
		t.Error("forcePopup did not ask")
	}
	s.Advance(30*24*time.Hour - time.Second)
	if !silent() {
		t.Error("the consent did not last 30 days")
	}
	s.Advance(time.Second)
	if silent() {
		t.Error("the consent lasted longer than 30 days")
	}
	s.send(http.MethodPost, "/connect/oauth2/authorize_reply", with(open().form(), "allow", "1"))
	s.RevokeConsent(s.oa.AppID, "alice")
	if silent() {
		t.Error("the consent was not revoked")
	}
}

func TestRefusalDoesNotNotifyTheApp(t *testing.T) {
	t.Parallel()
	for _, legacy := range []bool{false, true} {
		s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{LegacyDenial: legacy}})
		cookie := s.as("alice")
		page := s.get(s.authorize(s.oa, "snsapi_userinfo", "redirect_uri", "http://127.0.0.1:9/b?x=1"), "User-Agent",
			inWeChat, "Cookie", cookie)
		g := s.send(http.MethodPost, "/connect/oauth2/authorize_reply", with(page.form(), "allow", "0"))
		want := ""
		if legacy {
			want = "http://127.0.0.1:9/b?x=1&state=State123"
		}
		if got := g.header.Get("Location"); got != want || !legacy && g.status != http.StatusOK {
			t.Errorf("legacy %v: %d to %q, want %q", legacy, g.status, got, want)
		}
		if s.get(s.authorize(s.oa, "snsapi_userinfo"), "User-Agent", inWeChat, "Cookie", cookie).location != nil {
			t.Error("a refusal counted as consent")
		}
	}
}

func TestConsentPageBelongsToItsPerson(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	alice := s.get(s.authorize(s.oa, "snsapi_userinfo"), "User-Agent", inWeChat, "Cookie", s.as("alice")).form()
	bob := s.get(s.authorize(s.oa, "snsapi_userinfo"), "User-Agent", inWeChat, "Cookie", s.as("bob")).form()
	forms := map[string]url.Values{
		"bob's key for alice's page": with(with(bob, "uuid", alice.Get("uuid")), "allow", "1"),
		"a made-up key": {"uuid": alice["uuid"], "uin": alice["uin"], "key": {strings.Repeat("0", 64)},
			"allow": {"1"}, "snsapi_userinfo": {"on"}},
		"no uuid": {"uin": alice["uin"], "key": alice["key"], "allow": {"1"},
			"snsapi_userinfo": {"on"}},
	}
	for name, form := range forms {
		if g := s.send(http.MethodPost, "/connect/oauth2/authorize_reply", form); g.location != nil ||
			!strings.Contains(g.body, "该链接无法访问") {
			t.Errorf("%s: %d to %v", name, g.status, g.location)
		}
	}
	if g := s.send(http.MethodPost, "/connect/oauth2/authorize_reply", with(alice, "allow", "1"), "Origin",
		"https://evil.example", "Sec-Fetch-Site", "cross-site"); g.status != http.StatusForbidden {
		t.Errorf("a form of another web site: %d", g.status)
	}
	s.Advance(10 * time.Minute)
	if g := s.send(http.MethodPost, "/connect/oauth2/authorize_reply", with(alice, "allow", "1")); g.location != nil {
		t.Error("an old page still answers")
	}
}

func TestBrowserIsAskedForThePerson(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	address := s.authorize(s.oa, "snsapi_base")
	page := s.get(address, "User-Agent", inWeChat)
	form := page.form()
	if page.status != http.StatusOK || form.Get("next") != address || !strings.Contains(page.body, `value="xiaoming"`) {
		t.Fatalf("%d %v %s", page.status, form, page.body)
	}
	g := s.send(http.MethodPost, "/connect/simulator/person", with(form, "person", "bob"))
	if g.status != http.StatusSeeOther || g.header.Get("Location") != address {
		t.Fatalf("%d to %s", g.status, g.header.Get("Location"))
	}
	cookie, _, _ := strings.Cut(g.header.Get("Set-Cookie"), ";")
	code := s.get(address, "User-Agent", inWeChat, "Cookie", cookie).location.Query().Get("code")
	if f, _ := s.exchange(s.oa, code); f.OpenID != s.OpenID(s.oa.AppID, "bob") {
		t.Errorf("%+v", f)
	}
	if forged := strings.Replace(cookie, "bob.", "alice.", 1); s.get(address, "User-Agent", inWeChat, "Cookie",
		forged).location != nil {
		t.Error("a forged cookie is a person")
	}
	if g := s.send(http.MethodPost, "/connect/simulator/person",
		with(form, "person", "")); !strings.Contains(g.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("change of person: %v", g.header)
	}
	for _, next := range []string{"//evil.example/", "https://evil.example/", "/elsewhere", `/connect/\evil`, ""} {
		if g := s.send(http.MethodPost, "/connect/simulator/person",
			url.Values{"next": {next}, "person": {"bob"}}); g.header.Get("Location") != "" {
			t.Errorf("next %q: to %s", next, g.header.Get("Location"))
		}
	}
}

func TestSnapshotMode(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	cookie := s.as("alice")
	open := func(pairs ...string) got {
		return s.get(s.authorize(s.oa, "snsapi_userinfo", pairs...), "User-Agent", inWeChat, "Cookie", cookie)
	}
	snapshot := func(g got) bool {
		if g.location == nil {
			return false
		}
		f, _ := s.exchange(s.oa, g.location.Query().Get("code"))
		return f.Snapshot == 1 && g.header.Get("X-Wechattest-Mode") == "snapshot"
	}
	if snapshot(open()) || !snapshot(open("forceSnapShot", "true")) ||
		!snapshot(open("forcePopup", "true", "forceSnapShot", "true")) {
		t.Error("forceSnapShot is not what decides")
	}
	for name, set := range map[string]func(on bool) error{
		"app": func(on bool) error { return s.UpdateApp(s.oa.AppID, func(a *wechattest.App) { a.Snapshot = on }) },
		"person": func(on bool) error {
			return s.UpdatePerson("alice",
				func(p *wechattest.Person) { p.Snapshot = on })
		},
	} {
		if err := set(true); err != nil || !snapshot(open()) {
			t.Errorf("%s: no snapshot (%v)", name, err)
		}
		if err := set(false); err != nil || snapshot(open()) {
			t.Errorf("%s: still a snapshot (%v)", name, err)
		}
	}
	s.UseFullService(s.oa.AppID, "alice")
	g := open("forceSnapShot", "true")
	if g.location != nil {
		t.Fatal("使用完整服务 does not lead to the consent page")
	}
	s.send(http.MethodPost, "/connect/oauth2/authorize_reply", with(g.form(), "allow", "1"))
	if g := open("forceSnapShot", "true"); g.location == nil || snapshot(g) {
		t.Error("a person who has agreed is put into snapshot mode")
	}
}

func TestConsentAsRedirectsAtOnce(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{ConsentAs: "xiaoming"}})
	g := s.get(s.authorize(s.oa, "snsapi_userinfo"), "User-Agent", inWeChat)
	if g.location == nil {
		t.Fatalf("%d %s", g.status, g.body)
	}
	if f, _ := s.exchange(s.oa, g.location.Query().Get("code")); f.Scope != "snsapi_userinfo" ||
		f.OpenID != s.OpenID(s.oa.AppID, "xiaoming") {
		t.Errorf("%+v", f)
	}
	s.UpdateQuirks(func(sw *wechattest.Quirks) { sw.Snapshot = true })
	s.RevokeConsent(s.oa.AppID, "xiaoming")
	g = s.get(s.authorize(s.oa, "snsapi_userinfo"), "User-Agent", inWeChat)
	if f, _ := s.exchange(s.oa, g.location.Query().Get("code")); f.Snapshot != 1 {
		t.Errorf("snapshot mode: %+v", f)
	}
	s.UpdateQuirks(func(q *wechattest.Quirks) { q.ConsentAs = "nobody" })
	if g := s.get(s.authorize(s.oa, "snsapi_base"), "User-Agent", inWeChat); g.location != nil ||
		!strings.Contains(g.body, "nobody") {
		t.Errorf("%d %s", g.status, g.body)
	}
	if g := s.get("/connect/qrconnect?" + query("appid", s.web.AppID, "redirect_uri", "http://127.0.0.1/",
		"response_type", "code", "scope", "snsapi_login")); g.location != nil || !strings.Contains(g.body, "nobody") {
		t.Errorf("%d %s", g.status, g.body)
	}
}
