package simulator_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

const chatApp = "wx5f1e0a7b3c2d4e61"

// withPush returns a fixture whose official account pushes in plaintext mode. The answer to each push
// is a text; the answer "" is success.
func withPush(t *testing.T, answer func() string) *fixture {
	t.Helper()
	d := newFixture(t, wechattest.Config{})
	openID := regexp.MustCompile(`<FromUserName><!\[CDATA\[(.*?)\]\]>`)
	receiver := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		text := answer()
		if text == "" {
			_, _ = io.WriteString(w, "success")
			return
		}
		_, _ = io.WriteString(w,
			"<xml><ToUserName>"+openID.FindStringSubmatch(string(body))[1]+"</ToUserName><FromUserName>"+
				d.sim.OriginalID(chatApp)+"</FromUserName><CreateTime>1</CreateTime><MsgType>text</MsgType><Content><![CDATA["+
				text+"]]></Content></xml>")
	})
	d.call("PATCH", "/api/apps/"+chatApp,
		`{"push": {"url": "`+receiver+`", "token": "pushtoken1", "mode": "plaintext"}}`, 200)
	return d
}

// press sends a form of the page of a chat, and returns the address and the page that follow.
func (d *fixture) press(path string, form url.Values) (address, page string) {
	d.t.Helper()
	res, _ := d.send("POST", path, form.Encode(), "Sec-Fetch-Site", "same-origin")
	if address = res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther {
		d.t.Fatalf("%s %v: %d", path, form, res.StatusCode)
	}
	_, page = d.send("GET", address, "", "Accept-Language", "en")
	return address, page
}

