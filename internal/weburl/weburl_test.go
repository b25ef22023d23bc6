package weburl_test

import (
	"net/url"
	"testing"

	"github.com/weigate/weigate/internal/weburl"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	base, err := url.Parse("https://app.test/dir/page?q=1")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, ref, want string }{
		{"relative", "../x?a=1#f", "https://app.test/x?a=1#f"},
		{"empty", "", "https://app.test/dir/page?q=1"},
		{"other host", "//other.test", "https://other.test/"},
		{"blanks around", " \n/x\t ", "https://app.test/x"},
		{"line break inside", "/a\nb", "https://app.test/ab"},
		{"backslashes", `\\evil.test\x`, "https://evil.test/x"},
		{"backslashes behind http", `http:\\evil.test\x`, "http://evil.test/x"},
		{"stray percent sign", "/100%", "https://app.test/100%25"},
		{"quotes", `/"a"`, "https://app.test/%22a%22"},
		{"javascript", "javascript:alert(1)", ""},
		{"javascript with line break", "java\nscript:alert(1)", ""},
		{"data", "data:text/html,x", ""},
		{"file", "file:///etc/passwd", ""},
		{"no host", "http:///x", ""},
	} {
		got := ""
		if u, ok := weburl.Resolve(base, c.ref); ok {
			got = u.String()
		}
		if got != c.want {
			t.Errorf("%s: %q becomes %q, want %q", c.name, c.ref, got, c.want)
		}
	}
	for _, ref := range []string{"/x", "//h/", "", "app.test"} {
		if u, ok := weburl.Resolve(nil, ref); ok {
			t.Errorf("without a base %q becomes %s", ref, u)
		}
	}
}

func TestOriginSiteAndTrust(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		address, origin, site string
		trusted               bool
	}{
		{"https://A.b.example:443/x", "https://a.b.example", "https://b.example", true},
		{"http://b.example:80/", "http://b.example", "http://b.example", false},
		{"http://b.example:8080/", "http://b.example:8080", "http://b.example", false},
		{"http://127.0.0.1:1/", "http://127.0.0.1:1", "http://127.0.0.1", true},
		{"http://[::1]:1/", "http://[::1]:1", "http://::1", true},
		{"http://app.localhost:1/", "http://app.localhost:1", "http://app.localhost", true},
		{"http://127.0.0.1.evil.test/", "http://127.0.0.1.evil.test", "http://evil.test", false},
	} {
		u, err := url.Parse(c.address)
		if err != nil {
			t.Fatal(err)
		}
		if got := weburl.Origin(u); got != c.origin {
			t.Errorf("%s: origin %s, want %s", c.address, got, c.origin)
		}
		if got := weburl.Site(u); got != c.site {
			t.Errorf("%s: site %s, want %s", c.address, got, c.site)
		}
		if got := weburl.PotentiallyTrustworthy(u); got != c.trusted {
			t.Errorf("%s: trustworthy %t", c.address, got)
		}
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"http://h/cb?code=0123456789abcdef&state=x": "http://h/cb?code=012345…&state=x",
		"http://h/#/r?access_token=0123456789abcd":  "http://h/#/r?access_token=012345…",
		"http://h/?appsecret=0123456789&a=1":        "http://h/?appsecret=[redacted]&a=1",
		"http://h/?key=abc&redirect_uri=http%3A//x": "http://h/?key=a…&redirect_uri=http%3A//x",
		"http://h/": "http://h/",
	} {
		if got := weburl.Mask(address); got != want {
			t.Errorf("%s becomes %s, want %s", address, got, want)
		}
	}
	for address, want := range map[string]string{
		"http://h/p?code=1": "http://h/p", "http://h/p#code": "http://h/p", "x": "x",
	} {
		if got := weburl.WithoutQuery(address); got != want {
			t.Errorf("%s becomes %s, want %s", address, got, want)
		}
	}
}
