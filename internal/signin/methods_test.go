package signin_test

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/signin"
)

func anyBrowser(_ *fixture, c *signin.Config) { c.Connectors[0].AnyBrowser = true }

func siteAlone(_ *fixture, c *signin.Config) {
	c.Connectors = []signin.Connector{connectorOf("site", siteID, true)}
}

func twoAccounts(_ *fixture, c *signin.Config) {
	c.Connectors = append(c.Connectors, connectorOf("second", secondID, false))
}

// The sign-in method of a browser depends on the browser, the configuration, the methods that the
// app allows, and the connector that it requires.
func TestWhichMethod(t *testing.T) {
	t.Parallel()
	type setting = []func(*fixture, *signin.Config)
	const byAccount, byWebsite = "wechat " + mainID, "website " + siteID
	for name, c := range map[string]struct {
		with                       setting
		methods, connector         string
		inWeChat, desktop, onPhone string
	}{
		"account alone": {with: nil, inWeChat: byAccount, desktop: "open_in_wechat",
			onPhone: "open_in_wechat"},
		"account, scan": {with: setting{withScan}, inWeChat: byAccount, desktop: "scan", onPhone: "scan"},
		"account, website": {with: setting{withSite}, inWeChat: byAccount, desktop: byWebsite,
			onPhone: "open_in_wechat"},
		"all": {with: setting{withBoth}, inWeChat: byAccount, desktop: "choose", onPhone: "scan"},
		"website alone": {with: setting{siteAlone}, inWeChat: "open_elsewhere", desktop: byWebsite,
			onPhone: byWebsite},
		"website alone, scan": {with: setting{siteAlone, withScan}, inWeChat: "open_elsewhere", desktop: byWebsite,
			onPhone: byWebsite},
		"app takes wechat": {with: setting{withBoth}, methods: "wechat", inWeChat: byAccount,
			desktop: "open_in_wechat", onPhone: "open_in_wechat"},
		"app takes scan": {with: setting{withBoth}, methods: "scan", inWeChat: "open_elsewhere", desktop: "scan",
			onPhone: "scan"},
		"app takes website": {with: setting{withBoth}, methods: "website", inWeChat: "open_elsewhere",
			desktop: byWebsite, onPhone: byWebsite},
		"app takes wechat, website": {with: setting{withBoth}, methods: "wechat website", inWeChat: byAccount,
			desktop: byWebsite, onPhone: "open_in_wechat"},
		"app takes scan, website": {with: setting{withBoth}, methods: "scan website", inWeChat: "open_elsewhere",
			desktop: "choose", onPhone: "scan"},
		"app takes what there is not": {with: nil, methods: "scan", inWeChat: "no_method", desktop: "no_method",
			onPhone: "no_method"},
		"any browser": {with: setting{withBoth, anyBrowser}, inWeChat: byAccount, desktop: byAccount,
			onPhone: byAccount},
		"any browser, without wechat": {with: setting{withBoth, anyBrowser}, methods: "scan website",
			inWeChat: "open_elsewhere", desktop: "choose", onPhone: "scan"},
		"any browser, scan alone": {with: setting{withBoth, anyBrowser}, methods: "scan", inWeChat: "open_elsewhere",
			desktop: "scan", onPhone: "scan"},
		"by the openid of the account": {with: setting{withBoth}, connector: "main", inWeChat: byAccount,
			desktop: "scan",
			onPhone: "scan"},
		"by the openid of another": {with: setting{twoAccounts, withBoth}, connector: "second", inWeChat: "wechat " +
			secondID, desktop: "scan", onPhone: "scan"},
		"by the openid of the website": {with: setting{withBoth}, connector: "site", inWeChat: "open_elsewhere",
			desktop: byWebsite, onPhone: byWebsite},
		"website's openid, no such method": {with: setting{withBoth}, connector: "site", methods: "wechat scan",
			inWeChat: "no_method", desktop: "no_method", onPhone: "no_method"},
		"a connector that was removed": {with: setting{withBoth}, connector: "gone", inWeChat: "no_method",
			desktop: "no_method", onPhone: "no_method"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t, c.with...)
			r.app.Methods, r.connector = strings.Fields(c.methods), c.connector
			// The web view of a mini-program does not open WeChat's pages.
			inMiniProgram := map[string]string{byWebsite: "open_elsewhere", "open_in_wechat": "mini_program"}[c.onPhone]
			for agent, want := range map[string]string{
				uaWeChat: c.inWeChat, uaDesktop: c.desktop, uaPhone: c.onPhone,
				// WeCom has "MicroMessenger" in its user agent, but no consent page.
				uaWeChat + " wxwork/4.1": c.onPhone,
				// matomo-org/device-detector#8069: WeCom on a desktop.
				"Mozilla/5.0 (Windows NT 10.0) wxwork/4.1.39 (MicroMessenger/6.2) WindowsWechat": c.desktop,
				// chjtx/JRoll#89 and matomo-org/device-detector#8299: HarmonyOS.
				"Mozilla/5.0 (Tablet; OpenHarmony 5.0) Chrome/114.0.0.0 ArkWeb/4.1.6.1": c.onPhone,
				"Mozilla/5.0 (PC; OpenHarmony 6.1) Chrome/132.0.0.0 ArkWeb/6.1.0.115":   c.desktop,
				uaWeChat + " miniProgram/wx73247c7819d61796": cmp.Or(inMiniProgram,
					c.onPhone),
			} {
				if got := r.method(r.visitor(agent).get("/app?x=1")); got != want {
					t.Errorf("%s goes to %s, want %s", agent, got, want)
				}
			}
		})
	}
}

