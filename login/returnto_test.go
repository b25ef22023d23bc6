package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/login"
)

func withReturnHosts(c *login.Config) {
	c.ReturnHosts = []string{"https://shop.example.com", "docs.example.com", "http://127.0.0.1:3000"}
}

// Each form was once an open redirect somewhere. All of them end in an error page, before WeChat is
// asked anything and without a cookie.
func TestOpenRedirectIsRefused(t *testing.T) {
	t.Parallel()
	s := newFixture(t, withReturnHosts)
	for name, target := range map[string]string{
		"two slashes":                   "//evil.example",
		"three slashes":                 "///evil.example",
		"two backslashes":               `\\evil.example`,
		"slash, backslash":              `/\evil.example`,
		"backslash in a query":          `/x?\evil.example`,
		"backslash, slash":              `\/evil.example`,
		"scheme without slashes":        "https:evil.example",
		"scheme with one slash":         "https:/evil.example",
		"scheme with three slashes":     "https:///evil.example",
		"scheme and backslashes":        `https:\\evil.example`,
		"own host without slashes":      "https:app.example.com",
		"foreign host":                  "https://evil.example/",
		"foreign host, plain http":      "http://evil.example/",
		"own host, plain http":          "http://app.example.com/",
		"own host, another port":        "https://app.example.com:444/",
		"a user at the own host":        "https://evil@app.example.com/",
		"own host as a user":            "https://app.example.com@evil.example/",
		"own host as user and password": "https://app.example.com:443@evil.example/",
		"own host in front":             "https://app.example.com.evil.example/",
		"own host behind":               "https://evil-app.example.com/",
		"own host in the fragment":      "https://evil.example#app.example.com",
		"own host in the query":         "https://evil.example?https://app.example.com/",
		"backslash after the host":      `https://app.example.com\@evil.example/`,
		"encoded at sign":               "https://app.example.com%40evil.example/",
		"encoded slashes":               "/%2F%2Fevil.example",
		"one encoded slash":             "/%2fevil.example",
		"encoded backslash":             "/%5cevil.example",
		"encoded twice":                 "/%252F%252Fevil.example",
		"encoded many times":            "/%25252525252Fevil.example",
		"encoded address":               "https%3A%2F%2Fevil.example",
		"javascript":                    "javascript:alert(1)",
		"javascript with slashes":       "javascript://app.example.com/%0aalert(1)",
		"data":                          "data:text/html,x",
		"line break":                    "/x\r\nSet-Cookie: a=b",
		"line feed":                     "/x\nLocation: https://evil.example",
		"encoded line break in a path":  "/x%0d%0aSet-Cookie:a=b",
		"tab":                           "/\t/evil.example",
		"tab in the scheme":             "java\tscript:alert(1)",
		"leading space":                 " //evil.example",
		"null byte":                     "/x\x00",
		"encoded null byte":             "/x%00",
		"fullwidth slash":               "/／evil.example",
		"ideographic stop":              "https://app.example。com/",
		"zero width":                    "https://app.exam\u200bple.com/",
		"right-to-left":                 "/\u202eevil",
		"bad UTF-8":                     "/\xff\xfe",
		"dot segments":                  "/..//evil.example",
		"dot segment":                   "/.//evil.example",
		"encoded dot segments":          "/%2e%2e//evil.example",
		"relative":                      "evil.example",
		"relative with a dot":           "./x",
		"query only":                    "?x",
		"fragment only":                 "#//evil.example",
		"bad encoding":                  "/x%zz",
		"bad encoding in a fragment":    "/x#/%zz",
		"empty port":                    "https://app.example.com:/",
		"a quote":                       `/x"onclick="alert(1)`,
		"a tag":                         "/<script>",
		"too long":                      "/" + strings.Repeat("x", login.MaxReturn),
		"the callback":                  "/wechat/callback?code=x&state=y",
		"the sign-in":                   "/sign-in?return=/",
		"the sign-in, encoded":          "/sign%2Din",
		"the sign-out":                  "/sign-out/",
		"a return host, plain http":     "http://shop.example.com/",
		"a return host, foreign port":   "http://127.0.0.1:3001/",
		"a return host as a user":       "https://shop.example.com@evil.example/",
		"bare host under http":          "http://docs.example.com/",
	} {
		b := s.browser()
		res := b.get("/sign-in?return=" + url.QueryEscape(target))
		if body := text(res); res.StatusCode != 400 || !strings.Contains(body, `id="bad_return"`) ||
			res.Header.Get("Location") != "" {
			t.Errorf("%s: %q answered %d to %q", name, target, res.StatusCode, res.Header.Get("Location"))
		} else if strings.Contains(body, "evil") {
			t.Errorf("%s: the page repeats the address", name)
		}
		if len(b.cookies) != 0 {
			t.Errorf("%s: a flow was started", name)
		}
		for _, at := range []string{"/sign-in/profile", "/sign-out"} { // the other addresses with a parameter return
			if res := b.get(at + "?return=" + url.QueryEscape(target)); res.StatusCode != 400 {
				t.Errorf("%s: %s answered %d to %q", name, at, res.StatusCode, res.Header.Get("Location"))
			}
		}
		if res := b.post("/sign-out", url.Values{"return": {target}}); res.StatusCode != 400 {
			t.Errorf("%s: POST /sign-out answered %d to %q", name, res.StatusCode, res.Header.Get("Location"))
		}
		if body := text(b.get("/sign-in/lost?return=" + url.QueryEscape(target))); strings.Contains(body, "evil") {
			t.Errorf("%s: /sign-in/lost links there", name)
		}
	}
	if s.wechat.exchanges() != 0 {
		t.Error("WeChat was asked")
	}
}

func TestReturnAddressesThatAreKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ target, want string }{
		"nothing":                  {"", "https://app.example.com/"},
		"home page":                {"/", "https://app.example.com/"},
		"path":                     {"/a/b", "https://app.example.com/a/b"},
		"query":                    {"/a?x=1&y=%2F%2Fz", "https://app.example.com/a?x=1&y=%2F%2Fz"},
		"address in a query":       {"/a?u=https://other.example/", "https://app.example.com/a?u=https://other.example/"},
		"route":                    {"/app#/route/1?tab=2", "https://app.example.com/app#/route/1?tab=2"},
		"route at the root":        {"/#/route", "https://app.example.com/#/route"},
		"route with slashes":       {"/#//route", "https://app.example.com/#//route"},
		"encoded Chinese":          {"/%E6%96%87%E7%AB%A0", "https://app.example.com/%E6%96%87%E7%AB%A0"},
		"encoded slash inside":     {"/a%2Fb", "https://app.example.com/a%2Fb"},
		"encoded percent":          {"/100%25", "https://app.example.com/100%25"},
		"dots in names":            {"/a..b/.well-known/x.", "https://app.example.com/a..b/.well-known/x."},
		"own origin":               {"https://app.example.com/x#y", "https://app.example.com/x#y"},
		"own origin, upper case":   {"HTTPS://App.Example.COM/X", "https://app.example.com/X"},
		"own origin, default port": {"https://app.example.com:443/x", "https://app.example.com/x"},
		"own origin, no path":      {"https://app.example.com", "https://app.example.com/"},
		"own origin, query":        {"https://app.example.com?x", "https://app.example.com/?x"},
		"return host":              {"https://shop.example.com/x?y#/z", "https://shop.example.com/x?y#/z"},
		"bare return host":         {"https://docs.example.com", "https://docs.example.com/"},
		"return host with a port":  {"http://127.0.0.1:3000/x", "http://127.0.0.1:3000/x"},
		"foreign sign-in":          {"https://shop.example.com/sign-in", "https://shop.example.com/sign-in"},
		"like the sign-in":         {"/sign-info", "https://app.example.com/sign-info"},
		"longest": {"/" + strings.Repeat("x", login.MaxReturn-1), "https://app.example.com/" +
			strings.Repeat("x", login.MaxReturn-1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFixture(t, withReturnHosts)
			b := s.browser()
			state := b.begin("/sign-in?return=" + url.QueryEscape(c.target))
			s.wantGo(b.get(s.callback(code("a"), state)), c.want)
		})
	}
}

// Require redirects with the address that the browser requested as the return address.
func TestRequireReturnsToTheSameAddress(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string]string{
		"/private/x?y=1&z=%20":                  "/private/x?y=1&z=%20",
		"/private/%E6%96%87?q=a%2Fb":            "/private/%E6%96%87?q=a%2Fb",
		"/private/文章?q=中":                       "/private/%E6%96%87%E7%AB%A0?q=%E4%B8%AD",
		`/private/x?a\b"<c>{d}|e`:               "/private/x?a%5Cb%22%3Cc%3E{d}|e",
		"//evil.example/private/../":            "/", // at another host: the home page
		"/private/" + strings.Repeat("x", 2000): "/",
	} {
		s := newFixture(t)
		s.mux = s.handler.Require(http.NotFoundHandler())
		b := s.browser()
		r := b.request("GET", "/private/x", nil)
		r.RequestURI = asked
		res := serve(s.mux, r)
		if location := s.origin + "/sign-in?return=" + url.QueryEscape(want); res.StatusCode != 302 ||
			res.Header.Get("Location") != location {
			t.Errorf("%q: %d to %q, want %q", asked, res.StatusCode, res.Header.Get("Location"), location)
		}
	}
}

// FuzzReturn looks for an address that is let through and that a browser would take to another host
// than a listed one.
func FuzzReturn(f *testing.F) {
	for _, seed := range []string{
		"/", "/x?y#/z", "//evil.example", `/\evil.example`, "https://app.example.com/x",
		"https://app.example.com@evil.example",
		"https:evil.example", "/%2F/evil.example", "/\t/evil.example", "https://shop.example.com?x", "/%252e%252e/", "/a%00",
		"/文章",
	} {
		f.Add(seed)
	}
	check := login.CheckReturn("https://app.example.com", "/base", "https://shop.example.com")
	base, _ := url.Parse("https://app.example.com/wechat/callback")
	f.Fuzz(func(t *testing.T, raw string) {
		location, ok := check(raw)
		if !ok {
			return
		}
		if strings.ContainsAny(location, "\\\t\r\n \x00<>\"") {
			t.Fatalf("%q → %q holds a byte that browsers read in ways of their own", raw, location)
		}
		u, err := base.Parse(location)
		if err != nil || u.User != nil ||
			(u.Scheme+"://"+u.Host != "https://app.example.com" && u.Scheme+"://"+u.Host != "https://shop.example.com") {
			t.Fatalf("%q → %q leads to %v (%v)", raw, location, u, err)
		}
		if strings.HasPrefix(u.Path, "//") || strings.HasPrefix(u.EscapedPath(), "//") {
			t.Fatalf("%q → %q has a path that names a host", raw, location)
		}
		if again, ok := check(location); !ok || again != location {
			t.Fatalf("%q → %q is not stable: %q, %v", raw, location, again, ok)
		}
	})
}
