package link_test

import (
	"net/url"
	"testing"

	"github.com/weigate/weigate/internal/simulator/link"
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
		if u, ok := link.Resolve(base, c.ref); ok {
			got = u.String()
		}
		if got != c.want {
			t.Errorf("%s: %q becomes %q, want %q", c.name, c.ref, got, c.want)
		}
	}
	for _, ref := range []string{"/x", "//h/", "", "app.test"} {
		if u, ok := link.Resolve(nil, ref); ok {
			t.Errorf("without a base %q becomes %s", ref, u)
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
		if got := link.Mask(address); got != want {
			t.Errorf("%s becomes %s, want %s", address, got, want)
		}
	}
}
