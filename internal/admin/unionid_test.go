package admin_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/gateway"
)

// TestUsersWithoutUnionIDAreListed: before an account at WeChat is replaced, the administrator sees the
// users without a unionid, and exports the list.
func TestUsersWithoutUnionIDAreListed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	known := f.user("known")
	without := f.signInAt("main", "wxa", "", &gateway.Profile{Nickname: "without"})
	page := f.get("/admin/users")
	if !strings.Contains(page, `<option value="main">main: 1</option>`) {
		t.Errorf("the filter does not count: %s", page)
	}
	page = f.get("/admin/users?no_unionid=main")
	for _, want := range []string{
		"/admin/users/" + without.ID, `<option value="main" selected>`, `name="filter_no_unionid" value="main"`,
		"no_unionid=main",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, known.ID) {
		t.Errorf("the list has users with a unionid: %s", page)
	}
	if page := f.get("/admin/users/export?no_unionid=main"); !strings.Contains(page, "Without a unionid") {
		t.Errorf("the export has another filter: %s", page)
	}
	file := f.post("/admin/users/export", url.Values{"no_unionid": {"main"}, "format": {"jsonl"}}).body
	if !strings.Contains(file, without.ID) || strings.Count(file, "\n") != 1 {
		t.Errorf("exported %s", file)
	}
	if res := f.do("admin", "/admin/users?no_unionid="+url.QueryEscape(hostile), nil); res.status != 400 {
		t.Errorf("an unknown connector: status %d", res.status)
	}
}
