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
