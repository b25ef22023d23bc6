package admin_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/admin"
	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

var markup = regexp.MustCompile(`(?s)<(style|script|svg).*?</(style|script|svg)>|<[^>]*>`)

// identityKey returns the key of an identity of a user, from the page of the user. A user with one
// identity has no link; then the key is "none".
func (f *fixture) identityKey(userID string) string {
	found := regexp.MustCompile(`unlink\?identity=([^"]+)"`).FindStringSubmatch(f.get("/admin/users/" + userID))
	if found == nil {
		return "none"
	}
	return found[1]
}

// crowd is a user whom every form of a test can act on, with all that the forms name.
type crowd struct {
	user, other gateway.User
	invitation  gateway.Invitation
	key         gateway.APIKey
	identity    string
}

// crowd stores users, an invitation and an API key.
func (f *fixture) crowd() crowd {
	f.t.Helper()
	c := crowd{user: f.user("Alice"), other: f.user("Bob")}
	f.wait(c.user, "wiki")
	f.wait(c.other, "wiki")
	identities, err := f.store.Identities(f.t.Context(), c.user.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	// Alice has a second identity.
	if u := f.signInAt("web", "wxb", identities[0].UnionID, nil); u.ID != c.user.ID {
		f.t.Fatal("the second identity has another user")
	}
	service, err := administration.New(administration.Config{
		Store: f.store, URL: gatewayURL, Apps: apps(), Now: func() time.Time { return f.now },
	})
	if err != nil {
		f.t.Fatal(err)
	}
	command := administration.Actor{ID: gateway.ActorCommand}
	c.invitation, _, err = service.Invite(f.t.Context(), command, administration.Invite{
		Kind: gateway.InviteUser, MaxUses: 3,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	c.key, _, err = service.CreateAPIKey(f.t.Context(), command, administration.NewAPIKey{
		Name: "robot", Scopes: []string{administration.ScopeUsersRead},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	c.identity = f.identityKey(c.user.ID)
	return c
}

// forms returns a valid form for each POST route. A route without a form fails TestEveryRoute….
func (c crowd) forms() map[string]url.Values {
	stamp := c.user.UpdatedAt.UTC().Format(time.RFC3339Nano)
	return map[string]url.Values{
		"/waiting":                 {"one": {"approve_all " + c.user.ID + " wiki"}},
		"/users":                   {"act": {"approve"}, "sel": {c.user.ID}},
		"/users/export":            {"format": {"csv"}},
		"/users/{id}/edit":         {"stamp": {stamp}, "real_name": {"Alice Li"}, "note": {""}, "groups": {"staff"}},
		"/users/{id}/decide":       {"act": {"approve"}, "app": {"wiki"}},
		"/users/{id}/block":        {"reason": {"lost phone"}},
		"/users/{id}/unblock":      {},
		"/users/{id}/sign-out":     {},
		"/users/{id}/end-session":  {"session": {"none"}},
		"/users/{id}/admin":        {"act": {"admin"}},
		"/users/{id}/merge":        {"other": {c.other.ID}},
		"/users/{id}/unlink":       {"identity": {c.identity}},
		"/users/{id}/move":         {},
		"/users/{id}/delete":       {"confirm": {c.user.ID[len(c.user.ID)-6:]}},
		"/invitations/new":         {"max_uses": {"1"}, "hours": {"24"}, "scope": {"all"}},
		"/invitations/new-admin":   {"hours": {"1"}},
		"/invitations/{id}/revoke": {},
		"/events/export":           {"format": {"jsonl"}},
		"/health/send-again":       {"delivery": {"1"}},
		"/notifications":           {"name": {"ops"}},
		"/api-keys/new":            {"name": {"sync"}, "scopes": {"users:read"}, "days": {"30"}},
		"/api-keys/{id}/revoke":    {},
	}
}

// path returns the address of a route.
func (c crowd) path(r admin.Route) string {
	id := c.user.ID
	switch {
	case strings.HasPrefix(r.Path, "/invitations"):
		id = c.invitation.ID
	case strings.HasPrefix(r.Path, "/apps"):
		id = "wiki"
	case strings.HasPrefix(r.Path, "/api-keys"):
		id = c.key.ID
	}
	path := "/admin" + strings.Replace(r.Path, "{id}", id, 1)
	if r.Method == http.MethodGet && strings.HasSuffix(r.Path, "/unlink") {
		path += "?identity=" + c.identity
	}
	return path
}

// caller is a kind of caller, and what every kind of route answers.
type caller struct {
	name string
	// page and form are what a route answers: "in" = it serves the caller, "sign-in" = the sign-in
	// begins, or a text of the page that refuses.
	page, form, freshPage, freshForm string
}

// TestEveryRouteForEveryCaller requests every route as every kind of caller. Mount registers the
// same list, so a new route without a form fails (goauthentik/authentik
// CVE-2024-42490, zitadel CVE-2025-27507: objects served without a check of rights). A link and a
// scan never do an act of weight (pocket-id GHSA-hp74-gm6m-2qm5, QuantumNous/new-api CVE-2026-32879).
func TestEveryRouteForEveryCaller(t *testing.T) {
	t.Parallel()
	const notAdmin, scan, link = "For administrators only", "Sign in without a QR code", "Sign in at WeChat first"
	for _, c := range []caller{
		{"nobody", "sign-in", "Sign in again", "sign-in", "Sign in again"},
		{"user", notAdmin, notAdmin, notAdmin, notAdmin},
		{"pending", notAdmin, notAdmin, notAdmin, notAdmin},
		{"blocked", notAdmin, notAdmin, notAdmin, notAdmin},
		{"scan", scan, scan, scan, scan},
		{"link", "in", "in", link, link},
		{"stale", "in", "in", "sign-in", "sign-in"},
		{"admin", "in", "in", "in", "in"},
		{"website", "in", "in", "in", "in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.callers()
			people := f.crowd()
			for _, r := range admin.Routes() {
				want := map[bool]map[bool]string{
					false: {false: c.page, true: c.freshPage}, true: {false: c.form, true: c.freshForm},
				}[r.Method == http.MethodPost][r.Fresh]
				f.checkRoute(c.name, people, r, want)
			}
		})
	}
}

// callers signs all kinds of callers in.
func (f *fixture) callers() {
	active := func(u *gateway.User) { u.Status = gateway.Active }
	f.browser("user", f.user("user", active), gateway.MethodWeChat, 0)
	f.browser("pending", f.user("pending", func(u *gateway.User) { u.Admin = true }), gateway.MethodWeChat, 0)
	f.browser("blocked", f.user("blocked", func(u *gateway.User) { u.Admin, u.Status = true, gateway.Blocked }),
		gateway.MethodWeChat, 0)
	f.browser("scan", f.admin, gateway.MethodScan, 0)
	f.browser("link", f.admin, gateway.MethodLink, 0)
	f.browser("website", f.admin, gateway.MethodWebsite, 0)
	f.browser("stale", f.admin, gateway.MethodWeChat, 10*time.Minute+time.Second)
}

// checkRoute requests a route and compares the answer. A refused request changes nothing.
func (f *fixture) checkRoute(browser string, c crowd, r admin.Route, want string) {
	f.t.Helper()
	if r.Open {
		return
	}
	form, known := c.forms()[r.Path]
	if r.Method == http.MethodPost && !known {
		f.t.Fatalf("no form for POST %s: add one to crowd.forms", r.Path)
	}
	before := f.snapshot()
	var res response
	if r.Method == http.MethodPost {
		res = f.postAs(browser, c.path(r), form)
	} else {
		res = f.do(browser, c.path(r), nil)
	}
	heading, signIn := text(res.body), strings.HasPrefix(res.location, "/sign-in?")
	switch {
	case want == "in":
		if signIn || res.status == http.StatusForbidden || res.status >= http.StatusInternalServerError {
			f.t.Errorf("%s %s: %d %s, want the page; %.200s", r.Method, r.Path, res.status, res.location, heading)
		}
		return
	case want == "sign-in" && (!signIn || res.status != http.StatusSeeOther):
		f.t.Errorf("%s %s: %d %s, want the sign-in; %.200s", r.Method, r.Path, res.status, res.location, heading)
	case want != "sign-in" && (res.status != http.StatusForbidden || !strings.Contains(heading, want)):
		f.t.Errorf("%s %s: %d, want 403 and %q; %.200s", r.Method, r.Path, res.status, want, heading)
	}
	if f.snapshot() != before {
		f.t.Errorf("%s %s: refused, but something has changed", r.Method, r.Path)
	}
}

// TestSignInOfAdministrators requires the methods without a scan, and that WeChat authenticates the
// administrator again. A return address is a path of the pages (casdoor CVE-2026-5467).
func TestSignInOfAdministrators(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.callers()
	f.do("stale", "/admin/api-keys/new?name=x", nil)
	if got := f.signIn.last; !got.Reauthenticate || got.ReturnURL != "/admin/api-keys/new?name=x" || got.ID == "" ||
		strings.Join(got.App.Methods, " ") != "wechat website" {
		t.Errorf("login request %+v", got)
	}
	for _, address := range []string{"//evil.example", `/\evil.example`, "https://evil.example", "javascript:alert(1)"} {
		f.do("nobody", "/admin/sign-in?return="+url.QueryEscape(address), nil)
		if got := f.signIn.last.ReturnURL; got != "/admin" {
			t.Errorf("return %q: %q", address, got)
		}
	}
}

// TestLateFormKeepsWhatWasTyped sends the form of an act of weight too late. The sign-in returns to the
// form with its values, and without the token.
func TestLateFormKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.callers()
	f.postAs("stale", "/admin/api-keys/new", url.Values{
		"name": {"HR sync"}, "scopes": {"users:read", "events:read"}, "days": {"365"},
	})
	address := f.signIn.last.ReturnURL
	if strings.Contains(address, "token") {
		t.Errorf("return address %q", address)
	}
	page := f.get(address)
	for _, want := range []string{`value="HR sync"`, `value="users:read" checked`, `value="events:read" checked`,
		`value="365" selected`, "You are signed in again"} {
		if !strings.Contains(page, want) {
			t.Errorf("the form lacks %s", want)
		}
	}
	if keys, err := f.store.APIKeys(t.Context()); err != nil || len(keys) != 0 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

// TestLinkSessionLeavesNoLongInvitation: an attacker who got the emergency link of an administrator
// would make an invitation that outlives the session of an hour. The page does not offer the time, and
// a form that asks for it gets 24 hours.
func TestLinkSessionLeavesNoLongInvitation(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.callers()
	page := f.do("link", "/admin/invitations/new", nil).body
	if !strings.Contains(text(page), "expire after 24 hours") || strings.Contains(page, `value="168"`) {
		t.Errorf("the form: %s", text(page))
	}
	for _, hours := range []string{"168", "2160", "", "24"} {
		f.postAs("link", "/admin/invitations/new", url.Values{"hours": {hours}, "note": {"a way in"}})
	}
	made, err := f.store.Invitations(t.Context(), gateway.InvitationQuery{})
	if err != nil || len(made) != 4 {
		t.Errorf("%d invitations, %v", len(made), err)
	}
	for _, i := range made {
		if i.ExpiresAt.After(start.Add(24 * time.Hour)) {
			t.Errorf("an invitation until %s", i.ExpiresAt)
		}
	}
	if page := f.do("admin", "/admin/invitations/new", nil).body; !strings.Contains(page, `value="168" selected`) {
		t.Error("after a sign-in at WeChat, the form does not offer a week")
	}
}

// TestAddresses restricts the pages to networks.
func TestAddresses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *admin.Config) {
		c.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/64")}
	})
	for peer, want := range map[string]int{"10.1.2.3:1": 200, "[::ffff:10.1.2.3]:1": 200, "[fe80::1%eth0]:1": 200,
		"192.0.2.1:1": 403, "": 403} {
		res := f.do("admin", "/admin", nil, func(r *http.Request) { r.RemoteAddr = peer })
		if res.status != want {
			t.Errorf("from %q: %d, want %d", peer, res.status, want)
		}
	}
}

// TestCrossSiteForms sends every form as an attacker's page would (1Panel CVE-2025-34410, new-api
// CVE-2026-44342).
func TestCrossSiteForms(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	people := f.crowd()
	f.browser("other", f.admin, gateway.MethodWeChat, 0)
	token := func(browser string) string { return admin.FormToken(formKey, session.Hash(browser)) }
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, attack := range map[string]struct {
		tokens []string
		change func(*http.Request)
	}{
		"foreign origin": {[]string{token("admin")}, header("Origin", "https://evil.example")},
		"cross-site": {[]string{token("admin")}, func(r *http.Request) {
			r.Header.Del("Origin")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
		}},
		"no token":                 {nil, header("X", "")},
		"empty token":              {[]string{""}, header("X", "")},
		"token of another session": {[]string{token("other")}, header("X", "")},
		"two tokens":               {[]string{token("admin"), "x"}, header("X", "")},
		"JSON":                     {[]string{token("admin")}, header("Content-Type", "application/json")},
		"text":                     {[]string{token("admin")}, header("Content-Type", "text/plain")},
	} {
		before := f.snapshot()
		for _, r := range admin.Routes() {
			form := people.forms()[r.Path]
			if r.Method != http.MethodPost {
				continue
			}
			sent := url.Values{"token": attack.tokens}
			for field, values := range form {
				sent[field] = values
			}
			if res := f.do("admin", people.path(r), sent, attack.change); res.status != http.StatusForbidden {
				t.Errorf("%s, POST %s: %d", name, r.Path, res.status)
			}
		}
		if f.snapshot() != before {
			t.Errorf("%s: something has changed", name)
		}
	}
	f.formsByGET(people)
}

// formsByGET sends every form in the address. GET changes nothing.
func (f *fixture) formsByGET(c crowd) {
	f.t.Helper()
	before := f.snapshot()
	for _, r := range admin.Routes() {
		if r.Method != http.MethodPost {
			continue
		}
		form := url.Values{"token": {admin.FormToken(formKey, session.Hash("admin"))}}
		for field, values := range c.forms()[r.Path] {
			form[field] = values
		}
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete} {
			res := f.do("admin", c.path(r)+"?"+form.Encode(), nil, func(req *http.Request) { req.Method = method })
			if res.status >= http.StatusInternalServerError || res.status == http.StatusSeeOther {
				f.t.Errorf("%s %s: %d", method, r.Path, res.status)
			}
		}
	}
	if f.snapshot() != before {
		f.t.Error("a form in the address of a GET request has changed something")
	}
}
