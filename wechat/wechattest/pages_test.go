package wechattest_test

import (
	"bytes"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

// textKey matches a key in a template or in Go code.
var textKey = regexp.MustCompile(`(?:\.(?:Must)?Text\(?|text:|hint:|\d:|return|messageView\(r,|, )\s*` +
	`"([a-z]+(?:-[a-z]+)+|allow|deny|chrome)"(?:, "(hint-[a-z-]+)")?`)

func TestEveryTextIsUsedAndExists(t *testing.T) {
	t.Parallel()
	texts, used := wechattest.TextKeys(), map[string]bool{}
	for _, pattern := range []string{"pages/wechat-*.html", "*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range textKey.FindAllStringSubmatch(string(b), -1) {
				for _, key := range m[1:] {
					used[key] = true
				}
			}
		}
	}
	for _, key := range texts {
		if !used[key] {
			t.Errorf("the text %s is not used", key)
		}
	}
	for key := range used {
		if !slices.Contains(texts, key) && (strings.HasPrefix(key, "text-") || strings.HasPrefix(key, "hint-")) {
			t.Errorf("the text %s does not exist", key)
		}
	}
}

var (
	attribute = regexp.MustCompile(`="[^"]*"`)
	inlined   = regexp.MustCompile(`(?i)<script[^>]*>[^<]|<script>|<style|<[^>]*\s(?:style|on[a-z]+)=`)
)

// Every page in both languages, with hostile names of the app and the person.
func TestPages(t *testing.T) {
	t.Parallel()
	const evil = `<img src=x onerror=alert(1)>`
	apps := wechattest.DefaultApps()
	for i := range apps {
		apps[i].Name = evil
	}
	s := simulate(t, wechattest.Config{Apps: apps, Quirks: quick()})
	if err := s.UpdatePerson("alice", func(p *wechattest.Person) { p.Nickname = evil + "\xff" }); err != nil {
		t.Fatal(err)
	}
	cookie := s.as("alice")
	uuid, _ := s.newQR()
	pages := map[string]func(language string) got{
		"consent": func(l string) got {
			return s.get(s.authorize(s.oa, "snsapi_userinfo"), "User-Agent", inWeChat, "Cookie", cookie,
				"Accept-Language", l)
		},
		"choose": func(l string) got {
			return s.get(s.authorize(s.oa, "snsapi_base"), "User-Agent", inWeChat, "Accept-Language", l)
		},
		"confirm": func(l string) got {
			return s.get("/connect/confirm?uuid="+uuid, "User-Agent", inWeChat, "Cookie", cookie, "Accept-Language", l)
		},
		"qrconnect": func(l string) got {
			return s.get(s.qrConnect("state", evil, "redirect_uri", "http://127.0.0.1/?"+evil), "User-Agent", desktop,
				"Accept-Language", l)
		},
		"error": func(l string) got {
			return s.get(s.authorize(s.oa, "snsapi_base", "redirect_uri", evil), "User-Agent", inWeChat,
				"Accept-Language", l)
		},
		"refused": func(l string) got {
			form := s.get(s.authorize(s.oa, "snsapi_userinfo"), "User-Agent", inWeChat, "Cookie", cookie).form()
			return s.send(http.MethodPost, "/connect/oauth2/authorize_reply", with(form, "allow", "0"),
				"Accept-Language", l)
		},
		"home": func(l string) got { return s.get("/", "Accept-Language", l) },
	}
	for name, open := range pages {
		for language, mark := range map[string][2]string{
			"": {`lang="zh-CN"`, "模拟器，不是微信"}, "zh-TW,zh;q=0.9,en;q=0.8": {`lang="zh-CN"`, "模拟器，不是微信"},
			"en-GB,en;q=0.9,zh;q=0.5": {`lang="en"`, "simulator – not WeChat"}, "fr": {`lang="zh-CN"`, "模拟器，不是微信"},
		} {
			g := open(language)
			if g.status != http.StatusOK || g.header.Get("Content-Type") != "text/html; charset=utf-8" ||
				!strings.Contains(g.body, mark[0]) || !strings.Contains(g.body, mark[1]) {
				t.Errorf("%s, %q: %d %s", name, language, g.status, g.body)
			}
			if strings.Contains(g.body, evil) || strings.Contains(g.body, "onerror=alert(1)>") {
				t.Errorf("%s, %q: a name became an element: %s", name, language, g.body)
			}
			csp := g.header.Get("Content-Security-Policy")
			if !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") ||
				g.header.Get("Cache-Control") != "no-store" || g.header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s: headers %v", name, g.header)
			}
			bare := attribute.ReplaceAllString(g.body, "=")
			if inline := inlined.FindString(bare); inline != "" {
				t.Errorf("%s: inline code or style %q", name, inline)
			}
		}
	}
	if g := s.get(s.qrConnect("lang", "en"), "Accept-Language", "zh-CN"); !strings.Contains(g.body, `lang="en"`) {
		t.Error("lang=en does not win over the browser's language")
	}
}

