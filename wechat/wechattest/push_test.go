package wechattest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat/wechattest"
)

const pushKey = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG" // with spare bits, Tencent's sample

// newPush returns a server whose official account pushes to answer. Its clock moves only by Advance,
// so that no minute or day of a quota ends during a test.
func newPush(t *testing.T, mode wechattest.PushMode, answer http.HandlerFunc) (*wechattest.Server, string) {
	t.Helper()
	receiver := httptest.NewServer(answer)
	t.Cleanup(receiver.Close)
	sim, err := wechattest.New(wechattest.Config{Seed: 7, Now: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	id := sim.Apps()[0].AppID
	err = sim.UpdateApp(id, func(a *wechattest.App) {
		a.Push = wechattest.Push{URL: receiver.URL, Token: "pamtest", AESKey: pushKey, Mode: mode}
	})
	if err != nil || sim.SetFollows(id, "alice", true) != nil || sim.SetFollows(id, "bob", false) != nil {
		t.Fatal(err)
	}
	return sim, id
}

func success(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "success") }

// TestPushAnswers: the person sees the failure line for each invalid answer, with its cause
// (PROTOCOL of passive replies; wechatpy/wechatpy#219, ObserverWard#77).
func TestPushAnswers(t *testing.T) {
	t.Parallel()
	answer := ""
	sim, id := newPush(t, wechattest.PushPlaintext, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, answer)
	})
	reply := func(to, from, content string) string {
		return "<xml><ToUserName><![CDATA[" + to + "]]></ToUserName><FromUserName><![CDATA[" + from + "]]></FromUserName>" +
			"<CreateTime>1348831860</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[" + content +
			"]]></Content></xml>"
	}
	person, account := sim.OpenID(id, "alice"), sim.OriginalID(id)
	for _, test := range []struct{ name, answer, reply, cause string }{
		{"success", "success", "", ""},
		{"empty", "", "", ""},
		{"text", reply(person, account, "hello"), "hello", ""},
		{"2048 bytes", reply(person, account, strings.Repeat("a", 2048)), strings.Repeat("a", 2048), ""},
		{"2049 bytes", reply(person, account, strings.Repeat("a", 2049)), "", "2049 bytes"},
		{"not swapped", reply(account, person, "hello"), "", "ToUserName"},
		{"appid in place of gh_", reply(person, id, "hello"), "", "FromUserName"},
		{"empty Content", reply(person, account, ""), "", "empty"},
		{"HTML", "<!doctype html>", "", "neither"},
		{"quoted success", `"success"`, "", "neither"},
		{"encrypted", "<xml><Encrypt><![CDATA[AA]]></Encrypt></xml>", "", "plaintext mode"},
	} {
		answer = test.answer
		d, err := sim.SendText(t.Context(), "alice", id, "hi")
		if err != nil || d.Reply != test.reply || !strings.Contains(d.Failure, test.cause) ||
			(d.Failure == "") != (test.cause == "") || len(d.Posts) != 1 {
			t.Errorf("%s: reply %q, failure %q, %v", test.name, d.Reply, d.Failure, err)
		}
	}
	chat := sim.Chat("alice", id)
	if last := chat[len(chat)-1]; last.From != "system" || last.Cause == "" {
		t.Errorf("no failure line: %+v", last)
	}
}

// TestPushRequests: the requests of what a person does, in all modes.
func TestPushRequests(t *testing.T) {
	t.Parallel()
	sim, id := newPush(t, wechattest.PushPlaintext, success)
	ctx := t.Context()
	if _, err := sim.SendText(ctx, "bob", id, "hi"); !errors.Is(err, wechattest.ErrNotFollowing) {
		t.Errorf("a text of a person who does not follow: %v", err)
	}
	d, err := sim.Follow(ctx, "bob", id)
	if err != nil || !strings.Contains(d.Posts[0].Body, "<Event><![CDATA[subscribe]]></Event>\n<EventKey><![CDATA[]]>") {
		t.Errorf("subscribe: %+v %v", d, err)
	}
	d, err = sim.SendText(ctx, "bob", id, "a]]>\x10b")
	if err != nil || !strings.Contains(d.Posts[0].Body, "a]]>\x10b") ||
		!strings.Contains(d.Posts[0].URL, "openid="+sim.OpenID(id, "bob")) {
		t.Errorf("text: %+v %v", d, err)
	}
	sim.UpdateQuirks(func(q *wechattest.Quirks) { q.PushDelay = time.Minute })
	if d, err = sim.Unfollow(ctx, "bob", id); err != nil || !d.Held {
		t.Errorf("delayed: %+v %v", d, err)
	}
	sim.Advance(time.Minute)
	sim.UpdateQuirks(func(q *wechattest.Quirks) { q.PushDelay, q.PushRepeat = 0, true })
	if d, err = sim.SendVoice(ctx, "alice", id); err != nil || len(d.Posts) != 2 || d.Posts[0].Body != d.Posts[1].Body {
		t.Errorf("repeat: %+v %v", d, err)
	}
}

