package app_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

const (
	personalID = "wx00000000000000c3"
	pushToken  = "pushtoken1"
	pushKey    = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
)

// withPush adds an account with message push to the simulator and to the gateway.
func withPush(kind wechattest.AppKind, alone bool) option {
	return func(w *gatewayFixture) {
		w.t.Helper()
		conn := config.Connector{
			Name: "personal", Kind: config.SubscriptionAccount, AppID: personalID, API: w.wechat.URL, Open: w.wechat.URL,
			Push: config.Push{Enabled: true, Token: pushToken, AESKey: pushKey, AccountName: "示例 Account",
				AccountID: "example-id", Language: "en",
				Replies: config.Replies{Keywords: []config.Keyword{{Words: []string{"hours"}, Text: "9 to 18"}}}},
		}
		app := wechattest.App{Kind: kind, AppID: personalID, Secret: leaktest.Secret, Name: "Account",
			Push: wechattest.Push{URL: w.url + "/wechat/push/personal", Token: pushToken, AESKey: pushKey}}
		if kind == wechattest.OfficialAccount {
			conn.Kind, conn.Secret = config.OfficialAccount, wechat.Secret(leaktest.Secret)
			app.Domains = []string{"127.0.0.1"}
		}
		if _, err := w.wechat.AddApp(app); err != nil {
			w.t.Fatal(err)
		}
		w.config.WeChat = append(w.config.WeChat, conn)
		if alone {
			w.config.WeChat = []config.Connector{conn}
		}
	}
}

var (
	chatNumber = regexp.MustCompile(`<span id="chat-number" translate="no">(\d{3} \d{4})</span>`)
	chatCode   = regexp.MustCompile(`Code: (\d{4})`)
)

// sends sends a text to the account, and returns the reply.
func (w *gatewayFixture) sends(person, text string) string {
	w.t.Helper()
	d, err := w.wechat.SendText(w.t.Context(), person, personalID, text)
	if err != nil || d.Failure != "" {
		w.t.Fatalf("%s sends %q: %v, %s", person, text, err, d.Failure)
	}
	return d.Reply
}

// shownNumber returns the number on the page.
func (s *plainBrowser) shownNumber() string {
	s.w.t.Helper()
	m := chatNumber.FindStringSubmatch(s.body)
	if m == nil {
		s.w.t.Fatalf("no number on the page at %s: %s", s.url, s.body)
	}
	return m[1]
}

// codeIn returns the confirmation code in a reply.
func (w *gatewayFixture) codeIn(reply string) string {
	w.t.Helper()
	m := chatCode.FindStringSubmatch(reply)
	if m == nil {
		w.t.Fatalf("no code in the reply %q", reply)
	}
	return m[1]
}

// types types a confirmation code.
func (s *plainBrowser) types(code string) *plainBrowser {
	s.w.t.Helper()
	return s.submit("/chat/code", url.Values{"code": {code}})
}

// wrongCode returns another code of four digits.
func wrongCode(code string) string {
	if code == "0000" {
		return "0001"
	}
	return "0000"
}

