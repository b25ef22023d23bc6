package push_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/push"
)

func TestLargeBody(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	status, _ := f.send(secure(t, alice, text(alice, strings.Repeat("x", 64<<10), 1)))
	if status != http.StatusBadRequest || len(f.received()) != 0 {
		t.Errorf("%d", status)
	}
}

// XML that a parser could be attacked with: entities, other documents, depth, many elements.
func TestHostileXML(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100)
	many := ""
	for i := range 100 {
		many += "<a" + strconv.Itoa(i) + "/>"
	}
	good := text(alice, "1", 1)
	for name, body := range map[string]string{
		"external entity": `<!DOCTYPE xml [<!ENTITY x SYSTEM "file:///etc/passwd">]>` +
			strings.Replace(good, "<![CDATA[1]]>", "&x;", 1),
		"document type":   "<!DOCTYPE xml>" + good,
		"second document": good + good,
		"text behind":     good + "x",
		"other root":      strings.NewReplacer("<xml>", "<html>", "</xml>", "</html>").Replace(good),
		"depth":           strings.Replace(good, "</xml>", deep+"</xml>", 1),
		"many elements":   strings.Replace(good, "</xml>", many+"</xml>", 1),
		"no end":          strings.TrimSuffix(good, "</xml>"),
		"no sender":       strings.ReplaceAll(good, alice, ""),
		"sender in an element": strings.Replace(good, "<FromUserName><![CDATA["+alice+"]]>",
			"<FromUserName><b>"+alice+"</b>", 1),
		"negative time":                 strings.Replace(good, fmt.Sprint(testNow.Unix()), "-1", 1),
		"id over 64 bits":               strings.Replace(good, "<MsgId>1<", "<MsgId>18446744073709551616<", 1),
		"no person of an authorization": event("oSERVICE", "user_authorization_revoke", "<RevokeInfo>201</RevokeInfo>"),
		"empty":                         "",
	} {
		f := newFixture(t, nil)
		if status, answer := f.send(secure(t, alice, body)); status != http.StatusOK || answer != "success" ||
			len(f.received()) != 0 {
			t.Errorf("%s: %d %q, %d messages", name, status, answer, len(f.received()))
		}
	}
}

// People write control characters, which XML does not allow (offu/WeRoBot#420, EasyWeChat#989).
func TestControlCharactersInTheText(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.send(secure(t, alice, text(alice, "48\x102\x1d91\x02\x005\u200b3\xff 🌊", 1)))
	if got := f.received(); len(got) != 1 || got[0].Content != "482915\u200b3\uFFFD 🌊" {
		t.Errorf("%+v: %s", got, f.log)
	}
}

// The answer repeats nothing of the request that could end an element (silenceper/wechat, node-webot,
// wechatpy, wxlogin).
func TestReplyIsEscaped(t *testing.T) {
	t.Parallel()
	const hostile = "a]]></Content><MsgType>news</MsgType>\x00]]>]]>\n<a href=\"https://x\">b</a>"
	f := newFixture(t, func(c *push.Config) {
		c.Handle = func(context.Context, push.Message) (push.Reply, error) { return push.Reply{Text: hostile}, nil }
	})
	_, body := f.send(secure(t, alice, text(alice, "1", 1)))
	if _, _, content := answerOf(t, testToken, testKey, testAppID, body); content != strings.ReplaceAll(hostile,
		"\x00", "") {
		t.Errorf("got %q", content)
	}
	if got := push.EscapeText(`<a href="x">`); got != "＜a href=\"x\"＞" {
		t.Error(got)
	}
}

func TestRepliesThatWeChatRejects(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reply push.Reply
		want  string // of the text; "" = success
	}{
		"nothing":      {},
		"white space":  {reply: push.Reply{Text: " \n"}},
		"too long":     {push.Reply{Text: strings.Repeat("字", 700)}, strings.Repeat("字", 599) + "…"},
		"at the limit": {push.Reply{Text: strings.Repeat("字", 600)}, strings.Repeat("字", 600)},
	} {
		f := newFixture(t, func(cfg *push.Config) {
			cfg.Handle = func(context.Context, push.Message) (push.Reply, error) { return c.reply, nil }
		})
		_, body := f.send(secure(t, alice, text(alice, "1", 1)))
		if c.want == "" {
			if body != "success" {
				t.Errorf("%s: %q", name, body)
			}
			continue
		}
		if _, _, content := answerOf(t, testToken, testKey, testAppID, body); content != c.want {
			t.Errorf("%s: %d bytes", name, len(content))
		}
	}
	f := newFixture(t, func(cfg *push.Config) {
		cfg.Handle = func(context.Context, push.Message) (push.Reply, error) {
			return push.Reply{Text: "x", Raw: []byte("<xml>of another server</xml>")}, nil
		}
	})
	if _, body := f.send(secure(t, alice, text(alice, "1", 1))); body != "<xml>of another server</xml>" {
		t.Errorf("raw: %q", body)
	}
}