// Config.Scan gets the whole login request.
func TestLoginRequestReachesScan(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withScan)
	r.more = func(d *session.LoginRequest) {
		d.Reauthenticate, d.Consent, d.Profile, d.UILocales = true, true, true, "zh-CN"
	}
	r.visitor(uaDesktop).get("/app?x=1")
	if len(r.scans) != 1 {
		t.Fatalf("%d scans", len(r.scans))
	}
	d := r.scans[0]
	if d.ID != "d1" || d.ReturnURL != "/app?x=1&login_request=d1" || d.App.Name != "Notes" ||
		!d.Reauthenticate || !d.Consent || !d.Profile || d.CancelURL == "" || d.UILocales != "zh-CN" {
		t.Errorf("login request: %+v", d)
	}
}

func TestChoiceGoesOnWithTheAppsRequest(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/login"} {
		setting := []func(*fixture, *signin.Config){withBoth}
		if path != "" {
			setting = append(setting, underPath)
		}
		r := newFixture(t, setting...)
		v := r.visitor(uaDesktop)
		page := v.get(path + "/app?x=1")
		if page.kind() != "choose" || page.status != 200 || len(page.set) != 0 ||
			page.link("back") != path+"/app?cancel=1" ||
			!strings.Contains(page.body, "Back to Notes") {
			t.Fatalf("page %s, %d, cookies %v: %s", page.kind(), page.status, page.set, page.body)
		}
		for _, method := range []string{"scan", "website", "scan"} {
			a := v.get(page.link("way-" + method))
			if a.status != 303 || a.location != path+"/app?x=1" || len(a.set) != 1 {
				t.Fatalf("%s: %d to %s, cookies %v", method, a.status, a.location, a.set)
			}
			c := a.set[0]
			if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 600 ||
				c.Path != path+"/" &&
					c.Path != path || !strings.HasPrefix(c.Value, method+".") {
				t.Errorf("cookie: %v", c)
			}
			if got := r.method(v.get(a.location)); !strings.HasPrefix(got, method) {
				t.Errorf("after choosing %s the browser goes to %s", method, got)
			}
		}
		// It counts for this request, until another choice is asked for; the next one asks again.
		if got := r.method(v.get(path + "/app?x=1&login_request=d9")); got != "scan" {
			t.Errorf("the same request goes to %s", got)
		}
		if got := r.method(v.get(path + "/app?x=2")); got != "choose" {
			t.Errorf("another request goes to %s", got)
		}
		if got := r.method(v.follow(v.get(path + "/sign-in?return=" + url.QueryEscape(path+"/app?x=1") +
			"&method=choose"))); got != "choose" {
			t.Errorf("choosing again leads to %s", got)
		}
	}
}

func TestChoiceInBothLanguagesWithoutScript(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withBoth)
	for lang, words := range map[string][]string{
		"en":    {"Choose how to sign in", "Scan the code on this site", "WeChat"},
		"zh-CN": {"选择登录方式", "公众号扫码", "网站应用扫码"},
	} {
		v := r.visitor(uaDesktop)
		v.headers.Set("Accept-Language", lang)
		page := v.get("/app?x=1")
		for _, want := range words {
			if !strings.Contains(page.body, want) {
				t.Errorf("%s: no %q: %s", lang, want, page.body)
			}
		}
		// Links, in reading order, reached by the keyboard as they are.
		scan, website := strings.Index(page.body, `id="way-scan" href=`), strings.Index(page.body,
			`id="way-website" href=`)
		if scan < 0 || website < scan || strings.Contains(page.body, "<script") ||
			strings.Contains(page.header.Get("Content-Security-Policy"), "script-src") {
			t.Errorf("%s: %s", lang, page.body)
		}
	}
}

