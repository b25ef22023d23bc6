package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/admin"
	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
	"github.com/weigate/weigate/internal/web"
)

// start is the time of every fixture. A store truncates times to the microsecond.
var start = time.Date(2026, 11, 29, 12, 30, 0, 0, time.UTC)

const gatewayURL = "https://login.example.com"

var formKey = []byte("key of the forms")

// fixture is the pages on a store with an administrator.
type fixture struct {
	t       *testing.T
	store   administration.Store
	handler http.Handler
	signIn  *fakeSignIn
	admin   gateway.User
	now     time.Time
	lang    string
	agent   string // User-Agent
}

// fakeSignIn has the browsers of a test, by the value of the header Test-Browser.
type fakeSignIn struct {
	browsers map[string]session.Browser
	store    administration.Store
	last     session.LoginRequest
}

// Session returns the browser of a request, with the user as stored now.
func (f *fakeSignIn) Session(r *http.Request) (session.Browser, bool, error) {
	b, signedIn := f.browsers[r.Header.Get("Test-Browser")]
	if !signedIn {
		return b, false, nil
	}
	user, err := f.store.User(r.Context(), b.User.ID)
	b.User = user
	return b, err == nil, nil
}

// Begin redirects to a sign-in.
func (f *fakeSignIn) Begin(w http.ResponseWriter, _ *http.Request, login session.LoginRequest) error {
	f.last = login
	route.SeeOther(w, "/sign-in?return="+url.QueryEscape(login.ReturnURL))
	return nil
}

// AskProfile never asks.
func (*fakeSignIn) AskAgreement(http.ResponseWriter, *http.Request, session.Browser, string) bool {
	return false
}

func (f *fakeSignIn) AskProfile(http.ResponseWriter, *http.Request, session.Browser, string) bool {
	return false
}

// apps are the apps of the fixture, one of each access rule.
func apps() []administration.App {
	app := func(id, name string, kind gateway.AppKind, rule gateway.Access) administration.App {
		return administration.App{
			App:      gateway.App{ID: id, Name: name, Kind: kind, Access: gateway.AccessRule{Rule: rule}},
			Settings: []administration.Setting{{Key: "methods", Value: "wechat"}},
			Snippets: map[string]string{lang.English: "issuer: " + gatewayURL, lang.Chinese: "issuer: " + gatewayURL},
		}
	}
	return []administration.App{
		app("wiki", "Wiki", gateway.AppOIDC, gateway.AccessApproved),
		app("notes", "Notes", gateway.AppForwardAuth, gateway.AccessSignedIn),
		app("shop", "Shop", gateway.AppRelay, gateway.AccessListed),
	}
}

