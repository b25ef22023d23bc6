package push_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/push"
)

// vector is a real or official push.
type vector struct {
	name, token, key, appID, account string
	timestamp                        int64
	nonce, signature                 string // signature of the message, or of the query if encrypted is ""
	encrypted                        string
	want                             push.Message // zero = the message is not one of an official account
}

// vectors are from WeChat's documents (消息加解密, checked in 2026), the sample of Tencent for Java, and
// captures of 2022.
var vectors = []vector{
	{
		name: "official sample", token: "AAAAA", key: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		appID: "wxba5fad812f8e6fb9", timestamp: 1714112445, nonce: "415670741",
		signature: "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3",
		encrypted: "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVza" +
			"zhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8" +
			"EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04=",
	},
	{
		// The last character of this key has spare bits that are not zero.
		name: "capture of 2022", token: "GreedIsGood", key: "h7ZycbpEh2vNdfkYulfw9pG95HjLYwmrKBFeqIktff6",
		appID: "wxabb8e5e80f591861", account: "gh_b4f0e22ae50e", timestamp: 1669731472, nonce: "1487905294",
		signature: "2152b4cd4935c9a21b5c3a0e97b197b74d8fd65d",
		encrypted: "nXJsNjyg1mO1CZAvs4n6iAMSg8m3JIcmsUeWJEtr2SU/mskaPsywpBbc0wxE+vaPgTlECUnInGypLFOkvKR5vloY+55xynbMZ+Dz" +
			"Ko1WFf7No3CkjiDD6bSA7MFuVAGNAYYDfXhhDe5bSFLmHQOOGAbEL0dtyNXXLcNAglSv6qbC94GYljypiBfRH4Wm4JnYjvaFZG4CwtFFsh80cSMI" +
			"yj+qTv9zVURbcY6T6I2JNzM0txYg8hb6IMvbT1+OTNUZ2j1yqWFYsWYl7IqLCSaWPNVgwn7Nx/S8Y9au/BnXO1yy+Y0akzVvycG/BOQ3PfOk" +
			"x00nryYE3O2GNz/LCVnbI0Z00ZEo3W3Ea1fWgUH7blbXl2tvjyxxTTySQYYbkiwVNeSLYYAMzjALXBaGJDi3TeiCOwwNryoq9LGWveMHbOI8" +
			"Bwu4VNlxkIc28bRxMECJLv9AbcuYvriR/t6YaOCFrg==",
		want: push.Message{
			OpenID: "oJqxQwYRyZMXFTc8sipB5TSe6Vw4", To: "gh_b4f0e22ae50e", CreatedAt: time.Unix(1669731471, 0),
			Type:  "text",
			MsgID: 23904806341841418, Content: "文本tdsa[Lol]§",
		},
	},
}

func TestVectorsOfEncryptedPushes(t *testing.T) {
	t.Parallel()
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(c *push.Config) {
				c.Token, c.AESKey, c.AppID, c.OriginalID = wechat.Secret(v.token), wechat.Secret(v.key),
					v.appID, v.account
				c.Now = func() time.Time { return time.Unix(v.timestamp, 0) }
			})
			r := envelope(t, v.want.OpenID, v.encrypted)
			r.query.Set("timestamp", fmt.Sprint(v.timestamp))
			r.query.Set("nonce", v.nonce)
			r.query.Set("msg_signature", v.signature)
			if v.want.OpenID == "" {
				r.query.Del("openid")
			}
			status, body := f.send(r)
			if status != http.StatusOK {
				t.Fatalf("%d %s: %s", status, body, f.log)
			}
			if v.want.OpenID == "" { // decrypted, and JSON inside
				if f.outcome() != "ignored" || body != "success" {
					t.Errorf("%s, %q", f.outcome(), body)
				}
				return
			}
			got := f.received()
			if len(got) != 1 {
				t.Fatalf("%d messages: %s", len(got), f.log)
			}
			got[0].Request = nil
			if got[0] != v.want {
				t.Errorf("got %+v, want %+v", got[0], v.want)
			}
			to, from, content := answerOf(t, v.token, v.key, v.appID, body)
			if to != v.want.OpenID || from != v.want.To || content != "answer 1" {
				t.Errorf("the answer is from %s to %s: %s", from, to, content)
			}
		})
	}
}

