package simulator_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/simulator"
	"github.com/weigate/weigate/wechat/wechattest"
)

// desk is a simulator with its control page, and a person in front of it.
type desk struct {
	t       *testing.T
	sim     *wechattest.Server
	base    string // of the simulator
	control string // of the control page
}

// newSim returns a simulator and its address.
func newSim(t *testing.T, cfg wechattest.Config) (*wechattest.Server, string) {
	t.Helper()
	sim, err := wechattest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	return sim, serve(t, sim.ServeHTTP)
}

// serve serves a handler on loopback and returns its address.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func writeHTML(w http.ResponseWriter, format string, v ...any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, format, v...)
}

func authorizeURL(base, appid, scope, callback string) string {
	return base + "/connect/oauth2/authorize?appid=" + appid + "&redirect_uri=" + url.QueryEscape(callback) +
		"&response_type=code&scope=" + scope + "&state=abc#wechat_redirect"
}

func open(t *testing.T, phone *wechattest.Phone, address string) {
	t.Helper()
	if _, err := phone.Open(t.Context(), address); err != nil {
		t.Fatal(err)
	}
}

func newDesk(t *testing.T, cfg wechattest.Config) *desk {
	t.Helper()
	sim, base := newSim(t, cfg)
	server := httptest.NewServer(simulator.New(simulator.Config{Server: sim}))
	t.Cleanup(server.Close)
	return &desk{t: t, sim: sim, base: base, control: server.URL}
}

// ask sends a request as a browser does; header is pairs.
func (d *desk) ask(method, path, body string, header ...string) (*http.Response, string) {
	d.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = d.control + path
	}
	req, err := http.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if req.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return res, string(b)
}

// frame is the path of a person's frame.
func (d *desk) frame(person string) string {
	d.t.Helper()
	_, body := d.ask("GET", "/phones/"+person, "")
	m := regexp.MustCompile(`src="(/f/[a-z0-9]+)/view"`).FindStringSubmatch(body)
	if m == nil {
		d.t.Fatalf("the phone page of %s has no frame", person)
	}
	return m[1]
}

