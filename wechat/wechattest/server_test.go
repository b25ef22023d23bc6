package wechattest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

// sim is a simulator on loopback whose clock stands still.
type sim struct {
	*wechattest.Server
	t    *testing.T
	base string
	http *http.Client
	oa   wechattest.App // the default apps
	test wechattest.App
	web  wechattest.App
}

var start = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

func simulate(t *testing.T, cfg wechattest.Config) *sim {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return start }
	}
	if cfg.Seed == 0 {
		cfg.Seed = 1
	}
	s, err := wechattest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	apps := s.Apps()
	noFollow := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &sim{Server: s, t: t, base: server.URL, http: &http.Client{CheckRedirect: noFollow}, oa: apps[0],
		test: apps[1], web: apps[2]}
}

// newSim serves a simulator on loopback and returns its address.
func newSim(t *testing.T, cfg wechattest.Config) (*wechattest.Server, string) {
	t.Helper()
	s := simulate(t, cfg)
	return s.Server, s.base
}

const (
	inWeChat = "Mozilla/5.0 (Linux; Android 13) AppleWebKit/537.36 Mobile MicroMessenger/8.0.47.2560(0x28002F30)"
	desktop  = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"
)

// got is a response.
type got struct {
	status   int
	header   http.Header
	body     string
	location *url.URL
}

func (s *sim) do(req *http.Request) got {
	s.t.Helper()
	res, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	u, _ := res.Location()
	return got{res.StatusCode, res.Header, string(b), u}
}

// get sends a GET for a path of the simulator, or for an address, with headers in pairs.
func (s *sim) get(path string, headers ...string) got {
	s.t.Helper()
	return s.send(http.MethodGet, path, nil, headers...)
}

func (s *sim) send(method, path string, form url.Values, headers ...string) got {
	s.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = s.base + path
	}
	req, err := http.NewRequest(method, path, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		if req.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	return s.do(req)
}

// sns calls an sns endpoint with parameters in pairs; an empty value leaves the parameter out.
func (s *sim) sns(path string, params ...string) got {
	s.t.Helper()
	return s.get("/sns/" + path + "?" + query(params...))
}

func query(params ...string) string {
	v := url.Values{}
	for i := 0; i < len(params); i += 2 {
		if params[i+1] != "" {
			v.Set(params[i], params[i+1])
		}
	}
	return v.Encode()
}