// Signatures of the query: checks of the address, and captured pushes of the plaintext mode.
func TestVectorsOfSignatures(t *testing.T) {
	t.Parallel()
	for _, v := range []vector{
		{token: "AAAAA", timestamp: 1714036504, nonce: "1514711492",
			signature: "f464b24fc39322e44b38aa78f5edd27bd1441696"},
		{token: "AAAAA", timestamp: 1714037059, nonce: "486452656",
			signature: "899cf89e464efb63f54ddac96b0a0a235f53aa78"},
		{token: "AAAAA", timestamp: 1714112445, nonce: "415670741",
			signature: "6c5c811b55cc85e0e1b54100749188c20beb3f5d"},
		{token: "GreedIsGood", timestamp: 1668869433, nonce: "977789310",
			signature: "37cc4891f809493628677ae2b592e63c938c0b03"},
		{token: "GreedIsGood", timestamp: 1668869542, nonce: "973755032",
			signature: "8e54ae7d2bee997f244afeea959387250adfb889"},
		{token: "GreedIsGood", timestamp: 1670591703, nonce: "366928050",
			signature: "7e160ffc904ecbfcdc2d00070e74f6ea85c62793"},
		{token: "GreedIsGood", timestamp: 1668926536, nonce: "794508645",
			signature: "26abcc1499ae64fa330536e83b559e1c99844e2c"},
		{token: "GreedIsGood", timestamp: 1670592443, nonce: "1078156260",
			signature: "eef9a7798349ab9473dc8ea661ccabc3ed47778d"},
		{token: "GreedIsGood", timestamp: 1669640884, nonce: "1062497198",
			signature: "6aab228cf5918017b302463a355bf4b4a1d97321"},
		{token: "token1234567890", timestamp: 1458864389, nonce: "2066297436", // chanxuehong/wechat
			signature: "f9c725922f6844701ba71e98031978e40023c09f"},
		{token: "weixin", timestamp: 1414387151, nonce: "917222494",
			signature: "e3203b6433eb554dd2fcba78fa48cb948fcb4801"},
	} {
		f := newFixture(t, func(c *push.Config) {
			c.Token, c.Now = wechat.Secret(v.token), func() time.Time { return time.Unix(v.timestamp, 0) }
		})
		get := func(signature, echo string) (int, string) {
			query := url.Values{"signature": {signature}, "echostr": {echo},
				"timestamp": {fmt.Sprint(v.timestamp)}, "nonce": {v.nonce}}
			rec := httptest.NewRecorder()
			f.handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/push?"+query.Encode(), nil))
			return rec.Code, rec.Body.String()
		}
		if status, body := get(v.signature, "4375120948345356249"); status != http.StatusOK ||
			body != "4375120948345356249" {
			t.Errorf("%s: %d %s", v.signature, status, body)
		}
		// What the console would show as HTML is not repeated, even with a right signature.
		if status, _ := get(v.signature, "<script>alert(1)</script>"); status != http.StatusForbidden {
			t.Errorf("echostr with markup: %d", status)
		}
		if status, _ := get("0"+v.signature[1:], "1"); status != http.StatusForbidden && v.signature[0] != '0' {
			t.Errorf("a wrong signature: %d", status)
		}
	}
}