// Every page, in both languages, with nothing on it and with everybody's unkind names and pages on
// it.
func TestControlPagesAreWholeInBothLanguages(t *testing.T) {
	t.Parallel()
	d := newDesk(t, wechattest.Config{})
	hostile := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Refresh", `5; url=/"><script>alert(1)</script>`)
		writeHTML(w, `<title>"><script>alert(1)</script></title><p>x`)
	})
	for _, filled := range []bool{false, true} {
		if filled {
			open(t, d.sim.Phone("markup"), hostile)
			open(t, d.sim.Phone("alice"), authorizeURL(d.base, d.sim.Apps()[0].AppID, "snsapi_userinfo", hostile))
			d.ask("GET", d.base+"/connect/qrconnect?appid="+d.sim.Apps()[2].AppID+"&redirect_uri="+url.QueryEscape(hostile)+`&response_type=code&scope=snsapi_login&state="><script>`, "")
			d.sim.Fail(wechattest.Fault{Body: `"><script>alert(1)</script>`})
			d.sim.UpdateQuirks(func(s *wechattest.Quirks) { s.Suffix = wechattest.SuffixNone })
		}
		for path, status := range map[string]int{"/": 200, "/phones/alice": 200, "/phones/markup": 200, "/apps": 200,
			"/quirks": 200,
			"/faults": 200, "/log": 200, "/nothing": 404, "/phones/nobody": 404} {
			for _, lang := range []string{"en", "zh-CN,zh;q=0.9,en;q=0.8"} {
				res, body := d.ask("GET", path, "", "Accept-Language", lang)
				if res.StatusCode != status {
					t.Errorf("%s: %d, want %d", path, res.StatusCode, status)
				}
				for _, bad := range []string{"⟨", "%!", "<script>", "ZgotmplZ", "<no value>"} {
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

func TestControlWordsAreTheSameInBothLanguages(t *testing.T) {
	t.Parallel()
	en, zh := simulator.Texts()
	if a, b := slices.Sorted(maps.Keys(en)), slices.Sorted(maps.Keys(zh)); !slices.Equal(a, b) {
		for _, k := range a {
			if _, ok := zh[k]; !ok {
				t.Errorf("%s is missing in Chinese", k)
			}
		}
		for _, k := range b {
			if _, ok := en[k]; !ok {
				t.Errorf("%s is missing in English", k)
			}
		}
	}
	verbs := regexp.MustCompile(`%[a-z]`)
	for k, text := range en {
		if a, b := verbs.FindAllString(text, -1), verbs.FindAllString(zh[k], -1); !slices.Equal(a, b) {
			t.Errorf("%s: verbs %v in English, %v in Chinese", k, a, b)
		}
		if strings.TrimSpace(text) == "" || strings.TrimSpace(zh[k]) == "" {
			t.Errorf("%s is empty", k)
		}
	}
	names := simulator.QuirkNames()
	for _, n := range names {
		if en["quirk-"+n] == "" {
			t.Errorf("the quirk %s has no text on the control page", n)
		}
	}
}

// A person completes a website app's login with two presses, in a browser without JavaScript.
func TestControlScansAndAllowsWithTwoPresses(t *testing.T) {
	t.Parallel()
	d := newDesk(t, wechattest.Config{})
	d.ask("GET", d.base+"/connect/qrconnect?appid="+d.sim.Apps()[2].AppID+"&redirect_uri="+url.QueryEscape("http://127.0.0.1:9/cb")+"&response_type=code&scope=snsapi_login&state=x", "")
	link := d.sim.QRCodes()[0].Link
	if _, body := d.ask("GET", "/", ""); !strings.Contains(body, link) {
		t.Fatal("the waiting code is not on the page")
	}
	res, _ := d.ask("POST", "/scan", url.Values{"person": {"xiaoming"}, "at": {link}}.Encode(), "Sec-Fetch-Site",
		"same-origin")
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/phones/xiaoming" {
		t.Fatalf("scan: %d to %s", res.StatusCode, res.Header.Get("Location"))
	}
	d.ask("POST", "/phones/xiaoming", "do=allow", "Sec-Fetch-Site", "same-origin")
	if n := len(d.sim.QRCodes()); n != 0 {
		t.Errorf("%d codes wait after both presses", n)
	}
}

func TestFrameShowsThePageAndSendsItsFormsAndLinks(t *testing.T) {
	t.Parallel()
	d := newDesk(t, wechattest.Config{})
	app := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/s.css":
			w.Header().Set("Content-Type", "text/css")
			fmt.Fprint(w, "a{b:url(p.png)}")
		case "/p.png":
			w.Header().Set("Content-Type", "image/png")
			fmt.Fprint(w, "PNG")
		case "/secret":
			fmt.Fprint(w, "not for frames")
		default:
			writeHTML(w, `%s %s %s|<script>evil()</script><a href=/two>two</a>`, r.Method, r.URL.Path, r.FormValue("q"))
		}
	})
	frame := d.frame("alice")
	if _, body := d.ask("GET", frame+"/view", ""); !strings.Contains(body, "No page open") {
		t.Errorf("the empty phone says %q", body)
	}
	d.ask("POST", "/phones/alice", url.Values{"do": {"open"},
		"at": {strings.TrimPrefix(app, "http://") + "/one"}}.Encode())
	res, body := d.ask("GET", frame+"/view", "")
	if !strings.Contains(body, "GET /one ") || strings.Contains(body, "evil") {
		t.Errorf("the frame shows %q", body)
	}
	policy := res.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "sandbox allow-forms", "base-uri 'none'",
		"form-action " + d.control + frame + "/submit", "frame-ancestors " + d.control} {
		if !strings.Contains(policy, part) {
			t.Errorf("the frame's policy %q lacks %q", policy, part)
		}
	}
	// What a sandboxed frame of an opaque origin sends.
	foreign := []string{"Origin", "null", "Sec-Fetch-Site", "cross-site"}
	res, _ = d.ask("GET", frame+"/go?u="+url.QueryEscape(app+"/two"), "", foreign...)
	if _, body = d.ask("GET", res.Header.Get("Location"), ""); res.StatusCode != http.StatusSeeOther ||
		!strings.Contains(body, "GET /two ") {
		t.Errorf("a link: %d, then %q", res.StatusCode, body)
	}
	for method, want := range map[string]string{"get": "GET /f 1 2", "post": "POST /f 1 2"} {
		d.ask("POST", frame+"/submit?m="+method+"&u="+url.QueryEscape(app+"/f"), "q=1+2", foreign...)
		if _, body = d.ask("GET", frame+"/view", ""); !strings.Contains(body, want+"|") {
			t.Errorf("a form by %s: %q, want %q", method, body, want)
		}
	}
	if _, body = d.ask("GET", frame+"/load?u="+url.QueryEscape(app+"/s.css"), ""); !strings.Contains(body,
		frame+"/load?u="+url.QueryEscape(app+"/p.png")) {
		t.Errorf("a style sheet: %q", body)
	}
	if res, body = d.ask("GET", frame+"/load?u="+url.QueryEscape(app+"/p.png"), ""); body != "PNG" ||
		!strings.Contains(res.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("a picture: %q with policy %q", body, res.Header.Get("Content-Security-Policy"))
	}
	for _, address := range []string{app + "/secret", app + "/one", "http://8.8.8.8/x.png", "file:///etc/passwd", ""} {
		if res, _ = d.ask("GET", frame+"/load?u="+url.QueryEscape(address), ""); res.StatusCode < 400 {
			t.Errorf("the frame loaded %q", address)
		}
	}
	d.ask("GET", frame+"/go?u="+url.QueryEscape("http://127.0.0.1:1/?code=PLANTED"), "")
	if _, body = d.ask("GET", frame+"/view", "", "Accept-Language", "zh-CN"); !strings.Contains(body, "没有响应") ||
		strings.Contains(body, "PLANTED") {
		t.Errorf("a dead address: %q", body)
	}
}

