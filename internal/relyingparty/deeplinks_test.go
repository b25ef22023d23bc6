package relyingparty_test

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/wechat/wechattest"
)

// preflightPasses sends a CORS preflight, as browsers do: without cookies, and with no headers of the
// visitor that the site could trust (authelia/authelia#648).
func (g *guarded) preflightPasses() {
	g.t.Helper()
	got := g.ask(nil, http.MethodOptions, "/api", "Origin", "https://app.example.com", "Access-Control-Request-Method",
		"PUT", "Accept", "*/*", "X-Weigate-User", "root", "X-Weigate-Groups", "admins")
	if got.headers == nil || got.headers.Get("X-Weigate-User") != "" || got.headers.Get("X-Weigate-Groups") != "" ||
		!strings.Contains(got.body, `"method":"OPTIONS"`) {
		g.t.Errorf("a preflight: %d %s", got.status, got.body)
	}
	g.site.reached()
	if got := g.ask(nil, http.MethodPut, "/api", "Origin", "https://app.example.com", "Access-Control-Request-Method",
		"PUT", "X-Original-Method", "OPTIONS", "X-Forwarded-Method", "OPTIONS", "Accept", "*/*",
	); got.status != http.StatusUnauthorized || len(g.site.reached()) > 0 {
		g.t.Errorf("a PUT that looks like a preflight: %d %s", got.status, got.body)
	}
}

// deepLinksComeBack opens deep links, signed out and signed in at the gateway, behind a proxy with
// default buffers. The site gets the same bytes afterwards (authelia/authelia#939, elastic/kibana#8359).
func (g *guarded) deepLinksComeBack(p phone) {
	g.t.Helper()
	open := func(link string) *wechattest.Page {
		page := p.Visit(g.origin + link)
		for fixture.PageName(page) == "continue" {
			page = p.Must(p.FollowRefresh(g.t.Context()))
		}
		return page
	}
	for _, unit := range []string{"abcdefghij", "%E9%A1%B5", "a=b&c;d+e!f*g'h,i:j@k(l)m~n%2Ao%27p/q?r"} {
		for _, size := range []int{900, 1050, 1250, 1500, 4000, 8000} {
			if size == 8000 && strings.Contains(unit, "*") {
				size = 6500 // some of its characters need three bytes each
			}
			link := "/app?_g=("
			link += strings.Repeat(unit, (size-len(link))/len(unit))
			link += strings.Repeat("x", size-len(link))
			p.ClearCookies()
			for _, what := range []string{"signed out", "signed in", "signed in on the host"} {
				page := open(link)
				var told struct{ Path string }
				if err := json.Unmarshal([]byte(page.Body), &told); err != nil || told.Path != link || page.URL != g.origin+link {
					g.t.Errorf("%s, %d bytes: the site was asked for %.60q…, %d bytes; the phone is at %.120s, %d, by %.600v\n%.300s",
						what, size, told.Path, len(told.Path), page.URL, page.Status, page.Hops, page.Body)
				}
				if what == "signed out" { // of the host, next
					p.Visit(g.origin + "/.weigate/sign-out")
					p.Must(p.Submit(g.t.Context(), "", nil))
				}
			}
		}
	}
	g.site.reached()
}
