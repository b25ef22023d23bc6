package e2e_test

import (
	"testing"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

var desktop = look{"en", 1280}

// signIn goes from the first screen to the signed-in page, as Alice by base.
func (w *window) signIn() string {
	w.t.Helper()
	w.visit(w.site.sample())
	w.press("#sign-in-base")
	w.press("button[value=alice]")
	return w.signedIn("snsapi_base", "")
}

// signedOut checks that the sample app knows nobody here.
func (w *window) signedOut() {
	w.t.Helper()
	w.visit(w.site.sample())
	if !w.has("#sign-in-base") || w.has("#openid") {
		w.t.Errorf("somebody is signed in: %s", w.text("body"))
	}
}

func TestReloadAfterSignIn(t *testing.T) {
	t.Parallel()
	site := newDemoFixture(t, wechattest.Quirks{})
	w := open(t, &site.addresses, desktop)
	openid := w.signIn()
	if want := site.wx.OpenID(site.account.AppID, "alice"); openid != want {
		t.Errorf("openid %s, want %s", openid, want)
	}
	w.reload()
	if again := w.signedIn("snsapi_base", ""); again != openid {
		t.Errorf("openid %s, then %s", openid, again)
	}
	site.wantExchanges(t, 1)
}

// TestCallbackOpenedAgain: the address with the code stands in the history, or the browser restores
// it.
func TestCallbackOpenedAgain(t *testing.T) {
	t.Parallel()
	site := newDemoFixture(t, wechattest.Quirks{})
	w := open(t, &site.addresses, desktop)
	w.signIn()
	w.visit(w.wire.callback(t))
	w.signedIn("snsapi_base", "")
	site.wantExchanges(t, 1)
}

// TestBackAfterSignIn: Back leads to WeChat, which sends the browser to the callback with the old
// state and another code.
func TestBackAfterSignIn(t *testing.T) {
	t.Parallel()
	site := newDemoFixture(t, wechattest.Quirks{})
	w := open(t, &site.addresses, desktop)
	w.signIn()
	w.back()
	w.signedIn("snsapi_base", "")
	site.wantExchanges(t, 1)
}

func TestBackAfterSignOutStaysSignedOut(t *testing.T) {
	t.Parallel()
	site := newDemoFixture(t, wechattest.Quirks{})
	w := open(t, &site.addresses, desktop)
	w.signIn()
	callback := w.wire.callback(t)
	w.press("#sign-out")
	w.back()
	if w.has("#openid") {
		t.Error("Back brought the signed-in page back")
	}
	w.back() // to WeChat, and from there to the callback
	if w.has("#openid") {
		t.Error("Back signed in again")
	}
	w.visit(callback)
	w.says("This sign-in has expired", "")
	w.signedOut()
	site.wantExchanges(t, 1)
}

func TestCallbackWithoutCodeInTheAddressBar(t *testing.T) {
	t.Parallel()
	site := newDemoFixture(t, wechattest.Quirks{})
	w := open(t, &site.addresses, desktop)
	if status := w.visit(site.app + "/wechat/callback"); status != 400 {
		t.Errorf("status %d", status)
	}
	w.says("This sign-in has expired", "")
	w.press(".button")
	w.press("button[value=alice]")
	w.signedIn("snsapi_base", "")
	site.wantExchanges(t, 1)
}

// TestSharedCallback: somebody sends the address with the code to somebody else.
func TestSharedCallback(t *testing.T) {
	t.Parallel()
	site := newDemoFixture(t, wechattest.Quirks{})
	a, b := open(t, &site.addresses, desktop), open(t, &site.addresses, desktop)
	a.signIn()
	if status := b.visit(a.wire.callback(t)); status != 400 {
		t.Errorf("status %d", status)
	}
	b.says("This sign-in has expired", "")
	b.signedOut()
	site.wantExchanges(t, 1)
	a.reload()
	a.signedIn("snsapi_base", "")
}

func TestTwoTabs(t *testing.T) {
	t.Parallel()
	site := newDemoFixture(t, wechattest.Quirks{})
	one := open(t, &site.addresses, desktop)
	two := one.tab()
	one.visit(site.app + "/profile")
	one.press("button[value=alice]")
	two.visit(site.app + "/profile")
	for _, w := range []*window{two, one} {
		w.press("button.allow")
		w.signedIn("snsapi_userinfo", "Alice")
	}
	two.reload()
	two.signedIn("snsapi_userinfo", "Alice")
	site.wantExchanges(t, 2)
	one.press("#sign-out")
	two.signedOut()
}

// TestSecondCallback: WeChat fetches the callback as well, from elsewhere, at every moment at which
// that was seen.
func TestSecondCallback(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]wechattest.DoubleCallback{
		"before": wechattest.DoubleFirst, "together": wechattest.DoubleTogether, "hours later": wechattest.DoubleLate,
		"another code": wechattest.DoubleOtherCode,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := newDemoFixture(t, wechattest.Quirks{DoubleCallback: when})
			w := open(t, &site.addresses, desktop)
			openid := w.signIn()
			site.wx.Advance(5 * time.Hour)
			w.reload()
			if again := w.signedIn("snsapi_base", ""); again != openid {
				t.Errorf("openid %s, then %s", openid, again)
			}
			site.wantExchanges(t, 1)
		})
	}
}

