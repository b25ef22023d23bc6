package app_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// longState returns n bytes that look like encrypted data in base64.
func longState(n int) string {
	var out strings.Builder
	for i := 0; out.Len() < n; i++ {
		fmt.Fprintf(&out, "%x+/=", i*2654435761)
	}
	return out.String()[:n]
}

// settle follows the pages that continue automatically.
func (s *plainBrowser) settle() *plainBrowser {
	s.w.t.Helper()
	for strings.Contains(s.body, `" id="continue">`) {
		s.press("go")
	}
	return s
}

// settle follows the pages that continue automatically, and returns the page that is then shown.
func (p phone) settle(page *wechattest.Page) *wechattest.Page {
	p.T.Helper()
	for fixture.PageName(page) == "continue" {
		page = p.Must(p.FollowRefresh(p.T.Context()))
	}
	return page
}

// signInMethods sign a user in with each method. Each function opens an address of an app, and returns
// when the browser is at the app. again opens another address in the same browser.
var signInMethods = []struct {
	name    string
	options []option
	begin   func(w *gatewayFixture, address string) (again func(address string))
}{
	{
		name: "wechat",
		begin: func(w *gatewayFixture, address string) func(string) {
			alice := w.phone("alice")
			open := func(address string) {
				w.t.Helper()
				fixture.WantAt(w.t, alice.settle(alice.Visit(address)), w.app.URL)
			}
			open(address)
			return open
		},
	},
	{
		name: "scan",
		begin: func(w *gatewayFixture, address string) func(string) {
			desk, alice := w.plainBrowser(uaDesktop).open(address).settle().want("scan_code", 200), w.phone("alice")
			alice.scans(desk)
			alice.enters(desk.reloaded().number())
			desk.reloaded().goesOn().settle().at(w.app.URL)
			return func(address string) { desk.open(address).settle().at(w.app.URL) }
		},
	},
	{
		name: "website", options: []option{withWebsite},
		begin: func(w *gatewayFixture, address string) func(string) {
			desk := w.plainBrowser(uaDesktop).open(address).settle()
			desk.confirmed("alice").settle().at(w.app.URL)
			return func(address string) { desk.open(address).settle().at(w.app.URL) }
		},
	},
}

// A state of 300 to 7,000 bytes comes back with the same bytes, by every method, with a session and
// without one (aws-amplify/amplify-js#4998, openiddict/openiddict-core#1301).
func TestStateOfAnyUsualSizeComesBack(t *testing.T) {
	t.Parallel()
	for _, method := range signInMethods {
		t.Run(method.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, method.options...)
			for _, size := range []int{300, 1200, 1500, 3000, 5000} { // "+/=" need three bytes each
				state := longState(size)
				again := method.begin(w, w.authorize("sample", "state", state))
				for _, signedIn := range []bool{false, true} {
					if signedIn {
						again(w.authorize("sample", "state", state))
					}
					q := w.app.LastQuery()
					if q.Get("state") != state || w.redeem("sample", q.Get("code")).AccessToken == "" {
						t.Errorf("%d bytes, signed in %v: %.200v", size, signedIn, q)
					}
				}
			}
			state := strings.Repeat("s-_9", 7000/4)
			method.begin(w, w.authorize("sample", "state", state))
			if q := w.app.LastQuery(); q.Get("state") != state || w.redeem("sample", q.Get("code")).AccessToken == "" {
				t.Errorf("7,000 bytes: %.200v", q)
			}
		})
	}
}

// Old programs have long return addresses: the query of the page that the user wanted to see.
func TestReturnAddressOfARelayAppOfAnyUsualSizeComesBack(t *testing.T) {
	t.Parallel()
	for _, method := range signInMethods {
		if method.name == "website" {
			continue // the shop has no website app
		}
		t.Run(method.name, func(t *testing.T) {
			t.Parallel()
			w := newFixture(t, append(method.options, withShop)...)
			for _, size := range []int{900, 1500, 4000, 7900} {
				page := "/shop?page=" + strings.Repeat("p", size-len(w.app.URL+"/shop?page="))
				address := w.url + "/connect/oauth2/authorize?appid=" + shopAppID + "&redirect_uri=" +
					url.QueryEscape(w.app.URL+page) + "&response_type=code&scope=" + string(wechat.ScopeBase) +
					"&state=s1#wechat_redirect"
				again := method.begin(w, address)
				for _, signedIn := range []bool{false, true} {
					if signedIn {
						again(address)
					}
					q := w.app.LastQuery()
					if _, err := w.shop().Exchange(t.Context(), q.Get("code")); err != nil || q.Get("state") != "s1" ||
						"/shop?page="+q.Get("page") != page {
						t.Errorf("%d bytes, signed in %v: %v, %.200v", size, signedIn, err, q)
					}
				}
			}
		})
	}
}