func TestAnotherSiteCannotPressTheControlPage(t *testing.T) {
	t.Parallel()
	d := newDesk(t, wechattest.Config{})
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
		{"a name that was pointed here", "POST", "/quirks", "anyBrowser=true",
			[]string{"Host", "evil.test", "Sec-Fetch-Site", "same-origin", "Origin", "http://evil.test"}},
		{"the same, by the JSON interface", "POST", "/api/quirks", `{"anyBrowser":true}`,
			[]string{"Host", "evil.test"}},
		{"WeChat's own name", "POST", "/quirks", "anyBrowser=true", []string{"Host", "open.weixin.qq.com"}},
		{"a guessed frame", "POST", "/f/aaaaaaaaaaaaaaaaaaaaaaaaaa/submit?u=http://127.0.0.1/", "", nil},
	} {
		res, _ := d.ask(c.method, c.path, c.body, c.header...)
		if res.StatusCode < 400 {
			t.Errorf("%s: %d", c.name, res.StatusCode)
		}
		if d.sim.Quirks().AnyBrowser {
			t.Fatalf("%s changed a quirk", c.name)
		}
	}
	for _, host := range []string{"evil.test", "evil.test:80", "127.0.0.1.evil.test"} {
		if res, body := d.ask("GET", "/phones/alice", "", "Host",
			host); res.StatusCode != http.StatusMisdirectedRequest || strings.Contains(body, "/f/") {
			t.Errorf("a page for %s: %d", host, res.StatusCode)
		}
	}
	for _, host := range []string{"localhost:1", "sim.localhost", "127.0.0.1", "[::1]:80", "192.168.1.7:8091"} {
		if res, _ := d.ask("GET", "/", "", "Host", host); res.StatusCode != http.StatusOK {
			t.Errorf("a page for %s: %d", host, res.StatusCode)
		}
	}
	a, b := d.frame("alice"), d.frame("bob")
	if a == b || len(a) < len("/f/")+20 || a != d.frame("alice") {
		t.Errorf("frames %s and %s: want long, one for each person, and lasting", a, b)
	}
}

func TestControlFormsMoveTheSimulator(t *testing.T) {
	t.Parallel()
	d := newDesk(t, wechattest.Config{})
	before := d.sim.Now()
	d.ask("POST", "/clock", "advance=2h&to=/log")
	if got := d.sim.Now().Sub(before); got < 7200e9 {
		t.Errorf("the clock moved by %v", got)
	}
	if res, _ := d.ask("POST", "/clock", "advance=1m&to=//evil.test"); res.Header.Get("Location") != "/" {
		t.Errorf("the clock's form leads to %s", res.Header.Get("Location"))
	}
	d.ask("POST", "/quirks", "doubleCallback=late&quota=7&pollWait=2s&consentAs=bob&laxOrder=true")
	s := d.sim.Quirks()
	if s.DoubleCallback != wechattest.DoubleLate || s.Quota != 7 || s.PollWait != 2e9 || s.ConsentAs != "bob" ||
		!s.LaxOrder {
		t.Errorf("quirks %+v", s)
	}
	for _, bad := range []string{"doubleCallback=sometimes", "quota=-1", "pollWait=1h", "consentAs=nobody",
		"laxOrder=maybe"} {
		if res, _ := d.ask("POST", "/quirks", bad); res.StatusCode != http.StatusBadRequest || d.sim.Quirks() != s {
			t.Errorf("%s: %d", bad, res.StatusCode)
		}
	}
	d.ask("POST", "/faults", "what=gateway&endpoint=/sns/auth&times=2&skip=1&after=1")
	d.ask("POST", "/faults", "what=busy&endpoint=&times=1&skip=0&errcode=45011")
	f := d.sim.Faults()
	if len(f) != 2 || f[0].Status != 502 || f[0].Endpoint != "/sns/auth" || f[0].Times != 2 || f[0].Skip != 1 ||
		!f[0].AfterWork || f[1].Errcode != 45011 {
		t.Errorf("faults %+v", f)
	}
	if res, _ := d.ask("POST", "/faults", "what=nothing&times=1&skip=0"); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a fault that is none: %d", res.StatusCode)
	}
	d.ask("POST", "/faults", "do=clear")
	if n := len(d.sim.Faults()); n != 0 {
		t.Errorf("%d faults are left", n)
	}
}

