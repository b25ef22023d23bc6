//go:build unix

package app_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/api"
	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
)

// benchCase is an address of BenchmarkAdministration.
type benchCase struct{ route, address string }

// name returns the address without ids, which differ in each run.
func (c benchCase) name() string {
	_, query, _ := strings.Cut(c.address, "?")
	query, err := url.QueryUnescape(query)
	if err != nil {
		query = c.address
	}
	return c.route + "?" + longID.ReplaceAllString(query, "…")
}

var longID = regexp.MustCompile(`[0-9A-Za-z_-]{20,}`)

// cases returns each page and operation, with the filters and searches that read the most.
func (a *administered) cases(b *testing.B) (all []benchCase) {
	add := func(route string, queries ...string) {
		for _, query := range append([]string{""}, queries...) {
			address := strings.NewReplacer("/users/{id}", "/users/"+a.UserIDs[3], "/apps/{id}", "/apps/app3",
				"/invitations/{id}", "/invitations/"+a.Invitations[0], "{user}", a.UserIDs[3], "{app}", "app3",
				"{invitation}", a.Invitations[0]).Replace(route)
			if query != "" {
				address += "?" + query
			}
			all = append(all, benchCase{route: route, address: address})
		}
	}
	all = append(all, benchCase{route: "/admin/users/{id}/unlink", address: a.unlinkAddress(b)})
	for _, route := range []string{"", "/sign-in", "/users/export", "/users/{id}", "/users/{id}/admin",
		"/users/{id}/move", "/users/{id}/delete", "/invitations/new", "/invitations/new-admin", "/invitations/{id}",
		"/apps", "/apps/{id}", "/events/export", "/notifications", "/api-keys", "/api-keys/new"} {
		add("/admin" + route)
	}
	add("/admin/users/{id}/merge", "other="+a.UserIDs[9], "other=nobody")
	add("/admin/waiting", "app=app3", "app=nothing", "after="+a.waitingAfter(b, 2), "app=app3&after="+a.waitingAfter(b, 2),
		"after="+a.waitingAfter(b, 300))
	add("/admin/users", a.searches("q", "")...)
	add("/admin/invitations", "after="+url.QueryEscape(strconv.FormatInt(a.Now.UnixMicro(), 36)+" "+a.Invitations[1]))
	add("/admin/events", a.eventFilters("2006-01-02", "before=")...)
	add("/admin/health", "hours=72", "hours=168")

	for _, route := range []string{"/key", "/users/{user}", "/waiting/count", "/apps", "/apps/{app}", "/invitations",
		"/invitations/{invitation}", "/notifications", "/openapi.json"} {
		add(api.Path + route)
	}
	all = append(all, benchCase{route: api.Path + "/users/find",
		address: api.Path + "/users/find?id=" + a.UserIDs[5]})
	add(api.Path+"/users", a.searches("text", "limit=200&")...)
	add(api.Path+"/waiting", "app=app3", "limit=200", "app=nothing")
	add(api.Path+"/events", a.eventFilters(time.RFC3339, "")...)
	add(api.Path+"/events", "limit=200")
	add(api.Path+"/health", "from="+a.Now.Add(-31*24*time.Hour).Format(time.RFC3339))
	add(api.Path+"/deliveries", "limit=200", "kind=logout", "kind=notification", "target=app3", "target=nothing",
		"state=failed", "state=sent", "state=waiting", "user="+a.UserIDs[3], "kind=logout&target=app3&state=sent",
		"kind=notification&target=app3", "state=waiting&target=nothing", "state=failed&kind=logout")
	return all
}

// page returns the id of the last user before a page of 50 users.
func (a *administered) page(n int) string {
	return a.UserIDs[min((n-1)*50, len(a.UserIDs)-50)-1]
}

// searches returns searches for users. Words that nobody has, that everybody has, and combinations
// that nobody has are those for which a database may read every row.
func (a *administered) searches(name, more string) (all []string) {
	for _, text := range []string{"王", "小", "é", "%", "_", "s", "second floor", "二楼前台", "分机 300,", "floor", "1",
		"nobody has this name", "王小明 nobody", "'\"<>&", a.UserIDs[7], strings.Repeat("长", 200)} {
		all = append(all, more+name+"="+url.QueryEscape(text))
	}
	yes := map[string]string{"q": "1", "text": "true"}[name]
	for _, filter := range []string{"status=active", "status=pending", "status=blocked", "group=staff", "group=group+7",
		"group=nobody", "admin=" + yes} {
		all = append(all, more+filter, more+filter+"&"+name+"=floor", more+filter+"&"+name+"=nobody",
			more+filter+"&"+name+"=1")
	}
	all = append(all, more+"group=staff&status=blocked", more+"group=staff&admin="+yes,
		more+"admin="+yes+"&status=pending", more+"group=staff&status=active&admin="+yes+"&"+name+"=floor")
	if name == "q" {
		for _, n := range []int{2, 1000} {
			after := "&after=" + a.page(n)
			all = append(all, "status="+after, "q=floor"+after, "group=staff"+after, "group=group+7"+after,
				"q=nobody"+after, "status=pending"+after, "admin=1"+after, "group=staff&q=1"+after)
		}
	}
	return all
}