// Each page of a sign-in continues a long request, and cancelling returns the state too.
func TestEveryPageContinuesALongRequest(t *testing.T) {
	t.Parallel()
	state := strings.Repeat("s-_9", 7000/4)
	back := func(t *testing.T, w *gatewayFixture, parameter string) {
		t.Helper()
		if q := w.app.LastQuery(); q.Get("state") != state || q.Get(parameter) == "" {
			t.Errorf("the app got %.200v", q)
		}
	}
	t.Run("profile", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t)
		alice := w.phone("alice")
		alice.WantPage(alice.settle(alice.Visit(w.authorize("sample", "state", state, "scope", withProfile))), "profile", 200)
		alice.Press()
		fixture.WantAt(t, alice.settle(alice.Consent()), w.app.URL)
		back(t, w, "code")
	})
	t.Run("confirm", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t)
		alice := w.phone("alice")
		alice.Visit(w.authorize("sample"))
		address := w.authorize("sample", "state", state, "prompt", "login")
		alice.WantPage(alice.settle(alice.Visit(address)), "confirm", 200)
		alice.settle(alice.Must(alice.Follow(t.Context(), "back")))
		back(t, w, "error")
		alice.WantPage(alice.settle(alice.Visit(address)), "confirm", 200)
		alice.Press()
		fixture.WantAt(t, alice.settle(alice.Consent()), w.app.URL)
		back(t, w, "code")
	})
	t.Run("waiting", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t)
		alice := w.phone("alice")
		alice.WantPage(alice.settle(alice.Visit(w.authorize("closed", "state", state))), "waiting", 200)
		page := alice.giveName("李雷")
		if len(page.RefreshURL) > 300 {
			t.Errorf("the page reloads %s", page.RefreshURL)
		}
		alice.WantPage(alice.Must(alice.FollowRefresh(t.Context())), "waiting", 200)
		w.set("active")
		fixture.WantAt(t, alice.settle(alice.Must(alice.FollowRefresh(t.Context()))), w.app.URL)
		back(t, w, "code")
	})
	t.Run("choose", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t, withWebsite, methods(t, "scan", "website"))
		desk := w.plainBrowser(uaDesktop).open(w.authorize("sample", "state", state)).settle().want("choose", 200)
		desk.press("way-website").confirmed("alice").settle().at(w.app.URL)
		back(t, w, "code")
	})
	t.Run("cancel", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t)
		desk := w.plainBrowser(uaDesktop).open(w.authorize("sample", "state", state)).settle().want("scan_code", 200)
		desk.submit("/scan/cancel", nil).settle().at(w.app.URL)
		back(t, w, "error")
	})
	t.Run("copy to WeChat", func(t *testing.T) {
		t.Parallel()
		w := newFixture(t, methods(t, "wechat"))
		browser := w.plainBrowser(uaPhone).open(w.authorize("sample", "state", state)).settle().want("open_in_wechat", 200)
		// The short address works in one browser only, so the page has the whole address.
		if !regexp.MustCompile(`<p class="copy"[^>]*>[^<]*/oauth2/authorize\?[^<]*` + state).MatchString(browser.body) {
			t.Errorf("the page: %.3000s", browser.body)
		}
	})
}

// A state of 7,000 bytes also comes back from sign-out and after an authorization request by POST.
func TestLongStateOfSignOutAndOfAForm(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	state := strings.Repeat("s-_9", 6000/4)
	desk, alice := w.plainBrowser(uaDesktop).open(w.authorize("sample")), w.phone("alice")
	alice.scans(desk)
	alice.enters(desk.reloaded().number())
	desk.reloaded().goesOn()
	id := w.redeem("sample", w.app.LastQuery().Get("code")).IDToken
	u, err := url.Parse(w.authorize("sample", "state", state))
	if err != nil {
		t.Fatal(err)
	}
	form, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/oauth2/authorize",
		strings.NewReader(u.RawQuery))
	if err != nil {
		t.Fatal(err)
	}
	desk.send(form)
	desk.settle().at(w.app.URL + "/sample")
	if q := w.app.LastQuery(); q.Get("state") != state || q.Get("code") == "" {
		t.Errorf("after a form: %.200v", q)
	}
	desk.open(w.url + "/oauth2/logout?" + url.Values{"id_token_hint": {id}, "state": {state},
		"post_logout_redirect_uri": {w.app.URL + "/bye"}}.Encode()).settle().at(w.app.URL + "/bye")
	if q := w.app.LastQuery(); q.Get("state") != state {
		t.Errorf("after signing out: %.200v", q)
	}
}

// /sign-in and /sign-out accept a return address of up to 8 kB.
func TestLongReturnAddressOfSignIn(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	state := strings.Repeat("s-_9", 6000/4)
	to := strings.TrimPrefix(w.authorize("sample", "state", state), w.url)
	alice := w.phone("alice")
	fixture.WantAt(t, alice.settle(alice.Visit(w.url+"/sign-in?return="+url.QueryEscape(to))), w.app.URL+"/sample")
	if q := w.app.LastQuery(); q.Get("state") != state || q.Get("code") == "" {
		t.Errorf("after /sign-in: %.200v", q)
	}
	alice.WantPage(alice.Visit(w.url+"/sign-out?return="+url.QueryEscape(to)), "sign_out", 200)
	fixture.WantAt(t, alice.settle(alice.Must(alice.Submit(t.Context(), "sign-out", nil))), w.app.URL+"/sample")
}

// An address over 8 kB is refused with a page that names the reason, at every endpoint.
func TestAddressOverEightKilobytes(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withShop)
	over := strings.Repeat("x", 8192)
	for _, address := range []string{
		w.authorize("sample", "state", over), w.url + "/oauth2/logout?state=" + over,
		w.url + "/connect/qrconnect?appid=" + shopAppID + "&state=" + over,
	} {
		w.plainBrowser(uaDesktop).open(address).want("address_too_long", http.StatusRequestURITooLong)
	}
}