// TestInterfaceTokensAndScenes: the two kinds of tokens do not end each other; a scanned code of
// qrcode/create is pushed; an account without the permission gets 48001.
func TestInterfaceTokensAndScenes(t *testing.T) {
	t.Parallel()
	sim, id := newPush(t, wechattest.PushSecure, success)
	call := func(method, path, body string) map[string]any {
		w, out := httptest.NewRecorder(), map[string]any{}
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Host = "api.weixin.qq.com"
		sim.ServeHTTP(w, r)
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatalf("%s: %s", path, w.Body)
		}
		return out
	}
	credentials := `{"grant_type":"client_credential","appid":"` + id + `","secret":"` + sim.Apps()[0].Secret + `"}`
	token, _ := call("POST", "/cgi-bin/stable_token", credentials)["access_token"].(string)
	call("GET", "/cgi-bin/token?grant_type=client_credential&appid="+id+"&secret="+sim.Apps()[0].Secret, "")
	sim.Advance(10 * time.Minute)
	if again := call("POST", "/cgi-bin/stable_token", credentials)["access_token"]; again != token || token == "" {
		t.Errorf("stable token %v, then %v", token, again)
	}
	create := "/cgi-bin/qrcode/create?access_token=" + token
	code := call("POST", create,
		`{"expire_seconds":300,"action_name":"QR_STR_SCENE","action_info":{"scene":{"scene_str":"abc"}}}`)
	link, _ := code["url"].(string)
	for _, person := range []string{"alice", "bob"} {
		if d, err := sim.ScanQR(t.Context(), person, link); err != nil || d.Failure != "" || len(d.Posts) != 1 {
			t.Errorf("%s scans: %+v %v", person, d, err)
		}
	}
	info := call("GET", "/cgi-bin/user/info?access_token="+token+"&openid="+sim.OpenID(id, "bob"), "")
	if info["subscribe"] != 1.0 || info["unionid"] != sim.UnionID(id, "bob") {
		t.Errorf("user info: %v", info)
	}
	earlier := call("GET", "/cgi-bin/user/info?access_token="+token+"&openid="+sim.OpenID(id, "alice"), "")
	if info["subscribe_scene"] != "ADD_SCENE_QR_CODE" || info["qr_scene_str"] == "" ||
		earlier["subscribe_scene"] != "ADD_SCENE_SEARCH" || earlier["qr_scene_str"] != "" ||
		info["subscribe_time"] == earlier["subscribe_time"] {
		t.Errorf("how they follow: %v, %v", info, earlier)
	}
	sim.Advance(5 * time.Minute)
	if _, err := sim.ScanQR(t.Context(), "alice", link); !errors.Is(err, wechattest.ErrNoQRCode) {
		t.Errorf("expired code: %v", err)
	}
	err := sim.UpdateApp(id, func(a *wechattest.App) { a.Kind = wechattest.SubscriptionAccount })
	if got := call("POST", create, "{}"); err != nil || got["errcode"] != 48001.0 {
		t.Errorf("unverified account: %v %v", got, err)
	}
	sim.Advance(2 * time.Hour)
	if got := call("POST", create, "{}"); got["errcode"] != 42001.0 {
		t.Errorf("expired token: %v", got)
	}
}

// A failed push tells why, and neither the signatures nor the openid of its address.
func TestFailedPushDoesNotTellItsSignature(t *testing.T) {
	t.Parallel()
	sim, err := wechattest.New(wechattest.Config{Apps: []wechattest.App{{
		Kind: wechattest.SubscriptionAccount, AppID: "wx00000000000000c3", Secret: leaktest.Secret, Name: "A",
		Push: wechattest.Push{URL: "http://127.0.0.1:1/push", Token: "pushtoken1", AESKey: strings.Repeat("a", 43)},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	d, err := sim.SendText(t.Context(), "alice", "wx00000000000000c3", "hello")
	if err != nil || !strings.Contains(d.Failure, "no connection") {
		t.Fatalf("%+v, %v", d, err)
	}
	for _, leaked := range []string{"signature", sim.OpenID("wx00000000000000c3", "alice")} {
		if strings.Contains(d.Failure, leaked) {
			t.Errorf("the failure has %q: %s", leaked, d.Failure)
		}
	}
	// Without push nothing changes: no message is in the chat, and nobody follows.
	if err := sim.UpdateApp("wx00000000000000c3", func(a *wechattest.App) { a.Push.URL = "" }); err != nil {
		t.Fatal(err)
	}
	lines := len(sim.Chat("alice", "wx00000000000000c3"))
	_, err = sim.SendText(t.Context(), "alice", "wx00000000000000c3", "hello")
	if !errors.Is(err, wechattest.ErrNoPush) || len(sim.Chat("alice", "wx00000000000000c3")) != lines {
		t.Errorf("without push: %v", err)
	}
	if _, err := sim.Follow(t.Context(), "bob", "wx00000000000000c3"); !errors.Is(err, wechattest.ErrNoPush) {
		t.Errorf("without push: %v", err)
	}
	if state, err := sim.UserState("wx00000000000000c3", "bob"); err != nil || state.Follows {
		t.Errorf("%+v, %v", state, err)
	}
}
