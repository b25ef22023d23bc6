package login_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/login"
)

func allKinds() []login.PageKind {
	return []login.PageKind{
		login.PageOpenInWeChat, login.PageOpenElsewhere, login.PageMiniProgram, login.PageProfile,
		login.PageSnapshot, login.PageDenied,
		login.PageSignOut,
		login.PageSignedOut, login.PageLost, login.PageNoCookies, login.PageLoop, login.PageAgain, login.PageRefused,
		login.PageSuspect, login.PageConsent,
		login.PageUserRestricted,
		login.PageBusy, login.PageFault, login.PageBadReturn, login.PageBadRequest, login.PageForeignForm, login.PageNotFound,
		login.PageMethod,
	}
}

// write shows a page by WritePage.
func write(s *fixture, p login.Page) (int, http.Header, string) {
	b := s.browser()
	s.mux = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.handler.WritePage(w, r, p) })
	res := b.get("/")
	return res.StatusCode, res.Header, text(res)
}

func words(t *testing.T, lang string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile("pages/" + lang + ".json")
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// Both languages say the same things, nothing is missing, nothing is unused.
func TestCataloguesAreEqual(t *testing.T) {
	t.Parallel()
	en, zh := words(t, "en"), words(t, "zh-CN")
	used := map[string]bool{"copy.label": true, "copy.do": true, "copy.done": true,
		"website": true, "without": true, "request": true, "sign_out.do": true,
		"sign_out.cancel": true}
	for _, kind := range allKinds() {
		for _, part := range []string{".title", ".text", ".button"} {
			used[string(kind)+part] = true
		}
	}
	// have a link or a form of their own
	noButton := []string{"open_in_wechat.button", "open_elsewhere.button", "mini_program.button", "sign_out.button"}
	for key := range used {
		if !slices.Contains(noButton, key) && (en[key] == "" || zh[key] == "") {
			t.Errorf("%s: en %q, zh-CN %q", key, en[key], zh[key])
		}
	}
	for key, text := range en {
		if !used[key] || strings.Count(text, "\n") != strings.Count(zh[key], "\n") {
			t.Errorf("en: %s is not used, or has other paragraphs in zh-CN", key)
		}
	}
	for key := range zh {
		if _, found := en[key]; !found {
			t.Errorf("zh-CN: %s is not in en", key)
		}
	}
	layout, err := os.ReadFile("pages/page.html")
	if err != nil {
		t.Fatal(err)
	}
	bare := regexp.MustCompile(`(?s)<style>.*</style>|<script>.*</script>|{{.*?}}|<[^>]*>`).
		ReplaceAllString(string(layout), "")
	if strings.TrimSpace(bare) != "" {
		t.Errorf("the template holds text: %q", strings.TrimSpace(bare))
	}
}

const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>'{{.}}` + "\u202e\x07"

var (
	anyTag      = regexp.MustCompile(`<[^>]*>`)
	anyValue    = regexp.MustCompile(`"[^"]*"`)
	scriptTag   = regexp.MustCompile(`(?i)^<(script|img|iframe)|\s(on|style)[a-z]*=`)
	scriptValue = regexp.MustCompile(`(?i)"(javascript|data):`)
)

// ownIcon matches the icon of the built-in pages.
var ownIcon = regexp.MustCompile(`<link rel="icon" href="data:image/svg&#43;xml;base64,[0-9A-Za-z/=&#;]*">`)

// Every kind, in both languages, empty and with data that wants to be markup.
func TestPagesStayPages(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("pages/page.js")
	if err != nil {
		t.Fatal(err)
	}
	ownScript := "<script>" + string(script) + "</script>"
	s := newFixture(t)
	for _, lang := range []string{"en", "zh-CN"} {
		for _, kind := range allKinds() {
			for name, p := range map[string]login.Page{
				"empty": {},
				"hostile": {
					RequestID: hostile, AgainURL: "javascript:alert(1)//" + hostile, WithoutURL: "javascript:alert(2)",
					WebsiteURL: "data:text/html," + hostile,
					CopyURL:    hostile, DeclineURL: "javascript:alert(3)", SignOutURL: "javascript:alert(4)",
					CancelURL: "javascript:alert(5)", Return: hostile,
					Nickname: hostile, Text: hostile,
				},
			} {
				p.Kind, p.Lang, p.Status = kind, lang, 200
				status, header, body := write(s, p)
				where := lang + " " + string(kind) + " " + name
				if status != 200 || !strings.Contains(body, `<html lang="`+lang+`">`) ||
					!strings.Contains(body, "<h1>"+words(t, lang)[string(kind)+".title"]) {
					t.Fatalf("%s: %d %s", where, status, body)
				}
				body = strings.Replace(ownIcon.ReplaceAllString(body, ""), ownScript, "", 1)
				for _, tag := range anyTag.FindAllString(body, -1) {
					bare := anyValue.ReplaceAllString(tag, `""`)
					if scriptTag.MatchString(bare) || scriptValue.MatchString(tag) {
						t.Errorf("%s: %s", where, tag)
					}
				}
				if header.Get("Content-Type") != "text/html; charset=utf-8" || header.Get("Content-Language") != lang {
					t.Errorf("%s: headers %v", where, header)
				}
			}
		}
	}
}

// The policy allows the one style sheet, no script, and forms to the own origin and return hosts.
func TestPolicyMatchesTheStyle(t *testing.T) {
	t.Parallel()
	s := newFixture(t, withReturnHosts)
	res := s.browser().get("/sign-in/lost")
	policy, body := res.Header.Get("Content-Security-Policy"), text(res)
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(body)
	if style == nil {
		t.Fatal("no style")
	}
	sum := sha256.Sum256([]byte(style[1]))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; form-action 'self' https://app.example.com http://127.0.0.1:3000 https://docs.example.com " +
		"https://shop.example.com; base-uri 'none'; frame-ancestors 'none'"
	if policy != want {
		t.Errorf("policy %q\nwant   %q", policy, want)
	}
	if res.Header.Get("Referrer-Policy") != "no-referrer" || res.Header.Get("Cache-Control") != "no-store" ||
		res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", res.Header)
	}
}

