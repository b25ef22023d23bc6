package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/admin"
	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

// hostile is a text that users and administrators type: markup, a script address, characters that
// change the direction of text, control characters, and 10,000 characters.
var hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>' javascript:alert(1) {{.Token}} </textarea>` +
	"\u202egnp.exe\u2066\x1b[31m\x00\r\n\u2028" + strings.Repeat("长", 10_000)

// TestHostileTextsAreHarmless puts one text into every field, and reads every page in both languages
// (gogs CVE-2026-26195, listmonk CVE-2026-21483: names of users in the pages of administrators;
// casdoor CVE-2026-5468, Gokapi CVE-2025-48495: values of one administrator in the pages of another).
func TestHostileTextsAreHarmless(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.crowd()
	cut := func(n int) string { return string([]rune(hostile)[:n]) }
	user := "/admin/users/" + c.user.ID
	evil := f.user(hostile, func(u *gateway.User) {
		u.OldID, u.Agreement = cut(200), gateway.NewAgreement(hostile, []string{hostile})
	})
	f.wait(evil, "wiki")
	f.putSession(c.user, "phone", hostile)
	stamp := f.stored(c.user.ID).UpdatedAt.Format(time.RFC3339Nano)
	f.done(f.post(user+"/edit", url.Values{"stamp": {stamp}, "real_name": {cut(100)}, "note": {cut(1000)}}))
	f.done(f.post("/admin/users/"+c.other.ID+"/decide", url.Values{"act": {"refuse"}, "reason": {cut(500)}}))
	f.done(f.post("/admin/users/"+evil.ID+"/block", url.Values{"reason": {cut(500)}}))
	f.post("/admin/invitations/new", url.Values{"note": {cut(1000)}, "max_uses": {"1"}, "hours": {"24"}})
	f.post("/admin/api-keys/new", url.Values{"name": {cut(100)}, "scopes": {"users:read"}, "days": {"1"}})
	f.fault(gateway.Problem{Source: "app:" + cut(60), Code: cut(60), Detail: cut(400), RequestID: "r"})
	if err := f.store.AppendEvents(t.Context(), gateway.Event{
		At: f.now, Kind: cut(60), Outcome: cut(60), Detail: cut(400), Method: cut(60), Address: cut(60), Actor: cut(60),
	}); err != nil {
		t.Fatal(err)
	}
	invitations, err := f.store.Invitations(t.Context(), gateway.InvitationQuery{})
	if err != nil {
		t.Fatal(err)
	}
	paths := f.pages(c.user.ID, c.other.ID, invitations[0].ID)
	paths = append(paths, "/admin/users/"+evil.ID, "/admin/users?q="+url.QueryEscape(cut(150)),
		"/admin/events?user="+url.QueryEscape(cut(100))+"&kind=x", "/admin/waiting?app="+url.QueryEscape(cut(100)),
		"/admin/users?sel="+url.QueryEscape(cut(100)), "/admin?done="+url.QueryEscape(cut(100))+"&n=1",
		"/admin/events/export?q=x&user="+url.QueryEscape(cut(100)))
	for _, f.lang = range []string{"en", "zh-CN"} {
		for _, path := range paths {
			f.checkHarmless(path, f.get(path))
		}
	}
}

// scripts matches the scripts and styles that pages have themselves.
var scripts = regexp.MustCompile(`(?s)<(script|style)>.*?</(script|style)>`)

// checkHarmless fails the test for a page on which a text of a user could do harm.
func (f *fixture) checkHarmless(path, page string) {
	f.t.Helper()
	page = scripts.ReplaceAllString(page, "")
	for _, bad := range []string{
		"<script", "<img src=x", "onerror=alert(1)>", `href="javascript`, "\u2066", "\x1b", "\x00",
	} {
		if i := strings.Index(page, bad); i >= 0 {
			f.t.Errorf("%s has %q: %.200q", path, bad, page[max(0, i-80):])
		}
	}
	// The values of inputs keep what was typed. Elsewhere, no character changes the direction of text.
	shown := regexp.MustCompile(`(?s)<(textarea|input)[^>]*>([^<]*</textarea>)?`).ReplaceAllString(page, "")
	shown = regexp.MustCompile(`(?s)<[^>]*>`).ReplaceAllString(shown, "")
	if i := strings.IndexRune(shown, '\u202e'); i >= 0 {
		f.t.Errorf("%s changes the direction of text: %.120q", path, shown[max(0, i-60):])
	}
	if strings.Contains(shown, strings.Repeat("长", 1200)) {
		f.t.Errorf("%s has a text of more than 1,200 characters", path)
	}
}

