package app_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/metrics"
)

const privacy = "https://www.example.com/privacy"

func withAgreement(w *gatewayFixture) {
	w.config.Site = config.Site{SiteTexts: config.SiteTexts{PrivacyURL: privacy}, Agreement: true}
}

func ticked() url.Values { return url.Values{"agree": {"1"}} }

// tick checks the box of the page, and follows the redirect.
func (p phone) tick() {
	p.T.Helper()
	p.WantPage(p.Page(), "agreement", 200)
	p.WantPage(p.Must(p.Submit(p.T.Context(), "", ticked())), "continue", 200)
	p.Must(p.FollowRefresh(p.T.Context()))
}

func (w *gatewayFixture) asksWeChat(p phone) bool {
	for _, hop := range p.Page().Hops {
		if strings.HasPrefix(hop.To, w.wechat.URL) {
			return true
		}
	}
	return strings.HasPrefix(p.Page().URL, w.wechat.URL)
}

// signInsBegun matches the count of a method by which a sign-in has begun.
var signInsBegun = regexp.MustCompile(`(?m)^weigate_sign_ins_begun_total\{.*\} [1-9].*$`)

func TestNobodyGoesToWeChatBeforeTheBoxIsTicked(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	w := newFixture(t, withAgreement, func(w *gatewayFixture) { w.options.Metrics = m })
	alice := w.phone("alice")
	page := alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("sample"))), "agreement", 200)
	if !strings.Contains(page.Body, `href="`+privacy+`"`) || !strings.Contains(page.Body, "required") ||
		strings.Contains(page.Body, "checked") {
		t.Errorf("the page: %s", page.Body)
	}
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "", nil)), "agreement", 422)
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "", url.Values{"agree": {"on"}})), "agreement", 422)
	if began := signInsBegun.FindString(w.scrape(m)); began != "" || w.wechat.Exchanges() != 0 {
		t.Errorf("a sign-in began: %s", began)
	}
	// Nothing about the user is stored before the tick (ADMIN-FIELD F15).
	users, _ := w.users()
	events, err := w.store.Events(t.Context(), gateway.EventQuery{})
	if err != nil || len(users)+len(events) > 0 {
		t.Errorf("stored before the tick: users %+v, events %+v, %v", users, events, err)
	}
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "", ticked())), "continue", 200)
	fixture.WantAt(w.t, alice.Must(alice.FollowRefresh(t.Context())), w.app.URL+"/sample")
	if told := w.app.LastQuery(); told.Get("code") == "" || told.Get("state") != "state-of-the-app" {
		t.Errorf("the app received %v", told)
	}
	// The browser remembers it beyond the session; another browser does not know.
	alice.Must(alice.Open(t.Context(), w.url+"/"))
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "everywhere", nil)), "ended_all", 200)
	fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("second"))), w.app.URL+"/second")
	alice.ClearCookies()
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("second"))), "agreement", 200)
}

func TestEveryWayIntoSignInAsks(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(w *gatewayFixture) string{
		"an app":                  func(w *gatewayFixture) string { return w.authorize("sample") },
		"an app, prompt=login":    func(w *gatewayFixture) string { return w.authorize("sample", "prompt", "login") },
		"an app, max_age":         func(w *gatewayFixture) string { return w.authorize("sample", "max_age", "0") },
		"an app, another account": func(w *gatewayFixture) string { return w.authorize("legacy") },
		"a link":                  func(w *gatewayFixture) string { return w.url + "/sign-in?return=/" },
		"a link, with profile":    func(w *gatewayFixture) string { return w.url + "/sign-in?return=/&scope=profile" },
		"a link of an app": func(w *gatewayFixture) string {
			return w.url + "/sign-in?return=" + url.QueryEscape(strings.TrimPrefix(w.authorize("sample"), w.url))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, twoConnectors, withAgreement)
			alice := phone{w.wechat.NewPhone(t, "alice")}
			alice.WantPage(alice.Must(alice.Open(t.Context(), begin(w))), "agreement", 200)
			if w.asksWeChat(alice) {
				t.Errorf("WeChat was on the way: %v", alice.Page().Hops)
			}
			alice.tick()
			if !w.asksWeChat(alice) {
				t.Errorf("after the tick the phone is at %s by %v", alice.Page().URL, alice.Page().Hops)
			}
		})
	}
}

