package portal_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>` + "\u202e\u0000"

// TestAppsOfTheHomePage checks which apps a user sees: all that are allowed now, used or not
// (pocket-id/pocket-id 1.8 #832), each once although two groups open it (1.10), and none that the
// user may not use (zitadel CVE-2025-67717, nezha CVE-2026-49397).
func TestAppsOfTheHomePage(t *testing.T) {
	t.Parallel()
	groups := app("groups", "Groups", gateway.AccessListed)
	groups.Access.Groups = []string{"staff", "finance"}
	openID := app("openid", "By openid", gateway.AccessListed)
	openID.Access.OpenIDs = []string{"openid-alice"}
	secret, hidden, without := app("secret", "Secret project", gateway.AccessListed), app("plumbing", "Plumbing",
		gateway.AccessSignedIn), app("nowhere", "Nowhere", gateway.AccessSignedIn)
	hidden.Hidden, without.HomeURL = true, ""
	odd := app("odd", "Odd", gateway.AccessSignedIn)
	odd.HomeURL = "https://*.odd.example.com:port/"
	bare := app("bare", "", gateway.AccessSignedIn)
	f := newFixture(t, app("zebra", "Zebra", gateway.AccessApproved), groups, openID, secret, hidden, without, odd, bare)
	f.user("alice", func(u *gateway.User) { u.Groups = []string{"staff", "finance"} })
	body := f.get("alice", "/")
	for _, name := range []string{"Zebra", "Groups", "By openid", ">bare<"} {
		if strings.Count(body, name) != 1 {
			t.Errorf("%s is shown %d times", name, strings.Count(body, name))
		}
	}
	for _, not := range []string{"Secret", "Plumbing", "Nowhere", "*.odd"} {
		if strings.Contains(body, not) {
			t.Errorf("%s is shown", not)
		}
	}
	if strings.Index(body, "By openid") > strings.Index(body, "Zebra") {
		t.Error("the apps are not sorted by name")
	}
}

// TestQueriesDoNotGrowWithApps renders the page of a user with fifty apps that each need the user's
// identities.
func TestQueriesDoNotGrowWithApps(t *testing.T) {
	t.Parallel()
	counts := map[int]int{}
	for _, n := range []int{1, 50} {
		var apps []gateway.App
		for i := range n {
			a := app(fmt.Sprintf("app%d", i), fmt.Sprintf("App %02d", i), gateway.AccessListed)
			a.Access.OpenIDs = []string{"openid-alice"}
			apps = append(apps, a)
		}
		f := newFixture(t, apps...)
		alice := f.user("alice")
		for _, a := range apps {
			f.grant(alice, a.ID)
		}
		f.queries = 0
		if got := strings.Count(f.get("alice", "/"), `class="tile"`); got != n {
			t.Errorf("%d tiles, want %d", got, n)
		}
		counts[n] = f.queries
	}
	if counts[1] != counts[50] || counts[50] > 8 {
		t.Errorf("queries by number of apps: %v", counts)
	}
}

// TestHostileAppsAreHarmless has apps whose operator tries to run code in the pages of all users
// (casdoor CVE-2026-5468, argo-cd CVE-2026-45738, modelcontextprotocol/registry CVE-2026-44429,
// rauthy 0.32.1 #1168: SVG).
func TestHostileAppsAreHarmless(t *testing.T) {
	t.Parallel()
	var apps []gateway.App
	for i, home := range []string{"javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "//evil.example/",
		"vbscript:x", "file:///etc/passwd", " javascript:alert(1)"} {
		a := app(fmt.Sprintf("bad%d", i), fmt.Sprintf("Bad %d", i), gateway.AccessSignedIn)
		a.HomeURL = home
		apps = append(apps, a)
	}
	named := app("named", hostile, gateway.AccessSignedIn)
	named.Description = strings.Repeat(hostile, 100)
	quoted := app("quoted", "Quoted", gateway.AccessSignedIn)
	quoted.HomeURL = `https://quoted.example.com/"onmouseover="alert(1)`
	svg := app("svg", "Vector", gateway.AccessSignedIn)
	svg.Picture = gateway.Picture{Type: "image/svg+xml", Data: []byte("<svg onload=alert(1)>")}
	native := app("native", "Native", gateway.AccessSignedIn)
	native.HomeURL = "com.example.app:/open"
	png := app("png", "Picture", gateway.AccessSignedIn)
	png.Picture = gateway.Picture{Type: "image/png", Data: []byte("\x89PNG picture")}
	f := newFixture(t, append(apps, named, quoted, svg, native, png)...)
	f.user("alice")
	body := f.get("alice", "/")
	for _, not := range []string{"<script>alert", "<img src=x", "javascript:", "data:text", "evil.example", "Bad ",
		`"onmouse`, "\u202e", "file:"} {
		if strings.Contains(strings.ToLower(body), strings.ToLower(not)) {
			t.Errorf("the page has %q", not)
		}
	}
	for _, want := range []string{`href="com.example.app:/open"`, "Vector", "Quoted"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	icons := regexp.MustCompile(`src="(/app-icon/[^"]+)"`).FindAllStringSubmatch(body, -1)
	if len(icons) != 1 || strings.Contains(body, `src="http`) {
		t.Fatalf("icons: %v", icons)
	}
	w := f.do("", http.MethodGet, icons[0][1], nil)
	if w.Code != 200 || w.Header().Get("Content-Type") != "image/png" ||
		w.Header().Get("X-Content-Type-Options") != "nosniff" ||
		!strings.Contains(w.Header().Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("icon: %d %v", w.Code, w.Header())
	}
	if w := f.do("alice", http.MethodGet, "/app-icon/png", nil); w.Code != 404 {
		t.Errorf("an icon by the id of its app: %d", w.Code)
	}
}

