package portal_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/portal"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
	"github.com/weigate/weigate/internal/web"
)

var start = time.Date(2026, 11, 29, 12, 30, 0, 0, time.UTC)

const gatewayURL = "https://login.example.com"

// fixture is the pages on a store, with the browsers of several users.
type fixture struct {
	t        *testing.T
	store    gateway.Store
	sessions *session.Manager
	handler  http.Handler
	ids      map[string]string // session ids by the name of the browser
	begun    []session.LoginRequest
	now      time.Time
	lang     string
	agent    string
	apps     []gateway.App
	queries  int // calls of the store by the pages
}

// signIn is a sign-in of the fixture.
type signIn struct{ f *fixture }

func (s signIn) Session(r *http.Request) (session.Browser, bool, error) {
	return s.f.sessions.Current(r)
}

func (s signIn) Begin(w http.ResponseWriter, _ *http.Request, login session.LoginRequest) error {
	s.f.begun = append(s.f.begun, login)
	route.SeeOther(w, "/sign-in?return="+url.QueryEscape(login.ReturnURL))
	return nil
}

func (signIn) AskAgreement(http.ResponseWriter, *http.Request, session.Browser, string) bool {
	return false
}

func (s signIn) AskProfile(http.ResponseWriter, *http.Request, session.Browser, string) bool {
	return false
}
func (s signIn) SignInURL() string { return "/sign-in" }
func (s signIn) ProfileURL(b session.Browser) (string, bool) {
	return "/sign-in?profile", b.User.Nickname != ""
}

func (s signIn) End(w http.ResponseWriter, r *http.Request) error {
	cleared, err := s.f.sessions.SignOut(r)
	http.SetCookie(w, cleared)
	return err
}

// counted counts the queries of a page.
type counted struct {
	gateway.Store
	n *int
}

func (c counted) Identities(ctx context.Context, id string) ([]gateway.Identity, error) {
	*c.n++
	return c.Store.Identities(ctx, id)
}

func (c counted) UserRequests(ctx context.Context, id string) ([]gateway.AccessRequest, error) {
	*c.n++
	return c.Store.UserRequests(ctx, id)
}

func (c counted) UserSubjects(ctx context.Context, id string) ([]gateway.Pin, error) {
	*c.n++
	return c.Store.UserSubjects(ctx, id)
}

func (c counted) UserGrants(ctx context.Context, id string, now time.Time) ([]gateway.AppGrants, error) {
	*c.n++
	return c.Store.UserGrants(ctx, id, now)
}

func (c counted) Events(ctx context.Context, q gateway.EventQuery) ([]gateway.Event, error) {
	*c.n++
	return c.Store.Events(ctx, q)
}

func (c counted) UserSessions(ctx context.Context, id string, now time.Time) ([]gateway.Session, error) {
	*c.n++
	return c.Store.UserSessions(ctx, id, now)
}

func (c counted) SessionUser(ctx context.Context, h [32]byte, now time.Time) (gateway.Session, gateway.User, error) {
	*c.n++
	return c.Store.SessionUser(ctx, h, now)
}

func app(id, name string, rule gateway.Access) gateway.App {
	return gateway.App{ID: id, Name: name, Kind: gateway.AppOIDC, Access: gateway.AccessRule{Rule: rule},
		HomeURL: "https://" + id + ".example.com/"}
}

