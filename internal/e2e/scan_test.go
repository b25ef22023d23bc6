package e2e_test

import (
	"bytes"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	go_qr "github.com/piglig/go-qr"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat/wechattest"
)

const wechatAgent = "Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 (KHTML, like Gecko) " +
	"Version/4.0 Chrome/131.0.0.0 Mobile Safari/537.36 " +
	"MicroMessenger/8.0.50.2701(0x28003253) WeChat/arm64 Weixin NetType/WIFI Language/zh_CN"

// gatewayFixture is a simulator of WeChat, which serves only browsers that identify as WeChat's,
// for a gateway.
type gatewayFixture struct {
	addresses
	account, website wechattest.App
	api              string // the address of WeChat's API
	wx               *fixture.WeChat
}

func newGatewayFixture(t *testing.T) gatewayFixture {
	t.Helper()
	f := gatewayFixture{account: officialAccount("wx00000000000000e3"), website: websiteApp("wx00000000000000e4")}
	f.app, f.control = "http://app.invalid", "http://control.invalid"
	// With the unionid, no first sign-in has to ask for consent.
	wx, pages := fixture.NewWeChatAt(t, wechatHost, wechattest.Config{
		Apps: []wechattest.App{f.account, f.website}, Quirks: wechattest.Quirks{BaseUnionID: true},
	})
	f.api, f.wechat, f.wx = wx.URL, pages, wx
	return f
}

// startGateway runs "weigate serve" for the fixture, without apps.
func startGateway(t *testing.T) *gatewayFixture {
	t.Helper()
	g := newGatewayFixture(t)
	g.serve(t, "apps: []")
	return &g
}

// serve runs "weigate serve" until the end of the test, with further lines of configuration. It
// returns the folder of the configuration.
func (g *gatewayFixture) serve(t *testing.T, more string) (dir string) {
	t.Helper()
	address := fixture.Address(t)
	g.gateway = "http://" + address
	dir = t.TempDir()
	text := fmt.Sprintf(`url: %s
listen: %s
metrics: ''
site: {title: Example Login}
wechat: [{name: main, kind: official_account, appid: %s, secret: %q, api: %s, open: %s}]
%s
`,
		g.gateway, address, g.account.AppID, leaktest.Secret, g.api, g.wechat, more)
	if err := os.WriteFile(filepath.Join(dir, "weigate.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(suite.weigate, "serve")
	cmd.Dir = dir
	p := fixture.Serve(t, cmd)
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Errorf("weigate serve ended with %v", err)
		}
	})
	return dir
}

// inWeChat is a window that says it is WeChat's own, on a phone.
func (g *gatewayFixture) inWeChat(t *testing.T, lang string) *window {
	t.Helper()
	w := open(t, &g.addresses, look{lang, 390})
	w.isBrowser(wechatAgent)
	return w
}

// readsCode decodes the code from a picture of the window, as a phone's camera would.
func (w *window) readsCode() string {
	w.t.Helper()
	picture, err := png.Decode(bytes.NewReader(ask(w, "taking a picture", chromedp.FullScreenshot(100))))
	if err != nil {
		w.t.Fatal(err)
	}
	link, err := go_qr.Decode(picture)
	if err != nil {
		w.t.Fatalf("no code to be read on the page at %s: %v", w.at(), err)
	}
	return link
}

