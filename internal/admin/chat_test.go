package admin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/admin"
	"github.com/weigate/weigate/internal/gateway"
)

// TestAdviceToChatUsers: a page that refuses gives advice that leads somewhere. With a personal account
// nobody can sign in at WeChat, so administrators enter by a link, and no page asks for another sign-in.
func TestAdviceToChatUsers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *admin.Config) { c.ChatOnly = true })
	f.callers()
	plain := f.user("plain", func(u *gateway.User) { u.Status = gateway.Active })
	for _, method := range []string{gateway.MethodMessage, gateway.MethodFollow} {
		f.browser(method, f.admin, method, 0)
		f.browser("user by "+method, plain, method, 0)
	}
	own := "weigate admin invite --user " + f.admin.ID
	for _, tt := range []struct {
		browser, method, path string
		want                  []string
	}{
		{gateway.MethodMessage, http.MethodGet, "/admin", []string{"signed in in the chat", "one-time link", own}},
		{gateway.MethodFollow, http.MethodGet, "/admin/users", []string{"signed in in the chat", own}},
		{"user by message", http.MethodGet, "/admin",
			[]string{"without administrator rights", "weigate admin invite --user " + plain.ID}},
		{"nobody", http.MethodGet, "/admin", []string{"Administrators enter by a one-time link", "weigate admin invite"}},
		{"nobody", http.MethodPost, "/admin/waiting", []string{"Enter by a new one-time link", "weigate admin invite"}},
		{"link", http.MethodGet, "/admin/invitations/new-admin", []string{"Use the command line", "on the server only"}},
		{"stale", http.MethodGet, "/admin/api-keys/new", []string{"Administrators enter by a one-time link"}},
	} {
		var form url.Values
		if tt.method == http.MethodPost {
			form = url.Values{"one": {"x"}}
		}
		res := f.do(tt.browser, tt.path, form)
		page := text(res.body)
		for _, want := range tt.want {
			if res.status != http.StatusForbidden || !strings.Contains(page, want) {
				t.Errorf("%s %s: %d, no %q: %.600s", tt.browser, tt.path, res.status, want, page)
			}
		}
		if strings.Contains(res.body, "/admin/sign-in") || strings.Contains(page, "Open this page in WeChat") {
			t.Errorf("%s %s: advice to sign in at WeChat: %.600s", tt.browser, tt.path, page)
		}
		if n := strings.Count(page, "You entered by a one-time link"); n > 1 {
			t.Errorf("%s %s says %d times that a link was used", tt.browser, tt.path, n)
		}
	}
	page := text(f.do("link", "/admin", nil).body)
	if strings.Contains(page, "only administrator") || !strings.Contains(page, "by a command on the server only") {
		t.Errorf("overview after a sign-in by link: %.800s", page)
	}
}

// TestAdviceToAdministrators: with a web sign-in, a user who came by the chat is told so, and can sign in
// again. The only administrator is told so, but not after a sign-in by link, which cannot invite another.
func TestAdviceToAdministrators(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.callers()
	f.browser("chat", f.admin, gateway.MethodMessage, 0)
	res := f.do("chat", "/admin", nil)
	page := text(res.body)
	for _, want := range []string{"signed in in the chat", "Open this page in WeChat", "--user " + f.admin.ID} {
		if res.status != http.StatusForbidden || !strings.Contains(page, want) {
			t.Errorf("no %q: %d %.600s", want, res.status, page)
		}
	}
	if !strings.Contains(res.body, `href="/admin/sign-in"`) || strings.Contains(page, "QR code of the official account") {
		t.Errorf("no way to sign in again, or the advice about a scan: %.600s", page)
	}
	for browser, want := range map[string]bool{"admin": true, "link": false} {
		page := text(f.do(browser, "/admin", nil).body)
		if strings.Contains(page, "You are the only administrator") != want {
			t.Errorf("%s: the notice about the only administrator, want %v: %.600s", browser, want, page)
		}
		if !strings.Contains(page, "Counts are up to 10 seconds behind.") {
			t.Errorf("%s: the overview does not say that the counts are late", browser)
		}
	}
}