// Only a page with a link to copy has a script. Its policy allows this script and no other.
func TestPolicyAllowsTheCopyButton(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	plain := s.browser().get("/sign-in/lost").Header.Get("Content-Security-Policy")
	b := s.browser()
	b.agent = uaPhone
	res := b.get("/sign-in?return=/")
	body := text(res)
	script := regexp.MustCompile(`(?s)<script>(.*)</script>`).FindStringSubmatch(body)
	if script == nil || !strings.Contains(body, `<button class="button" id="copy" type="button" data-done="Copied">`) {
		t.Fatalf("no script, or no button: %s", body)
	}
	sum := sha256.Sum256([]byte(script[1]))
	want := plain + "; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	if got := res.Header.Get("Content-Security-Policy"); got != want || strings.Contains(plain, "script-src") {
		t.Errorf("policy %q\nwant   %q", got, want)
	}
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for header, want := range map[string]string{
		"": "en", "en": "en", "zh-CN,zh;q=0.9,en;q=0.8": "zh-CN", "zh-TW": "zh-CN", "ZH": "zh-CN",
		"en-US,en;q=0.9,zh-CN;q=0.8": "en",
		"fr,zh;q=0.5":                "zh-CN", "fr": "en", "zh;q=0,en;q=0.1": "en", "zh;q=x": "en",
		"en;q=0.2, zh;q=0.3": "zh-CN",
		",,;":                "en",
	} {
		b := s.browser()
		b.headers.Set("Accept-Language", header)
		if res := b.get("/sign-in/lost"); res.Header.Get("Content-Language") != want {
			t.Errorf("%q: %s, want %s", header, res.Header.Get("Content-Language"), want)
		}
	}
}