func TestChoiceOnTheOwnPage(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withBoth)
	v := r.visitor(uaDesktop)
	v.get("/sign-in?return=/&method=scan") // minutes ago: the button of the home page asks again
	page := v.follow(v.get(r.h.SignInURL()))
	if page.kind() != "choose" || strings.Contains(page.body, `id="back"`) {
		t.Fatalf("%s: %s", page.kind(), page.body)
	}
	if got := r.method(v.follow(v.get(page.link("way-website")))); got != "website "+siteID {
		t.Errorf("the browser goes to %s", got)
	}
	v.follow(v.get(page.link("way-scan")))
	if len(r.scans) != 1 || r.scans[0].ReturnURL != "/" || r.scans[0].App.ID != "" {
		t.Errorf("scans: %+v", r.scans)
	}
}

// Two tabs with two requests: each comes back to its own, whatever the other one chooses in
// between.
func TestChoiceInParallelTabs(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withBoth)
	v := r.visitor(uaDesktop)
	one, two := v.get("/app?x=1"), v.get("/app?x=2")
	a := v.get(one.link("way-website"))
	b := v.get(two.link("way-scan"))
	if a.location != "/app?x=1" || b.location != "/app?x=2" {
		t.Fatalf("to %s and %s", a.location, b.location)
	}
	v.get(b.location)
	if len(r.scans) != 1 || r.scans[0].ReturnURL != "/app?x=2&login_request=d1" {
		t.Errorf("scans: %+v", r.scans)
	}
	if got := r.method(v.follow(v.get(one.link("way-website")))); got != "website "+siteID {
		t.Errorf("the first tab goes to %s", got)
	}
}

// A choice that is not available any more, or that was forged, is ignored.
func TestPreferenceOpensNoDoor(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withBoth)
	r.app.Methods = []string{"scan"}
	v := r.visitor(uaDesktop)
	v.get("/sign-in?return=/app?x=1&method=website")
	if got := r.method(v.get("/app?x=1")); got != "scan" {
		t.Errorf("an app that takes scan alone is reached by %s", got)
	}
	r.app.Methods = nil
	_, rest, _ := strings.Cut(v.cookies["__Host-weigate-d"].Value, ".")
	for value, want := range map[string]string{
		"": "choose", "website": "choose", "website.x": "choose", "wechat." + rest: "choose", "choose." +
			rest: "choose",
		"." + rest:        "choose",
		"website." + rest: "website " + siteID, // a user who makes this up has made their choice
	} {
		forged := r.visitor(uaDesktop)
		forged.cookies["__Host-weigate-d"] = &http.Cookie{Name: "__Host-weigate-d", Value: value}
		if got := r.method(forged.get("/app?x=1")); got != want {
			t.Errorf("%q leads to %s, want %s", value, got, want)
		}
	}
	// WeChat's own browser has one sign-in method, whatever was chosen.
	inside := r.visitor(uaWeChat)
	inside.get("/sign-in?return=/app?x=1&method=scan")
	if got := r.method(inside.get("/app?x=1")); got != "wechat "+mainID {
		t.Errorf("in WeChat the browser goes to %s", got)
	}
}

// Another site's link cannot choose the method: the user is asked as if the link had named none.
func TestMethodPreferenceFromAnotherSite(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withBoth)
	for site, counts := range map[string]bool{"cross-site": false, "same-site": false, "same-origin": true,
		"none": true,
		"":     true} {
		v := r.visitor(uaDesktop)
		link := v.get("/app?x=1").link("way-website")
		if site != "" {
			v.headers.Set("Sec-Fetch-Site", site)
		}
		a := v.get(link)
		if counts != (len(a.set) == 1) || a.location != "/app?x=1" {
			t.Errorf("%q: to %s, cookies %v", site, a.location, a.set)
		}
		want := "choose"
		if counts {
			want = "website " + siteID
		}
		if got := r.method(v.get(a.location)); got != want {
			t.Errorf("%q: the browser goes to %s, want %s", site, got, want)
		}
	}
}