func newFixture(t *testing.T, change ...func(*admin.Config)) *fixture {
	t.Helper()
	store := sqlitetest.New(t)
	f := &fixture{t: t, store: store, now: start, lang: "en"}
	f.signIn = &fakeSignIn{browsers: map[string]session.Browser{}, store: store}
	f.admin = f.user("root", func(u *gateway.User) { u.Admin, u.Status = true, gateway.Active })
	f.browser("admin", f.admin, gateway.MethodWeChat, 0)
	site, err := web.New(web.Config{Home: gatewayURL + "/", TimeZone: time.UTC, RequestID: route.RequestID})
	if err != nil {
		t.Fatal(err)
	}
	service, err := administration.New(administration.Config{
		Store: store, URL: gatewayURL, Apps: apps(), Zone: time.UTC, Now: func() time.Time { return f.now },
		Connectors: []administration.Connector{{Name: "main", Kind: "official_account", AppID: "wxa"}},
		Notices:    []string{"ops"}, TestNotice: func(context.Context, string) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := admin.Config{
		URL: gatewayURL, Service: service, SignIn: f.signIn, Site: site, Keys: [][]byte{formKey}, TimeZone: time.UTC,
		RequestID: route.RequestID, Now: func() time.Time { return f.now },
	}
	for _, each := range change {
		each(&cfg)
	}
	h, err := admin.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := route.NewMux()
	h.Mount(mux)
	router, err := route.New(route.Config{
		Origin: gatewayURL, Mux: mux, CookiePrefixes: []string{"weigate"},
		Fail: func(w http.ResponseWriter, r *http.Request, failure route.Failure) {
			kinds := map[route.Failure]web.Kind{route.ForeignForm: web.ForeignForm, route.Panicked: web.Fault}
			site.Fail(w, r, kinds[failure])
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.handler = router.Wrap(mux)
	return f
}

// user stores a user who has signed in at WeChat.
func (f *fixture) user(name string, change ...func(*gateway.User)) gateway.User {
	f.t.Helper()
	u := f.signInAt("main", "wxa", "union-"+gateway.NewID(), &gateway.Profile{Nickname: name})
	for _, each := range change {
		changed, err := f.store.UpdateUser(f.t.Context(), u.ID, f.now, func(stored *gateway.User) error {
			each(stored)
			return nil
		})
		if err != nil {
			f.t.Fatal(err)
		}
		u = changed
	}
	return u
}

// signInAt stores a sign-in at a connector.
func (f *fixture) signInAt(connector, appID, unionID string, p *gateway.Profile) gateway.User {
	f.t.Helper()
	u, _, err := f.store.RecordSignIn(f.t.Context(), gateway.SignIn{
		Connector: connector, AppID: appID, OpenID: "openid-" + gateway.NewID(), UnionID: unionID, At: f.now,
		OpenPlatform: "corp", GroupAppIDs: []string{"wxa", "wxb"}, InitialStatus: gateway.Pending, Profile: p,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return u
}

// browser signs a user in, in a browser with a name. age is how old the sign-in is.
func (f *fixture) browser(name string, u gateway.User, method string, age time.Duration) {
	f.signIn.browsers[name] = session.Browser{User: u, Session: gateway.Session{
		Hash: session.Hash(name), UserID: u.ID, Method: method, AuthTime: f.now.Add(-age),
	}}
}

// wait records that a user wants to use an app.
func (f *fixture) wait(u gateway.User, app string) {
	f.t.Helper()
	_, _, err := f.store.RequestAccess(f.t.Context(), gateway.AccessRequest{
		UserID: u.ID, App: app, Method: gateway.MethodWeChat, RequestedAt: f.now,
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// response is a response of the pages.
type response struct {
	status   int
	body     string
	location string
	header   http.Header
}

// do sends a request of a browser. form nil = GET.
func (f *fixture) do(browser, path string, form url.Values, change ...func(*http.Request)) response {
	f.t.Helper()
	r := httptest.NewRequest(http.MethodGet, gatewayURL+path, nil)
	if form != nil {
		r = httptest.NewRequest(http.MethodPost, gatewayURL+path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", gatewayURL)
	}
	r.Header.Set("Test-Browser", browser)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Accept-Language", f.lang)
	r.Header.Set("User-Agent", f.agent)
	for _, each := range change {
		each(r)
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	return response{status: w.Code, body: w.Body.String(), location: w.Header().Get("Location"), header: w.Header()}
}

// get requests a page as the administrator. It must have the status 200.
func (f *fixture) get(path string) string {
	f.t.Helper()
	res := f.do("admin", path, nil)
	if res.status != http.StatusOK {
		f.t.Fatalf("GET %s: %d, %.600s", path, res.status, text(res.body))
	}
	return res.body
}

// post sends a form as the administrator, with its token.
func (f *fixture) post(path string, form url.Values) response {
	f.t.Helper()
	return f.postAs("admin", path, form)
}

func (f *fixture) postAs(browser, path string, form url.Values) response {
	f.t.Helper()
	sent := url.Values{"token": {admin.FormToken(formKey, session.Hash(browser))}}
	for name, values := range form {
		sent[name] = values
	}
	return f.do(browser, path, sent)
}

// done fails the test unless a form was accepted: the browser continues at another page.
func (f *fixture) done(res response) {
	f.t.Helper()
	if res.status != http.StatusSeeOther || !strings.Contains(res.location, "done=") {
		f.t.Fatalf("status %d, location %q, %.600s", res.status, res.location, text(res.body))
	}
}

// stored returns a user as stored now.
func (f *fixture) stored(id string) gateway.User {
	f.t.Helper()
	u, err := f.store.User(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	return u
}

// events returns the events of a kind, the newest first.
func (f *fixture) events(kind string) []gateway.Event {
	f.t.Helper()
	events, err := f.store.Events(f.t.Context(), gateway.EventQuery{Kind: kind, Limit: 500})
	if err != nil {
		f.t.Fatal(err)
	}
	return events
}

// snapshot returns what the pages can change, to compare it.
func (f *fixture) snapshot() string {
	f.t.Helper()
	ctx := f.t.Context()
	users, err := f.store.SearchUsers(ctx, gateway.UserSearch{Limit: 500})
	if err != nil {
		f.t.Fatal(err)
	}
	invitations, err := f.store.Invitations(ctx, gateway.InvitationQuery{})
	if err != nil {
		f.t.Fatal(err)
	}
	keys, err := f.store.APIKeys(ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	waiting, err := f.store.WaitingUsers(ctx, gateway.WaitingQuery{})
	if err != nil {
		f.t.Fatal(err)
	}
	return fmt.Sprint(users, invitations, keys, waiting, f.events(""))
}

// text returns a page without markup.
func text(body string) string {
	_, body, _ = strings.Cut(body, "<body")
	return strings.Join(strings.Fields(markup.ReplaceAllString(body, " ")), " ")
}

// pages are the addresses of all pages that GET routes serve, for a user and an invitation.
func (f *fixture) pages(userID, other, invitation string) []string {
	var out []string
	for _, r := range admin.Routes() {
		if r.Method != http.MethodGet || r.Open {
			continue
		}
		path := "/admin" + r.Path
		switch {
		case strings.HasPrefix(r.Path, "/users/{id}"):
			path = strings.Replace(path, "{id}", userID, 1)
		case strings.HasPrefix(r.Path, "/invitations/{id}"):
			path = strings.Replace(path, "{id}", invitation, 1)
		case strings.HasPrefix(r.Path, "/apps/{id}"):
			path = strings.Replace(path, "{id}", "wiki", 1)
		}
		if strings.HasSuffix(r.Path, "/unlink") {
			path += "?identity=" + f.identityKey(userID)
		}
		if strings.HasSuffix(r.Path, "/merge") {
			out = append(out, path+"?other="+other)
		}
		out = append(out, path)
	}
	slices.Sort(out)
	return out
}
