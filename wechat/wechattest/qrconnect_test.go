package wechattest_test

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

func (s *sim) qrConnect(pairs ...string) string {
	v := url.Values{"appid": {s.web.AppID}, "redirect_uri": {"http://127.0.0.1:9/back"}, "response_type": {"code"},
		"scope": {"snsapi_login"}, "state": {"s1"}}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return "/connect/qrconnect?" + v.Encode() // sorted, since the order does not matter
}

var uuidForm = regexp.MustCompile(`data-uuid="([A-Za-z0-9_-]{16})"`)

// newQR opens the QR page on a desktop and returns the uuid.
func (s *sim) newQR(pairs ...string) (string, got) {
	s.t.Helper()
	g := s.get(s.qrConnect(pairs...), "User-Agent", desktop)
	m := uuidForm.FindStringSubmatch(g.body)
	if m == nil {
		s.t.Fatalf("no QR page: %d %s", g.status, g.body)
	}
	return m[1], g
}

func (s *sim) poll(uuid, last string) string {
	s.t.Helper()
	path := "/connect/l/qrconnect?uuid=" + uuid
	if last != "" {
		path += "&last=" + last
	}
	return s.get(path + "&_=1").body
}

func quick() wechattest.Quirks { return wechattest.Quirks{PollWait: time.Millisecond} }

func TestQRSignIn(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: quick()})
	uuid, page := s.newQR()
	link := s.base + "/connect/confirm?uuid=" + uuid
	for _, want := range []string{"<title>微信登录</title>", "js_qrcode_img web_qrcode_img", `id="wx_default_tip"`,
		`id="wx_after_scan"`, `id="wx_after_cancel"`, link} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if got := s.poll(uuid, ""); got != "window.wx_errcode=408;window.wx_code='';" {
		t.Errorf("before: %s", got)
	}
	codes := s.QRCodes()
	if len(codes) != 1 || codes[0].Link != link || codes[0].Status != wechattest.QRWaiting ||
		codes[0].AppName != s.web.Name {
		t.Errorf("QRCodes: %+v", codes)
	}

	phone := s.get(link, "User-Agent", inWeChat, "Cookie", s.as("xiaoming"))
	form := phone.form()
	if form.Get("uuid") != uuid || form.Get("snsapi_login") != "on" {
		t.Fatalf("confirm page: %d %s", phone.status, phone.body)
	}
	if got := s.poll(uuid, ""); got != "window.wx_errcode=404;window.wx_code='';" {
		t.Errorf("scanned: %s", got)
	}

	if g := s.send(http.MethodPost, "/connect/confirm_reply",
		with(form, "allow", "cancel")); !strings.Contains(g.body, "已取消登录") {
		t.Errorf("cancel: %s", g.body)
	}
	if got := s.poll(uuid, "404"); got != "window.wx_errcode=403;window.wx_code='';" {
		t.Errorf("cancelled: %s", got)
	}

	form = s.get(link, "User-Agent", inWeChat, "Cookie", s.as("xiaoming")).form() // again
	done := s.send(http.MethodPost, "/connect/confirm_reply", with(form, "allow", "allow"))
	if done.location != nil || !strings.Contains(done.body, "应用登录") {
		t.Errorf("allow: %d %s", done.status, done.body)
	}
	confirmed := regexp.MustCompile(`^window\.wx_errcode=405;window\.wx_code='([A-Za-z0-9]{32})';$`)
	m := confirmed.FindStringSubmatch(s.poll(uuid, "404"))
	if m == nil {
		t.Fatalf("confirmed: %s", s.poll(uuid, "404"))
	}
	f, _ := s.exchange(s.web, m[1])
	if f.OpenID != s.OpenID(s.web.AppID, "xiaoming") || f.Scope != "snsapi_login" || f.UnionID == "" {
		t.Errorf("%+v", f)
	}
	if g := s.get(link, "User-Agent", inWeChat, "Cookie", s.as("bob")); !strings.Contains(g.body, "二维码已过期") {
		t.Errorf("scanned after it was confirmed: %s", g.body)
	}
	if len(s.QRCodes()) != 0 {
		t.Error("a confirmed code can be scanned")
	}
}

func TestPollWaitsForThePhone(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{PollWait: time.Minute}})
	uuid, _ := s.newQR()
	answer := make(chan string)
	go func() {
		res, err := http.Get(s.base + "/connect/l/qrconnect?uuid=" + uuid)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		b := make([]byte, 100)
		n, _ := res.Body.Read(b)
		answer <- string(b[:n])
	}()
	s.get("/connect/confirm?uuid="+uuid, "User-Agent", inWeChat, "Cookie", s.as("alice"))
	if got := <-answer; !strings.Contains(got, "=404;") {
		t.Error(got)
	}
}

func TestQRCodeExpires(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: quick()})
	uuid, _ := s.newQR()
	s.Advance(5*time.Minute - time.Second)
	if got := s.poll(uuid, ""); !strings.Contains(got, "=408;") {
		t.Error(got)
	}
	s.Advance(time.Second)
	if got := s.poll(uuid, ""); !strings.Contains(got, "=402;") {
		t.Error(got)
	}
	if got := s.poll("unknown", ""); !strings.Contains(got, "=402;") {
		t.Error(got)
	}
}