// fault records a problem.
func (f *fixture) fault(p gateway.Problem) {
	f.t.Helper()
	p.FirstAt, p.LastAt, p.Count = f.now, f.now, 1
	p.Source, p.Code = gateway.CleanText(p.Source), gateway.CleanText(p.Code)
	p.Detail = gateway.CleanText(p.Detail)
	counts := []gateway.Statistic{
		{Hour: f.now.Truncate(time.Hour), Name: gateway.StatSignInFinished, Label: "wechat", Count: 5},
		{Hour: f.now.Truncate(time.Hour), Name: gateway.StatWeChat, Label: "main 40029", Count: 2},
	}
	if err := f.store.AddStatistics(f.t.Context(), counts, []gateway.Problem{p}); err != nil {
		f.t.Fatal(err)
	}
}

// TestNoSecretOnAnyPage plants secrets in everything that has one (new-api CVE-2026-64859, authentik
// CVE-2026-40166: lists of administrators held secrets).
func TestNoSecretOnAnyPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.crowd()
	f.putSession(c.user, "session id", "Chrome, Windows")
	res := f.post("/admin/api-keys/new", url.Values{"name": {"sync"}, "scopes": {"users:read"}, "days": {"1"}})
	key := regexp.MustCompile(gateway.APIKeyPrefix + `[a-z2-7]{26}`).FindString(res.body)
	res = f.post("/admin/invitations/new", url.Values{"max_uses": {"1"}, "hours": {"24"}})
	link := regexp.MustCompile(`/invite/[a-z2-7]{26}`).FindString(res.body)
	identities, err := f.store.Identities(t.Context(), c.user.ID)
	if err != nil || key == "" || link == "" {
		t.Fatal(err, key, link)
	}
	hash := session.Hash("session id")
	secrets := []string{key, link, fmt.Sprintf("%x", hash), string(formKey)}
	for _, i := range identities {
		secrets = append(secrets, i.OpenID, i.UnionID)
	}
	invitations, err := f.store.Invitations(t.Context(), gateway.InvitationQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range f.pages(c.user.ID, c.other.ID, invitations[0].ID) {
		page := f.get(path)
		for _, secret := range secrets {
			if strings.Contains(page, secret) {
				t.Errorf("%s has %q", path, secret)
			}
		}
	}
}

// TestPagesHaveOneLanguage reads every page in both languages (casdoor/casdoor#956, Pocket ID 2.0:
// the other language appears in dates and plural forms).
func TestPagesHaveOneLanguage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.crowd()
	f.putSession(c.user, "phone", "Chrome, Windows")
	f.done(f.post("/admin/users", url.Values{"act": {"approve"}, "sel": {c.other.ID}, "groups": {"staff"}}))
	f.fault(gateway.Problem{Source: "wechat:main", Code: "40029", RequestID: "r"})
	views, err := admin.Views()
	if err != nil {
		t.Fatal(err)
	}
	english := map[string]bool{} // texts that Chinese pages must not have
	for _, key := range views.Keys() {
		en, errEnglish := views.Texts("en").Text(key, "n", 1, "max", 1, "value", "x", "name", "main", "app", "Wiki")
		zh, errChinese := views.Texts("zh-CN").Text(key, "n", 1, "max", 1, "value", "x", "name", "main", "app", "Wiki")
		if errEnglish != nil || errChinese != nil {
			t.Fatal(errEnglish, errChinese)
		}
		english[en] = en != zh
	}
	han := regexp.MustCompile(`\p{Han}+`)
	node := regexp.MustCompile(`>([^<>]+)<`)
	for _, path := range f.pages(c.user.ID, c.other.ID, c.invitation.ID) {
		f.lang = "zh-CN"
		for _, found := range node.FindAllStringSubmatch(scripts.ReplaceAllString(f.get(path), ""), -1) {
			if words := strings.TrimSpace(found[1]); english[words] {
				t.Errorf("%s in Chinese has %q", path, words)
			}
		}
		f.lang = "en"
		if found := han.FindString(scripts.ReplaceAllString(f.get(path), "")); found != "" {
			t.Errorf("%s in English has %q", path, found)
		}
	}
}

// TestEveryWordHasItsText compares the words that other packages choose with the catalogue.
func TestEveryWordHasItsText(t *testing.T) {
	t.Parallel()
	views, err := admin.Views()
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, kind := range administration.EventKinds() {
		keys = append(keys, "event."+kind.Kind)
	}
	for _, state := range []string{"active", "expiring", "expired", "waiting"} {
		keys = append(keys, "certificate_state."+state)
	}
	for _, reason := range admin.Reasons() {
		keys = append(keys, "reason."+reason)
	}
	for _, scope := range administration.Scopes() {
		keys = append(keys, "scope_text."+scope)
	}
	for _, word := range []string{"required", "too_long", "too_many", "invalid", "unknown"} {
		keys = append(keys, "invalid."+word)
	}
	for _, key := range keys {
		if !slices.Contains(views.Keys(), key) {
			t.Errorf("no text for %s", key)
		}
	}
}