// TestDenialIsNotHeard: WeChat today tells the app nothing, so the person comes back by the
// address.
func TestDenialIsNotHeard(t *testing.T) {
	t.Parallel()
	site := newDemoFixture(t, wechattest.Quirks{})
	w := open(t, &site.addresses, desktop)
	w.visit(site.app + "/profile")
	w.press("button[value=alice]")
	w.press("button.deny")
	w.says("You rejected the request", "")
	w.signedOut()
	site.wantExchanges(t, 0)
	w.press("#sign-in-base")
	w.signedIn("snsapi_base", "")
}

func TestDenialOfOldDays(t *testing.T) {
	t.Parallel()
	site := newDemoFixture(t, wechattest.Quirks{LegacyDenial: true})
	w := open(t, &site.addresses, desktop)
	w.visit(site.app + "/profile")
	w.press("button[value=alice]")
	w.press("button.deny")
	w.says("You declined at WeChat", "")
	w.press(".button.quiet") // continue without the profile
	w.signedIn("snsapi_base", "")
	// Asked again while signed in: the session stays as it is.
	w.press("#add-profile")
	w.press("button.deny")
	w.press(".button.quiet")
	w.signedIn("snsapi_base", "")
	site.wantExchanges(t, 1)
}

// TestSnapshotPage: a virtual user is not signed in, and 使用完整服务 leads on.
func TestSnapshotPage(t *testing.T) {
	t.Parallel()
	site := newDemoFixture(t, wechattest.Quirks{Snapshot: true})
	w := open(t, &site.addresses, desktop)
	w.visit(site.app + "/profile")
	w.press("button[value=alice]")
	w.says("使用完整服务", "")
	if w.has("#openid") {
		t.Error("a virtual user was signed in")
	}
	site.wx.UseFullService(site.account.AppID, "alice")
	w.reload() // as WeChat does
	w.press("button.allow")
	w.signedIn("snsapi_userinfo", "Alice")
}

func TestConsentPageReloaded(t *testing.T) {
	t.Parallel()
	site := newDemoFixture(t, wechattest.Quirks{})
	w := open(t, &site.addresses, desktop)
	w.visit(site.app + "/profile")
	w.press("button[value=alice]")
	w.reload()
	w.press("button.allow")
	w.signedIn("snsapi_userinfo", "Alice")
	site.wantExchanges(t, 1)
}

// TestWithoutCookies ends at a page that says so, not in a loop.
func TestWithoutCookies(t *testing.T) {
	t.Parallel()
	site := newDemoFixture(t, wechattest.Quirks{ConsentAs: "alice"})
	w := open(t, &site.addresses, desktop, withoutCookies(t))
	if status := w.visit(site.app + "/base"); status != 400 {
		t.Errorf("status %d", status)
	}
	w.says("This browser does not keep cookies", "")
	if n := len(w.wire.codes); n != 1 {
		t.Errorf("the browser went to WeChat %d times", n)
	}
	if left := w.cookies(site.app + "/"); len(left) > 0 {
		t.Errorf("the test is void, the browser has cookies: %v", left)
	}
	site.wantExchanges(t, 0)
}
