package relay_test

import (
	"net/http"
	"testing"

	"github.com/weigate/weigate/internal/relay"
)

// A page of the app's host that redirects to an address in its query would send the code to an
// attacker. With a path in return_urls, no such page receives a code.
func TestCodeIsNotSentToAnOpenRedirectOfTheHost(t *testing.T) {
	t.Parallel()
	g := newFixture(t, func(c *relay.Config) {
		c.Apps[0].ReturnURLs = []string{"https://shop.example.com/wechat/cb", "https://shop.example.com/old/",
			"http://intranet.example.com/cb"}
	})
	for to, allowed := range map[string]bool{
		"https://shop.example.com/wechat/cb":         true,
		"https://shop.example.com/wechat/cb?a=b#c":   true,
		"https://shop.example.com/wechat/cb/":        true,
		"https://shop.example.com/wechat/cb/deeper":  true,
		"HTTPS://SHOP.example.com:443/wechat/cb":     true,
		"https://shop.example.com/old/":              true,
		"https://shop.example.com/old/any/path?x=/.": true,
		"http://intranet.example.com/cb":             true,
		"http://intranet.example.com:80/cb?x=1":      true,

		"https://shop.example.com":                                false,
		"https://shop.example.com/":                               false,
		"https://shop.example.com/go?to=https://evil.example":     false,
		"https://shop.example.com/wechat":                         false,
		"https://shop.example.com/wechat/":                        false,
		"https://shop.example.com/wechat/cbx":                     false,
		"https://shop.example.com/wechat/cb-admin":                false,
		"https://shop.example.com/wechat/cb;x":                    false,
		"https://shop.example.com/wechat/cb%2f..%2f..%2fgo":       false,
		"https://shop.example.com/WeChat/cb":                      false,
		"https://shop.example.com/old":                            false,
		"https://shop.example.com/older/":                         false,
		"https://shop.example.com/old/../go":                      false,
		"https://shop.example.com/old/./../go":                    false,
		"https://shop.example.com/old/%2e%2e/go":                  false,
		"https://shop.example.com/old/.%2E/go":                    false,
		"https://shop.example.com/old/%252e%252e/go":              false,
		"https://shop.example.com/old/%25252e%25252e/go":          false,
		"https://shop.example.com/old/..%2fgo":                    false,
		"https://shop.example.com/old/..%5cgo":                    false,
		"https://shop.example.com/old/..;/go":                     false,
		"https://shop.example.com/old/..;x=y/go":                  false,
		"https://shop.example.com/old/..%20/go":                   false,
		"https://shop.example.com/old/..%00/go":                   false,
		"https://shop.example.com/old/..%00x/go":                  false,
		"https://shop.example.com/old/%c0%ae%C0%AE/go":            false,
		"https://shop.example.com/old/..%c0%afgo":                 false,
		"https://shop.example.com/old/%EF%BC%8E./go":              false,
		"https://shop.example.com/old/．．／go":                      false,
		"https://shop.example.com/old/.../go":                     true,
		"https://shop.example.com/old/登录":                         true,
		"https://shop.example.com/old/%2e%2e;x=y/go":              false,
		"https://shop.example.com/old/%zz/../go":                  false,
		"http://shop.example.com/wechat/cb":                       false,
		"http://shop.example.com:443/wechat/cb":                   false,
		"https://intranet.example.com/cb":                         false,
		"https://shop.example.com:8443/wechat/cb":                 false,
		"https://shop.example.com?/wechat/cb":                     false,
		"https://shop.example.com#/wechat/cb":                     false,
		"https://shop.example.com/go?x=/wechat/cb":                false,
		"https://evil.example/https://shop.example.com/old/":      false,
		"https://evil.example?https://shop.example.com/wechat/cb": false,
	} {
		w := g.authorize("snsapi_base", "redirect_uri", to)
		if got := w.Header().Get("Location") != ""; got != allowed || !allowed && w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d, to %q", to, w.Code, w.Header().Get("Location"))
		}
	}
}

// An app that lists http may use http, and only there.
func TestCodeIsNotSentOverPlainHTTPUnlessListed(t *testing.T) {
	t.Parallel()
	g := newFixture(t)
	for to, allowed := range map[string]bool{
		"http://shop.example.com/callback": false, "http://shop.example.com:80/": false,
		"http://127.0.0.1:8080/x": true, "https://shop.example.com/callback": true,
	} {
		if w := g.authorize("snsapi_base", "redirect_uri", to); (w.Header().Get("Location") != "") != allowed {
			t.Errorf("%s: %d, to %q", to, w.Code, w.Header().Get("Location"))
		}
	}
}