func (w *window) waits(selector string) {
	w.t.Helper()
	w.do("waiting for "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
}

var twoDigits = regexp.MustCompile(`\d\d`)

// number is what the window shows for the phone.
func (w *window) number() string { w.t.Helper(); return twoDigits.FindString(w.text(".number")) }

// signsIn goes past the simulator's question who this phone's person is.
func (w *window) signsIn(person string) {
	w.t.Helper()
	w.press("button[value=" + person + "]")
}

// enters types a number into the phone's page, whose field has the focus from the start, and sends
// it.
func (w *window) enters(number string) {
	w.t.Helper()
	if at := eval[string](w, `document.activeElement.id`); at != "number" {
		w.t.Errorf("the focus is at %q", at)
	}
	w.do("typing a number", chromedp.SendKeys(chromedp.CSS("#number"), number))
	w.press("form.answer button")
}

func TestScan(t *testing.T) {
	t.Parallel()
	for _, l := range looks {
		t.Run(l.String(), func(t *testing.T) {
			t.Parallel()
			g := startGateway(t)
			w, phone := open(t, &g.addresses, l), g.inWeChat(t, l.lang)
			w.visit(g.gateway + "/sign-in?return=/")
			first, done := "main#scan_code", "main#scan_scanned"
			if l.width < 600 {
				first, done = "main#scan_copy", ""
			}
			w.waits(first)
			if strings.HasSuffix(first, "code") {
				command(w, emulation.SetEmulatedMedia,
					emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme",
						Value: "dark"}}})
				w.see("scan-dark")
				w.readsCode()
				command(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})
			}
			w.see(strings.TrimPrefix(strings.ReplaceAll(first, "_", "-"), "main#"))
			if done == "" && !eval[bool](w, "document.getElementById('copy').getBoundingClientRect().bottom < 664") {
				t.Error("the copy button is below the fold of a small phone")
			}
			link := w.readsCode()
			if !strings.HasPrefix(link, g.gateway+"/scan/") {
				t.Fatalf("the code says %s", link)
			}
			phone.visit(link)
			phone.signsIn("alice")
			phone.waits("main#scan_ask")
			phone.see(fmt.Sprintf("scan-phone-ask-of-%d", l.width))
			if done != "" {
				w.waits("main#scan_opened") // 扫描成功, as on WeChat's own page
				w.see("scan-opened")
			}
			phone.press(`form[action="/scan/continue"] button`)
			phone.waits("main#scan_number")
			phone.see(fmt.Sprintf("scan-phone-number-of-%d", l.width))
			title := ""
			if done == "" {
				// The same page continues as on a desktop, with the name of the user and the number.
				done = "main#scan_scanned"
			}
			w.waits(done) // without a press: the script watches
			if title = eval[string](w, "document.title"); !strings.Contains(title, "Example Login") ||
				strings.Contains(title, "Scan to") {
				t.Errorf("the title is still %q", title)
			}
			if live := w.text("#live"); live == "" {
				t.Error("a screen reader hears nothing")
			}
			w.see("scan-held")
			phone.enters(w.number())
			// The page continues after two seconds. A slow machine may miss it.
			w.waits("main#scan_signed_in, main#own")
			if eval[string](w, `document.querySelector("main").id`) == "scan_signed_in" {
				w.glance("scan-in")
			}
			w.waits("main#own") // redirected automatically to the return address
			phone.waits("main#scan_done")
			phone.see(fmt.Sprintf("scan-phone-done-of-%d", l.width))
			if times := w.text("main .rows"); strings.Contains(times, "UTC") || !strings.Contains(times, "20") {
				t.Errorf("times that are not in the browser's zone: %s", times)
			}
			phone.press(`form[action="/scan/undo"] button`)
			phone.waits("main#scan_undone")
			phone.see(fmt.Sprintf("scan-phone-undone-of-%d", l.width))
			w.visit(g.gateway + "/")
			w.waits("main#welcome")
		})
	}
}

func TestScanEndsAsThePhoneSays(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"en", "zh-CN"} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			g := startGateway(t)
			w, phone := open(t, &g.addresses, look{lang, 1280}), g.inWeChat(t, lang)
			w.visit(g.gateway + "/sign-in?return=/")
			phone.visit(w.readsCode())
			phone.signsIn("alice")
			phone.press(`form[action="/scan/answer"] button`)
			phone.waits("main#scan_declined")
			phone.see("scan-phone-said-no")
			w.waits("main#scan_refused")
			w.see("scan-refused")
			w.press(`form[action^="/scan/renew"] button`)

			phone.visit(w.readsCode())
			phone.press(`form[action="/scan/continue"] button`)
			w.waits("main#scan_scanned")
			eval[string](phone, `(() => { document.querySelector("form.answer").noValidate = true; return "" })()`)
			phone.enters("7")
			phone.waits("#malformed")
			phone.see("scan-phone-malformed")
			phone.enters(otherNumber(w.number()))
			phone.waits("main#scan_mismatch")
			phone.see("scan-phone-mismatch")
			w.waits("main#scan_wrong")
			w.see("scan-wrong")
			w.press(`form[action^="/scan/renew"] button`)

			// Another phone is first; the desktop takes a new code.
			link := w.readsCode()
			other := g.inWeChat(t, lang)
			other.visit(link)
			other.signsIn("bob")
			other.press(`form[action="/scan/continue"] button`)
			phone.visit(link)
			phone.waits("main#scan_taken")
			phone.see("scan-phone-taken")
			w.waits("main#scan_scanned")
			w.press(`form[action^="/scan/renew"] button`)
			w.waits("main#scan_code")
			phone.visit(link)
			phone.waits("main#scan_over")
			phone.see("scan-phone-over")
			w.press(`form[action^="/scan/cancel"] button`)
			w.waits("main#scan_cancelled")
			w.see("scan-cancelled")
			// The code, opened outside WeChat.
			outside := open(t, &g.addresses, look{lang, 390})
			outside.visit(link)
			outside.waits("main#scan_here")
			outside.see("scan-here")
		})
	}
}

// Without JavaScript the page loads itself.
func TestScanWithoutJavaScript(t *testing.T) {
	t.Parallel()
	g := startGateway(t)
	w, phone := open(t, &g.addresses, looks[0]), g.inWeChat(t, "en")
	command(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	w.visit(g.gateway + "/sign-in?return=/")
	picture := ask(w, "taking a picture", chromedp.FullScreenshot(100))
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	link, err := go_qr.Decode(img)
	if err != nil {
		t.Fatal(err)
	}
	phone.visit(link)
	phone.signsIn("alice")
	phone.press(`form[action="/scan/continue"] button`)
	w.waits("main#scan_scanned")
	phone.enters(w.number())
	w.waits("main#own")
}