// An unverified account of a person is enough for everything: no call to WeChat is made, not even one
// that would fail.
func TestSignInByMessageWithAPersonalAccount(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.SubscriptionAccount, true))
	desk := w.plainBrowser(uaDesktop)
	desk.open(w.authorize("sample")).want("chat_number", http.StatusOK)
	number := desk.shownNumber()
	for _, want := range []string{"示例 Account", "example-id"} {
		if !strings.Contains(desk.body, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
	// Full-width digits and words around the number.
	wide := strings.NewReplacer("0", "０", "1", "１", "2", "２", "3", "３").Replace(number)
	reply := w.sends("alice", "验证码 "+wide+" 🌊")
	first, _, _ := strings.Cut(reply, "\n")
	if !strings.Contains(first, "tell this code to nobody") || !strings.Contains(reply, "App: Sample") {
		t.Errorf("the reply: %s", reply)
	}
	if again := w.sends("alice", number); again != reply {
		t.Errorf("the same person again: %s", again)
	}
	if page := desk.next(); !strings.Contains(page, "answered") {
		t.Errorf("the long poll: %s", page)
	}
	desk.reloaded().want("chat_answered", http.StatusOK)
	desk.types(w.codeIn(reply)).want("scan_signed_in", http.StatusOK)
	desk.open(desk.link("go"))
	if !strings.HasPrefix(desk.url, w.app.URL+"/sample?") || !strings.Contains(desk.url, "code=") {
		t.Errorf("the app was not reached: %s", desk.url)
	}
	users, identities := w.users()
	if len(users) != 1 || identities[0][0].OpenID != w.wechat.OpenID(personalID, "alice") {
		t.Errorf("%+v %+v", users, identities)
	}
	if e := w.lastSignIn(); e.Method != gateway.MethodMessage || e.Outcome != "ok" || e.App != "sample" {
		t.Errorf("event %+v", e)
	}
	if got := w.sends("alice", number); !strings.Contains(got, "You have signed in") {
		t.Errorf("the number again: %s", got)
	}
	for _, call := range w.wechat.Calls() {
		if strings.HasPrefix(call.Endpoint, "/sns/") || strings.HasPrefix(call.Endpoint, "/cgi-bin/") {
			t.Errorf("the gateway called WeChat: %s", call.Endpoint)
		}
	}
}

// Each accident ends as designed, and signs nobody in.
func TestAccidentsOfSignInByMessage(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.SubscriptionAccount, true))
	for name, c := range map[string]func(desk *plainBrowser, number string) (kind string){
		"wrong code": func(desk *plainBrowser, number string) string {
			code := w.codeIn(w.sends("alice", number))
			desk.types(wrongCode(code)).want("chat_wrong", http.StatusOK)
			desk.reloaded()
			return "chat_wrong"
		},
		"a code before the account has answered": func(desk *plainBrowser, _ string) string {
			desk.types("1234")
			return "chat_number"
		},
		"declined in the chat": func(desk *plainBrowser, number string) string {
			code := w.codeIn(w.sends("quotes", number))
			if reply := w.sends("quotes", "0"); !strings.Contains(reply, "Cancelled") {
				t.Errorf("declined: %s", reply)
			}
			desk.types(code)
			return "chat_refused"
		},
		"stopped following": func(desk *plainBrowser, number string) string {
			code := w.codeIn(w.sends("noface", number))
			if _, err := w.wechat.Unfollow(t.Context(), "noface", personalID); err != nil {
				t.Error(err)
			}
			desk.types(code)
			return "chat_refused"
		},
		"another person sends the same number": func(desk *plainBrowser, number string) string {
			w.sends("xiaoming", number)
			if reply := w.sends("emoji", number); !strings.Contains(reply, "Somebody else") {
				t.Errorf("the second person: %s", reply)
			}
			desk.reloaded()
			return "chat_answered"
		},
		"cancelled on the page": func(desk *plainBrowser, number string) string {
			desk.submit("/chat/cancel", nil)
			if reply := w.sends("markup", number); strings.Contains(reply, "Code:") {
				t.Errorf("a cancelled number: %s", reply)
			}
			return ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			desk := w.plainBrowser(uaDesktop)
			desk.open(w.authorize("sample")).want("chat_number", http.StatusOK)
			if kind := c(desk, desk.shownNumber()); kind != "" {
				desk.want(kind, http.StatusOK)
			}
			if users, _ := w.users(); len(users) != 0 {
				t.Errorf("%d users", len(users))
			}
		})
	}
}

// A number that is mistyped, guessed or expired gets help, and after five the account is silent.
func TestGuessedNumbersAreNotAnswered(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.SubscriptionAccount, true))
	desk := w.plainBrowser(uaDesktop)
	number := desk.open(w.authorize("sample")).shownNumber()
	last := byte('0' + (number[7]-'0'+1)%10)
	if reply := w.sends("alice", number[:7]+string(last)); !strings.Contains(reply, "wrong") {
		t.Errorf("a mistyped number: %s", reply)
	}
	for range 4 {
		w.sends("alice", number[:7]+string(last))
	}
	if reply := w.sends("alice", number); reply != "" {
		t.Errorf("after five wrong numbers: %s", reply)
	}
	if reply := w.sends("xiaoming", number); !strings.Contains(reply, "Code:") {
		t.Errorf("another person: %s", reply)
	}
	other := w.plainBrowser(uaDesktop)
	other.open(w.authorize("sample")).want("chat_number", http.StatusOK)
	w.clock.Advance(6 * time.Minute)
	other.reloaded().want("chat_expired", http.StatusOK)
}

// A person cannot answer in the name of another: WeChat does not escape what people write.
func TestMessageInTheNameOfAnother(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.SubscriptionAccount, true))
	desk := w.plainBrowser(uaDesktop)
	number := desk.open(w.authorize("sample")).shownNumber()
	for _, attack := range []wechattest.PushAttack{wechattest.AttackInjectedSender, wechattest.AttackDowngrade,
		wechattest.AttackWrongAppID, wechattest.AttackWrongSignature} {
		post, err := w.wechat.AttackPush(t.Context(), attack, "quotes", "alice", personalID, number)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(post.Answer, "<xml>") {
			t.Errorf("attack %d is answered: %d %s", attack, post.Status, post.Answer)
		}
	}
	desk.reloaded().want("chat_number", http.StatusOK)
}

// The method follow: a QR code with a scene, which a person scans who does not follow the account yet.
func TestSignInByFollowing(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.OfficialAccount, true))
	w.config.Apps[0].Methods = []string{gateway.MethodFollow}
	w.replicas = nil
	w.start()
	desk := w.plainBrowser(uaDesktop)
	desk.open(w.authorize("sample")).want("chat_follow", http.StatusOK)
	link := regexp.MustCompile(`href="(http[^"]*/q/[^"]*)"`).FindStringSubmatch(desk.body)
	if link == nil {
		t.Fatalf("no QR code: %s", desk.body)
	}
	d, err := w.wechat.ScanQR(t.Context(), "bob", link[1])
	if err != nil || d.Failure != "" {
		t.Fatalf("%+v, %v", d, err)
	}
	desk.types(w.codeIn(d.Reply)).want("scan_signed_in", http.StatusOK)
	if e := w.lastSignIn(); e.Method != gateway.MethodFollow {
		t.Errorf("event %+v", e)
	}
}

