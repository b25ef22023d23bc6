package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// patience bounds one step. It is for a test that hangs, not for one that is slow: every step waits
// for its own condition.
const patience = 90 * time.Second

// look is how a person sees pages: the language of the browser and the width of its window.
type look struct {
	lang  string // "en" or "zh-CN"
	width int64
}

func (l look) String() string { return fmt.Sprintf("%s-%d", l.lang, l.width) }

// looks are all combinations of a language and a width for which the pages are made.
var looks = []look{{"en", 1280}, {"en", 390}, {"zh-CN", 1280}, {"zh-CN", 390}}

// flows are two of the looks: together they have both languages and both widths. Most tests run with
// each look of flows, and check each page in both widths (openBoth).
var flows = []look{{"en", 1280}, {"zh-CN", 390}}

const (
	desktopAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
	phoneAgent   = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) " +
		"Chrome/131.0.0.0 Mobile Safari/537.36"
)

// window is a browser window with cookies of its own. Its methods end the test when they fail.
type window struct {
	t    *testing.T
	ctx  context.Context
	site *addresses
	look look
	also int64 // another width in which see checks each page; 0 = none
	wire *wire
}

// addresses are the URLs of a fixture, without a slash at the end: of the sample apps, of the gateway
// ("" = the fixture has none), of the simulated WeChat, and of the control page of the simulator.
type addresses struct {
	app, gateway, wechat, control string
}

// sample is the address of the app on package login.
func (s *addresses) sample() string { return s.app + "/sample/" }

// open opens a window. At the end of the test, the window is closed, and wire.judge checks what the
// window has sent and received.
func open(t *testing.T, s *addresses, l look, options ...chromedp.CreateBrowserContextOption) *window {
	t.Helper()
	heard := &wire{site: s}
	ctx, cancel := chromedp.NewContext(suite.browser, chromedp.WithNewBrowserContext(options...),
		chromedp.WithListener(heard.hear))
	t.Cleanup(cancel)
	return prepare(t, ctx, l, heard)
}

// openBoth opens a window of which see checks each page in both widths.
func openBoth(t *testing.T, s *addresses, l look) *window {
	t.Helper()
	w := open(t, s, l)
	w.also = looks[0].width + looks[1].width - l.width
	return w
}

// tab opens another tab with the cookies of w.
func (w *window) tab() *window {
	w.t.Helper()
	heard := &wire{site: w.site}
	ctx, cancel := chromedp.NewContext(w.ctx, chromedp.WithListener(heard.hear))
	w.t.Cleanup(cancel)
	return prepare(w.t, ctx, w.look, heard)
}

func prepare(t *testing.T, ctx context.Context, l look, heard *wire) *window {
	t.Helper()
	w := &window{t: t, ctx: ctx, site: heard.site, look: l, wire: heard}
	agent := emulation.SetUserAgentOverrideParams{UserAgent: desktopAgent, AcceptLanguage: "en-GB,en;q=0.9"}
	if l.width < phoneWidth {
		agent.UserAgent = phoneAgent
	}
	if l.lang == "zh-CN" {
		agent.AcceptLanguage = "zh-CN,zh;q=0.9,en;q=0.8"
	}
	// The first command opens the tab, which lives as long as the context it was given. So this one
	// has no time limit.
	if err := chromedp.Do(ctx, viewport(l.width)); err != nil {
		t.Fatalf("opening a window: %v", err)
	}
	command(w, emulation.SetUserAgentOverride, agent)
	t.Cleanup(func() { heard.judge(t) })
	return w
}

// phoneWidth is the width below which a window is a phone's.
const phoneWidth = 600

