package scan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/web"
)

func TestHostileUserAgentIsNotShown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, agent := range []string{
		`<script>alert(1)</script>`, "Chrome/1 (Windows) \u202e evil", strings.Repeat("Chrome/ ", 9000), "\x00\xff",
		`"><img src=x>`, "Your bank says: press continue",
	} {
		w.browser(agent).open("/begin?own").want(web.ScanCode)
		got := w.ticket().Browser
		if got != "" && got != "Chrome" && got != "Chrome, Windows" {
			t.Errorf("%.40q became %q", agent, got)
		}
		w.pass(time.Second)
	}
}

func TestFramesAndScriptsAreShutOut(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	desktop, phone := w.desktop(), w.phone("alice")
	check := func(b *browser, script bool) {
		t.Helper()
		policy := b.page.Header().Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'",
			"base-uri 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("page %q: no %s in %s", b.kind(), want, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "script-src 'self'") ||
			strings.Contains(policy, "script-src 'sha256-") != script {
			t.Errorf("page %q: %s", b.kind(), policy)
		}
	}
	check(desktop, true)
	check(phone.open(desktop.link()).want(web.ScanAsk), true)
	check(phone.press("Continue").want(web.ScanNumber), true)
	check(desktop.open(desktop.at).want(web.ScanScanned), true)
	check(phone.enter(w.ticket().Number).want(web.ScanDone), true)
	check(desktop.open(desktop.at).want(web.ScanSignedIn), false)
	for name, value := range desktop.page.Result().Header {
		if name == "Set-Cookie" {
			for _, c := range value {
				if strings.Contains(c, "weigate") && (!strings.Contains(c, "SameSite=Lax") ||
					!strings.Contains(c, "HttpOnly") || !strings.Contains(c, "Secure") ||
					!strings.HasPrefix(c, "__Host-")) {
					t.Errorf("cookie %s", c)
				}
			}
		}
	}
}
