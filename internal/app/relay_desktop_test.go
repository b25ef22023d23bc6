package app_test

import (
	"html"
	"net/url"
	"regexp"
	"testing"

	"github.com/weigate/weigate/wechat"
)

// qrAddress is the address to which old website code redirects users.
func (w *gatewayFixture) qrAddress() string {
	return w.url + "/connect/qrconnect?appid=" + shopAppID + "&redirect_uri=" + url.QueryEscape(w.app.URL+"/shop") +
		"&response_type=code&scope=snsapi_login&state=s1&lang=en#wechat_redirect"
}

// redeemed returns the response to the app for its code.
func (w *gatewayFixture) redeemed() (*wechat.Token, *wechat.UserInfo) {
	w.t.Helper()
	token, err := w.shop().Exchange(w.t.Context(), w.app.LastQuery().Get("code"))
	if err != nil {
		w.t.Fatal(err)
	}
	who, err := w.shop().UserInfo(w.t.Context(), token.AccessToken, token.OpenID, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return token, who
}

// Old website code gets the openid of the website app, and the user is the same as at the official
// account.
func TestOldWebsiteCodeThroughTheWebsiteApp(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withWebsite, withShop, func(w *gatewayFixture) {
		w.config.Apps[len(w.config.Apps)-1].WebsiteConnector = "site"
	})
	desk := w.plainBrowser(uaDesktop).open(w.qrAddress())
	desk.confirmed("alice").at(w.app.URL + "/shop")
	token, who := w.redeemed()
	if token.OpenID != w.wechat.OpenID(websiteID, "alice") || token.Scopes[0] != wechat.ScopeLogin ||
		token.UnionID == "" || who.Nickname != "Alice" || who.UnionID != token.UnionID {
		t.Errorf("%+v, %+v", token, who)
	}
	if inside := w.enter(w.phone("alice"),
		wechat.ScopeUserInfo); inside.OpenID != w.wechat.OpenID(w.config.WeChat[0].AppID, "alice") ||
		inside.UnionID != token.UnionID {
		t.Errorf("in WeChat: %+v", inside)
	}
	if users, _ := w.users(); len(users) != 1 {
		t.Errorf("%+v", users)
	}
}

// Without a website app, the phone scans the gateway's own code, and the openid is that of the
// official account.
func TestOldWebsiteCodeThroughAPhone(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withShop)
	desk := w.plainBrowser(uaDesktop).open(w.qrAddress()).at(w.url + "/scan")
	link := regexp.MustCompile(`<a href="([^"]*/scan/[^"]*)"`).FindStringSubmatch(desk.body)
	if link == nil {
		t.Fatal(desk.body)
	}
	alice := w.phone("alice")
	alice.WantPage(alice.Must(alice.Open(t.Context(), html.UnescapeString(link[1]))), "scan_ask", 200)
	// The question for the profile is on the phone, where WeChat is.
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "继续", nil)), "profile", 200)
	alice.Press()
	alice.WantPage(alice.Must(alice.Allow(t.Context())), "scan_number", 200)
	number := regexp.MustCompile(`<span translate="no">([0-9]{2})</span>`).FindStringSubmatch(desk.open(desk.url).body)
	if number == nil {
		t.Fatal(desk.body)
	}
	alice.enters(number[1])
	onward := regexp.MustCompile(`content="[0-9]+;url=([^"]*)"`).FindStringSubmatch(desk.open(desk.url).body)
	if onward == nil {
		onward = []string{"", desk.link("go")}
	}
	desk.open(html.UnescapeString(onward[1])).at(w.app.URL + "/shop")
	token, who := w.redeemed()
	if token.OpenID != w.wechat.OpenID(w.config.WeChat[0].AppID, "alice") || token.Scopes[0] != wechat.ScopeLogin ||
		who.Nickname != "Alice" {
		t.Errorf("%+v, %+v", token, who)
	}
}