// Messages that are encrypted with a known random value: Tencent's samples for Java
// (binarywang/WxJava, WxCryptUtilTest.java), WeChat's documents, and wechatpy/wechatpy
// tests/test_crypto.py. The keys of all but WeChat's documents have spare bits that are not zero.
func TestVectorsOfEncryption(t *testing.T) {
	t.Parallel()
	const zero = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, c := range []struct{ key, random, message, appID, want string }{
		{testKey, "aaaabbbbccccdddd", "我是中文abcd123", testAppID,
			"jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg=="},
		{testKey, "aaaabbbbccccdddd",
			"<xml><ToUserName><![CDATA[oia2Tj我是中文jewbmiOUlr6X-1crbLOvLw]]></ToUserName><FromUserName><![CDATA" +
				"[gh_7f083739789a]]></FromUserName><CreateTime>1407743423</CreateTime><MsgType><![CDATA[video]]><" +
				"/MsgType><Video><MediaId><![CDATA[eYJ1MbwPRJtOvIEabaxHs7TX2D-HV71s79GUxqdUkjm6Gs2Ed1KF3ulAOA9H1x" +
				"G0]]></MediaId><Title><![CDATA[testCallBackReplyVideo]]></Title><Description><![CDATA[testCallBa" +
				"ckReplyVideo]]></Description></Video></xml>", testAppID,
			"jn1L23DB+6ELqJ+6bruv23M2GmYfkv0xBh2h+XTBOKVKcgDFHle6gqcZ1cZrk3e1qjPQ1F4RsLWzQRG9udbKWesxlkupqcEc" +
				"W7ZQweImX9+wLMa0GaUzpkycA8+IamDBxn5loLgZpnS7fVAbExOkK5DYHBmv5tptA9tklE/fTIILHR8HLXa5nQvFb3tYPKAl" +
				"HF3rtTeayNf0QuM+UW/wM9enGIDIJHF7CLHiDNAYxr+r+OrJCmPQyTy8cVWlu9iSvOHPT/77bZqJucQHQ04sq7KZI27OcqpQ" +
				"NSto2OdHCoTccjggX5Z9Mma0nMJBU+jLKJ38YB1fBIz+vBzsYjrTmFQ44YfeEuZ+xRTQwr92vhA9OxchWVINGC50qE/6lmkw" +
				"WTwGX9wtQpsJKhP+oS7rvTY8+VdzETdfakjkwQ5/Xka042OlUb1/slTwo4RscuQ+RdxSGvDahxAJ6+EAjLt9d8igHngxIbf6" +
				"YyqqROxuxqIeIch3CssH/LqRs+iAcILvApYZckqmA7FNERspKA5f8GoJ9sv8xmGvZ9Yrf57cExWtnX8aCMMaBropU/1k+hKP" +
				"5LVdzbWCG0hGwx/dQudYR/eXp3P0XxjlFiy+9DMlaFExWUZQDajPkdPrEeOwofJb"},
		// 63 bytes, so the padding is one byte.
		{zero, "707722b803182950", `{"demo_resp":"good luck"}`, "wxba5fad812f8e6fb9",
			"ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ=="},
		{"kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR", "1234567890123456",
			"<xml>\n<MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[test]]></Content>\n<FromUserName><" +
				"![CDATA[wx49f0ab532d5d035a]]></FromUserName>\n<ToUserName><![CDATA[messense]]></ToUserName>\n<Ag" +
				"entID>1</AgentID>\n<CreateTime>1411525903</CreateTime>\n</xml>", "wx49f0ab532d5d035a",
			"9s4gMv99m88kKTh/H8IdkOiMg6bisoy3ypwy9H4hvSPe9nsGaqyw5hhSjdYbcrKk+j3nba4HMOTzHrluLBYqxgNcBqGsL8Gq" +
				"xlhZgURnAtObvesEl5nZ+uBE8bviY0LWke8Zy9V/QYKxNV2FqllNXcfmstttyIkMKCCmVbCFM2JTF5wY0nFhHZSjPUL2Q1qv" +
				"SUCUld+/WIXrx0oyKQmpB6o8NRrrNrsDf03oxI1p9FxUgMnwKKZeOA/uu+2IEvEBtb7muXsVbwbgX05UPPJvFurDXafG0RQy" +
				"PR+mf1nDnAtQmmNOuiR5MIkdQ39xn1vWwi1O5oazPoQJz0nTYjxxEE8kv3kFxtAGVRe3ypD3WeK2XeFYFMNMpatF9XiKzHo3"},
	} {
		if got := encryptMessage(t, c.key, c.random, c.message, c.appID); got != c.want {
			t.Errorf("the tests' own encrypter: %s", got)
		}
		if got := push.Encrypt(t, c.key, c.random, c.message, c.appID); got != c.want {
			t.Errorf("got %s", got)
		}
	}
}

// Signatures of answers: WeChat's documents, wechatpy/wechatpy tests/test_crypto.py, and
// chanxuehong/wechat internal/util/sign_test.go.
func TestVectorsOfSignedAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ token, timestamp, nonce, encrypted, want string }{
		{"AAAAA", "1713424427", "415670741",
			"ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ==",
			"1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1"},
		{"123456", "1411525903", "461056294",
			"9s4gMv99m88kKTh/H8IdkOiMg6bisoy3ypwy9H4hvSPe9nsGaqyw5hhSjdYbcrKk+j3nba4HMOTzHrluLBYqxgNcBqGsL8Gq" +
				"xlhZgURnAtObvesEl5nZ+uBE8bviY0LWke8Zy9V/QYKxNV2FqllNXcfmstttyIkMKCCmVbCFM2JTF5wY0nFhHZSjPUL2Q1qv" +
				"SUCUld+/WIXrx0oyKQmpB6o8NRrrNrsDf03oxI1p9FxUgMnwKKZeOA/uu+2IEvEBtb7muXsVbwbgX05UPPJvFurDXafG0RQy" +
				"PR+mf1nDnAtQmmNOuiR5MIkdQ39xn1vWwi1O5oazPoQJz0nTYjxxEE8kv3kFxtAGVRe3ypD3WeK2XeFYFMNMpatF9XiKzHo3",
			"407518b7649e86ef23978113f92d27afa9296533"},
		{"123456", "1411443780", "437374425",
			"4ByGGj+sVCYcvGeQYhaKIk1o0pQRNbRjxybjTGblXrBaXlTXeOo1+bXFXDQQb1o6co6Yh9Bv41n7hOchLF6p+Q==",
			"dd6b9c95b495b3f7e2901bfbc76c664930ffdb96"},
	} {
		values := []string{c.token, c.timestamp, c.nonce, c.encrypted}
		if got := signature(slices.Clone(values)...); got != c.want {
			t.Errorf("the tests' own signature: %s", got)
		}
		if got := push.Signature(values...); got != c.want {
			t.Errorf("got %s", got)
		}
	}
}

