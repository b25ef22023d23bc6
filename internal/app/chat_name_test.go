package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// signsInByMessage signs in to an app by a message. It opens what the app's request then shows.
func (s *plainBrowser) signsInByMessage(person, address string) *plainBrowser {
	s.w.t.Helper()
	s.open(address).want("chat_number", http.StatusOK)
	s.types(s.w.codeIn(s.w.sends(person, s.shownNumber()))).want("scan_signed_in", http.StatusOK)
	return s.open(s.link("go"))
}

// codeAtApp returns the code that the app has received.
func (s *plainBrowser) codeAtApp() string {
	s.w.t.Helper()
	u, err := url.Parse(s.url)
	if err != nil || !strings.HasPrefix(s.url, s.w.app.URL) || u.Query().Get("code") == "" {
		s.w.t.Fatalf("the app was not reached: %s, %v", s.url, err)
	}
	return u.Query().Get("code")
}

// WeChat sends no nickname with a message. A user is asked once for a name, before an app that wants the
// profile gets an empty one. The app learns that the name is not from WeChat.
func TestNameOfAUserWhoSignsInByMessage(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.SubscriptionAccount, true))
	profile := w.authorize("sample", "scope", "openid profile")
	desk := w.plainBrowser(uaDesktop).signsInByMessage("alice", profile).want("name_in_apps", http.StatusOK)
	if desk.reloaded().want("name_in_apps", http.StatusOK); strings.Contains(desk.body, `id="wait"`) {
		t.Error("the page waits for an administrator")
	}
	for name, typed := range map[string]string{"empty": " \u202e\x00 ", "too long": strings.Repeat("长", 101)} {
		if desk.submit("/access/name", url.Values{"name": {typed}}); desk.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", name, desk.status)
		}
		desk.want("name_in_apps", http.StatusUnprocessableEntity)
	}
	const hostile = "  <b>李\u202e\x00雷</b>\n "
	desk.submit("/access/name", url.Values{"name": {hostile}}).want("continue", http.StatusOK)
	claims := w.userinfo(w.redeem("sample", desk.open(desk.link("go")).codeAtApp()).AccessToken)
	if claims["name"] != "<b>李雷</b>" || claims["nickname"] != "<b>李雷</b>" || claims["name_from_wechat"] != false {
		t.Errorf("claims %v", claims)
	}
	users, _ := w.users()
	if u := users[0]; u.RealName != "" || u.NameFromWeChat() {
		t.Errorf("%+v", u)
	}

	// Later sign-ins do not ask, also with a new browser.
	other := w.plainBrowser(uaPhone).signsInByMessage("alice", profile)
	other.codeAtApp()
	// The user changes the name on the own page.
	other.open(w.url+"/").want("own", http.StatusOK)
	if strings.Contains(other.body, "Unknown browser") {
		t.Error("the page does not name the browsers")
	}
	if !strings.Contains(other.body, "&lt;b&gt;李雷&lt;/b&gt;") || strings.Contains(other.body, "<b>李雷</b>") {
		t.Error("the name is not on the page, or not escaped")
	}
	other.open(other.link("change-name")).want("name_in_apps", http.StatusOK)
	other.submit("/access/name", url.Values{"name": {"韩梅梅"}})
	if users, _ := w.users(); users[0].Nickname != "韩梅梅" {
		t.Errorf("the name is %q", users[0].Nickname)
	}

	// A person who stops following keeps the name that they gave here.
	if _, err := w.wechat.Unfollow(t.Context(), "alice", personalID); err != nil {
		t.Fatal(err)
	}
	if users, _ := w.users(); users[0].Nickname != "韩梅梅" {
		t.Errorf("after unfollowing the name is %q", users[0].Nickname)
	}
}

// A user may decline: the app gets no nickname, and the session is not asked again. An app that does not
// want the profile never asks.
func TestNameThatAUserDeclines(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.SubscriptionAccount, true))
	desk := w.plainBrowser(uaDesktop)
	desk.signsInByMessage("alice", w.authorize("second")).codeAtApp()
	desk.open(w.authorize("sample", "scope", "openid profile", "prompt", "none")).codeAtApp()
	desk.open(w.authorize("sample", "scope", "openid profile")).want("name_in_apps", http.StatusOK)
	desk.submit("/access/name", url.Values{"decline": {"1"}}).want("continue", http.StatusOK)
	claims := w.userinfo(w.redeem("sample", desk.open(desk.link("go")).codeAtApp()).AccessToken)
	if _, found := claims["nickname"]; found || claims["name"] != claims["preferred_username"] {
		t.Errorf("claims %v", claims)
	}
	desk.open(w.authorize("sample", "scope", "openid profile")).codeAtApp()
}

// An old program that reads nickname gets the name that the user gave.
func TestNameForAnOldProgram(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.SubscriptionAccount, true), withShop)
	w.config.Apps[len(w.config.Apps)-1].Connector = "personal"
	w.replicas = nil
	w.start()
	desk := w.plainBrowser(uaDesktop).signsInByMessage("quotes", w.shopAddress(wechat.ScopeUserInfo))
	desk.want("name_in_apps", http.StatusOK).submit("/access/name", url.Values{"name": {`O'Neill "1"`}})
	token, err := w.shop().Exchange(t.Context(), desk.open(desk.link("go")).codeAtApp())
	if err != nil {
		t.Fatal(err)
	}
	info, err := w.shop().UserInfo(t.Context(), token.AccessToken, token.OpenID, wechat.LangZhCN)
	if err != nil || info.Nickname != `O'Neill "1"` {
		t.Errorf("%+v, %v", info, err)
	}
}

// The name that WeChat sent cannot be replaced, nor that of a blocked user.
func TestNameFromWeChatIsKept(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.SubscriptionAccount, true))
	desk := w.plainBrowser(uaDesktop)
	desk.signsInByMessage("alice", w.authorize("sample"))
	users, _ := w.users()
	if _, err := w.store.UpdateUser(t.Context(), users[0].ID, w.clock.Now(), func(u *gateway.User) error {
		u.Nickname, u.ProfileAt = "Alice", w.clock.Now()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	form := url.Values{"name": {"Mallory"}, "return": {"/"}, "profile": {"1"}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+session.NamePath,
		strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	desk.send(r)
	if users, _ := w.users(); users[0].Nickname != "Alice" || users[0].RealName != "" {
		t.Errorf("%+v", users[0])
	}
	if desk.open(w.url+"/").want("own", http.StatusOK); strings.Contains(desk.body, `id="change-name"`) {
		t.Error("the page offers to change a name from WeChat")
	}
}
