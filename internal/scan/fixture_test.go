package scan_test

import (
	"context"
	"fmt"
	"html"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	fixtures "github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/scan"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

const (
	origin    = "https://login.example.com"
	uaDesktop = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) " +
		"Chrome/141.0.0.0 Safari/537.36"
	uaPhone = "Mozilla/5.0 (Linux; Android 13; wv) AppleWebKit/537.36 Version/4.0 Chrome/116.0 " +
		"Mobile Safari/537.36 MicroMessenger/8.0.50"
	uaSafari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 " +
		"Mobile/15E148 Safari/604.1"
	backTo = "/oauth2/authorize?client_id=notes"
)

// fixture is the package with all its dependencies in memory.
type fixture struct {
	t        *testing.T
	tickets  *memory
	people   *people
	replicas []*scan.Handler
	muxes    []http.Handler
	config   scan.Config
	log      *fixtures.Buffer
	prefix   string

	mu       sync.Mutex
	clock    time.Time
	observed []string
}

func newFixture(t *testing.T, change ...func(*scan.Config)) *fixture {
	t.Helper()
	w := &fixture{t: t, tickets: newMemory(), clock: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC),
		log: &fixtures.Buffer{}}
	w.people = &people{now: w.now, sessions: map[[32]byte]session.Browser{}, accounts: map[string]gateway.User{}}
	w.tickets.people = w.people
	for _, name := range []string{"alice", "bob"} {
		w.people.accounts[name] = gateway.User{ID: name, Status: gateway.Active, Nickname: strings.ToUpper(name[:1]) +
			name[1:], AvatarURL: "https://wx.qlogo.cn/" + name}
	}
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	site, err := web.New(web.Config{Texts: web.SiteTexts{Title: "Example Login"}, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	w.config = scan.Config{
		URL: origin, Keys: [][]byte{[]byte(leaktest.Secret + strings.Repeat("k", 32))}, Tickets: w.tickets,
		Users: w.people, Events: w.people,
		Sessions: ender{w.people}, Site: site, Now: w.now, Logger: log,
		InWeChat: func(r *http.Request) bool { return strings.Contains(r.UserAgent(), "MicroMessenger") },
		Apps: func(id string) (gateway.App, bool) {
			return gateway.App{ID: id, Name: "Notes"}, id == "notes"
		},
		Address: func(r *http.Request) netip.Addr { return netip.MustParseAddrPort(r.RemoteAddr).Addr() },
		Observe: func(_ context.Context, o scan.Observation) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.observed = append(w.observed, o.Outcome)
		},
	}
	for _, f := range change {
		f(&w.config)
	}
	u, err := url.Parse(w.config.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.prefix = u.Path
	w.start()
	return w
}

// start adds a replica.
func (w *fixture) start() {
	w.t.Helper()
	h, err := scan.New(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	mux := route.NewMux()
	h.Mount(mux, w.people)
	// What oidc does: send the browser to sign in.
	mux.HandleFunc("GET /begin", func(rw http.ResponseWriter, r *http.Request) {
		if err := h.Begin(rw, r, w.loginRequest(r.URL.Query())); err != nil {
			http.Error(rw, "begin", http.StatusInternalServerError)
		}
	}, route.Limited)
	w.replicas, w.muxes = append(w.replicas, h), append(w.muxes, leaktest.Watch(w.t, mux))
}

func (w *fixture) loginRequest(q url.Values) session.LoginRequest {
	d := session.LoginRequest{ID: "REQUEST1", ReturnURL: backTo, App: gateway.App{ID: "notes", Name: "Notes"},
		CancelURL: backTo + "&cancel=1", Connector: q.Get("connector")}
	d.Reauthenticate, d.Consent, d.Profile, d.UILocales = q.Has("fresh"), q.Has("consent"), q.Has("profile"),
		q.Get("ui_locales")
	if q.Has("own") {
		d.App, d.ReturnURL, d.CancelURL = gateway.App{}, "/", ""
	}
	return d
}

func (w *fixture) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *fixture) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// buffer is a log that many may write to.
// browser is somebody's, with cookies.
type browser struct {
	w       *fixture
	agent   string
	address string
	lang    string
	cookies map[string]string
	replica int
	page    *httptest.ResponseRecorder
	at      string // address of the page
}

func (w *fixture) browser(agent string) *browser {
	return &browser{w: w, agent: agent, address: "203.0.113.7:1000", lang: "en", cookies: map[string]string{}}
}

// send sends one request and stores the cookies of the response.
func (b *browser) send(method, address string, form url.Values) *httptest.ResponseRecorder {
	b.w.t.Helper()
	return b.sendContext(b.w.t.Context(), method, address, form)
}

func (b *browser) sendContext(ctx context.Context, method, address string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, method, strings.TrimPrefix(address, origin),
		strings.NewReader(form.Encode()))
	r.Header.Set("User-Agent", b.agent)
	r.Header.Set("Accept-Language", b.lang)
	r.Header.Set("Accept", "text/html")
	r.RemoteAddr = b.address
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res := httptest.NewRecorder()
	b.w.muxes[b.replica%len(b.w.muxes)].ServeHTTP(res, r)
	for _, c := range res.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return res
}