// A session from before the agreement was configured stays valid, and the next request of an app requires the
// agreement first.
func TestSignedInBeforeTheAgreement(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("sample"))), w.app.URL+"/sample")
	next := *w.config
	withAgreement(&gatewayFixture{config: &next})
	if err := w.replicas[0].Reload(&next); err != nil {
		t.Fatal(err)
	}
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("second"))), "agreement_changed", 200)
	alice.agreesAgain(w.app.URL + "/second")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("sample", "scope", withProfile))), "profile", 200)
	alice.Press()
	fixture.WantAt(w.t, alice.Must(alice.Allow(t.Context())), w.app.URL+"/sample")
	if who := w.userinfo(w.redeem("sample", w.app.LastQuery().Get("code")).AccessToken); who["nickname"] != "Alice" {
		t.Errorf("userinfo: %v", who)
	}
	// What is agreed to has moved: a new question.
	moved := next
	moved.Site.PrivacyURL += "/2"
	if err := w.replicas[0].Reload(&moved); err != nil {
		t.Fatal(err)
	}
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.url+"/sign-in?return=/")), "agreement", 200)
}

// The user has confirmed the second sign-in before the agreement page is shown, and is not asked
// again.
func TestPromptLoginIsConfirmedOnce(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	alice := w.phone("alice")
	fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("sample"))), w.app.URL+"/sample")
	next := *w.config
	withAgreement(&gatewayFixture{config: &next})
	if err := w.replicas[0].Reload(&next); err != nil {
		t.Fatal(err)
	}
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("second", "prompt", "login"))), "confirm", 200)
	alice.Press()
	alice.tick()
	fixture.WantAt(w.t, alice.Must(alice.Allow(t.Context())), w.app.URL+"/second")
	if told := w.app.LastQuery(); told.Get("code") == "" || told.Get("state") != "state-of-the-app" {
		t.Errorf("the app received %v", told)
	}
	// The next request asks again, as it must.
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("second", "prompt", "login"))), "confirm", 200)
}

func TestPromptNoneNeverShowsTheBox(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAgreement)
	alice := w.phone("alice")
	fixture.WantAt(w.t, alice.Must(alice.Open(t.Context(), w.authorize("sample", "prompt", "none"))), w.app.URL+"/sample")
	if told := w.app.LastQuery(); told.Get("error") != "login_required" || w.asksWeChat(alice) {
		t.Errorf("the app received %v, by %v", told, alice.Page().Hops)
	}
}

// An agreement sent by the page of another site is rejected.
func TestForeignPageCannotAgree(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAgreement)
	b := w.browser()
	b.get(w.authorize("sample"))
	post := func(header, value string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/sign-in/agreement",
			strings.NewReader("agree=1&return=/"))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("User-Agent", fixture.AgentWeChat)
		r.Header.Set(header, value)
		return b.Client.Do(r)
	}
	for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
		res, err := post(header, value)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 403 || len(res.Cookies()) > 0 {
			t.Errorf("%s: %d, cookies %v", header, res.StatusCode, res.Cookies())
		}
	}
	b.get(w.url + "/sign-in/agreement?agree=1&return=/") // nor does a link
	if _, location, body := b.get(w.authorize("sample")); location != "" || !strings.Contains(body, `id="agreement"`) {
		t.Errorf("to %s: %s", location, body)
	}
}

func TestAgreementFormLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAgreement)
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), w.authorize("sample")))
	fill := ticked()
	fill.Set("return", "https://evil.example/")
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "", fill)), "bad_return", 400)
}

// A browser without cookies would be asked again and again.
func TestAgreementWithoutCookies(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAgreement)
	alice := w.phone("alice")
	alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("sample"))), "agreement", 200)
	alice.ClearCookies()
	alice.WantPage(alice.Must(alice.Submit(t.Context(), "", ticked())), "no_cookies", 400)
	alice.Press()
	alice.tick()
	fixture.WantAt(w.t, alice.Page(), w.app.URL+"/sample")
}

func TestAgreementUnderAPathAndInTheAppsLanguage(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAgreement, func(w *gatewayFixture) { w.url += "/login" })
	alice := w.phone("alice")
	alice.SetLanguage("en")
	page := alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("sample", "ui_locales", "zh-CN"))), "agreement",
		200)
	if !strings.Contains(page.Body, "《隐私政策》") {
		t.Errorf("not in Chinese: %s", page.Body)
	}
	if page = alice.WantPage(alice.Must(alice.Submit(t.Context(), "", ticked())), "continue",
		200); !strings.Contains(page.Body, `lang="zh-CN"`) {
		t.Errorf("not in Chinese: %s", page.Body)
	}
	fixture.WantAt(w.t, alice.Must(alice.FollowRefresh(t.Context())), w.app.URL+"/sample")
	if n := len(alice.Cookies(strings.TrimSuffix(w.url, "/login") + "/")); n != 0 {
		t.Errorf("%d cookies reach the other site", n)
	}
}

// Where WeChat cannot be reached there is nothing to agree to yet: the box is shown where the link
// is opened.
func TestDesktopIsNotAskedInVain(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withAgreement, methods(t, "wechat"))
	if body := w.page(w.authorize("sample")); !strings.Contains(body, `id="open_in_wechat"`) {
		t.Errorf("a desktop sees %s", body)
	}
}