func TestScriptsUseTheJSONInterface(t *testing.T) {
	t.Parallel()
	d := newDesk(t, wechattest.Config{Seed: 5})
	call := func(method, path, body string, status int) map[string]any {
		t.Helper()
		res, text := d.ask(method, path, body, "Content-Type", "application/json")
		var out map[string]any
		if err := json.Unmarshal([]byte(text), &out); err != nil || res.StatusCode != status {
			t.Fatalf("%s %s %s: %d %s", method, path, body, res.StatusCode, text)
		}
		return out
	}
	if got := call("POST", "/api/quirks", `{"doubleCallback":"first","quota":9,"laxOrder":true}`,
		200); got["doubleCallback"] != "first" || got["quota"] != 9.0 || got["laxOrder"] != true {
		t.Errorf("quirks %v", got)
	}
	call("POST", "/api/quirks", `{"noQuirk":true}`, 400)
	call("POST", "/api/quirks", `{"laxOrder":[]}`, 400)
	call("POST", "/api/faults", `{"endpoint":"/sns/userinfo","errcode":-1,"times":2,"latency":"15s"}`, 200)
	call("POST", "/api/faults", `{"surprise":1}`, 400)
	state := call("GET", "/api/state", "", 200)
	if state["seed"] != "5" || len(state["faults"].([]any)) != 1 ||
		len(state["people"].([]any)) != len(d.sim.People()) {
		t.Errorf("state %v", state)
	}
	for _, a := range d.sim.Apps() {
		if strings.Contains(fmt.Sprint(state), a.Secret) {
			t.Error("a secret is in the state")
		}
	}
	call("DELETE", "/api/faults", "", 200)
	call("POST", "/api/clock", `{"advance":"soon"}`, 400)
	call("POST", "/api/clock", `{"advance":"5m"}`, 200)
	page := call("POST", "/api/phones/alice", `{"do":"open","at":"`+d.base+`/"}`, 200)
	if page["status"] != 200.0 || page["url"] != d.base+"/" {
		t.Errorf("page %v", page)
	}
	call("POST", "/api/phones/alice", `{"do":"allow"}`, 404)
	call("POST", "/api/phones/alice", `{"do":"dance"}`, 400)
	call("POST", "/api/phones/alice", `{"do":"open","at":"http://127.0.0.1:1/"}`, 502)
	call("POST", "/api/phones/nobody", `{"do":"back"}`, 404)
	call("GET", "/api/nothing", "", 404)
	d.ask("GET", d.base+"/sns/auth?access_token=x&openid=y", "")
	log := call("GET", "/api/log", "", 200)
	last := log["last"].(float64)
	if last == 0 || len(log["calls"].([]any)) == 0 {
		t.Errorf("log %v", log)
	}
	if again := call("GET", fmt.Sprintf("/api/log?after=%v", last), "", 200); len(again["calls"].([]any)) != 0 {
		t.Errorf("after the last call there are %v", again)
	}
}

func TestControlTellsWhenSomethingChanged(t *testing.T) {
	t.Parallel()
	d := newDesk(t, wechattest.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.control+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	next := func(want string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == want {
				return
			}
		}
		t.Fatalf("the stream ended before %q: %v", want, lines.Err())
	}
	next(": hello")
	open(t, d.sim.Phone("alice"), d.base+"/")
	next("event: changed")
	d.ask("GET", d.base+"/sns/auth?access_token=x&openid=y", "")
	next("event: changed")
}