// twin is the same browser at this moment: what it does next, the first one does not know.
func (b *browser) twin() *browser {
	out := *b
	out.cookies = maps.Clone(b.cookies)
	return &out
}

// open requests an address and follows redirects that stay at the gateway.
func (b *browser) open(address string) *browser { return b.visit(http.MethodGet, address, nil) }

func (b *browser) visit(method, address string, form url.Values) *browser {
	b.w.t.Helper()
	for range 5 {
		b.page, b.at = b.send(method, address, form), address
		next := b.page.Header().Get("Location")
		if !strings.HasPrefix(next, b.w.prefix+"/scan") {
			return b
		}
		method, address, form = http.MethodGet, next, nil
	}
	b.w.t.Fatal("redirects without end")
	return b
}

func (b *browser) kind() string {
	_, rest, _ := strings.Cut(b.page.Body.String(), `<main class="`)
	_, rest, _ = strings.Cut(rest, `id="`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// want fails unless the browser shows that page.
func (b *browser) want(kind web.Kind) *browser {
	b.w.t.Helper()
	if b.kind() != string(kind) {
		b.w.t.Fatalf("the page is %q (%d, to %q) at %s, want %q\n%s", b.kind(), b.page.Code,
			b.page.Header().Get("Location"), b.at, kind, b.text())
	}
	return b
}

// goes fails unless the response is a redirect to an address.
func (b *browser) goes(address string) {
	b.w.t.Helper()
	if got := b.page.Header().Get("Location"); !strings.HasPrefix(got, address) {
		b.w.t.Fatalf("the browser goes to %q (%d, page %q), want %q", got, b.page.Code, b.kind(), address)
	}
}

var tags = regexp.MustCompile(`(?s)<(style|script|svg).*?</(style|script|svg)>|<[^>]*>`)

func (b *browser) text() string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(b.page.Body.String(), " "))), " ")
}

func (b *browser) shows(texts ...string) *browser {
	b.w.t.Helper()
	for _, text := range texts {
		if !strings.Contains(b.text(), text) {
			b.w.t.Errorf("page %q does not show %q: %s", b.kind(), text, b.text())
		}
	}
	return b
}

var (
	formTag   = regexp.MustCompile(`(?s)<form[^>]*action="([^"]*)">(.*?)</form>`)
	inputTag  = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	buttonTag = regexp.MustCompile(`<button[^>]*>([^<]*)</button>`)
)

