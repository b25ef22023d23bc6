package simulator_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/simulator"
	"github.com/weigate/weigate/wechat/wechattest"
)

// TestPagesInBothLanguages requests every page in both languages, first without data, then with
// hostile data.
func TestPagesInBothLanguages(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{})
	hostile := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Refresh", `5; url=/"><script>alert(1)</script>`)
		writeHTML(w, `<title>"><script>alert(1)</script></title><p>x`)
	})
	for _, filled := range []bool{false, true} {
		if filled {
			open(t, d.sim.Phone("markup"), hostile)
			open(t, d.sim.Phone("alice"), authorizeURL(d.base, d.sim.Apps()[0].AppID, "snsapi_userinfo", hostile))
			d.openQRPage(hostile, `"><script>`)
			d.sim.Fail(wechattest.Fault{Body: `"><script>alert(1)</script>`})
			d.sim.UpdateQuirks(func(s *wechattest.Quirks) { s.Suffix = wechattest.SuffixNone })
		}
		for path, status := range map[string]int{"/": 200, "/phones/alice": 200, "/phones/markup": 200, "/apps": 200,
			"/phones/markup/chats/wx5f1e0a7b3c2d4e61": 200, "/phones/alice/chats/wx7e57acc000000002?note=no_menu": 200,
			"/phones/alice/chats/wx3eb517e000000003": 404, "/phones/nobody/chats/wx5f1e0a7b3c2d4e61": 404,
			"/quirks": 200,
			"/faults": 200, "/log": 200, "/nothing": 404, "/phones/nobody": 404} {
			for _, lang := range []string{"en", "zh-CN,zh;q=0.9,en;q=0.8"} {
				res, body := d.send("GET", path, "", "Accept-Language", lang)
				if res.StatusCode != status {
					t.Errorf("%s: %d, want %d", path, res.StatusCode, status)
				}
				for _, bad := range []string{"%!", "<script>", "ZgotmplZ", "<no value>"} {
					if strings.Contains(body, bad) {
						t.Errorf("%s in %s has %q in it", path, lang, bad)
					}
				}
				if want := `<html lang="` + lang[:2]; !strings.Contains(body, want) {
					t.Errorf("%s for %s is not in that language", path, lang)
				}
				policy := res.Header.Get("Content-Security-Policy")
				if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") ||
					res.Header.Get("Referrer-Policy") != "no-referrer" {
					t.Errorf("%s: policy %q, referrer %q", path, policy, res.Header.Get("Referrer-Policy"))
				}
				if strings.Contains(body, " style=") || strings.Contains(body, "<style") ||
					strings.Contains(body, " onclick") {
					t.Errorf("%s has a style or a script inline, which its policy forbids", path)
				}
			}
		}
	}
}

// English is enough: package lang requires the same texts in both languages.
func TestEveryQuirkHasAText(t *testing.T) {
	t.Parallel()
	texts, _ := simulator.English()
	for _, name := range simulator.QuirkNames() {
		if !texts.Has("quirk-" + name) {
			t.Errorf("the quirk %s has no text on the control page", name)
		}
	}
}

// Two forms complete the sign-in with a website app, without JavaScript: scan and allow.
func TestScanAndAllow(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{})
	d.openQRPage("http://127.0.0.1:9/cb", "x")
	link := d.sim.QRCodes()[0].Link
	if _, body := d.send("GET", "/", ""); !strings.Contains(body, link) {
		t.Fatal("the waiting code is not on the page")
	}
	res, _ := d.send("POST", "/scan", url.Values{"person": {"xiaoming"}, "at": {link}}.Encode(), "Sec-Fetch-Site",
		"same-origin")
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/phones/xiaoming" {
		t.Fatalf("scan: %d to %s", res.StatusCode, res.Header.Get("Location"))
	}
	d.send("POST", "/phones/xiaoming", "do=allow", "Sec-Fetch-Site", "same-origin")
	if n := len(d.sim.QRCodes()); n != 0 {
		t.Errorf("%d codes wait after both presses", n)
	}
}