func TestTemplatesHaveNoTexts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("pages/wechat-*.html")
	if err != nil || len(files) < 6 {
		t.Fatalf("%v, %v", files, err)
	}
	tags := regexp.MustCompile(`(?s)\{\{.*?\}\}|<[^>]*>`)
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Trim(tags.ReplaceAllString(string(b), ""),
			" \n:·"); regexp.MustCompile(`\pL`).MatchString(text) {
			t.Errorf("%s: %q", name, text)
		}
	}
}

func TestPagesAcceptOnlyTheirMethods(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	for path, methods := range map[string]string{
		"/connect/oauth2/authorize": "GET", "/connect/oauth2/authorize_reply": "GET, POST",
		"/connect/qrconnect": "GET", "/connect/confirm": "GET",
		"/connect/confirm_reply": "POST", "/connect/l/qrconnect": "GET", "/connect/qrcode/x": "GET", "/": "GET",
	} {
		if g := s.send(http.MethodDelete, path, nil); g.status != http.StatusMethodNotAllowed ||
			g.header.Get("Allow") != methods {
			t.Errorf("%s: %d, Allow %q", path, g.status, g.header.Get("Allow"))
		}
	}
	if g := s.send(http.MethodHead, "/", nil); g.status != http.StatusOK || g.body != "" {
		t.Errorf("HEAD: %d %q", g.status, g.body)
	}
	for _, path := range []string{"/nothing", "/connect/simulator/wechat-error.html",
		"/connect/simulator/wechat-../../doc.go", "/connect/simulator/", "/mmopen/vi_32/alice/7", "/mmopen/alice"} {
		if g := s.get(path); g.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, g.status)
		}
	}
}

func TestHeadRequestDoesNotScan(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{Quirks: quick()})
	uuid, _ := s.newQR()
	s.send(http.MethodHead, "/connect/confirm?uuid="+uuid, nil, "User-Agent", inWeChat, "Cookie", s.as("alice"))
	if got := s.poll(uuid, ""); !strings.Contains(got, "=408;") {
		t.Error(got)
	}
}

func TestPicturesOfPeople(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	seen := map[string]string{}
	for _, who := range []string{"alice", "bob"} {
		for size, pixels := range map[string]int{"0": 640, "46": 46, "64": 64, "96": 96, "132": 132} {
			g := s.get("/mmopen/vi_32/"+who+"/"+size, "Host", "thirdwx.qlogo.cn")
			img, err := png.Decode(bytes.NewReader([]byte(g.body)))
			if err != nil || img.Bounds().Dx() != pixels || img.Bounds().Dy() != pixels ||
				g.header.Get("Content-Type") != "image/png" {
				t.Errorf("%s %s: %v, %v", who, size, err, g.header)
			}
			seen[who+size] = g.body
		}
	}
	if seen["alice96"] == seen["bob96"] || seen["alice96"] != s.get("/mmopen/vi_32/alice/96").body {
		t.Error("a picture is not that of one person")
	}
	f := s.signIn(s.oa, "alice", "snsapi_userinfo")
	for host, want := range map[string]string{"127.0.0.1:8090": "http://127.0.0.1:8090/mmopen/vi_32/alice/132",
		"api.weixin.qq.com": "https://thirdwx.qlogo.cn/mmopen/vi_32/alice/132"} {
		g := s.get("/sns/userinfo?"+query("access_token", f.AccessToken, "openid", f.OpenID), "Host", host)
		if u := parse(t, g.body).Headimgurl; u != want {
			t.Errorf("asked at %s: %s, want %s", host, u, want)
		}
	}
}