func newFixture(t *testing.T, apps ...gateway.App) *fixture {
	t.Helper()
	f := &fixture{t: t, store: sqlitetest.New(t), ids: map[string]string{}, now: start, lang: "en", apps: apps}
	own, err := url.Parse(gatewayURL)
	if err != nil {
		t.Fatal(err)
	}
	store := counted{f.store, &f.queries}
	f.sessions = &session.Manager{
		Sessions: store, Grants: f.store, Cookies: cookie.For(own, "weigate"), Idle: 100 * time.Hour, Max: 1000 * time.Hour,
		Keys: [][]byte{[]byte("key of session cookies")}, Now: func() time.Time { return f.now },
		OnError: func(_ context.Context, err error) { t.Error(err) },
	}
	site, err := web.New(web.Config{Home: gatewayURL + "/", TimeZone: time.UTC, RequestID: route.RequestID})
	if err != nil {
		t.Fatal(err)
	}
	h, err := portal.New(portal.Config{
		URL: gatewayURL, Apps: apps, Store: store, Sessions: f.sessions, SignIn: signIn{f}, Site: site,
		Keys: [][]byte{[]byte("key of icons")}, Now: func() time.Time { return f.now },
		Address: func(*http.Request) netip.Addr { return netip.MustParseAddr("192.0.2.7") },
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := route.NewMux()
	h.Mount(mux)
	router, err := route.New(route.Config{
		Origin: gatewayURL, Mux: mux, CookiePrefixes: []string{"__Host-weigate"},
		Fail: func(w http.ResponseWriter, r *http.Request, _ route.Failure) { site.Fail(w, r, web.ForeignForm) },
	})
	if err != nil {
		t.Fatal(err)
	}
	f.handler = router.Wrap(mux)
	return f
}

// user stores a user, and signs the user in with a browser of the same name.
func (f *fixture) user(name string, change ...func(*gateway.User)) gateway.User {
	f.t.Helper()
	u, _, err := f.store.RecordSignIn(f.t.Context(), gateway.SignIn{Connector: "main", AppID: "wxa",
		OpenID: "openid-" + name, At: f.now, InitialStatus: gateway.Active, Profile: &gateway.Profile{Nickname: name}})
	for _, each := range change {
		if err == nil {
			u, err = f.store.UpdateUser(f.t.Context(), u.ID, f.now, func(u *gateway.User) error { each(u); return nil })
		}
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.browser(name, u, gateway.MethodWeChat, session.Data{Browser: "Browser of " + name})
	return u
}

// browser signs a user in with another browser.
func (f *fixture) browser(name string, u gateway.User, method string, data session.Data) gateway.Session {
	f.t.Helper()
	id := strings.Repeat("a", 43-len(name)) + name
	s := gateway.Session{Hash: session.Hash(id), UserID: u.ID, Connector: "main", AppID: "wxa",
		OpenID: "openid-" + u.Nickname, Method: method,
		AuthTime: f.now, CreatedAt: f.now, SeenAt: f.now,
		ExpiresAt: f.now.Add(time.Hour), Data: data.Bytes()}
	if err := f.store.PutSession(f.t.Context(), s, f.now); err != nil {
		f.t.Fatal(err)
	}
	f.ids[name] = id
	return s
}

// grant stores a grant of a user for an app.
func (f *fixture) grant(u gateway.User, app string) string {
	f.t.Helper()
	id := gateway.NewID()
	err := f.store.PutCode(f.t.Context(), gateway.Code{Hash: session.Hash(id), PinSubject: "sub-" + u.ID + app,
		ExpiresAt: f.now.Add(time.Hour), Grant: gateway.Grant{ID: id, App: app, UserID: u.ID, CreatedAt: f.now,
			ExpiresAt: f.now.Add(time.Hour)}})
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

// signedIn reports whether the browser has a session.
func (f *fixture) signedIn(browser string) bool {
	f.t.Helper()
	_, err := f.store.Session(f.t.Context(), session.Hash(f.ids[browser]), f.now)
	return err == nil
}

// formID is the value of the field session in the forms of a browser.
func (f *fixture) formID(browser string) string { return session.FormID(session.Hash(f.ids[browser])) }

func (f *fixture) do(
	browser, method, path string, form url.Values, change ...func(*http.Request),
) *httptest.ResponseRecorder {
	f.t.Helper()
	r := httptest.NewRequest(method, gatewayURL+path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", gatewayURL)
	}
	if id := f.ids[browser]; id != "" {
		c := f.sessions.NewCookie(id)
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Accept-Language", f.lang)
	r.Header.Set("User-Agent", f.agent)
	for _, each := range change {
		each(r)
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return w
}

// get requests a page that must have the status 200.
func (f *fixture) get(browser, path string) string {
	f.t.Helper()
	w := f.do(browser, http.MethodGet, path, nil)
	if w.Code != http.StatusOK {
		f.t.Fatalf("GET %s: %d", path, w.Code)
	}
	_, body, _ := strings.Cut(w.Body.String(), "<body")
	return body
}

func (f *fixture) post(
	browser, path string, form url.Values, change ...func(*http.Request),
) *httptest.ResponseRecorder {
	f.t.Helper()
	return f.do(browser, http.MethodPost, path, form, change...)
}

func (f *fixture) events(kind string) []gateway.Event {
	f.t.Helper()
	events, err := f.store.Events(f.t.Context(), gateway.EventQuery{Kind: kind})
	if err != nil {
		f.t.Fatal(err)
	}
	return events
}