// TestRequestsAreShownWithTheirState shows waiting and refused requests, and no app that an
// administrator refused without a request.
func TestRequestsAreShownWithTheirState(t *testing.T) {
	t.Parallel()
	f := newFixture(t, app("wiki", "Wiki", gateway.AccessApproved), app("shop", "Shop", gateway.AccessApproved),
		app("vault", "Vault", gateway.AccessApproved), app("open", "Opened", gateway.AccessSignedIn))
	alice := f.user("alice", func(u *gateway.User) { u.Status = gateway.Pending })
	for _, id := range []string{"wiki", "shop", "open"} { // the rule of the last one has changed since
		if _, _, err := f.store.RequestAccess(t.Context(), gateway.AccessRequest{UserID: alice.ID, App: id,
			Method: gateway.MethodWeChat, RequestedAt: f.now}); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"shop", "vault"} {
		if _, err := f.store.DecideAccess(t.Context(), gateway.AccessDecision{UserID: alice.ID, Apps: []string{id},
			State: gateway.RequestRefused, Reason: "only " + hostile + " accounting", At: f.now, By: "the-boss",
			Event: gateway.Event{Kind: "user_refused"}}); err != nil {
			t.Fatal(err)
		}
	}
	body := f.get("alice", "/")
	for _, want := range []string{"Wiki", "Waiting for approval", "Shop", "Not approved", "accounting"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "Vault") || strings.Count(body, "Opened") != 1 ||
		strings.Contains(body, "<script>alert") || strings.Contains(body, "the-boss") {
		t.Error("the page has what the user must not see")
	}
}