// The page of a chat works without a script: it shows bubbles, links of replies, and why a push failed.
func TestChatPage(t *testing.T) {
	t.Parallel()
	answer := ""
	d := withPush(t, func() string { return answer })
	const path = "/phones/alice/chats/" + chatApp
	answer = `<script>alert(1)</script> <a href="http://127.0.0.1:9/x?a=1&amp;b=2">open</a>` +
		` <a href="weixin://bizmsgmenu?msgmenucontent=482%209153&msgmenuid=1">yes</a>`
	_, page := d.press(path, url.Values{"do": {"text"}, "text": {`"><b>hi`}})
	for _, want := range []string{`class="line of-person"`, `&#34;&gt;&lt;b&gt;hi`, `class="line of-account"`,
		`&lt;script&gt;alert(1)`, `value="http://127.0.0.1:9/x?a=1&amp;b=2"`, `name="text" value="482 9153"`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(page, "<script>") {
		t.Error("the reply is in the page as HTML")
	}

	answer = strings.Repeat("字", 1000)
	if _, page = d.press(path, url.Values{"do": {"voice"}}); !strings.Contains(page, "3000 bytes") ||
		!strings.Contains(page, "该公众号提供的服务出现故障") {
		t.Error("no failure line with its cause")
	}
	answer = ""
	for _, form := range []url.Values{{"do": {"unfollow"}}, {"do": {"follow"}}, {"do": {"menu"}, "at": {"help"}},
		{"do": {"scan"}, "at": {d.sim.AccountQR(chatApp)}}, {"do": {"revoke"}}} {
		if to, _ := d.press(path, form); to != path {
			t.Errorf("%v: to %s", form, to)
		}
	}
	for do, note := range map[string]string{"text": "invalid", "fly": "invalid", "scan": "no_qr_code"} {
		to, page := d.press(path, url.Values{"do": {do}, "at": {"http://weixin.qq.com/q/unknown"}})
		if to != path+"?note="+note || !strings.Contains(page, `role="alert"`) {
			t.Errorf("%s: to %s", do, to)
		}
	}
	to, _ := d.press("/phones/bob/chats/"+chatApp, url.Values{"do": {"text"}, "text": {"hi"}})
	if to != "/phones/bob/chats/"+chatApp+"?note=not_following" {
		t.Errorf("a text of a person who does not follow: to %s", to)
	}
	if _, page := d.send("GET", path+"?note=<script>", ""); strings.Contains(page, `role="alert"`) {
		t.Error("a note of another website is shown")
	}
}

// A phone has one scanner: the QR code of an account opens its chat.
func TestPhoneScansTheQRCodeOfAnAccount(t *testing.T) {
	t.Parallel()
	d := withPush(t, func() string { return "" })
	secret := d.sim.Apps()[0].Secret
	token := d.sns("/cgi-bin/token", url.Values{"grant_type": {"client_credential"}, "appid": {chatApp},
		"secret": {secret}})
	_, text := d.send("POST", d.base+"/cgi-bin/qrcode/create?access_token="+token["access_token"].(string),
		`{"expire_seconds":300,"action_name":"QR_STR_SCENE","action_info":{"scene":{"scene_str":"abc"}}}`,
		"Content-Type", "application/json")
	code := d.sim.SceneCodes()
	if len(code) != 1 || code[0].Scene != "abc" {
		t.Fatalf("%+v %s", code, text)
	}
	for _, page := range []string{"/", "/phones/bob", "/phones/bob/chats/" + chatApp} {
		if _, body := d.send("GET", page, ""); !strings.Contains(body, code[0].Link) {
			t.Errorf("%s does not show the code", page)
		}
	}
	if list := d.call("GET", "/api/qrcodes", "", 200)["sceneCodes"].([]any); len(list) != 1 {
		t.Errorf("%v", list)
	}
	to, _ := d.press("/scan", url.Values{"person": {"bob"}, "at": {code[0].Link}})
	if to != "/phones/bob/chats/"+chatApp || !strings.Contains(d.sim.LastDelivery("bob", chatApp).Posts[0].Body,
		"qrscene_abc") {
		t.Errorf("bob scans: to %s", to)
	}
	d.call("POST", "/api/phones/alice", `{"do": "scan", "at": "`+code[0].Link+`"}`, 200)
	if !strings.Contains(d.sim.LastDelivery("alice", chatApp).Posts[0].Body, "<![CDATA[SCAN]]>") {
		t.Error("alice follows the account already: SCAN is missing")
	}
	to, page := d.press("/phones/bob", url.Values{"do": {"scan"}, "at": {"http://weixin.qq.com/q/unknown"}})
	if to != "/phones/bob?note=no_qr_code" || !strings.Contains(page, `role="alert"`) {
		t.Errorf("an unknown code: to %s", to)
	}
}

// The errors of a chat name what is missing.
func TestErrorsOfAChat(t *testing.T) {
	t.Parallel()
	d := withPush(t, func() string { return "" })
	d.call("POST", "/api/apps", `{"appid": "wx00000000000000aa", "kind": "subscription_account",
		"push": {"url": "http://127.0.0.1:9/", "token": "abc", "mode": "plaintext"}}`, 201)
	chat := "/api/phones/alice/chats/" + chatApp
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		code, field              string
	}{
		{"unknown person", "POST", "/api/phones/nobody/chats/" + chatApp, `{"do": "voice"}`, 404, "not_found",
			"person"},
		{"unknown account", "GET", "/api/phones/alice/chats/wx1", "", 404, "not_found", "appid"},
		{"unknown action", "POST", chat, `{"do": "fly"}`, 400, "invalid_value", "do"},
		{"no text", "POST", chat, `{"do": "text"}`, 400, "invalid_value", "text"},
		{"no key", "POST", chat, `{"do": "menu"}`, 400, "invalid_value", "at"},
		{"long text", "POST", chat, `{"do": "text", "text": "` + strings.Repeat("a", 70000) + `"}`, 400,
			"invalid_value", "text"},
		{"not a follower", "POST", "/api/phones/bob/chats/" + chatApp, `{"do": "text", "text": "1"}`, 409,
			"not_following", ""},
		{"no push", "POST", "/api/phones/alice/chats/wx7e57acc000000002", `{"do": "follow"}`, 409, "no_push", ""},
		{"no menu", "POST", "/api/phones/alice/chats/wx00000000000000aa", `{"do": "menu", "at": "k"}`, 409,
			"no_menu", ""},
		{"no web sign-in", "POST", "/api/phones/alice/chats/wx00000000000000aa", `{"do": "revoke"}`, 409,
			"no_web_sign_in", ""},
		{"unknown code", "POST", chat, `{"do": "scan", "at": "http://weixin.qq.com/q/1"}`, 404, "no_qr_code", ""},
		{"code of another account", "POST", chat, `{"do": "scan", "at": "` +
			d.sim.AccountQR("wx7e57acc000000002") + `"}`, 400,
			"invalid_value", "at"},
		{"push of a website app", "PATCH", "/api/apps/wx3eb517e000000003",
			`{"push": {"url": "http://127.0.0.1:9/", "token": "abc", "mode": "plaintext"}}`, 400, "invalid_value", ""},
		{"unknown mode", "PATCH", "/api/apps/" + chatApp, `{"push": {"mode": "none"}}`, 400, "invalid_value",
			"push.mode"},
		{"no AES key", "PATCH", "/api/apps/" + chatApp, `{"push": {"mode": "secure"}}`, 400, "invalid_value", ""},
		{"unknown field", "PATCH", "/api/apps/" + chatApp, `{"push": {"key": "x"}}`, 400, "unknown_field", "key"},
		{"check without push", "POST", "/api/apps/wx7e57acc000000002/check-push", "{}", 409, "no_push", ""},
		{"unknown attack", "POST", "/api/attacks", `{"attack": "x"}`, 400, "invalid_value", "attack"},
		{"unknown victim", "POST", "/api/attacks",
			`{"attack": "downgrade", "person": "alice", "victim": "x", "appid": "` +
				chatApp + `"}`, 404, "not_found", "victim"},
	} {
		got := d.call(tt.method, tt.path, tt.body, tt.status)
		if field, _ := got["field"].(string); got["error"] != tt.code || field != tt.field || got["message"] == "" {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if got := d.call("PATCH", "/api/apps/"+chatApp, `{"push": {"token": "another1"}}`,
		200)["push"].(map[string]any); got["token"] != "another1" || got["url"] == "" || got["mode"] != "plaintext" {
		t.Errorf("a field that is missing has changed: %v", got)
	}
	if got := d.call("POST", "/api/apps/"+chatApp+"/check-push", "{}", 200); got["accepted"] != false ||
		got["problem"] == "" {
		t.Errorf("an address that does not echo echostr: %v", got)
	}
	if _, text := d.send("GET", "/api/state", ""); strings.Contains(text, "another1") {
		t.Error("the state has the token of the push")
	}
}