func TestOnlyTheLastScannerConfirms(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: quick()})
	uuid, _ := s.newQR()
	scan := func(person string) url.Values {
		return with(s.get("/connect/confirm?uuid="+uuid, "User-Agent", inWeChat, "Cookie", s.as(person)).form(),
			"allow", "allow")
	}
	alice, bob := scan("alice"), scan("bob")
	if g := s.send(http.MethodPost, "/connect/confirm_reply", alice); !strings.Contains(g.body, "二维码已过期") {
		t.Errorf("alice confirmed bob's: %s", g.body)
	}
	s.send(http.MethodPost, "/connect/confirm_reply", bob)
	if got := s.poll(uuid, ""); !strings.Contains(got, "=405;") {
		t.Error(got)
	}
}

func TestQRPageErrors(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	for want, pairs := range map[string][]string{
		"redirect_uri 参数错误":             {"redirect_uri", "http://evil.example/"},
		"Scope 参数错误或没有 Scope 权限":        {"scope", "snsapi_userinfo"},
		"参数不存在":                         {"scope", "snsapi_base"},
		"response_type 参数错误":            {"response_type", ""},
		"没有 appid &#34;wx0&#34;":        {"appid", "wx0"},
		s.oa.AppID + " 不是网站应用":          {"appid", s.oa.AppID},
		"Parameter error: redirect_uri": {"redirect_uri", "x", "lang", "en"},
	} {
		if g := s.get(s.qrConnect(pairs...), "User-Agent", desktop); g.status != http.StatusOK || g.location != nil ||
			!strings.Contains(g.body, want) {
			t.Errorf("%v: %d %s", pairs, g.status, g.body)
		}
	}
	if g := s.get(s.qrConnect("state", strings.Repeat("x", 500))); !strings.Contains(g.body, "wx_login") {
		t.Error("the QR page has no limit for the state")
	}
	if err := s.UpdateApp(s.web.AppID, func(a *wechattest.App) { a.Banned = true }); err != nil {
		t.Fatal(err)
	}
	if g := s.get(s.qrConnect()); !strings.Contains(g.body, "10004") {
		t.Errorf("banned: %s", g.body)
	}
}

func TestQRPageWithoutJavaScript(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: quick()})
	uuid, page := s.newQR("redirect_uri", "http://127.0.0.1:9/#/route")
	again := "/connect/simulator/qr?uuid=" + uuid
	if !strings.Contains(page.body, `<noscript><meta http-equiv="refresh" content="3;url=`+again+`"></noscript>`) {
		t.Fatalf("no refresh: %s", page.body)
	}
	form := s.get("/connect/confirm?uuid="+uuid, "User-Agent", inWeChat, "Cookie", s.as("alice")).form()
	if g := s.get(again); !strings.Contains(g.body, `id="wx_default_tip" hidden`) ||
		strings.Contains(g.body, `id="wx_after_scan" role="status" hidden`) {
		t.Errorf("scanned: %s", g.body)
	}
	s.send(http.MethodPost, "/connect/confirm_reply", with(form, "allow", "allow"))
	if g := s.get(again); g.status != http.StatusFound ||
		!strings.HasPrefix(g.header.Get("Location"), "http://127.0.0.1:9/#/route?code=0") {
		t.Errorf("the code does not land behind the fragment, as on WeChat's page: %d %s", g.status,
			g.header.Get("Location"))
	}
}

func TestQRPicture(t *testing.T) {
	t.Parallel()
	for name, draw := range map[string]func(string) ([]byte, error){
		"drawn":  func(text string) ([]byte, error) { return []byte("<svg>" + text + "</svg>"), nil },
		"broken": func(string) ([]byte, error) { return nil, errors.New("no ink") },
		"none":   nil,
	} {
		s := simulate(t, wechattest.Config{QR: draw, OpenURL: "https://weixin.localhost:8090/"})
		uuid, page := s.newQR()
		if has := strings.Contains(page.body, `src="/connect/qrcode/`+uuid+`"`); has != (draw != nil) {
			t.Errorf("%s: picture on the page: %v", name, has)
		}
		g := s.get("/connect/qrcode/" + uuid)
		want := map[string]int{"drawn": 200, "broken": 500, "none": 404}[name]
		if g.status != want || name == "drawn" &&
			g.body != "<svg>https://weixin.localhost:8090/connect/confirm?uuid="+uuid+"</svg>" ||
			strings.Contains(g.body, "no ink") {
			t.Errorf("%s: %d %s", name, g.status, g.body)
		}
	}
}

func TestConsentAsSkipsTheQRCode(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: wechattest.Quirks{ConsentAs: "bob"}})
	g := s.get(s.qrConnect("redirect_uri", "http://127.0.0.1:9/b?x=1", "state", "zz"))
	if g.location == nil || g.location.Query().Get("state") != "zz" || g.location.Query().Get("x") != "1" {
		t.Fatalf("%d %s", g.status, g.header.Get("Location"))
	}
	if f, _ := s.exchange(s.web, g.location.Query().Get("code")); f.OpenID != s.OpenID(s.web.AppID, "bob") {
		t.Errorf("%+v", f)
	}
}

func TestWxLoginFramesTheQRPage(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	js := s.get("/connect/zh_CN/htmledition/js/wxLogin.js", "Host", "res.wx.qq.com")
	if js.status != http.StatusOK || !strings.Contains(js.header.Get("Content-Type"), "javascript") ||
		!strings.Contains(js.body, "window.WxLogin") {
		t.Errorf("%d %v", js.status, js.header)
	}
	_, page := s.newQR("login_type", "jssdk", "self_redirect", "true")
	if strings.Contains(page.header.Get("Content-Security-Policy"), "frame-ancestors") ||
		!strings.Contains(page.body, `data-self-redirect="true"`) {
		t.Errorf("%v", page.header)
	}
	if consent := s.get(s.authorize(s.oa, "snsapi_base"), "User-Agent",
		inWeChat); !strings.Contains(consent.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Error("another page can be framed")
	}
}
