package app_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// withAllMethods configures both QR codes, and apps that accept every sign-in method.
func withAllMethods(w *gatewayFixture) {
	withWebsite(w)
	for i := range w.config.Apps {
		w.config.Apps[i].Methods = nil
	}
}

func TestDesktopChoosesBetweenTheMethods(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/login"} {
		w := newFixture(t, withAllMethods, func(w *gatewayFixture) { w.url += path })
		desk := w.plainBrowser(uaDesktop).open(w.authorize("sample")).want("choose", 200)
		choice := *desk
		desk.press("way-scan").at(w.url + "/scan")
		// The user returns with the browser's back button and chooses the other sign-in method.
		*desk = choice
		desk.press("way-website").confirmed("alice").at(w.app.URL + "/sample")
		if told := w.app.LastQuery(); told.Get("code") == "" || told.Get("state") != "state-of-the-app" {
			t.Errorf("the app received %v", told)
		}
		// The button back to the app returns an error to it.
		stranger := w.plainBrowser(uaDesktop).open(w.authorize("sample")).want("choose", 200)
		stranger.press("back").at(w.app.URL + "/sample")
		if w.app.LastQuery().Get("error") != "access_denied" {
			t.Errorf("the app received %v", w.app.LastQuery())
		}
		// The gateway's home page offers the same sign-in methods, each time.
		for range 2 {
			stranger.open(w.url+"/").want("welcome", 200).press("go").want("choose", 200).press("way-scan").at(w.url + "/scan")
		}
		if path != "" {
			if u, err := url.Parse(strings.TrimSuffix(w.url, path) + "/"); err != nil || len(stranger.jar.Cookies(u)) != 0 {
				t.Errorf("cookies reach the other site: %v", stranger.jar.Cookies(u))
			}
		}
	}
}

// Each request of a browser continues by the sign-in method chosen for it, and ends at its own app.
func TestChoiceInTabsOfTwoApps(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAllMethods)
	one := w.plainBrowser(uaDesktop)
	two := one.tab()
	one.open(w.authorize("sample")).want("choose", 200)
	two.open(w.authorize("second")).want("choose", 200)
	one.press("way-website")
	two.press("way-website").confirmed("alice").at(w.app.URL + "/second")
	one.confirmed("alice").at(w.app.URL + "/sample")
	if users, _ := w.users(); len(users) != 1 {
		t.Errorf("users %+v", users)
	}
}

// A request with prompt=none gets an error and never the page with the sign-in methods.
func TestPromptNoneNeverShowsTheChoice(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAllMethods)
	w.plainBrowser(uaDesktop).open(w.authorize("sample", "prompt", "none")).at(w.app.URL + "/sample")
	if w.app.LastQuery().Get("error") != "login_required" {
		t.Errorf("the app received %v", w.app.LastQuery())
	}
}

// The agreement is requested in the browser that continues to WeChat, and the choice of the method
// is not shown again because of it.
func TestChoiceThenAgreement(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAllMethods, withAgreement)
	desk := w.plainBrowser(uaDesktop).open(w.authorize("sample")).want("choose", 200)
	desk.press("way-website").want("agreement", 200)
	if !strings.Contains(desk.body, "Back to Sample") {
		t.Errorf("page: %s", desk.body)
	}
	desk.submit("/sign-in/agreement", nil).want("agreement", 422)
	desk.submit("/sign-in/agreement", ticked()).want("continue", 200).press("go").confirmed("alice").at(w.app.URL +
		"/sample")
}

// A user who declined on WeChat's page can choose the other sign-in method.
func TestDenialLeadsToTheOtherMethod(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAllMethods)
	desk := w.plainBrowser(uaDesktop).open(w.authorize("sample")).press("way-website")
	desk.at(w.wechat.URL + "/connect/qrconnect")
	u, err := url.Parse(desk.url)
	if err != nil {
		t.Fatal(err)
	}
	desk.open(w.url+"/wechat/callback/site?state="+u.Query().Get("state")).want("denied", 200)
	desk.press("do.other_method").want("choose", 200).press("way-scan").at(w.url + "/scan")
}

// A crawler that fetches every link of these pages signs nobody in, and leaves nothing that lasts.
func TestCrawlerAtTheChoiceOfMethods(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAllMethods)
	crawler := w.plainBrowser(uaDesktop).open(w.authorize("sample")).want("choose", 200)
	page := *crawler
	for _, link := range []string{"way-scan", "way-website", "back"} {
		*crawler = page
		crawler.press(link)
	}
	if users, _ := w.users(); len(users) != 0 {
		t.Errorf("users %+v", users)
	}
	if events, err := w.store.Events(t.Context(), gateway.EventQuery{}); err != nil || len(events) != 0 {
		t.Errorf("events %+v, %v", events, err)
	}
	// The ticket of the scan page expires within minutes; nothing else was written.
	w.clock.Advance(time.Hour)
	if _, err := w.store.Sweep(t.Context(), w.clock.Now(), time.Time{}, 0); err != nil {
		t.Fatal(err)
	}
	crawler.open(w.url+"/").want("welcome", 200)
}