// Messages that belong to no sign-in get the replies of the configuration.
func TestOtherMessagesOfTheAccount(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.SubscriptionAccount, true))
	if reply := w.sends("alice", "opening HOURS?"); reply != "9 to 18" {
		t.Errorf("got %q", reply)
	}
	if reply := w.sends("alice", "hello"); reply != "" {
		t.Errorf("got %q", reply)
	}
}

// A browser that loses the response of the right code is signed in by its next request, with the same
// session, also after the number has expired. After a sign-out it is not.
func TestLostResponseOfTheRightCode(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]time.Duration{"at once": 0, "after the number has expired": 10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, withPush(wechattest.SubscriptionAccount, true))
			desk := w.plainBrowser(uaDesktop)
			code := w.codeIn(w.sends("alice", desk.open(w.authorize("sample")).shownNumber()))
			jar, err := cookiejar.New(nil)
			if err != nil {
				t.Fatal(err)
			}
			at, err := url.Parse(desk.url)
			if err != nil {
				t.Fatal(err)
			}
			jar.SetCookies(at, desk.jar.Cookies(at))
			lost := *desk
			lost.jar = jar
			lost.types(code).want("scan_signed_in", http.StatusOK)
			w.clock.Advance(wait)
			desk.reloaded().want("scan_signed_in", http.StatusOK)
			users, _ := w.users()
			sessions, err := w.store.UserSessions(t.Context(), users[0].ID, w.clock.Now())
			if err != nil || len(sessions) != 1 {
				t.Errorf("%d sessions, %v", len(sessions), err)
			}
			if err := w.store.DeleteSession(t.Context(), sessions[0].Hash, w.clock.Now()); err != nil {
				t.Fatal(err)
			}
			if desk.reloaded(); strings.Contains(desk.body, "scan_signed_in") {
				t.Error("the sign-out was undone")
			}
		})
	}
}

// A user of a personal account waits for approval, is approved by an invitation, and then enters an
// OpenID Connect app and a site behind a reverse proxy, each without another message.
func TestPersonalAccountWithInvitationAndForwardAuth(t *testing.T) {
	t.Parallel()
	g := behindProxy(t, gateway.AccessApproved, withPush(wechattest.SubscriptionAccount, true))
	desk := g.plainBrowser(uaDesktop)
	desk.open(g.authorize("closed")).want("chat_number", http.StatusOK)
	desk.types(g.codeIn(g.sends("alice", desk.shownNumber()))).want("scan_signed_in", http.StatusOK)
	desk.open(desk.link("go"))
	if strings.HasPrefix(desk.url, g.app.URL) {
		t.Fatalf("the app was reached without approval: %s", desk.url)
	}
	link := g.invite(gateway.Invitation{Kind: gateway.InviteUser, MaxUses: 1})
	desk.open(link).want("invite", http.StatusOK)
	desk.submit("/invite/", url.Values{"do": {"accept"}}).want("invite_done", http.StatusOK)
	if g.gatewayFixture.uses(link) != 1 {
		t.Errorf("the invitation was used %d times", g.gatewayFixture.uses(link))
	}
	if desk.open(g.authorize("closed")); !strings.HasPrefix(desk.url, g.app.URL+"/closed?") {
		t.Errorf("the app was not reached: %s %s", desk.url, desk.body)
	}
	// The site wants the user's name, which WeChat does not send with a message.
	desk.open(g.origin+"/page").want("name_in_apps", http.StatusOK)
	desk.submit("/access/name", url.Values{"name": {"李雷"}}).want("continue", http.StatusOK)
	if desk.open(desk.link("go")); !strings.HasPrefix(desk.url, g.origin+"/page") || desk.status != http.StatusOK {
		t.Errorf("the site was not reached: %d %s", desk.status, desk.url)
	}
	users, _ := g.users()
	if len(users) != 1 || users[0].Status != gateway.Active {
		t.Errorf("%+v", users)
	}
	// No sign-in in the chat may accept a link for administrators: the page offers the link alone.
	admin := g.invite(gateway.Invitation{Kind: gateway.InviteAdmin, UserID: users[0].ID, MaxUses: 1})
	desk.open(admin).want("invite_admin_only", http.StatusOK)
	desk.submit("/invite/", url.Values{"do": {"accept"}}).want("invite_admin_only", http.StatusOK)
	if desk.submit("/invite/", url.Values{"do": {"without_wechat"}}); desk.status != http.StatusOK ||
		!strings.HasSuffix(desk.url, "/admin") {
		t.Errorf("the administration was not reached: %d %s", desk.status, desk.url)
	}
	if n := len(g.wechat.Chat("alice", personalID)); n != 2 {
		t.Errorf("%d lines in the chat, want the number and its answer", n)
	}
}
