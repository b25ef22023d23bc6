package e2e_test

import (
	"strings"
	"testing"
)

// wiki and shop are the demo's other hosts, at the port of the first screen.
func (s *addresses) wiki() string { return strings.Replace(s.app, "127.0.0.1", "wiki.localhost", 1) }
func (s *addresses) shop() string { return strings.Replace(s.app, "127.0.0.1", "shop.localhost", 1) }

// TestTour goes through the cards of the first screen that need no second device, each from the
// first press to its end.
func TestTour(t *testing.T) {
	t.Parallel()
	for _, l := range flows {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			demo := startDemo(t)
			w := openBoth(t, &demo.addresses, l)
			w.visitWiki(demo)
			w.visitShop(demo)
		})
	}
}

// visitWiki is the card of the page behind a reverse proxy, from nobody to signed out again.
func (w *window) visitWiki(demo *program) {
	w.t.Helper()
	w.visit(demo.app + "/")
	w.press("#wiki")
	w.says("Whose phone is this?", "这是谁的手机？")
	w.press("button[value=alice]")
	w.says("Use your WeChat name and picture?", "是否提供微信头像昵称？")
	w.press("#go")
	w.press("button.allow")
	inWiki := func(path string) {
		w.t.Helper()
		if at := w.at(); at != demo.wiki()+path {
			w.t.Errorf("the wiki is at %s, want %s", at, demo.wiki()+path)
		}
		if name := w.header("Name"); name != "Alice" {
			w.t.Errorf("the proxy tells the wiki of %q", name)
		}
		if !openidForm.MatchString(w.header("Openid")) || w.header("User") == "" ||
			!strings.HasPrefix(w.header("Assertion"), "eyJ") {
			w.t.Errorf("the proxy tells the wiki openid %q, user %q, assertion %q", w.header("Openid"), w.header("User"),
				w.header("Assertion"))
		}
	}
	inWiki("/")
	w.says("Welcome to the wiki", "欢迎来到维基")
	w.see("wiki-in")
	w.press("#wiki-page")
	inWiki("/page")

	w.press("#sign-out")
	w.see("wiki-sign-out")
	w.press("form .button")
	w.says("You are signed out of", "已退出")
	w.see("wiki-signed-out")
	// The gateway still knows her: no screen on the way back.
	w.visit(demo.wiki() + "/page?x=1")
	inWiki("/page?x=1")
	w.press("#tour")
	if at := w.at(); at != demo.app+"/" {
		w.t.Errorf("back from the wiki the window is at %s", at)
	}
}

// header is what the wiki shows of a header of the proxy's.
func (w *window) header(name string) string {
	w.t.Helper()
	return w.text(`[data-header="X-Weigate-` + name + `"]`)
}

// visitShop is the card of the old app. Its openid is that of the account behind the gateway, so it
// is compared with what Notes was told.
func (w *window) visitShop(demo *program) {
	w.t.Helper()
	w.visit(demo.app + "/")
	w.press("#shop")
	w.says("without OpenID Connect", "没有使用 OpenID Connect")
	w.see("shop-out")
	w.press("#sign-in") // the gateway knows her from the wiki
	if at := w.at(); at != demo.shop()+"/" {
		w.t.Errorf("signed in to the shop the window is at %s", at)
	}
	if name := w.text("#nickname"); name != "Alice" {
		w.t.Errorf("the shop knows the name %q", name)
	}
	openid := w.text("#openid")
	w.see("shop-in")
	w.visit(demo.app + "/notes/sign-in")
	w.inClient("notes", "Alice")
	if notes := w.text("#openid"); notes != openid || !openidForm.MatchString(openid) {
		w.t.Errorf("the shop is told the openid %s, Notes %s", openid, notes)
	}
	w.visit(demo.shop() + "/")
	w.press("#sign-out")
	if !w.has("#sign-in") {
		w.t.Errorf("after sign-out the shop shows %s", w.text("main"))
	}
}

// TestTourFromNobody opens each card first of all, so that the whole way to a person is on it; and
// refuses on the way.
func TestTourFromNobody(t *testing.T) {
	t.Parallel()
	for _, l := range flows {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			demo := startDemo(t)
			for card, out := range map[string]string{"shop": demo.shop() + "/", "notes": demo.app + "/notes/"} {
				w := open(t, &demo.addresses, l)
				w.visit(demo.app + "/")
				w.press("#" + card)
				w.press("#sign-in")
				w.press("button[value=xiaoming]")
				if w.has("main#profile") { // the second time the gateway knows him
					w.press("#go")
					w.press("button.allow")
				}
				if at := w.at(); at != out {
					t.Errorf("%s ends at %s, want %s", card, at, out)
				}
				if text := w.text("main"); !strings.Contains(text, "小明") {
					t.Errorf("%s does not know who is there: %s", card, text)
				}
			}
		})
	}
}