// press presses a button of a form by its text.
func (b *browser) press(label string) *browser {
	b.w.t.Helper()
	for _, form := range formTag.FindAllStringSubmatch(b.page.Body.String(), -1) {
		fields := url.Values{}
		for _, in := range inputTag.FindAllStringSubmatch(form[2], -1) {
			fields.Set(html.UnescapeString(in[1]), html.UnescapeString(in[2]))
		}
		for _, button := range buttonTag.FindAllStringSubmatch(form[2], -1) {
			if button[1] != label {
				continue
			}
			return b.visit(http.MethodPost, html.UnescapeString(form[1]), fields)
		}
	}
	b.w.t.Fatalf("page %q has no button %q: %s", b.kind(), label, b.page.Body)
	return b
}

// desktop begins a sign-in and shows the code.
func (w *fixture) desktop(with ...string) *browser {
	w.t.Helper()
	return w.browser(uaDesktop).open("/begin?" + strings.Join(with, "&")).want(web.ScanCode)
}

var linkTag = regexp.MustCompile(`https?://[a-z0-9.:]+(?:/login)?/scan/[a-z2-7]{26}`)

// link is what the code of the page says.
func (b *browser) link() string {
	b.w.t.Helper()
	link := linkTag.FindString(b.page.Body.String())
	if link == "" {
		b.w.t.Fatalf("page %q has no link: %s", b.kind(), b.page.Body)
	}
	return link
}

func idOfLink(link string) string { return link[strings.LastIndex(link, "/")+1:] }

// phone returns a WeChat browser in which a user is signed in; "" = no user.
func (w *fixture) phone(user string) *browser {
	b := w.browser(uaPhone)
	if user != "" {
		b.signIn(user, "")
	}
	return b
}

// signIn gives the browser a session, as WeChat's callback does.
func (b *browser) signIn(user, loginRequest string) {
	id := fmt.Sprintf("%s-%d", user, len(b.w.people.sessions))
	b.w.people.mu.Lock()
	defer b.w.people.mu.Unlock()
	b.w.people.sessions[hashOf(id)] = session.Browser{
		Session: gateway.Session{Hash: hashOf(id), UserID: user, Connector: "main", AppID: "wx1", OpenID: "o-" +
			user, Method: "wechat", AuthTime: b.w.now()},
		LoginRequestID: loginRequest,
	}
	b.cookies["session"] = id
}

// comeBack follows the return address of the newest login request.
func (b *browser) comeBack(user string) *browser {
	b.w.t.Helper()
	b.goes("https://open.weixin.qq.com/")
	d := b.w.people.loginRequests[len(b.w.people.loginRequests)-1]
	b.signIn(user, d.ID)
	return b.open(d.ReturnURL)
}

// ticket is the only ticket there is, or the newest.
func (w *fixture) ticket() gateway.Ticket {
	w.t.Helper()
	all := w.tickets.all()
	if len(all) == 0 {
		w.t.Fatal("there is no ticket")
	}
	return all[len(all)-1]
}

func (w *fixture) state(want gateway.TicketState) {
	w.t.Helper()
	if got := w.ticket().State; got != want {
		w.t.Fatalf("the ticket is %s, want %s", got, want)
	}
}

// approve performs all steps of a phone until the approval.
func (w *fixture) approve(link string, phone *browser) *browser {
	w.t.Helper()
	phone.open(link).want(web.ScanAsk).press("Continue").want(web.ScanNumber).enter(w.ticket().Number)
	return phone.want(web.ScanDone)
}

func (w *fixture) kinds() (out []string) {
	w.people.mu.Lock()
	defer w.people.mu.Unlock()
	for _, e := range w.people.events {
		out = append(out, e.Kind)
	}
	return out
}

// isIn returns the id of the user who is signed in in this browser; "" = none.
func (b *browser) isIn() string {
	b.w.people.mu.Lock()
	defer b.w.people.mu.Unlock()
	return b.w.people.sessions[hashOf(b.cookies["session"])].UserID
}

func (w *fixture) watch(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.observed, want) {
		w.t.Errorf("observed %v, want %v", w.observed, want)
	}
}
