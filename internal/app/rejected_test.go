package app_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat/wechattest"
)

var shownID = regexp.MustCompile(`Request ID <code translate="no">([a-z2-7]+)</code>`)

// Each page that rejects a request shows the request id of its response, under which the log has one
// line with the app and the reason.
func TestRejectedRequestHasOneIDOnThePageInTheHeaderAndInTheLog(t *testing.T) {
	t.Parallel()
	var log fixture.Buffer
	w := newFixture(t, withShop, func(w *gatewayFixture) {
		w.options.Logger = slog.New(slog.NewJSONHandler(&log, nil))
		strict := w.client("strict", gateway.AccessSignedIn)
		strict.Methods = []string{"website"} // which no connector provides
		w.config.Apps = append(w.config.Apps, strict)
	})
	alice := w.phone("alice")
	alice.Must(alice.Open(t.Context(), w.url+"/sign-in?return=/"))
	w.set(gateway.Blocked)
	alice.ClearCookies()
	blocked := alice.WantPage(alice.Must(alice.Open(t.Context(), w.authorize("sample"))), "blocked", 403).URL
	for _, c := range []struct{ name, address, message, app, reason string }{
		{"redirect URI", w.authorize("sample", "redirect_uri", "https://evil.example/"), "authorize", "sample",
			"redirect_uri"},
		{"app", w.authorize("nobody"), "authorize", "", "unknown_app"},
		{"return URL", w.url + "/connect/oauth2/authorize?appid=" + shopAppID + "&redirect_uri=https://evil.example/",
			"relay", "shop", "redirect_uri"},
		{"no method", w.authorize("strict"), "sign-in", "strict", "no_method"},
		{"return address", w.url + "/sign-in?return=https://evil.example/", "sign-in", "", "bad_return"},
		{"lost callback", w.url + "/sign-in/lost", "", "", "no_cookies"},
		{"no ticket", w.url + "/scan/confirm", "", "", "scan_none"},
		{"blocked", blocked, "sign-in", "sample", "blocked"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.address, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Accept-Language", "en")
		r.Header.Set("User-Agent", uaDesktop)
		before := len(log.String())
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		id := res.Header.Get("X-Request-Id")
		if shown := shownID.FindSubmatch(page); len(shown) < 2 || string(shown[1]) != id {
			t.Errorf("%s: the header has the request id %q, and the page %q", c.name, id, shown)
		}
		found := 0
		for line := range strings.Lines(log.String()[before:]) {
			var fields map[string]any
			if err := json.Unmarshal([]byte(line), &fields); err != nil {
				t.Fatal(err)
			}
			if fields["request_id"] != id {
				continue
			}
			found++
			if message := strings.TrimSpace(c.message + " request rejected"); fields["msg"] != message ||
				fields["app"] != c.app || fields["reason"] != c.reason {
				t.Errorf("%s: %s", c.name, line)
			}
		}
		if found != 1 {
			t.Errorf("%s: %d lines with the id %q of the response", c.name, found, id)
		}
	}
}

// A failure at WeChat ends on a page after a redirect. The page shows the request id of the callback,
// under which the log has the cause.
func TestFailureAtWeChatHasOneIDOnThePageInTheHeaderAndInTheLog(t *testing.T) {
	t.Parallel()
	var log fixture.Buffer
	w := newFixture(t, func(w *gatewayFixture) {
		w.options.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	})
	for _, f := range []wechattest.Fault{{Errcode: 40125}, {Status: 502, Times: 9}, {Errcode: 45011, Times: 9}} {
		f.Endpoint = "/sns/oauth2/access_token"
		w.wechat.Fail(f)
		phone := w.phone("alice")
		page := phone.Must(phone.Open(t.Context(), w.url+"/sign-in?return=/"))
		shown := regexp.MustCompile(`<code translate="no">([a-z2-7]+)</code>`).FindStringSubmatch(page.Body)
		if page.Status < 500 || len(shown) < 2 {
			t.Fatalf("%+v: %d %s", f, page.Status, page.Body)
		}
		if id := page.Header.Get("X-Request-Id"); id != shown[1] {
			t.Errorf("%+v: the header has %q, the page %q", f, id, shown[1])
		}
		if !strings.Contains(log.String(), `"request_id":"`+shown[1]+`"`) {
			t.Errorf("%+v: no line with the id %s in %s", f, shown[1], &log)
		}
		w.wechat.ClearFaults()
	}
}