// The messages of every type and event, in WeChat's order of elements.
func TestMessagesOfEveryType(t *testing.T) {
	t.Parallel()
	message := func(kind, elements string) string {
		return fmt.Sprintf("<xml><ToUserName><![CDATA[%s]]></ToUserName>\n<FromUserName><![CDATA[%s]]></FromUserName>\n"+
			"<CreateTime>%d</CreateTime>\n<MsgType><![CDATA[%s]]></MsgType>\n%s\n</xml>", testGH, alice,
			testNow.Unix(), kind, elements)
	}
	for _, c := range []struct {
		body string
		want push.Message
	}{
		{text(alice, "482 9153", 7), push.Message{Type: "text", Content: "482 9153", MsgID: 7}},
		{message("text",
			`<Content><![CDATA[a]]></Content><MsgId>23904806341841418</MsgId><bizmsgmenuid>0</bizmsgmenuid>`),
			push.Message{Type: "text", Content: "a", MenuID: "0", MsgID: 23904806341841418}},
		{message("image", `<PicUrl><![CDATA[http://p]]></PicUrl><MsgId>1</MsgId><MediaId><![CDATA[m]]></MediaId>`),
			push.Message{Type: "image", PictureURL: "http://p", MediaID: "m", MsgID: 1}},
		{message("voice", `<MediaId>m</MediaId><Format>amr</Format><MsgId>1</MsgId><Recognition></Recognition>`),
			push.Message{Type: "voice", MediaID: "m", Format: "amr", MsgID: 1}},
		{message("location",
			`<Location_X>23.1</Location_X><Location_Y>113.3</Location_Y><Label>here</Label><MsgId>1</MsgId>`),
			push.Message{Type: "location", Latitude: "23.1", Longitude: "113.3", Label: "here", MsgID: 1}},
		{message("link", `<Title>t</Title><Description>d</Description><Url>https://u</Url><MsgId>1</MsgId>`),
			push.Message{Type: "link", Label: "t", LinkURL: "https://u", MsgID: 1}},
		{event(alice, "subscribe", `<EventKey><![CDATA[]]></EventKey>`), push.Message{Type: "event",
			Event: "subscribe"}},
		{event(alice, "subscribe", ""), push.Message{Type: "event", Event: "subscribe"}},
		{event(alice, "subscribe", `<EventKey>qrscene_abc</EventKey><Ticket>t</Ticket>`),
			push.Message{Type: "event", Event: "subscribe", EventKey: "qrscene_abc", Ticket: "t"}},
		{event(alice, "SCAN", `<EventKey>abc</EventKey><Ticket>t</Ticket>`),
			push.Message{Type: "event", Event: "scan", EventKey: "abc", Ticket: "t"}},
		{event(alice, "UnSubscribe", ""), push.Message{Type: "event", Event: "unsubscribe"}},
		{event(alice, "VIEW", `<EventKey>https://x</EventKey><MenuId>1</MenuId>`),
			push.Message{Type: "event", Event: "view", EventKey: "https://x"}},
		{event("oSERVICE", "user_authorization_revoke",
			`<OpenID>`+alice+`</OpenID><RevokeInfo>201</RevokeInfo><UnionID>u</UnionID>`),
			push.Message{Type: "event", Event: "user_authorization_revoke", UnionID: "u", RevokedDetails: "201"}},
		{event(alice, "debug_demo", `<debug_str>x</debug_str>`), push.Message{Type: "event", Event: "debug_demo"}},
		{event(alice, "scancode_push",
			`<EventKey>k</EventKey><ScanCodeInfo><ScanType>qrcode</ScanType></ScanCodeInfo>`),
			push.Message{Type: "event", Event: "scancode_push", EventKey: "k"}},
	} {
		f := newFixture(t, nil)
		f.send(secure(t, alice, c.body))
		got := f.received()
		if len(got) != 1 {
			t.Errorf("%d messages of %s: %s", len(got), c.body, f.log)
			continue
		}
		got[0].Request = nil
		c.want.OpenID, c.want.To, c.want.CreatedAt = alice, testGH, time.Unix(testNow.Unix(), 0)
		if got[0] != c.want {
			t.Errorf("got %+v, want %+v", got[0], c.want)
		}
	}
	scene := push.Message{Event: "subscribe", EventKey: "qrscene_abc"}
	other := push.Message{Event: "subscribe", EventKey: "scanbarcode|x"}
	click := push.Message{Event: "click", EventKey: "abc"}
	if scene.Scene() != "abc" || other.Scene() != "" || click.Scene() != "" {
		t.Errorf("scenes: %q %q %q", scene.Scene(), other.Scene(), click.Scene())
	}
}