// viewport gives a window the size and the input of a desktop or of a phone.
func viewport(width int64) chromedp.Action[chromedp.Void] {
	if width < phoneWidth {
		return chromedp.EmulateViewport(width, 844, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	return chromedp.EmulateViewport(width, 800)
}

// resize changes the width of the window and waits until the page has it.
func (w *window) resize(width int64) {
	w.t.Helper()
	w.look.width = width
	w.do("resizing", viewport(width))
	ask(w, "seeing the new width", chromedp.Evaluate[bool](fmt.Sprintf(`new Promise((done) => {
		const look = () => document.documentElement.clientWidth === %d ? done(true) : requestAnimationFrame(look);
		look();
	})`, width), chromedp.EvalAwaitPromise))
}

// command sends a command of the protocol.
func command[P, R any](w *window, cmd cdp.Command[P, R], params P) R {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	res, err := chromedp.Call(ctx, cmd, params)
	if err != nil {
		w.fatal(cmd.Method, err)
	}
	return res
}

// do runs steps that have no result.
func (w *window) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		w.fatal(what, err)
	}
}

// ask runs an action that only reads, for its result. A page that reloads automatically interrupts
// the action, which is then repeated.
func ask[T any](w *window, what string, action chromedp.Action[T]) T {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	for err != nil && ctx.Err() == nil && strings.Contains(err.Error(), "Inspected target navigated or closed") {
		v, err = chromedp.Run(ctx, action)
	}
	if err != nil {
		w.fatal(what, err)
	}
	return v
}

// eval runs JavaScript in the page.
func eval[T any](w *window, script string) T {
	w.t.Helper()
	return ask(w, script, chromedp.Evaluate[T](script))
}

// fatal ends the test and says where the window stood.
func (w *window) fatal(what string, err error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 10*time.Second)
	defer cancel()
	at, _ := chromedp.Run(ctx, chromedp.Location())
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body ? document.body.innerText : ''"))
	w.t.Fatalf("%s: %v\nthe window stands at %s and shows\n%s", what, err, at, text)
}

// visit types an address into the address bar and waits for the page. It returns its status.
func (w *window) visit(address string) int64 {
	w.t.Helper()
	return w.arrive("opening "+address, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.Navigate, page.NavigateParams{URL: address})
		return err
	}))
}

// press clicks what the selector finds and waits for the page that comes. It returns its status.
func (w *window) press(selector string) int64 {
	w.t.Helper()
	return w.arrive("pressing "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// arrive runs steps that lead to another page, and waits for it.
func (w *window) arrive(what string, steps ...chromedp.Action[chromedp.Void]) int64 {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	answer, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		w.fatal(what, err)
	}
	if answer == nil { // from the back/forward cache
		return 200
	}
	return answer.Status
}

// at is the address of the page.
func (w *window) at() string {
	w.t.Helper()
	return ask(w, "reading the address", chromedp.Location())
}

// text is the text of what the selector finds, once it is there.
func (w *window) text(selector string) string {
	w.t.Helper()
	return strings.TrimSpace(ask(w, "reading "+selector, chromedp.Text(chromedp.CSS(selector), chromedp.NodeReady)))
}

// has reports whether the page has an element for the selector.
func (w *window) has(selector string) bool {
	w.t.Helper()
	return eval[bool](w, fmt.Sprintf("document.querySelector(%q) !== null", selector))
}

// says fails the test when the page does not say a word in the window's language: first English,
// then Chinese.
func (w *window) says(en, zh string) {
	w.t.Helper()
	want := en
	if w.look.lang == "zh-CN" {
		want = zh
	}
	if text := eval[string](w, "document.body.innerText"); !strings.Contains(text, want) {
		w.t.Errorf("%s does not say %q:\n%s", w.at(), want, text)
	}
}

// cookies are those that the window would send to the address.
func (w *window) cookies(address string) []*network.Cookie {
	w.t.Helper()
	return command(w, network.GetCookies, network.GetCookiesParams{URLs: []string{address}}).Cookies
}

// back presses the browser's Back button and waits for the page.
func (w *window) back() {
	w.t.Helper()
	w.do("going back", chromedp.NavigateBack())
}

// reload presses the browser's reload button and waits for the page.
func (w *window) reload() int64 {
	w.t.Helper()
	return w.arrive("reloading", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.Reload, page.ReloadParams{})
		return err
	}))
}
