package login_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

const (
	accountID = "wx00000000000000aa"
	websiteID = "wx00000000000000bb"

	uaWeChat = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Mobile Safari/537.36 MMWEBID/8157 " +
		"MicroMessenger/8.0.18.2060(0x28001237) WeChat/arm64"
	uaDesktop = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"
)

// code returns a code that leaktest finds in logs and pages.
func code(name string) string { return "0" + leaktest.Mark + name }

// fakeWeChat is WeChat's API as a RoundTripper: no network, so tests can run in a synctest bubble,
// and count what would have been sent.
type fakeWeChat struct {
	mu       sync.Mutex
	sent     map[string]int                                // exchanges per code
	userInfo int                                           // calls for user info
	exchange func(ctx context.Context, code string) string // body; nil is a base token for "o-" + code's tail
	profile  func() string                                 // body; nil is a plain profile
}

func (f *fakeWeChat) RoundTrip(r *http.Request) (*http.Response, error) {
	query, body := r.URL.Query(), ""
	switch r.URL.Path {
	case "/sns/oauth2/access_token":
		f.mu.Lock()
		f.sent[query.Get("code")]++
		answer := f.exchange
		f.mu.Unlock()
		if answer == nil {
			answer = func(_ context.Context, code string) string { return tokenFor(code, "snsapi_base") }
		}
		body = answer(r.Context(), query.Get("code"))
	case "/sns/userinfo":
		f.mu.Lock()
		f.userInfo++
		answer := f.profile
		f.mu.Unlock()
		if answer == nil {
			answer = func() string { return profileOf(query.Get("openid"), "小明", "https://thirdwx.qlogo.cn/a/132") }
		}
		body = answer()
	}
	if body == "" {
		return nil, context.Cause(r.Context())
	}
	return &http.Response{
		StatusCode: 200, Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(strings.NewReader(body)),
		Request: r,
	}, nil
}

func (f *fakeWeChat) exchanges() (total int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.sent {
		total += n
	}
	return total
}

func (f *fakeWeChat) times(code string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent[code]
}

// tokenFor returns WeChat's answer for a code. The last character of the code identifies the user.
func tokenFor(code, scope string) string {
	return fmt.Sprintf(`{"access_token":"83_%s","expires_in":7200,"refresh_token":"83_%sr","openid":%q,"scope":%q}`,
		leaktest.Mark, leaktest.Mark, openIDOf(code), scope)
}

func openIDOf(code string) string {
	return "oX6mX57QiiVC0DHls-eQ_igBfkb" + code[len(code)-1:]
}

func profileOf(openID, nickname, avatar string) string {
	b, _ := json.Marshal(map[string]any{"openid": openID, "nickname": nickname, "headimgurl": avatar, "sex": 0,
		"privilege": []string{}})
	return string(b)
}

func refused(code int, text string) string {
	return fmt.Sprintf(`{"errcode":%d,"errmsg":"%s, rid: 65a33cd8-023106e1-2dc7e2f6"}`, code, text)
}

// mustAnswer lets every exchange from now on succeed with a scope.
func (s *fixture) mustAnswer(scope string) {
	s.wechat.exchange = func(_ context.Context, code string) string { return tokenFor(code, scope) }
}

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// site is an app with login in front, at https://app.example.com unless set otherwise, and
// everything it can be asked about.
type fixture struct {
	t       *testing.T
	wechat  *fakeWeChat
	clock   *clock
	handler *login.Handler
	mux     http.Handler
	origin  string // of Config.URL
	prefix  string // of Config.URL
}

func newFixture(t *testing.T, change ...func(*login.Config)) *fixture {
	t.Helper()
	s := &fixture{
		t: t, wechat: &fakeWeChat{sent: map[string]int{}},
		clock: &clock{now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)},
	}
	cfg := login.Config{
		URL: "https://app.example.com", Keys: [][]byte{key(1)}, Store: login.NewMemoryStore(),
		OfficialAccount: account(s.wechat), WebsiteApp: website(s.wechat),
		Logger: leaktest.Logger(t), Now: s.clock.Now,
	}
	for _, f := range change {
		f(&cfg)
	}
	s.use(cfg)
	return s
}

func account(f *fakeWeChat) *wechat.Client {
	return &wechat.Client{AppID: accountID, Secret: leaktest.Secret, HTTPClient: &http.Client{Transport: f}}
}

func website(f *fakeWeChat) *wechat.Client {
	return &wechat.Client{AppID: websiteID, Secret: leaktest.Secret, HTTPClient: &http.Client{Transport: f}}
}

func serve(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// use puts a handler with cfg in front of the app's pages.
func (s *fixture) use(cfg login.Config) {
	s.t.Helper()
	h, err := login.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	u, err := url.Parse(cfg.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	s.origin, s.prefix, s.handler = u.Scheme+"://"+u.Host, strings.TrimSuffix(u.Path, "/"), h
	mux := http.NewServeMux()
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := login.FromContext(r.Context())
		fmt.Fprintf(w, "hello %s %q", who.OpenID, who.Nickname)
	})
	mux.Handle(s.prefix+"/", h)
	mux.Handle(s.prefix+"/private/", h.Require(page))
	mux.Handle(s.prefix+"/named/", h.RequireProfile(page))
	s.mux = leaktest.Watch(s.t, mux)
}

func key(n byte) []byte {
	k := make([]byte, 32)
	for i := range k {
		k[i] = n
	}
	return k
}