func TestDoorLinkIsNoOpenRedirect(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withBoth)
	for _, method := range []string{"scan", "website", "choose", "", "wechat", "//evil.example"} {
		for _, evil := range []string{
			"https://evil.example/", "//evil.example/app", `/\evil.example`, "javascript:alert(1)",
			"https://login.example.com@evil.example/", "/%2f%2fevil.example",
			"https://login.example.com.evil.example/app", "/app/../../x", "\t//evil.example", "/sign-in?return=/",
			"http://login.example.com/app", "data:text/html,x",
		} {
			v := r.visitor(uaDesktop)
			a := v.get("/sign-in?" + url.Values{"return": {evil}, "method": {method}}.Encode())
			if a.kind() != "bad_return" || a.status != 400 || a.location != "" || len(a.set) != 0 || len(r.scans) != 0 {
				t.Errorf("method %q, return %q: %d %s to %q, cookies %v", method, evil, a.status, a.kind(),
					a.location, a.set)
			}
		}
	}
	v := r.visitor(uaDesktop)
	// The address of an app's request counts only as it was sealed.
	link := v.get("/app?x=1").link("way-scan")
	for _, forged := range []string{
		"/sign-in?method=scan&restart=", "/sign-in?method=scan&restart=/app?x=1",
		"/sign-in?method=scan&restart=https://evil.example/", link[:len(link)-1], link + "A",
	} {
		if a := v.get(forged); a.kind() != "bad_return" || a.status != 400 || a.location != "" || len(a.set) != 0 {
			t.Errorf("%s: %d %s to %q, cookies %v", forged, a.status, a.kind(), a.location, a.set)
		}
	}
	for _, odd := range []string{"/sign-in?return=%zz&method=scan", "/sign-in?return=/&scope=everything&method=scan"} {
		if a := v.get(odd); a.kind() != "bad_request" || len(a.set) != 0 {
			t.Errorf("%s: %d %s, cookies %v", odd, a.status, a.kind(), a.set)
		}
	}
}

// A crawler that fetches every link of the choice changes nothing but its own preference: no
// session, no attempt, no event, no user.
func TestCrawlerThatFollowsTheDoors(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withBoth)
	v := r.visitor(uaDesktop)
	page := v.get("/app?x=1")
	for _, link := range []string{page.link("way-scan"), page.link("way-website"), page.link("back"),
		"/sign-in?return=/&method=scan", "/sign-in?return=/&method=choose"} {
		v.get(link)
		v.do(v.request("HEAD", link, nil))
	}
	users, err := r.store.Users(t.Context(), gateway.UserQuery{})
	if err != nil || len(users) != 0 {
		t.Errorf("accounts %+v, %v", users, err)
	}
	events, err := r.store.Events(t.Context(), gateway.EventQuery{})
	if err != nil || len(events) != 0 {
		t.Errorf("events %+v, %v", events, err)
	}
	// Nothing is left over that could expire: no row was written at all.
	if n, err := r.store.Sweep(t.Context(), r.now().Add(9000*time.Hour), time.Time{}, 0); err != nil || n != 0 {
		t.Errorf("%d rows were left, %v", n, err)
	}
	if a := v.post("/sign-in?return=/&method=scan", url.Values{}); a.status != 405 {
		t.Errorf("POST: %d", a.status)
	}
}

// Where no sign-in method is available, the page says where the user can continue.
func TestPagesWithoutAMethod(t *testing.T) {
	t.Parallel()
	r := newFixture(t, withSite)
	v := r.visitor(uaPhone)
	page := v.get("/app?x=1")
	const copied = "https://login.example.com/app?x=1" // the app's request from its beginning
	if !strings.Contains(page.body, ">"+copied+"</p>") || page.link("back") != "/app?cancel=1" {
		t.Errorf("page: %s", page.body)
	}
	// Another phone may scan what this one shows, if the user says so.
	if got := r.method(v.follow(v.get(page.link("do.by_website")))); got != "website "+siteID {
		t.Errorf("the browser goes to %s", got)
	}
	inside := r.visitor(uaWeChat)
	if got := r.method(inside.get(strings.TrimPrefix(copied, "https://login.example.com"))); got != "wechat "+mainID {
		t.Errorf("in WeChat the link leads to %s", got)
	}
	r.app.Methods = []string{"scan"}
	page = r.visitor(uaDesktop).get("/app?x=1")
	if page.kind() != "no_method" || page.status != 403 || !strings.Contains(page.body, "Notes") ||
		page.link("back") == "" {
		t.Errorf("page: %d %s", page.status, page.body)
	}
}
