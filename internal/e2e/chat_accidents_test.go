package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat/wechattest"
)

// chatFixture is a gateway with two replicas on one store. The browser talks to one of them. Pushes
// are sent to both in turn, so that a repeat reaches the other one.
type chatFixture struct {
	*inProcessGateway
	t *testing.T
	w *window
}

func startChatReplicas(t *testing.T, l look) *chatFixture {
	t.Helper()
	g := startChat(t, l.lang, config.SubscriptionAccount)
	other := httptest.NewUnstartedServer(nil)
	g.serveOn(t, other)
	var n atomic.Int64
	var to [2]*httputil.ReverseProxy
	for i, address := range []string{g.gateway, other.URL} {
		target, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		to[i] = httputil.NewSingleHostReverseProxy(target)
	}
	balancer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to[n.Add(1)%2].ServeHTTP(w, r)
	}))
	t.Cleanup(balancer.Close)
	if err := g.wx.UpdateApp(chatAppID, func(a *wechattest.App) {
		a.Push.URL = balancer.URL + "/wechat/push/main"
	}); err != nil {
		t.Fatal(err)
	}
	return &chatFixture{inProcessGateway: g, t: t, w: openBoth(t, &g.addresses, l)}
}

// begins opens the page with a number, without the session of the case before.
func (f *chatFixture) begins() (number string) {
	f.t.Helper()
	command(f.w, network.ClearBrowserCookies, cdp.Empty{})
	f.w.visit(f.gateway + "/sign-in?return=/")
	f.w.waits("main#chat_number")
	return f.w.text("#chat-number")
}

// sends sends a text to the account. reply is what the account answers; "" while the push is held.
func (f *chatFixture) sends(person, text string) (reply string) {
	f.t.Helper()
	d, err := f.wx.SendText(f.t.Context(), person, chatAppID, text)
	if err != nil || d.Failure != "" {
		f.t.Fatalf("%s sends %q: %v, %s", person, text, err, d.Failure)
	}
	return d.Reply
}

// advances moves the clocks of WeChat and of the gateway. WeChat then sends what it has held.
func (f *chatFixture) advances(d time.Duration) {
	f.clock.Advance(d)
	f.wx.Advance(d)
}

func (f *chatFixture) code(reply string) string {
	f.t.Helper()
	return codeIn(f.t, wechattest.Delivery{Reply: reply}, nil)
}

// answers returns what the account has answered a person, the last first.
func (f *chatFixture) answers(person string) (all []string) {
	for _, m := range f.wx.Chat(person, chatAppID) {
		if m.From == "account" {
			all = append([]string{m.Text}, all...)
		}
	}
	return all
}

// renews presses the button for a new number.
func (f *chatFixture) renews() (number string) {
	f.t.Helper()
	f.w.press(`form[action^="/chat/renew"] button`)
	f.w.waits("main#chat_number")
	return f.w.text("#chat-number")
}

// signsInWith types the code after the page has shown that the account has answered, and waits for the
// user's own page.
func (f *chatFixture) signsInWith(code string) {
	f.t.Helper()
	f.w.waits("main#chat_answered")
	f.w.typesCode(code)
	f.w.waits("main#own")
}

// users returns the openids of all users.
func (f *chatFixture) users() (openIDs []string) {
	f.t.Helper()
	users, err := f.store.Users(f.t.Context(), gateway.UserQuery{Limit: 100})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, u := range users {
		identities, err := f.store.Identities(f.t.Context(), u.ID)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, i := range identities {
			openIDs = append(openIDs, i.OpenID)
		}
	}
	return openIDs
}

// word returns the text for the language of the look.
func (f *chatFixture) word(en, zh string) string {
	if f.w.look.lang == "en" {
		return en
	}
	return zh
}

// TestChatAccidentsInTheBrowser makes each accident of a sign-in by message. Each page has the next step,
// and the person gets in at last, with two replicas of the gateway.
func TestChatAccidentsInTheBrowser(t *testing.T) {
	t.Parallel()
	for _, l := range flows {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			f := startChatReplicas(t, l)
			f.expires()
			f.arrivesLate()
			f.arrivesReversed()
			f.arrivesTwice()
			f.stopsFollowing()
			f.isSentByTwo()
			f.signsInTwice()
			if l.width < phoneWidth {
				f.isInWeChat()
			}
		})
	}
}

// expires lets a number expire in a page that is open. The script shows it; the button renews.
func (f *chatFixture) expires() {
	f.t.Helper()
	old := f.begins()
	f.advances(6 * time.Minute)
	f.w.waits("main#chat_expired")
	f.w.says("Try again", "请重试")
	f.w.see("chat-expired")
	if reply := f.sends("alice", old); !strings.Contains(reply, f.word("Get a new number", "更换数字")) {
		f.t.Errorf("an expired number: %s", reply)
	}
	number := f.renews()
	if number == old {
		f.t.Errorf("the number is again %s", number)
	}
	f.signsInWith(f.code(f.sends("alice", number)))
}

