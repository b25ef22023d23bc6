package app_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// withAllDoors has both QR codes, and apps that take every door.
func withAllDoors(w *gatewayFixture) {
	withWebsite(w)
	for i := range w.config.Apps {
		w.config.Apps[i].Methods = nil
	}
}

func TestDesktopChoosesBetweenTheDoors(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/login"} {
		w := newFixture(t, withAllDoors, func(w *gatewayFixture) { w.url += path })
		desk := w.screen(uaDesktop).open(w.authorize("sample")).want("choose", 200)
		choice := *desk
		desk.press("way-scan").at(w.url + "/scan")
		// The way back is the browser's own; the other door is as good.
		*desk = choice
		desk.press("way-website").confirmed("alice").at(w.app.URL + "/sample")
		if told := w.app.LastQuery(); told.Get("code") == "" || told.Get("state") != "state-of-the-app" {
			t.Errorf("the app was told %v", told)
		}
		// The way back to the app tells it that the person would rather not.
		stranger := w.screen(uaDesktop).open(w.authorize("sample")).want("choose", 200)
		stranger.press("back").at(w.app.URL + "/sample")
		if w.app.LastQuery().Get("error") != "access_denied" {
			t.Errorf("the app was told %v", w.app.LastQuery())
		}
		// Our own page offers the same doors, each time anew.
		for range 2 {
			stranger.open(w.url+"/").want("welcome", 200).press("go").want("choose", 200).press("way-scan").at(w.url +
				"/scan")
		}
		if path != "" {
			if u, err := url.Parse(strings.TrimSuffix(w.url, path) + "/"); err != nil ||
				len(stranger.jar.Cookies(u)) != 0 {
				t.Errorf("cookies reach the other site: %v", stranger.jar.Cookies(u))
			}
		}
	}
}

// Each request of a browser gets the door that was chosen for it, and ends at its own app.
func TestChoiceInTabsOfTwoApps(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAllDoors)
	one := w.screen(uaDesktop)
	two := one.tab()
	one.open(w.authorize("sample")).want("choose", 200)
	two.open(w.authorize("second")).want("choose", 200)
	one.press("way-website")
	two.press("way-website").confirmed("alice").at(w.app.URL + "/second")
	one.confirmed("alice").at(w.app.URL + "/sample")
	if users, _ := w.people(); len(users) != 1 {
		t.Errorf("accounts %+v", users)
	}
}

// The page comes after prompt=none was refused, never in its place.
func TestPromptNoneNeverShowsTheChoice(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAllDoors)
	w.screen(uaDesktop).open(w.authorize("sample", "prompt", "none")).at(w.app.URL + "/sample")
	if w.app.LastQuery().Get("error") != "login_required" {
		t.Errorf("the app was told %v", w.app.LastQuery())
	}
}

// The agreement is asked for in the browser that goes to WeChat, and the choice is not asked for
// twice because of it.
func TestChoiceThenAgreement(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAllDoors, withAgreement)
	desk := w.screen(uaDesktop).open(w.authorize("sample")).want("choose", 200).press("way-website").want("agreement", 200)
	if !strings.Contains(desk.body, "Back to Sample") {
		t.Errorf("page: %s", desk.body)
	}
	desk.submit("/sign-in/agreement", nil).want("agreement", 422)
	desk.submit("/sign-in/agreement", ticked()).want("going_on", 200).press("go").confirmed("alice").at(w.app.URL +
		"/sample")
}

// Whoever refused on WeChat's page may want the other door.
func TestDenialLeadsToTheOtherDoor(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAllDoors)
	desk := w.screen(uaDesktop).open(w.authorize("sample")).press("way-website").at(w.wechat.URL + "/connect/qrconnect")
	u, err := url.Parse(desk.url)
	if err != nil {
		t.Fatal(err)
	}
	desk.open(w.url+"/wechat/callback/site?state="+u.Query().Get("state")).want("denied", 200)
	desk.press("do.other_method").want("choose", 200).press("way-scan").at(w.url + "/scan")
}

// A crawler that fetches every link of these pages signs nobody in, and leaves nothing that lasts.
func TestCrawlerAtTheDoors(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAllDoors)
	crawler := w.screen(uaDesktop).open(w.authorize("sample")).want("choose", 200)
	page := *crawler
	for _, link := range []string{"way-scan", "way-website", "back"} {
		*crawler = page
		crawler.press(link)
	}
	if users, _ := w.people(); len(users) != 0 {
		t.Errorf("accounts %+v", users)
	}
	if events, err := w.store.Events(t.Context(), gateway.EventQuery{}); err != nil || len(events) != 0 {
		t.Errorf("events %+v, %v", events, err)
	}
	// The ticket that the scan page made is over in minutes; nothing else was written.
	w.clock.Advance(time.Hour)
	if _, err := w.store.Sweep(t.Context(), w.clock.Now(), time.Time{}, 0); err != nil {
		t.Fatal(err)
	}
	crawler.open(w.url+"/").want("welcome", 200)
}