// A change of token and key in the console loses no push.
func TestPreviousTokenAndKey(t *testing.T) {
	t.Parallel()
	const newKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	f := newFixture(t, func(c *push.Config) {
		c.PreviousToken, c.PreviousAESKey, c.Token, c.AESKey = testToken, testKey, "newtoken", newKey
	})
	_, body := f.send(secure(t, alice, text(alice, "1", 1)))
	if len(f.received()) != 1 {
		t.Fatalf("%s", f.log)
	}
	answerOf(t, "newtoken", newKey, testAppID, body)
}

func TestJSONIsLogged(t *testing.T) {
	t.Parallel()
	r := plain(alice, `{"ToUserName":"gh"}`)
	newFixture(t, nil).ignored(r, "choose XML")
}

// A POST is never answered with echostr (silenceper/wechat answers it, and its message is not read).
func TestEchoStringOfAPush(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	r := secure(t, alice, text(alice, "1", 1))
	r.query.Set("echostr", "4375120948345356249")
	if _, body := f.send(r); strings.Contains(body, "4375120948345356249") || len(f.received()) != 1 {
		t.Errorf("%s, %d messages", body, len(f.received()))
	}
}

func TestOtherMethods(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	rec := httptest.NewRecorder()
	f.handler.ServeHTTP(rec, httptest.NewRequest(http.MethodPut, "/push", nil))
	if rec.Code != http.StatusMethodNotAllowed || rec.Header().Get("Allow") != "GET, POST" {
		t.Errorf("%d", rec.Code)
	}
}

// WeChat's request can be forwarded unchanged.
func TestOriginalRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	r := secure(t, alice, text(alice, "1", 1))
	f.send(r)
	got := f.received()
	if len(got) != 1 || string(got[0].Request.Body) != r.body || got[0].Request.Query.Encode() != r.query.Encode() ||
		got[0].Request.ContentType != "text/xml" {
		t.Errorf("%+v", got)
	}
}

func TestConfigurationErrorsNameTheField(t *testing.T) {
	t.Parallel()
	_, err := push.New(push.Config{})
	for _, want := range []string{"Token must have 3 to 32", "AESKey must have 43", "EncodingAESKey", "AppID",
		"Handle"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	handle := func(context.Context, push.Message) (push.Reply, error) { return push.Reply{}, nil }
	for name, c := range map[string]push.Config{
		"short key": {AppID: testAppID, Token: testToken, AESKey: wechat.Secret(testKey[1:]),
			Handle: handle},
		"key with a hyphen": {AppID: testAppID, Token: testToken, AESKey: wechat.Secret("-" + testKey[1:]),
			Handle: handle},
		"short token": {AppID: testAppID, Token: "ab", AESKey: testKey, Handle: handle},
		"long token": {AppID: testAppID, Token: wechat.Secret(strings.Repeat("a", 33)),
			AESKey: testKey, Handle: handle},
		"key in plaintext mode": {AppID: testAppID, Token: testToken, AESKey: testKey, Handle: handle,
			PlaintextWithoutProtection: true},
		"previous token": {AppID: testAppID, Token: testToken, PreviousToken: "!", AESKey: testKey,
			Handle: handle},
		"unknown mode": {AppID: testAppID, Token: testToken, AESKey: testKey, Handle: handle, Mode: 7},
	} {
		if _, err := push.New(c); err == nil || strings.Contains(err.Error(), testKey[1:]) ||
			strings.Contains(err.Error(), testToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// No token, key, openid or text is in a log line, nor the signature that would have been right
// (chanxuehong/wechat logs it, and readers of the log could sign).
func TestNoSecretsInTheLog(t *testing.T) {
	t.Parallel()
	const secret = leaktest.Secret
	for _, change := range []func(*request){
		func(r *request) { r.query.Set("msg_signature", secret) },
		func(r *request) { r.query.Set("nonce", secret) },
		func(r *request) { r.query.Set("timestamp", secret) },
		func(r *request) { r.body = "<xml><Encrypt>" + secret + "</Encrypt></xml>" },
		func(r *request) { r.body = "{" + secret },
	} {
		f := newFixture(t, nil)
		r := secure(t, alice, text(alice, secret, 1))
		right := r.query.Get("msg_signature")
		change(&r)
		_, body := f.send(r)
		for _, leaked := range []string{secret, testToken, testKey, alice, right} {
			if strings.Contains(f.log.String()+body, leaked) {
				t.Errorf("%q is in %s %s", leaked, f.log, body)
			}
		}
	}
}
