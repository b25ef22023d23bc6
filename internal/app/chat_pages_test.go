package app_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat/wechattest"
)

const uaWeChat = uaPhone + " MicroMessenger/8.0.50 NetType/WIFI Language/en"

// pictureOnPage is the address of a QR code as a picture.
var pictureOnPage = regexp.MustCompile(`<img class="code" src="([^"]+)"`)

// A user on a phone cannot scan the screen: the page has the QR code as a picture. WeChat's own browser
// closes the page when the user opens a chat, and the page has a hint.
func TestChatPagesOnAPhone(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.OfficialAccount, true))
	w.config.WeChat[0].Push.QRCode = "http://weixin.qq.com/r/example"
	w.replicas = nil
	for method, kinds := range map[string][3]string{
		gateway.MethodMessage: {"chat_number", "chat_number", "chat_number_wechat"},
		gateway.MethodFollow:  {"chat_follow", "chat_follow_phone", "chat_follow_wechat"},
	} {
		w.config.Apps[0].Methods = []string{method}
		w.start()
		for i, agent := range []string{uaDesktop, uaPhone, uaWeChat} {
			s := w.plainBrowser(agent)
			s.open(w.authorize("sample")).want(kinds[i], http.StatusOK)
			picture := pictureOnPage.FindStringSubmatch(s.body)
			if has := picture != nil; has != (agent != uaDesktop) {
				t.Errorf("%s, %s: a picture: %v", method, agent, has)
			}
			if opens := strings.Contains(s.body, `href="weixin://"`); opens !=
				(method == gateway.MethodMessage && agent == uaPhone) {
				t.Errorf("%s, %s: a link that opens WeChat: %v", method, agent, opens)
			}
			if picture == nil {
				continue
			}
			page := s.url
			s.open(w.url + strings.ReplaceAll(picture[1], "&amp;", "&"))
			if s.status != http.StatusOK || !strings.HasPrefix(s.body, "\x89PNG") {
				t.Errorf("%s: the picture: %d", page, s.status)
			}
			if other := w.plainBrowser(agent); other.open(s.url).status != http.StatusNotFound {
				t.Errorf("%s: another browser gets the picture", page)
			}
		}
	}
}

// WeChat makes no QR code for an account without the permission (48001), or a person follows the account
// in another way and WeChat sends no scene. The user sends a number instead, if the app accepts it.
func TestFollowThatFailsBecomesAMessage(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.OfficialAccount, true))
	w.config.Apps[0].Methods = []string{gateway.MethodFollow, gateway.MethodMessage}
	w.config.Apps[1].Methods = []string{gateway.MethodFollow}
	w.replicas = nil
	w.start()
	for _, c := range []struct { // in this order: the last one has the permission, which the rest of the test needs
		page string
		kind wechattest.AppKind
	}{
		{"busy", wechattest.UnverifiedServiceAccount}, {"chat_follow", wechattest.OfficialAccount},
	} {
		if err := w.wechat.UpdateApp(personalID, func(a *wechattest.App) { a.Kind = c.kind }); err != nil {
			t.Fatal(err)
		}
		desk := w.plainBrowser(uaDesktop)
		desk.open(w.authorize("sample")).want("choose", http.StatusOK)
		desk.open(w.url + desk.link("way-follow"))
		if !strings.Contains(desk.body, `" id="`+c.page+`"`) {
			t.Errorf("%s: %d", desk.url, desk.status)
		}
		desk.submit("/chat/renew", nil).want("chat_number", http.StatusOK)
		desk.types(w.codeIn(w.sends("quotes", desk.shownNumber()))).want("scan_signed_in", http.StatusOK)
		if e := w.lastSignIn(); e.Method != gateway.MethodMessage {
			t.Errorf("event %+v", e)
		}
	}
	only := w.plainBrowser(uaDesktop).open(w.authorize("second")).want("chat_follow", http.StatusOK)
	if strings.Contains(only.body, "/chat/renew") {
		t.Error("the page offers a method that the app does not accept")
	}
	forged, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		strings.Replace(only.url, "/chat?", "/chat/renew?", 1), strings.NewReader("method=message"))
	if err != nil {
		t.Fatal(err)
	}
	only.send(forged)
	only.want("chat_follow", http.StatusOK)
	d, err := w.wechat.Follow(t.Context(), "bob", personalID)
	if err != nil || !strings.Contains(d.Reply, "scan the code on the sign-in page once more") {
		t.Errorf("%+v, %v", d, err)
	}
}

// A browser without a known name is named as unknown in the chat.
func TestAnswerForAnUnknownBrowser(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.SubscriptionAccount, true))
	s := w.plainBrowser("curl/8.0")
	if reply := w.sends("alice", s.open(w.authorize("sample")).shownNumber()); !strings.Contains(reply,
		"Browser: unknown") {
		t.Errorf("the account answers %q", reply)
	}
}