// An error page names the request as the log does.
func TestErrorPageNamesItsRequest(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	body := s.wantPage(s.browser().get("/sign-in/lost"), login.PageNoCookies, 400)
	if !regexp.MustCompile(`<code>[A-Z2-7]{10}</code>`).MatchString(body) {
		t.Errorf("page: %s", body)
	}
}

func TestAppMayShowItsOwnPages(t *testing.T) {
	t.Parallel()
	var s *fixture
	s = newFixture(t, func(c *login.Config) {
		c.RenderPage = func(w http.ResponseWriter, r *http.Request, p login.Page) {
			if p.Kind == login.PageDenied {
				w.WriteHeader(p.Status)
				_, _ = w.Write([]byte("ours: " + p.AgainURL))
				return
			}
			s.handler.WritePage(w, r, p)
		}
	})
	b := s.browser()
	state := b.begin("/sign-in")
	if got := text(b.get("/wechat/callback?state=" + state)); got != "ours: https://app.example.com/sign-in?return=%2F" {
		t.Errorf("page: %s", got)
	}
	s.wantPage(b.get("/sign-in/nothing"), login.PageNotFound, 404)
}

// Pages of a made-up kind are a mistake in the app, not half a page.
func TestMadeUpPageKind(t *testing.T) {
	t.Parallel()
	for _, p := range []login.Page{{Kind: "made_up", Lang: "en", Status: 200},
		{Kind: login.PageLost, Lang: "fr", Status: 200}} {
		if status, _, body := write(newFixture(t), p); status != 500 || body != "Internal Server Error\n" {
			t.Errorf("%d %s", status, body)
		}
	}
}

// A nickname or avatar comes from a stranger.
func TestAvatarsFromElsewhereAreNotShown(t *testing.T) {
	t.Parallel()
	for avatar, want := range map[string]string{
		"https://thirdwx.qlogo.cn/mmopen/a/132":       "https://thirdwx.qlogo.cn/mmopen/a/132",
		"http://wx.qlogo.cn/mmopen/a/0":               "https://wx.qlogo.cn/mmopen/a/0",
		"http://127.0.0.1:8090/avatar/alice":          "http://127.0.0.1:8090/avatar/alice",
		"http://127.0.0.1:8091/avatar/alice":          "",
		"https://qlogo.cn.evil.example/a":             "",
		"https://evilqlogo.cn/a":                      "",
		"https://thirdwx.qlogo.cn@evil.example/a":     "",
		"https://x:y@thirdwx.qlogo.cn/a":              "",
		"https://evil.example/?thirdwx.qlogo.cn":      "",
		"https://evil.example\\.qlogo.cn/a":           "",
		"//thirdwx.qlogo.cn/a":                        "",
		"/a":                                          "",
		"javascript:alert(1)//thirdwx.qlogo.cn":       "",
		"data:image/svg+xml,<svg/>":                   "",
		`https://thirdwx.qlogo.cn/"onerror=alert(1)"`: "",
		"": "",
		"https://thirdwx.qlogo.cn/" + strings.Repeat("a", 1000): "",
	} {
		s := newFixture(t, func(c *login.Config) { c.AvatarHosts = []string{"http://127.0.0.1:8090"} })
		s.mustAnswer("snsapi_userinfo")
		s.wechat.profile = func() string { return profileOf(openIDOf(code("a")), "小明", avatar) }
		b := s.browser()
		s.wantGo(b.get(s.callback(code("a"), b.begin("/sign-in?scope=profile"))), "/")
		me, err := s.handler.Session(b.request("GET", "/", nil))
		if err != nil || me.AvatarURL != want || me.Nickname != "小明" {
			t.Errorf("%q became %+v, %v; want %q", avatar, me, err, want)
		}
	}
}