// eventFilters returns filters of the events: each alone, each two together, and all together; with
// values that most events have, that few have, and that none has.
func (a *administered) eventFilters(layout, before string) (all []string) {
	day := func(ago int) string { return url.QueryEscape(a.Now.AddDate(0, 0, -ago).Format(layout)) }
	filters := [][]string{
		{"kind=sign_in", "kind=user_changed", "kind=rare", "kind=nothing"},
		{"app=app3", "app=nothing"},
		{"outcome=ok", "outcome=!ok", "outcome=odd", "outcome=nothing"},
		{"user=" + a.UserIDs[10], "user=nobody"},
		{"actor=boss", "actor=nobody"},
		{"since=" + day(10) + "&until=" + day(9), "since=" + day(-300), "until=" + day(300), "until=" + day(3000)},
		{"request_id=" + url.QueryEscape("request 77"), "request_id=nothing"},
	}
	for i, values := range filters {
		for _, value := range values {
			all = append(all, value)
			for _, others := range filters[i+1:] {
				for _, other := range others {
					all = append(all, value+"&"+other)
				}
			}
		}
	}
	all = append(all, "kind=user_changed&app=app3&outcome=ok&actor=boss&until="+day(30),
		"kind=sign_in&app=app3&outcome=ok&since="+day(200)+"&until="+day(100), "kind=rare&outcome=ok&app=app3",
		"kind=sign_in&outcome=odd&app=app3&until="+day(10))
	if before != "" {
		for _, n := range []int{2, 1000, 15_000} {
			at := before + strconv.Itoa(max(a.Events-n*50, 1))
			all = append(all, at, at+"&kind=sign_in", at+"&app=app3", at+"&outcome=!ok", at+"&outcome=ok",
				at+"&kind=rare", at+"&actor=boss")
		}
	}
	return all
}

// waitingAfter returns the cursor of a page of the users who wait.
func (a *administered) waitingAfter(b *testing.B, n int) string {
	b.Helper()
	var q gateway.WaitingQuery
	for range n - 1 {
		rows, err := a.store.WaitingUsers(b.Context(), q)
		if err != nil {
			b.Fatal(err)
		}
		if len(rows) == 0 {
			break
		}
		last := rows[len(rows)-1].Request
		q.After, q.AfterUser, q.AfterApp = last.RequestedAt, last.UserID, last.App
	}
	return url.QueryEscape(strconv.FormatInt(q.After.UnixMicro(), 36) + " " + q.AfterUser + " " + q.AfterApp)
}

// unlinkAddress returns the address of the page that unlinks an identity of a user. It has the key
// that package admin gives an identity.
func (a *administered) unlinkAddress(b *testing.B) string {
	b.Helper()
	identities, err := a.store.Identities(b.Context(), a.UserIDs[3])
	if err != nil || len(identities) == 0 {
		b.Fatal(identities, err)
	}
	sum := sha256.Sum256([]byte("weigate identity form\x00" + identities[0].AppID + " " + identities[0].OpenID))
	return "/admin/users/" + a.UserIDs[3] + "/unlink?identity=" + base64.RawURLEncoding.EncodeToString(sum[:12])
}

// wantEveryRoute fails unless there is a case for each page and each GET operation. The run measures
// exports apart.
func wantEveryRoute(b *testing.B, cases []benchCase) {
	b.Helper()
	measured := map[string]bool{}
	for _, c := range cases {
		measured[c.route] = true
	}
	var document struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal(api.Document, &document); err != nil {
		b.Fatal(err)
	}
	var routes []string
	for path, methods := range document.Paths {
		if methods["get"] != nil && !strings.HasSuffix(path, "/export") {
			routes = append(routes, strings.TrimPrefix(path, api.Path))
		}
	}
	for i, route := range routes {
		routes[i] = api.Path + route
	}
	gate, err := app.New(b.Context(), app.Options{Config: administeredConfig(), Store: sqlitetest.New(b),
		Sealer: sqlitetest.Sealer()})
	if err != nil {
		b.Fatal(err)
	}
	patterns, err := gate.Routes()
	if err != nil {
		b.Fatal(err)
	}
	if err := gate.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	for _, pattern := range patterns {
		if path, found := strings.CutPrefix(pattern, "GET /admin"); found && !strings.HasPrefix(path, "/files") {
			routes = append(routes, "/admin"+path)
		}
	}
	for _, route := range routes {
		if !measured[route] {
			b.Errorf("no case for %s", route)
		}
	}
	if len(routes) < 30 {
		b.Errorf("%d routes", len(routes))
	}
}