// browser is one browser with cookies of its own.
type browser struct {
	site    *fixture
	agent   string
	headers http.Header

	mu      sync.Mutex
	cookies map[string]string
	lose    func(name string) bool // cookies that it does not keep
}

func (s *fixture) browser() *browser {
	return &browser{site: s, agent: uaWeChat, cookies: map[string]string{}, headers: http.Header{}}
}

// request makes a request for a path below the site, or for a whole address.
func (b *browser) request(method, address string, form url.Values) *http.Request {
	if strings.HasPrefix(address, "/") {
		address = b.site.origin + address
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, address, body)
	r.RequestURI = r.URL.RequestURI() // as a server sees it
	r.Header.Set("User-Agent", b.agent)
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for name, values := range b.headers {
		r.Header[name] = values
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

// do sends a request and keeps the cookies of the answer.
func (b *browser) do(r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	b.site.mux.ServeHTTP(w, r)
	res := w.Result()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else if b.lose == nil || !b.lose(c.Name) {
			b.cookies[c.Name] = c.Value
		}
	}
	return res
}

func (b *browser) get(address string) *http.Response { return b.do(b.request("GET", address, nil)) }

func (b *browser) post(address string, form url.Values) *http.Response {
	return b.do(b.request("POST", address, form))
}

// begin starts a sign-in and returns the state that WeChat was given.
func (b *browser) begin(address string) string {
	b.site.t.Helper()
	return b.site.stateIn(b.get(address))
}

// stateIn returns the state of an answer that leads to WeChat.
func (s *fixture) stateIn(res *http.Response) string {
	s.t.Helper()
	u, err := url.Parse(res.Header.Get("Location"))
	if err != nil || res.StatusCode != 302 || u.Host != "open.weixin.qq.com" {
		s.t.Fatalf("answer is %d to %q, want 302 to WeChat: %s", res.StatusCode, res.Header.Get("Location"), text(res))
	}
	return u.Query().Get("state")
}

func (s *fixture) callback(code, state string) string {
	return s.prefix + "/wechat/callback?" + url.Values{"code": {code}, "state": {state}}.Encode()
}

// signIn goes through a whole sign-in.
func (b *browser) signIn(codeName string) {
	b.site.t.Helper()
	state := b.begin(b.site.prefix + "/sign-in")
	b.site.wantGo(b.get(b.site.callback(code(codeName), state)), b.site.prefix+"/")
}

// session is the value of the session cookie, "" without one.
func (b *browser) session() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, value := range b.cookies {
		if strings.HasSuffix(name, "-s") {
			return value
		}
	}
	return ""
}

// flows counts the pending sign-ins, and what their cookies weigh together.
func (b *browser) flows() (n, weight int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, value := range b.cookies {
		if strings.Contains(name, "-f-") {
			n, weight = n+1, weight+len(name)+len(value)+3
		}
	}
	return n, weight
}

// who returns the openid of the browser's user, "" when signed out.
func (b *browser) who() string {
	b.site.t.Helper()
	res := b.get(b.site.prefix + "/sign-in/me")
	var me struct{ OpenID, Error string }
	if err := json.NewDecoder(res.Body).Decode(&me); err != nil {
		b.site.t.Fatal(err)
	}
	if (res.StatusCode == 401) != (me.Error == "signed_out") {
		b.site.t.Errorf("/sign-in/me: status %d, %+v", res.StatusCode, me)
	}
	return me.OpenID
}

func text(res *http.Response) string {
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

// wantGo checks that the answer redirects to an address of the app with status 303.
func (s *fixture) wantGo(res *http.Response, path string) {
	s.t.Helper()
	want := path
	if strings.HasPrefix(path, "/") {
		want = s.origin + path
	}
	if res.StatusCode != 303 || res.Header.Get("Location") != want {
		s.t.Fatalf("answer is %d to %q, want 303 to %q: %s", res.StatusCode, res.Header.Get("Location"), want, text(res))
	}
}

// wantPage checks that the answer is a page of this kind, or leads to the page of a callback that
// came to nothing.
func (s *fixture) wantPage(res *http.Response, kind login.PageKind, status int) string {
	s.t.Helper()
	if ended := res.Header.Get("Location"); res.StatusCode == 303 &&
		strings.HasPrefix(ended, s.origin+s.prefix+"/sign-in/ended?") {
		res = s.browser().get(ended) // it needs no cookie
	}
	body := text(res)
	if res.StatusCode != status || !strings.Contains(body, `id="`+string(kind)+`"`) {
		s.t.Fatalf("answer is %d (to %q), want page %s with %d: %s", res.StatusCode, res.Header.Get("Location"), kind, status,
			body)
	}
	return body
}

// wantLost checks that a callback came to nothing: no session, and a page with a way back at an
// address without code.
func (b *browser) wantLost(res *http.Response) {
	b.site.t.Helper()
	location := res.Header.Get("Location")
	if res.StatusCode != 303 || !strings.HasPrefix(location, b.site.origin+b.site.prefix+"/sign-in/lost") {
		b.site.t.Fatalf("answer is %d to %q, want 303 to /sign-in/lost: %s", res.StatusCode, location, text(res))
	}
	if b.session() != "" {
		b.site.t.Error("a session was made")
	}
	body := b.site.wantPage(b.get(location), login.PageLost, 400)
	if !strings.Contains(body, `href="`+b.site.origin+b.site.prefix+`/sign-in?return=`) {
		b.site.t.Errorf("the page has no way back: %s", body)
	}
}