func TestOtherSitesCannotChangeTheSimulator(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{})
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
	}{
		{"a form of another site", "POST", "/quirks", "anyBrowser=true",
			[]string{"Sec-Fetch-Site", "cross-site", "Origin", "http://evil.test"}},
		{"a form of another port", "POST", "/quirks", "anyBrowser=true", []string{"Sec-Fetch-Site", "same-site"}},
		{"a form of a page on a phone", "POST", "/quirks", "anyBrowser=true",
			[]string{"Sec-Fetch-Site", "cross-site", "Origin", "null"}},
		{"an old browser", "POST", "/quirks", "anyBrowser=true", []string{"Origin", "http://evil.test"}},
		{"a script of another site", "POST", "/api/quirks", `{"anyBrowser":true}`,
			[]string{"Sec-Fetch-Site", "cross-site", "Origin", "http://evil.test", "Content-Type", "text/plain"}},
		{"DNS rebinding", "POST", "/quirks", "anyBrowser=true",
			[]string{"Host", "evil.test", "Sec-Fetch-Site", "same-origin", "Origin", "http://evil.test"}},
		{"DNS rebinding, JSON API", "POST", "/api/quirks", `{"anyBrowser":true}`,
			[]string{"Host", "evil.test"}},
		{"WeChat's own name", "POST", "/quirks", "anyBrowser=true", []string{"Host", "open.weixin.qq.com"}},
		{"a guessed frame", "POST", "/f/aaaaaaaaaaaaaaaaaaaaaaaaaa/submit?u=http://127.0.0.1/", "", nil},
	} {
		res, _ := d.send(c.method, c.path, c.body, c.header...)
		if res.StatusCode < 400 {
			t.Errorf("%s: %d", c.name, res.StatusCode)
		}
		if d.sim.Quirks().AnyBrowser {
			t.Fatalf("%s changed a quirk", c.name)
		}
	}
	for _, host := range []string{"evil.test", "evil.test:80", "127.0.0.1.evil.test"} {
		if res, body := d.send("GET", "/phones/alice", "", "Host",
			host); res.StatusCode != http.StatusMisdirectedRequest || strings.Contains(body, "/f/") {
			t.Errorf("a page for %s: %d", host, res.StatusCode)
		}
	}
	for _, host := range []string{"localhost:1", "sim.localhost", "127.0.0.1", "[::1]:80", "192.168.1.7:8091"} {
		if res, _ := d.send("GET", "/", "", "Host", host); res.StatusCode != http.StatusOK {
			t.Errorf("a page for %s: %d", host, res.StatusCode)
		}
	}
	a, b := d.frame("alice"), d.frame("bob")
	if a == b || len(a) < len("/f/")+20 || a != d.frame("alice") {
		t.Errorf("frames %s and %s: want long paths that differ by person and stay the same", a, b)
	}
}

func TestFormsChangeTheSimulator(t *testing.T) {
	t.Parallel()
	d := newFixture(t, wechattest.Config{})
	before := d.sim.Now()
	d.send("POST", "/clock", "advance=2h&to=/log")
	if got := d.sim.Now().Sub(before); got < 7200e9 {
		t.Errorf("the clock moved by %v", got)
	}
	if res, _ := d.send("POST", "/clock", "advance=1m&to=//evil.test"); res.Header.Get("Location") != "/" {
		t.Errorf("the clock's form leads to %s", res.Header.Get("Location"))
	}
	d.send("POST", "/quirks", "doubleCallback=late&quota=7&pollWait=2s&consentAs=bob&laxOrder=true")
	s := d.sim.Quirks()
	if s.DoubleCallback != wechattest.DoubleLate || s.Quota != 7 || s.PollWait != 2e9 || s.ConsentAs != "bob" ||
		!s.LaxOrder {
		t.Errorf("quirks %+v", s)
	}
	for _, bad := range []string{"doubleCallback=sometimes", "quota=-1", "pollWait=1h", "consentAs=nobody",
		"laxOrder=maybe"} {
		if res, _ := d.send("POST", "/quirks", bad); res.StatusCode != http.StatusBadRequest || d.sim.Quirks() != s {
			t.Errorf("%s: %d", bad, res.StatusCode)
		}
	}
	d.send("POST", "/faults", "what=gateway&endpoint=/sns/auth&times=2&skip=1&after=1")
	d.send("POST", "/faults", "what=busy&endpoint=&times=1&skip=0&errcode=45011")
	f := d.sim.Faults()
	if len(f) != 2 || f[0].Status != 502 || f[0].Endpoint != "/sns/auth" || f[0].Times != 2 || f[0].Skip != 1 ||
		!f[0].AfterWork || f[1].Errcode != 45011 {
		t.Errorf("faults %+v", f)
	}
	for _, bad := range []string{"what=nothing&times=1&skip=0", "what=busy&times=0&skip=0",
		"what=busy&times=1&skip=0&endpoint=/sns/userinfos"} {
		if res, _ := d.send("POST", "/faults", bad); res.StatusCode != http.StatusBadRequest {
			t.Errorf("the fault %s: %d", bad, res.StatusCode)
		}
	}
	d.send("POST", "/faults", "do=clear")
	if n := len(d.sim.Faults()); n != 0 {
		t.Errorf("%d faults are left", n)
	}
}

// composedKeys matches the keys that code or templates compose, such as "choice-" and a name. The
// test cannot find their uses.
var composedKeys = regexp.MustCompile(`^(browser|chat-note|choice|failure|faults|kind|quirk)-`)

func TestEveryTextIsUsedAndExists(t *testing.T) {
	t.Parallel()
	texts, keys := simulator.English()
	key := regexp.MustCompile(`(?:\bt |Text\()"([a-z0-9-]+)"|` +
		`"((?:error|frame|failure|quirks|faults|nav|tag)-[a-z-]+)"`)
	used := map[string]bool{}
	for _, pattern := range []string{"*.go", "phoneview/*.go", "files/*.html"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v, %v", pattern, names, err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range key.FindAllStringSubmatch(string(b), -1) {
				used[m[1]+m[2]] = true
			}
		}
	}
	for _, k := range keys {
		if !used[k] && !composedKeys.MatchString(k) {
			t.Errorf("the text %s is not used", k)
		}
	}
	for k := range used {
		if !texts.Has(k) && !strings.HasSuffix(k, "-") {
			t.Errorf("the text %s does not exist", k)
		}
	}
	for _, reason := range []string{"host", "name", "refused", "timeout", "certificate", "broken", "redirects",
		"scheme", "address"} {
		const app = "http://app.example"
		if !strings.Contains(texts.MustText("failure-"+reason, "address", app), app) {
			t.Errorf("the failure %s has no text with the address", reason)
		}
	}
}
