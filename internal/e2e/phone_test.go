package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// TestPhoneOfTheControlPage signs in on a simulated phone, by hand: the phone has cookies of its
// own, so the window beside it stays signed out.
func TestPhoneOfTheControlPage(t *testing.T) {
	t.Parallel()
	for _, l := range flows {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			demo := startDemo(t)
			w := openBoth(t, &demo.addresses, l)
			w.visit(demo.app + "/")
			w.visit(eval[string](w, `document.querySelector(".behind a").href`)) // one click away
			w.says("People", "用户")
			w.press(`a[href="/phones/alice"]`)
			w.do("typing an address", chromedp.SendKeys(chromedp.CSS("#address"), demo.sample()))
			w.press("button[value=open]")

			w.pressOnScreen("#sign-in-profile", "button.allow")
			w.do("seeing the question beside the phone", chromedp.WaitVisible(chromedp.CSS(".ask button[value=allow]")))
			w.see("phone-consent")
			w.press(".ask button[value=allow]")
			if got := w.onScreen("reading the name",
				`(document.querySelector("#nickname") || {innerText: ""}).innerText`); got != "Alice" {
				t.Errorf("nickname on the phone: %q", got)
			}
			w.see("phone-signed-in")
			w.pressOnScreen("#sign-out", "#sign-in-base")
			w.pressOnScreen("#sign-in-base", "#openid")
			w.signedOut()
		})
	}
}

// TestPhoneContinues opens a page that continues automatically, as a phone with WeChat does.
func TestPhoneContinues(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		switch r.URL.Path {
		case "/":
			_, _ = io.WriteString(w, `<meta http-equiv="refresh" content="0;url=/later"><p>first`)
		case "/later":
			_, _ = io.WriteString(w, `<meta http-equiv="refresh" content="1;url=/last"><p>second`)
		default:
			_, _ = io.WriteString(w, `<p id="last">last`)
		}
	}))
	t.Cleanup(site.Close)
	demo := startDemo(t)
	w := openBoth(t, &demo.addresses, flows[0])
	w.visit(demo.control + "/phones/alice")
	w.do("typing an address", chromedp.SendKeys(chromedp.CSS("#address"), site.URL+"/"))
	w.press("button[value=open]")
	const last = `(document.querySelector("#last") || {innerText: ""}).innerText`
	if got := w.onScreen("the last page", last); got != "last" {
		t.Errorf("the phone shows %q", got)
	}
}

// onScreen runs JavaScript in the frame that is the phone's screen, until it gives a text. The
// page there may run no scripts of its own and is a stranger to the control page: this is what a
// person does, not what a page could do.
func (w *window) onScreen(what, script string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	pause := time.NewTicker(50 * time.Millisecond)
	defer pause.Stop()
	for {
		if text := w.tryOnScreen(ctx, script); text != "" {
			return text
		}
		select {
		case <-ctx.Done():
			w.fatal(what+" on the phone", ctx.Err())
		case <-pause.C:
		}
	}
}

// tryOnScreen gives "" while the screen has no page, or changes it.
func (w *window) tryOnScreen(ctx context.Context, script string) string {
	tree, err := chromedp.Call(ctx, page.GetFrameTree, cdp.Empty{})
	if err != nil || tree.FrameTree == nil || len(tree.FrameTree.ChildFrames) != 1 {
		return ""
	}
	own, err := chromedp.Call(ctx, page.CreateIsolatedWorld,
		page.CreateIsolatedWorldParams{FrameID: tree.FrameTree.ChildFrames[0].Frame.ID})
	if err != nil {
		return ""
	}
	got, err := chromedp.Call(ctx, runtime.Evaluate,
		runtime.EvaluateParams{Expression: "String(" + script + ")", ContextID: own.ExecutionContextID})
	if err != nil || got.ExceptionDetails != nil || got.Result == nil {
		return ""
	}
	var text string
	if err := json.Unmarshal(got.Result.Value, &text); err != nil {
		return ""
	}
	return strings.TrimSpace(text)
}

// pressOnScreen presses what the selector finds on the phone's screen, and waits until the screen
// shows what next finds.
func (w *window) pressOnScreen(selector, next string) {
	w.t.Helper()
	w.onScreen("pressing "+selector,
		fmt.Sprintf(`(() => { const e = document.querySelector(%q); if (!e) return ""; e.click(); return "pressed"; })()`,
			selector))
	w.onScreen("waiting for "+next, fmt.Sprintf(`document.querySelector(%q) ? "there" : ""`, next))
}

// TestQRCode signs in on a desktop by scanning the code of the website app with a simulated phone.
func TestQRCode(t *testing.T) {
	t.Parallel()
	for _, l := range flows {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			demo := startDemo(t)
			w, desk := openBoth(t, &demo.addresses, l), openBoth(t, &demo.addresses, l)
			w.visit(demo.sample())
			w.press("#sign-in-qr")
			w.says("Scan the QR code with WeChat", "请使用微信扫描二维码登录")
			w.see("qr")

			desk.visit(demo.control + "/")
			desk.see("control-qr-waiting")
			desk.do("choosing whose phone", chromedp.SetValue(chromedp.CSS("form.code select"), "xiaoming"))
			desk.press("form.code button")
			w.do("hearing of the scan", chromedp.WaitVisible(chromedp.CSS("#wx_after_scan")))
			w.see("qr-scanned")
			desk.says("WeChat asks for consent", "微信正在征求授权")
			desk.see("phone-confirm")
			desk.press(".ask button[value=allow]")
			w.do("being signed in", chromedp.WaitVisible(chromedp.CSS("#openid")))
			w.signedIn("snsapi_login", "小明")
			if method := w.text("#method"); method != "website" {
				t.Errorf("way in: %q", method)
			}
			w.see("signed-in-qr")
			desk.visit(demo.control + "/phones/xiaoming")
			desk.see("phone-confirmed")

			// The same by the link beside the code, on another phone: it stands in the address
			// line, and nothing happens before the press.
			w.press("#sign-out")
			w.press("#sign-in-qr")
			desk.visit(eval[string](w, `document.querySelector(".chrome a").href`))
			desk.says("Another page sent this link to the phone", "另一个页面把这个链接发到了手机上")
			desk.see("phone-handed")
			desk.press("button[value=open]")
			w.do("hearing of the scan", chromedp.WaitVisible(chromedp.CSS("#wx_after_scan")))
			desk.press(".ask button[value=allow]")
			w.signedIn("snsapi_login", "Alice")
		})
	}
}
