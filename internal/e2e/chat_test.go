package e2e_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat/wechattest"
)

const (
	chatAppID = "wx00000000000000c7"
	chatToken = "pushtoken1"
	chatKey   = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
)

// startChat starts a gateway whose account signs users in through its chat.
func startChat(t *testing.T, language, kind string) *inProcessGateway {
	t.Helper()
	g := startInProcess(t, func(c *config.Config) {
		conn := config.Connector{Name: "main", Kind: kind, AppID: chatAppID, API: c.WeChat[0].API,
			Open: c.WeChat[0].Open,
			Push: config.Push{Enabled: true, Token: chatToken, AESKey: chatKey, AccountName: "示例公众号 Example",
				AccountID: "example-id", QRCode: "http://weixin.qq.com/r/example", Language: language}}
		if kind == config.OfficialAccount {
			conn.Secret = leaktest.Secret
		}
		site := c.WeChat[1]
		c.WeChat, c.Apps = []config.Connector{conn}, nil
		if kind == config.OfficialAccount { // with the website app, the user has the choice of all methods
			c.WeChat = append(c.WeChat, site)
		}
	})
	account := wechattest.App{Kind: wechattest.SubscriptionAccount, AppID: chatAppID, Secret: leaktest.Secret,
		Name: "Example",
		Push: wechattest.Push{URL: g.gateway + "/wechat/push/main", Token: chatToken, AESKey: chatKey}}
	if kind == config.OfficialAccount {
		account.Kind, account.Domains = wechattest.OfficialAccount, []string{"127.0.0.1"}
	}
	if _, err := g.wx.AddApp(account); err != nil {
		t.Fatal(err)
	}
	return g
}

var fourDigits = regexp.MustCompile(`(?m)(?:Code: |确认码：)(\d{4})$`)

// codeIn returns the confirmation code in an answer of the account.
func codeIn(t *testing.T, d wechattest.Delivery, err error) string {
	t.Helper()
	m := fourDigits.FindStringSubmatch(d.Reply)
	if err != nil || m == nil {
		t.Fatalf("no code in the answer: %+v, %v", d, err)
	}
	return m[1]
}

// typesCode types a confirmation code and sends it.
func (w *window) typesCode(code string) {
	w.t.Helper()
	w.do("typing a code", chromedp.SendKeys(chromedp.CSS("#code"), code))
	w.press("form.answer button")
}

// TestSignInInTheChat signs a browser in by a message to an unverified personal account.
func TestSignInInTheChat(t *testing.T) {
	t.Parallel()
	for _, l := range flows {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			g := startChat(t, l.lang, config.SubscriptionAccount)
			w := openBoth(t, &g.addresses, l)
			sends := func(person, text string) (wechattest.Delivery, error) {
				return g.wx.SendText(t.Context(), person, chatAppID, text)
			}
			w.visit(g.gateway + "/sign-in?return=/")
			w.waits("main#chat_number")
			w.see("chat-number")
			w.typesCode("1234") // before the account has answered
			w.waits("#problem")
			w.see("chat-code-early")
			// A half-typed code stays when the account answers.
			w.do("typing", chromedp.SendKeys(chromedp.CSS("#code"), "12"))
			d, err := sends("alice", w.text("#chat-number"))
			code := codeIn(t, d, err)
			w.waits("main#chat_answered")
			if typed := eval[string](w, `document.getElementById("code").value`); typed != "12" {
				t.Errorf("the field has %q", typed)
			}
			w.see("chat-answered")
			eval[string](w, `document.getElementById("code").value = ""`)
			w.typesCode(strings.Map(func(c rune) rune { return '0' + (c-'0'+1)%10 }, code))
			w.waits("main#chat_wrong")
			w.see("chat-wrong")

			w.press(`form[action^="/chat/renew"] button`)
			w.waits("main#chat_number")
			d, err = sends("alice", w.text("#chat-number"))
			codeIn(t, d, err)
			w.waits("main#chat_answered")
			if _, err := sends("alice", "取消"); err != nil {
				t.Fatal(err)
			}
			w.reload()
			w.waits("main#chat_refused")
			w.see("chat-refused")

			w.press(`form[action^="/chat/renew"] button`)
			w.waits("main#chat_number")
			d, err = sends("alice", w.text("#chat-number"))
			code = codeIn(t, d, err)
			w.waits("main#chat_answered")
			w.typesCode(code)
			w.waits("main#own") // the page with the name continues automatically
			w.press("#change-name")
			w.see("chat-name-in-apps")
			w.do("typing", chromedp.SendKeys(chromedp.CSS("#name"), "<b>李雷</b>"))
			w.press("form.give button")
			w.waits("main#own")
			w.says("<b>李雷</b>", "<b>李雷</b>")
			w.see("chat-own")
		})
	}
}

// TestFollowInTheBrowser signs a browser in by the QR code that follows the account.
func TestFollowInTheBrowser(t *testing.T) {
	t.Parallel()
	for _, l := range flows {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			g := startChat(t, l.lang, config.OfficialAccount)
			w := openBoth(t, &g.addresses, l)
			w.visit(g.gateway + "/sign-in?return=/")
			w.waits("main#choose")
			w.see("chat-choose")
			w.press("#way-follow")
			kind, link := "main#chat_follow", ""
			if l.width < phoneWidth {
				kind = "main#chat_follow_phone"
			}
			w.waits(kind)
			w.see("chat-follow")
			if l.width < phoneWidth {
				link = w.readsCode()
			} else {
				link = eval[string](w, `document.querySelector(".skip a").href`)
			}
			d, err := g.wx.ScanQR(t.Context(), "bob", link)
			code := codeIn(t, d, err)
			w.waits("main#chat_answered")
			w.typesCode(code)
			w.waits("main#own")
		})
	}
}