// arrivesLate delivers a push after the page has expired, and one that was sent before the page was
// opened.
func (f *chatFixture) arrivesLate() {
	f.t.Helper()
	number := f.begins()
	f.wx.UpdateQuirks(func(q *wechattest.Quirks) { q.PushDelay = 6 * time.Minute })
	f.sends("xiaoming", number)
	f.advances(6 * time.Minute)
	f.w.waits("main#chat_expired")
	if reply := f.answers("xiaoming")[0]; !strings.Contains(reply, f.word("may have expired", "可能已经过期")) {
		f.t.Errorf("a late push: %s", reply)
	}
	f.wx.UpdateQuirks(func(q *wechattest.Quirks) { q.PushDelay = 0 })
	// The page is opened a minute after the message was sent: somebody has guessed the number.
	f.clock.Advance(time.Minute)
	number = f.renews()
	if reply := f.sends("xiaoming", number); !strings.Contains(reply, f.word("not in use", "没有找到")) {
		f.t.Errorf("a message from before the page: %s", reply)
	}
	f.wx.Advance(time.Minute)
	f.signsInWith(f.code(f.sends("xiaoming", number)))
}

// arrivesReversed delivers two numbers, and a follow, with the newest first.
func (f *chatFixture) arrivesReversed() {
	f.t.Helper()
	first := f.begins()
	f.wx.UpdateQuirks(func(q *wechattest.Quirks) { q.PushDelay, q.PushReverse = time.Second, true })
	if _, err := f.wx.Unfollow(f.t.Context(), "markup", chatAppID); err != nil {
		f.t.Fatal(err)
	}
	f.advances(time.Second)
	if _, err := f.wx.Follow(f.t.Context(), "markup", chatAppID); err != nil {
		f.t.Fatal(err)
	}
	f.sends("markup", first)
	f.w.reload()
	f.w.press(`form[action^="/chat/cancel"] button`)
	second := f.begins()
	f.sends("markup", second)
	f.advances(time.Second)
	answers := f.answers("markup")
	if len(answers) != 3 || !strings.Contains(answers[0], f.word("Welcome", "欢迎")) ||
		!strings.Contains(answers[1], f.word("has ended", "已经结束")) {
		f.t.Errorf("the answers: %q", answers)
	}
	f.wx.UpdateQuirks(func(q *wechattest.Quirks) { q.PushDelay, q.PushReverse = 0, false })
	f.w.waits("main#chat_answered")
	f.signsInWith(f.code(answers[2]))
}

// arrivesTwice delivers each push to both replicas.
func (f *chatFixture) arrivesTwice() {
	f.t.Helper()
	number := f.begins()
	f.wx.UpdateQuirks(func(q *wechattest.Quirks) { q.PushRepeat = true })
	d, err := f.wx.SendText(f.t.Context(), "quotes", chatAppID, number)
	code := codeIn(f.t, d, err)
	if len(d.Posts) != 2 {
		f.t.Errorf("%d posts", len(d.Posts))
	}
	if again := f.code(f.sends("quotes", number)); again != code {
		f.t.Errorf("the code %s, then %s", code, again)
	}
	f.wx.UpdateQuirks(func(q *wechattest.Quirks) { q.PushRepeat = false })
	f.signsInWith(code)
}

// stopsFollowing lets a person stop following between the answer and the code.
func (f *chatFixture) stopsFollowing() {
	f.t.Helper()
	code := f.code(f.sends("noface", f.begins()))
	f.w.waits("main#chat_answered")
	if _, err := f.wx.Unfollow(f.t.Context(), "noface", chatAppID); err != nil {
		f.t.Fatal(err)
	}
	f.w.waits("main#chat_refused") // without another act of the user
	f.w.says("follow the account and try again", "请关注公众号后重试")
	if _, err := f.wx.Follow(f.t.Context(), "noface", chatAppID); err != nil {
		f.t.Fatal(err)
	}
	number := f.renews()
	if again := f.code(f.sends("noface", number)); again != code {
		code = again
	}
	f.signsInWith(code)
}

// isSentByTwo lets a second person send a number that was answered.
func (f *chatFixture) isSentByTwo() {
	f.t.Helper()
	number := f.begins()
	code := f.code(f.sends("xiaoming", number))
	f.w.waits("main#chat_answered")
	f.w.says("somebody else", "别人")
	if reply := f.sends("emoji", number); !strings.Contains(reply, f.word("Somebody else", "被别人使用")) {
		f.t.Errorf("the second person: %s", reply)
	}
	f.signsInWith(code)
	openIDs := strings.Join(f.users(), " ")
	if !strings.Contains(openIDs, f.wx.OpenID(chatAppID, "xiaoming")) ||
		strings.Contains(openIDs, f.wx.OpenID(chatAppID, "emoji")) {
		f.t.Errorf("users %s", openIDs)
	}
}

// signsInTwice signs a person in who has signed in before: it is the same user.
func (f *chatFixture) signsInTwice() {
	f.t.Helper()
	before := len(f.users())
	f.signsInWith(f.code(f.sends("xiaoming", f.begins())))
	if after := len(f.users()); after != before {
		f.t.Errorf("%d users, then %d", before, after)
	}
}

// isInWeChat shows the page in WeChat's own browser, which closes the page when the user opens a chat.
func (f *chatFixture) isInWeChat() {
	f.t.Helper()
	f.w.isBrowser(wechatAgent)
	command(f.w, network.ClearBrowserCookies, cdp.Empty{})
	f.w.visit(f.gateway + "/sign-in?return=/")
	f.w.waits("main#chat_number_wechat")
	f.w.see("chat-number-in-wechat")
	f.signsInWith(f.code(f.sends("alice", f.w.text("#chat-number"))))
}