// TestDownloadHasOwnDataOnly checks what the file has, and that it has nothing of others and no secret.
func TestDownloadHasOwnDataOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t, app("wiki", "Wiki", gateway.AccessSignedIn))
	alice := f.user("alice", func(u *gateway.User) {
		u.RealName, u.Note = "李雷", "secret note"
		u.Agreement = gateway.NewAgreement("2026-11", []string{"https://www.example.com/privacy"})
	})
	mallory := f.user("mallory")
	grant := f.grant(alice, "wiki")
	if err := f.store.AppendEvents(t.Context(),
		gateway.Event{At: f.now, Kind: "sign_in", UserID: alice.ID, Method: "wechat", Outcome: "ok", Address: "192.0.2.*"},
		gateway.Event{At: f.now, Kind: "user_edited", UserID: alice.ID, Actor: mallory.ID, Outcome: "ok",
			Address: "203.0.113.*", Detail: "note: secret note"},
		gateway.Event{At: f.now, Kind: "sign_in", UserID: mallory.ID, Method: "website"}); err != nil {
		t.Fatal(err)
	}
	w := f.post("alice", "/my-data", url.Values{"session": {f.formID("alice")}, "user": {mallory.ID}})
	var data map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &data); err != nil || w.Code != 200 {
		t.Fatalf("%d, %v", w.Code, err)
	}
	for _, want := range []string{alice.ID, "李雷", "openid-alice", "Browser of alice", "sub-" + alice.ID, "Wiki",
		"192.0.2.*", `"by": "administrator"`, `"version": "2026-11"`, "https://www.example.com/privacy"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the file lacks %q", want)
		}
	}
	hash := session.Hash(f.ids["alice"])
	for _, not := range []string{mallory.ID, "mallory", "secret note", "203.0.113", "website",
		f.ids["alice"], f.formID("alice"), fmt.Sprintf("%x", hash), base64.StdEncoding.EncodeToString(hash[:]),
		base64.RawURLEncoding.EncodeToString(hash[:]), grant} {
		if strings.Contains(w.Body.String(), not) {
			t.Errorf("the file has %q", not)
		}
	}
	if w.Header().Get("Content-Disposition") != `attachment; filename="my-data-2026-11-29.json"` ||
		w.Header().Get("Cache-Control") != "no-store" || len(f.events("data_downloaded")) != 1 {
		t.Errorf("headers: %v", w.Header())
	}
	// WeChat cannot save files: the page has the address instead of the button.
	f.agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605 MicroMessenger/8.0.50"
	body := f.get("alice", "/my-data")
	if !strings.Contains(body, gatewayURL+"/my-data") || strings.Contains(body, "<form") {
		t.Error("the page inside WeChat has a button, or no address")
	}
	f.now = f.now.Add(11 * time.Minute)
	if w := f.post("alice", "/my-data", url.Values{"session": {f.formID("alice")}}); w.Code != 403 {
		t.Errorf("a sign-in 11 minutes old: %d", w.Code)
	}
}

// TestDeletion deletes a user, and nobody else.
func TestDeletion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alice, bob := f.user("alice"), f.user("bob")
	form := url.Values{"session": {f.formID("alice")}, "user": {bob.ID}, "id": {bob.ID}}
	if w := f.post("alice", "/delete-account", form); w.Code != 422 || !strings.Contains(w.Body.String(), "agree-error") {
		t.Errorf("without the tick: %d", w.Code)
	}
	form.Set("agree", "1")
	w := f.post("alice", "/delete-account", form)
	if w.Code != 200 || !strings.Contains(w.Body.String(), "Your account is deleted") ||
		!strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("%d %s", w.Code, w.Header())
	}
	if _, err := f.store.User(t.Context(), alice.ID); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("the user exists: %v", err)
	}
	if _, err := f.store.User(t.Context(), bob.ID); err != nil || f.signedIn("alice") || !f.signedIn("bob") {
		t.Errorf("another user: %v", err)
	}
	if e := f.events("account_deleted"); len(e) != 1 || e[0].UserID != alice.ID || e[0].Detail+e[0].Address != "" {
		t.Errorf("events: %+v", e)
	}
}

