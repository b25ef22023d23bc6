package e2e_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/weigate/weigate/wechat/wechattest"
)

// TestWithoutJavaScript goes the main way in a browser that runs no scripts.
func TestWithoutJavaScript(t *testing.T) {
	t.Parallel()
	site := newDemoFixture(t, wechattest.Quirks{})
	w := open(t, &site.addresses, desktop)
	command(w, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	w.signIn()
	w.press("#add-profile")
	w.press("button.allow")
	w.signedIn("snsapi_userinfo", "Alice")
	w.press("#sign-out")
	w.signedOut()
}

// TestWithTheKeyboard goes the main way without a mouse.
func TestWithTheKeyboard(t *testing.T) {
	t.Parallel()
	site := newDemoFixture(t, wechattest.Quirks{})
	w := open(t, &site.addresses, desktop)
	w.visit(site.sample())
	for _, selector := range []string{"#sign-in-profile", "button[value=alice]", "button.allow"} {
		w.tabTo(selector)
		w.arrive("pressing Enter on "+selector, chromedp.KeyEvent(kb.Enter))
	}
	w.signedIn("snsapi_userinfo", "Alice")
	w.tabTo("#sign-out")
	w.arrive("pressing Enter", chromedp.KeyEvent(kb.Enter))
	w.signedOut()
}

// tabTo presses Tab until the focus is on what the selector finds, and wants it to be seen.
func (w *window) tabTo(selector string) {
	w.t.Helper()
	for range 120 {
		w.do("pressing Tab", chromedp.KeyEvent(kb.Tab))
		if eval[bool](w, `document.activeElement.matches(`+"`"+selector+"`"+`)`) {
			if !eval[bool](w, `(() => {
				const s = getComputedStyle(document.activeElement);
				return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== "none";
			})()`) {
				w.t.Errorf("%s does not show the focus", selector)
			}
			return
		}
	}
	w.t.Fatalf("Tab does not reach %s at %s; the focus is on %s", selector, w.at(),
		eval[string](w, "document.hasFocus() + ' ' + document.activeElement.outerHTML.slice(0, 200)"))
}

// withoutCookies makes a window that keeps no cookies: its way to the network takes them out of
// every answer.
func withoutCookies(t *testing.T) chromedp.CreateBrowserContextOption {
	t.Helper()
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {}, // the request has the whole address already
		Transport: &http.Transport{DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				_, port, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}
				return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
			}},
		ModifyResponse: func(r *http.Response) error {
			r.Header.Del("Set-Cookie")
			return nil
		},
	})
	t.Cleanup(proxy.Close)
	return func(p *target.CreateBrowserContextParams) {
		p.ProxyServer, p.ProxyBypassList = proxy.URL, "<-loopback>"
	}
}