func (s *sim) code(app wechattest.App, person, scope string) string {
	s.t.Helper()
	c, err := s.Code(app.AppID, person, scope)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// exchange exchanges a code for tokens.
func (s *sim) exchange(app wechattest.App, code string) (fields, got) {
	s.t.Helper()
	g := s.sns("oauth2/access_token", "appid", app.AppID, "secret", app.Secret, "code", code, "grant_type",
		"authorization_code")
	return parse(s.t, g.body), g
}

// signIn makes a code and exchanges it.
func (s *sim) signIn(app wechattest.App, person, scope string) fields {
	s.t.Helper()
	f, g := s.exchange(app, s.code(app, person, scope))
	if f.Errcode != 0 {
		s.t.Fatalf("exchange: %s", g.body)
	}
	return f
}

func (s *sim) userInfo(f fields) fields {
	s.t.Helper()
	return parse(s.t, s.sns("userinfo", "access_token", f.AccessToken, "openid", f.OpenID).body)
}

func (s *sim) refresh(app wechattest.App, token string) fields {
	s.t.Helper()
	return parse(s.t, s.sns("oauth2/refresh_token", "appid", app.AppID, "grant_type", "refresh_token",
		"refresh_token", token).body)
}

// fields are the fields of all sns answers.
type fields struct {
	Errcode      int    `json:"errcode"`
	Errmsg       string `json:"errmsg"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int    `json:"expires_in"`
	OpenID       string `json:"openid"`
	UnionID      string `json:"unionid"`
	Scope        string `json:"scope"`
	Snapshot     int    `json:"is_snapshotuser"`
	Nickname     string `json:"nickname"`
	Headimgurl   string `json:"headimgurl"`
}

func parse(t *testing.T, body string) fields {
	t.Helper()
	var f fields
	if err := json.Unmarshal([]byte(body), &f); err != nil {
		t.Fatalf("not JSON: %v: %q", err, body)
	}
	return f
}

// authorize returns an authorize address in WeChat's order. Pairs replace parameters or are
// appended.
func (s *sim) authorize(app wechattest.App, scope string, pairs ...string) string {
	names := []string{"appid", "redirect_uri", "response_type", "scope", "state"}
	values := map[string]string{"appid": app.AppID, "redirect_uri": "http://127.0.0.1:9/back",
		"response_type": "code", "scope": scope, "state": "State123"}
	for i := 0; i < len(pairs); i += 2 {
		if _, ok := values[pairs[i]]; !ok {
			names = append(names, pairs[i])
		}
		values[pairs[i]] = pairs[i+1]
	}
	var parts []string
	for _, n := range names {
		parts = append(parts, n+"="+url.QueryEscape(values[n]))
	}
	return "/connect/oauth2/authorize?" + strings.Join(parts, "&")
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// form returns the hidden fields of a page.
func (g got) form() url.Values {
	v := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(g.body, -1) {
		v.Set(m[1], strings.NewReplacer("&#43;", "+", "&amp;", "&").Replace(m[2]))
	}
	return v
}

// as chooses a person by the form for other browsers and returns the cookie.
func (s *sim) as(person string) string {
	s.t.Helper()
	g := s.send(http.MethodPost, "/connect/simulator/person", url.Values{"next": {"/connect/x"}, "person": {person}})
	cookie, _, ok := strings.Cut(g.header.Get("Set-Cookie"), ";")
	if g.status != http.StatusSeeOther || !ok {
		s.t.Fatalf("choosing %s: %d %s", person, g.status, g.body)
	}
	return cookie
}

// do sends one request and follows no redirect.
func do(t *testing.T, method, address string, body io.Reader, userAgent string) *http.Response {
	t.Helper()
	req, err := http.NewRequest(method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", userAgent)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func TestNewReturnsAllProblems(t *testing.T) {
	t.Parallel()
	_, err := wechattest.New(wechattest.Config{
		Mark: "not-alnum", OpenURL: "127.0.0.1:80", Quirks: wechattest.Quirks{ConsentAs: "nobody"},
		Apps: []wechattest.App{
			{AppID: "wx123"},
			{AppID: "wx00000000000000aa", Secret: "s", Domains: []string{"a.example", "b.example", "c.example"}},
			{AppID: "wx00000000000000aa", Secret: "s", Domains: []string{"https://a.example/x"},
				IPList: []string{"10.0.0.*"}, Scopes: []string{"snsapi_login"}},
			{Kind: wechattest.WebsiteApp, AppID: "wx00000000000000bb", Secret: "s",
				Domains: []string{"10.1.2.3", "a.example"}},
			{AppID: "wx00000000000000cc", Secret: "s", Domains: []string{"a.example:8080"}},
		},
		People: []wechattest.Person{{ID: "Upper"}, {ID: "a"}, {ID: "a"}},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"mark", "open URL", `"nobody"`, "wx and 16", "no secret",
		"at most 2 callback domains for the kind official account, not 3", "duplicate appid",
		"bare host name", "10.0.0.*", `scope "snsapi_login"`, "only a test account can have an IP",
		"only a test account can fix a port", `"Upper"`, "person a: duplicate id", "at most 1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not contain %q:\n%v", want, err)
		}
	}
}

func TestSeedDeterminesTheServer(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) string {
		s := simulate(t, wechattest.Config{Seed: seed})
		f := s.signIn(s.oa, "alice", "snsapi_userinfo")
		return f.AccessToken + f.OpenID + f.UnionID + s.code(s.oa, "bob", "snsapi_base") + s.sns("userinfo").body
	}
	if a, b := run(7), run(7); a != b {
		t.Errorf("seed 7 gave\n%s\nand\n%s", a, b)
	}
	if run(7) == run(8) {
		t.Error("seeds 7 and 8 gave the same")
	}
	if s, err := wechattest.New(wechattest.Config{}); err != nil || s.Seed() == 0 {
		t.Errorf("the random seed is not told: %v", err)
	}
}

func TestDNSRebindingIsRejected(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{OpenURL: "http://weixin.example.test:8090", Hosts: []string{"sim.example.net"}})
	for host, ok := range map[string]bool{
		"127.0.0.1:8090": true, "localhost": true, "weixin.localhost:1": true, "[::1]:80": true, "192.168.1.5:80": true,
		"open.weixin.qq.com": true, "api.weixin.qq.com:443": true, "API.weixin.qq.com.": true,
		"weixin.example.test:8090": true, "sim.example.net": true,
		"attacker.example": false, "127.0.0.1.attacker.example": false, "localhost.attacker.example": false,
		"weixin.qq.com.attacker.example": false, "": false,
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/sns/auth", nil)
		r.Host = host
		s.ServeHTTP(w, r)
		if got := w.Code != http.StatusMisdirectedRequest; got != ok {
			t.Errorf("host %q: accepted %v, want %v", host, got, ok)
		}
	}
}

func TestOpenURLHasNoPath(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{"http://127.0.0.1:8090": true, "https://weixin.localhost/": true,
		"http://127.0.0.1/sim": false, "ftp://127.0.0.1": false, "http://": false} {
		if _, err := wechattest.New(wechattest.Config{OpenURL: address}); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// A long-lived simulator deletes what no answer depends on, and nothing else.
func TestServerDeletesOldCodes(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	kept := s.signIn(s.oa, "bob", "snsapi_userinfo")
	for range 4 {
		for range 1000 {
			s.code(s.oa, "alice", "snsapi_base")
		}
		s.Advance(25 * time.Minute)
	}
	if n := wechattest.CodesKept(s.Server); n > 3100 {
		t.Errorf("%d codes of 4001 are kept", n)
	}
	if f := s.userInfo(kept); f.Errcode != 0 {
		t.Errorf("a good token was forgotten: %+v", f)
	}
}

func TestUpdatesAreCheckedAndCopied(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	if err := s.UpdateApp(s.oa.AppID, func(a *wechattest.App) { a.Domains = []string{"a/b"} }); err == nil {
		t.Error("a bad domain was accepted")
	}
	if got := s.Apps()[0].Domains; len(got) != 2 {
		t.Errorf("a refused change stayed: %v", got)
	}
	if s.UpdateApp("wx0", func(*wechattest.App) {}) == nil ||
		s.UpdatePerson("nobody", func(*wechattest.Person) {}) == nil {
		t.Error("an unknown app or person was changed")
	}
	s.Apps()[0].Domains[0] = "changed.example"
	if s.Apps()[0].Domains[0] == "changed.example" {
		t.Error("Apps gives away the server's own slices")
	}
	for _, bad := range [][3]string{{"wx0", "alice", "snsapi_base"}, {s.oa.AppID, "nobody", "snsapi_base"},
		{s.oa.AppID, "alice", "snsapi_login"}, {s.web.AppID, "alice", "snsapi_base"}} {
		if _, err := s.Code(bad[0], bad[1], bad[2]); err == nil {
			t.Errorf("Code%v gave a code", bad)
		}
	}
}

// Unanswered consent pages must not fill the memory.
func TestServerDeletesOldConsentPages(t *testing.T) {
	t.Parallel()
	s := simulate(t, wechattest.Config{})
	cookie, address := s.as("alice"), s.authorize(s.oa, "snsapi_userinfo")
	for range 4 {
		for range 800 {
			r := httptest.NewRequest(http.MethodGet, s.base+address, nil)
			r.Header.Set("User-Agent", inWeChat)
			r.Header.Set("Cookie", cookie)
			s.ServeHTTP(httptest.NewRecorder(), r)
		}
		s.Advance(25 * time.Minute)
	}
	if n := wechattest.PagesKept(s.Server); n == 0 || n > 2500 {
		t.Errorf("%d pages of 3200 are kept", n)
	}
}
