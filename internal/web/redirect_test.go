package web_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/web"
	"github.com/weigate/weigate/internal/web/webtest"
)

// redirected returns the response of Redirect to a request with the given headers.
func redirected(t *testing.T, address string, cookie int, header http.Header, registered ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/oauth2/authorize", nil)
	r.Header = header
	w := httptest.NewRecorder()
	if cookie > 0 {
		w.Header().Set("Set-Cookie", strings.Repeat("c", cookie))
	}
	newSite(t).Redirect(w, r, http.StatusSeeOther, address, registered...)
	return w.Result()
}

// The address has a code. Neither a cache keeps it, nor does the browser send it to the next site, in
// whichever way the browser continues.
func TestCodeInARedirectIsNeitherCachedNorSentAsReferer(t *testing.T) {
	t.Parallel()
	const short = "https://app.example.com/cb?code=c"
	long, native := short+"&state="+strings.Repeat("s", 7000), "com.example.app:/cb"
	browser := http.Header{"Accept": {"text/html"}}
	for _, k := range []struct {
		name, address string
		cookie        int
		header        http.Header
		page          bool
	}{
		{"a short address", short, 0, browser, false},
		{"a long address", long, 0, browser, true},
		{"a short address with long cookies", short, 3500, browser, true},
		{"a long address for a program", long, 0, http.Header{"Accept": {"*/*"}}, false},
		{"a long address in a frame", long, 0, http.Header{"Accept": {"text/html"}, "Sec-Fetch-Dest": {"iframe"}}, false},
		{"a long address in a tab", long, 0, http.Header{"Accept": {"text/html"}, "Sec-Fetch-Dest": {"document"}}, true},
		{"a native app", native + "?state=" + strings.Repeat("s", 7000), 0, browser, true},
	} {
		res := redirected(t, k.address, k.cookie, k.header, native)
		defer res.Body.Close()
		if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", k.name, res.Header)
		}
		if !k.page {
			if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != k.address {
				t.Errorf("%s: %d %.100v", k.name, res.StatusCode, res.Header)
			}
			continue
		}
		page := webtest.Read(t, readAll(t, res))
		if res.StatusCode != http.StatusOK || res.Header.Get("Location") != "" || page.Kind != web.Continue ||
			page.Go != k.address || page.Refresh != k.address {
			t.Errorf("%s: %d %s to %.100s, refresh to %.100s", k.name, res.StatusCode, page.Kind, page.Go, page.Refresh)
		}
	}
}

// A long address whose scheme runs code, or that no app has registered, is neither a link nor opened.
func TestPageContinuesToNoAddressThatRunsCode(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"javascript:alert(1)//", "JavaScript:alert(1)//", "java\tscript:alert(1)//",
		"data:text/html,<script>alert(1)</script>", "vbscript:x", "com.evil.app:/cb?", "blob:https://x/"} {
		res := redirected(t, scheme+strings.Repeat("s", 7000), 0, http.Header{"Accept": {"text/html"}}, "com.example.app:/cb")
		defer res.Body.Close()
		body := readAll(t, res)
		if page := webtest.Read(t, body); page.Refresh != "" || strings.Contains(page.Go, scheme) ||
			strings.Contains(body, `http-equiv="refresh"`) || res.Header.Get("Location") != "" {
			t.Errorf("%q: link to %.50s, refresh to %.50s", scheme, page.Go, page.Refresh)
		}
	}
}

func readAll(t *testing.T, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