// TestWhoCannotDelete checks the users who must not delete themselves: a deletion would let a refused
// user in again, leave no administrator, or be done by somebody who has proven nothing at WeChat
// (pocket-id GHSA-hp74-gm6m-2qm5).
func TestWhoCannotDelete(t *testing.T) {
	t.Parallel()
	f := newFixture(t, app("open", "Open", gateway.AccessSignedIn))
	boss := f.user("boss", func(u *gateway.User) { u.Admin = true })
	refused := f.user("refused", func(u *gateway.User) { u.RefusedApps = []string{"open"} })
	plain := f.user("plain")
	f.browser("link", plain, gateway.MethodLink, session.Data{})
	if !strings.Contains(f.get("boss", "/delete-account"), "last administrator") {
		t.Error("the page offers the deletion to the last administrator")
	}
	late := f.user("late")
	f.browser("scan", late, gateway.MethodScan, session.Data{})
	for browser, want := range map[string]string{"boss": "last administrator", "refused": "has refused you",
		"link": "signed in by an administrator", "scan": "Nothing was deleted"} {
		w := f.post(browser, "/delete-account", url.Values{"session": {f.formID(browser)}, "agree": {"1"}})
		if w.Code != 403 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d", browser, w.Code)
		}
	}
	f.now = f.now.Add(11 * time.Minute)
	if w := f.post("late", "/delete-account", url.Values{"session": {f.formID("late")}, "agree": {"1"}}); w.Code != 403 {
		t.Errorf("late: %d", w.Code)
	}
	// The button signs in again, by a method that proves the user.
	w := f.do("late", http.MethodGet, "/delete-account?sign-in=1", nil)
	if w.Code != 303 || len(f.begun) != 1 || !f.begun[0].Reauthenticate || f.begun[0].ReturnURL != "/delete-account" ||
		fmt.Sprint(f.begun[0].App.Methods) != "[wechat website]" {
		t.Errorf("%d, %+v", w.Code, f.begun)
	}
	// A blocked user has no session.
	if _, err := f.store.UpdateUser(t.Context(), late.ID, f.now, func(u *gateway.User) error {
		u.Status = gateway.Blocked
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	f.post("late", "/delete-account", url.Values{"session": {f.formID("late")}, "agree": {"1"}})
	for _, id := range []string{boss.ID, refused.ID, late.ID, plain.ID} {
		if _, err := f.store.User(t.Context(), id); err != nil {
			t.Errorf("a user was deleted: %v", err)
		}
	}
}

// TestRefusedUserCannotDelete: a new user of the same person would be admitted by the rule of the app,
// by a list of openids, or by an invitation for several users. A refusal at an app that is not
// configured any more does not count.
func TestRefusedUserCannotDelete(t *testing.T) {
	t.Parallel()
	f := newFixture(t, app("open", "A", gateway.AccessSignedIn), app("listed", "B", gateway.AccessListed),
		app("closed", "C", gateway.AccessApproved))
	for refused, want := range map[string]int{"open": http.StatusForbidden, "listed": http.StatusForbidden,
		"closed": http.StatusForbidden, "former": http.StatusOK} {
		f.user(refused, func(u *gateway.User) { u.RefusedApps = []string{refused} })
		w := f.post(refused, "/delete-account", url.Values{"session": {f.formID(refused)}, "agree": {"1"}})
		if w.Code != want {
			t.Errorf("%s: %d, want %d", refused, w.Code, want)
		}
	}
}

// TestPagesBeginASignIn opens the pages without a session: after the sign-in, the browser returns.
func TestPagesBeginASignIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i, path := range []string{"/my-data", "/delete-account"} {
		w := f.do("nobody", http.MethodGet, path, nil)
		if w.Code != http.StatusSeeOther || len(f.begun) != i+1 || f.begun[i].ReturnURL != path || f.begun[i].Reauthenticate {
			t.Errorf("%s: %d, %+v", path, w.Code, f.begun)
		}
	}
}

var han = regexp.MustCompile(`\p{Han}`)

// TestPagesInBothLanguages renders every page with everything that it can have. No text of the other
// language is on it.
func TestPagesInBothLanguages(t *testing.T) {
	t.Parallel()
	f := newFixture(t, app("wiki", "W1", gateway.AccessSignedIn))
	alice := f.user("a1", func(u *gateway.User) { u.Admin = true })
	f.browser("a2", alice, gateway.MethodScan, session.Data{Scan: &session.Scan{MaskedIP: "192.0.2.*"}})
	f.browser("a3", alice, gateway.MethodLink, session.Data{})
	f.grant(alice, "wiki")
	if err := f.store.AppendEvents(t.Context(), gateway.Event{At: f.now, Kind: "sign_in", UserID: alice.ID, Method: "scan",
		Outcome: "refused"}); err != nil {
		t.Fatal(err)
	}
	english := regexp.MustCompile(`[a-z]{3,} [a-z]{3,}`)
	markup := regexp.MustCompile(`(?s)<(style|script|svg).*?</(style|script|svg)>|<[^>]*>`)
	for _, browser := range []string{"a1", "a2", "a3"} {
		for _, path := range []string{"/", "/my-data", "/delete-account"} {
			f.lang = "en"
			if body := f.get(browser, path); han.MatchString(body) {
				t.Errorf("%s in English: %s", path, han.FindString(body))
			}
			f.lang = "zh-CN"
			text := strings.ReplaceAll(markup.ReplaceAllString(f.get(browser, path), " "), "weigate admin invite", "")
			if found := english.FindString(text); found != "" {
				t.Errorf("%s in Chinese: %q", path, found)
			}
		}
	}
	if !strings.Contains(f.get("a1", "/"), `href="/admin"`) {
		t.Error("an administrator has no link to the pages of administrators")
	}
}