// TestNumbersOutOfRange sends numbers in every numeric parameter (sebadob/rauthy#1165: page size 0;
// nginx-ui CVE-2026-33029: a negative interval stopped the service).
func TestNumbersOutOfRange(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.crowd()
	for _, n := range []string{"0", "-1", "2147483648", "9223372036854775807", "9223372036854775808", "", "x", "1e9", "０",
		"-9223372036854775808"} {
		v := url.QueryEscape(n)
		for _, path := range []string{
			"/admin?done=approve&n=" + v, "/admin/waiting?after=" + v + "+x+y", "/admin/waiting?after=" + v,
			"/admin/users?after=" + v, "/admin/invitations?after=" + v + "+x", "/admin/events?before=" + v,
			"/admin/events?since=" + v + "&until=" + v, "/admin/health?hours=" + v, "/admin/api-keys/new?days=" + v,
			"/admin/invitations/new?hours=" + v + "&max_uses=" + v,
		} {
			if res := f.do("admin", path, nil); res.status != http.StatusOK {
				t.Errorf("%s: %d", path, res.status)
			}
		}
		for path, form := range map[string]url.Values{
			"/admin/health/send-again": {"delivery": {n}}, "/admin/invitations/new": {"max_uses": {n}, "hours": {n}},
			"/admin/api-keys/new":                   {"days": {n}, "name": {"x"}, "scopes": {"users:read"}},
			"/admin/users/" + c.user.ID + "/edit":   {"stamp": {n}},
			"/admin/users":                          {"page": {n}},
			"/admin/waiting":                        {"page": {n}},
			"/admin/users/" + c.user.ID + "/unlink": {"identity": {n}},
		} {
			if res := f.post(path, form); res.status >= http.StatusInternalServerError {
				t.Errorf("POST %s %v: %d", path, form, res.status)
			}
		}
	}
}

// countingStore counts the queries for one user.
type countingStore struct {
	administration.Store
	queries int
}

func (c *countingStore) User(ctx context.Context, id string) (gateway.User, error) {
	c.queries++
	return c.Store.User(ctx, id)
}

func (c *countingStore) UsersByID(ctx context.Context, ids []string) (map[string]gateway.User, error) {
	c.queries++
	return c.Store.UsersByID(ctx, ids)
}

func (c *countingStore) Identities(ctx context.Context, id string) ([]gateway.Identity, error) {
	c.queries++
	return c.Store.Identities(ctx, id)
}

// TestListsNeedOneQuery fills lists with 120 rows. No list asks for each row (keycloak/keycloak#18183).
// Pages follow each other without gaps, and keep the selection (Pocket ID 1.11 lost it).
func TestListsNeedOneQuery(t *testing.T) {
	t.Parallel()
	counting := &countingStore{}
	f := newFixture(t, func(c *admin.Config) {
		service, err := administration.New(administration.Config{Store: counting, URL: gatewayURL, Apps: apps(),
			Now: c.Now})
		if err != nil {
			t.Fatal(err)
		}
		c.Service = service
	})
	counting.Store = f.store
	var ids []string
	for i := range 120 {
		u := f.user("小明") // equal nicknames: the end of the id tells them apart
		f.now = f.now.Add(time.Second)
		f.wait(u, []string{"wiki", "shop"}[i%2])
		ids = append(ids, u.ID)
	}
	for _, path := range []string{"/admin", "/admin/waiting", "/admin/users", "/admin/events", "/admin/invitations"} {
		counting.queries = 0
		if f.get(path); counting.queries > 1 {
			t.Errorf("%s: %d queries", path, counting.queries)
		}
	}
	f.walk("/admin/waiting", ids[0]+" wiki", ids)
	f.walk("/admin/users", ids[119], ids)
}

// walk turns all pages of a list with one selected row. Each id occurs once.
func (f *fixture) walk(path, selected string, ids []string) {
	f.t.Helper()
	seen := map[string]int{}
	address := path + "?sel=" + url.QueryEscape(selected)
	next := regexp.MustCompile(`name="page" value="([^"]+)">Next page`)
	for pages := 1; ; pages++ {
		body := f.get(address)
		for _, id := range ids {
			if strings.Contains(body, `href="/admin/users/`+id+`"`) {
				seen[id]++
			}
		}
		if !strings.Contains(body, `value="`+selected+`" checked`) &&
			!strings.Contains(body, `name="sel" value="`+selected+`"`) {
			f.t.Errorf("%s lost the selection", address)
		}
		cursor := next.FindStringSubmatch(body)
		if cursor == nil || pages > 10 {
			break
		}
		res := f.post(path, url.Values{"page": {cursor[1]}, "sel": {selected}})
		if res.status != http.StatusSeeOther || strings.Contains(res.location, "token=") {
			f.t.Fatalf("%d %s", res.status, res.location)
		}
		address = res.location
	}
	for _, id := range ids {
		if seen[id] != 1 {
			f.t.Errorf("%s shows %s %d times", path, id, seen[id])
		}
	}
}
