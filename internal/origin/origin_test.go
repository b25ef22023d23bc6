package origin_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/origin"
)

func TestCanonical(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://app.example.com":     "https://app.example.com",
		"HTTPS://App.Example.COM/":    "https://app.example.com",
		"https://app.example.com:443": "https://app.example.com",
		"http://app.example.com:80":   "http://app.example.com",
		"https://app.example.com:80":  "https://app.example.com:80",
		"http://127.0.0.1:3000":       "http://127.0.0.1:3000",
		"app.example.com":             "https://app.example.com",
		"app.example.com:8443":        "https://app.example.com:8443",
		"http://[::1]:8080":           "http://[::1]:8080",
		"http://[::1]:80":             "http://[::1]",
		"xn--fiq228c.example":         "https://xn--fiq228c.example",
	} {
		if got, err := origin.Canonical(text); got != want || err != nil {
			t.Errorf("Canonical(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "https://", "https:///x", "ftp://app.example.com", "javascript://x", "*.example.com", ".example.com",
		"app.example.com.", "https://app.example.com/x", "https://app.example.com?x", "https://app.example.com?",
		"https://app.example.com#x", "https://app.example.com:", "https://u@app.example.com",
		"https://u:p@app.example.com", "https://app.example.com%40evil.example", `https://app.example.com\`,
		"https://app.example。com", "https://文章.example",
	} {
		if got, err := origin.Canonical(text); got != "" || err == nil {
			t.Errorf("Canonical(%q) = %q, %v; want an error", text, got, err)
		}
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://App.example.com:443/x?y#z": "https://app.example.com",
		"http://app.example.com:80":         "http://app.example.com",
		"http://app.example.com:443/":       "http://app.example.com:443",
		"https://[::1]:443/":                "https://[::1]",
		"https://app.example.com:/":         "https://app.example.com",
		"com.example.app:/callback":         "", "data:text/html,x": "", "/path": "", "https:///x": "",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := origin.Of(u); got != want {
			t.Errorf("Of(%q) = %q, want %q", address, got, want)
		}
	}
}

func TestSite(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://A.b.example:443/x": "https://b.example", "http://b.example./": "http://b.example",
		"http://127.0.0.1:1/": "http://127.0.0.1", "http://[::1]:1/": "http://::1",
		"http://app.localhost:1/": "http://app.localhost", "http://127.0.0.1.evil.test/": "http://evil.test",
		"http://localhost/": "http://localhost",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := origin.Site(u); got != want {
			t.Errorf("Site(%q) = %q, want %q", address, got, want)
		}
	}
}

func TestHostname(t *testing.T) {
	t.Parallel()
	for hostport, want := range map[string]string{
		"App.example.com:8080": "app.example.com", "app.example.com": "app.example.com", "127.0.0.1:1": "127.0.0.1",
		"[::1]:1": "::1", "[::1]": "::1", "::1": "::1", "": "",
	} {
		if got := origin.Hostname(hostport); got != want {
			t.Errorf("Hostname(%q) = %q, want %q", hostport, got, want)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]struct{ host, ip bool }{
		"localhost": {true, false}, "LOCALHOST": {true, false}, "localhost.": {true, false},
		"app.localhost": {true, false}, "127.0.0.1": {true, true}, "127.255.1.9": {true, true}, "::1": {true, true},
		"::ffff:127.0.0.1": {true, true}, "": {}, "notlocalhost": {}, "localhost.example.com": {},
		"127.0.0.1.example.com": {}, "10.0.0.1": {}, "::2": {}, "0.0.0.0": {}, "1": {},
	} {
		if got := origin.IsLoopback(host); got != want.host {
			t.Errorf("IsLoopback(%q) = %v", host, got)
		}
		if got := origin.IsLoopbackIP(host); got != want.ip {
			t.Errorf("IsLoopbackIP(%q) = %v", host, got)
		}
	}
}

func TestLocalPath(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"/":                           "/",
		"/a/b?x=1&y=%2F%2Fz#/route":   "/a/b",
		"/#//route":                   "/",
		"/a%2Fb":                      "/a/b",
		"/100%25":                     "/100%",
		"/a..b/.well-known/x.":        "/a..b/.well-known/x.",
		"/%E6%96%87":                  "/文",
		"/x?u=https://other.example/": "/x",
	} {
		if got, err := origin.LocalPath(address); got != want || err != nil {
			t.Errorf("LocalPath(%q) = %q, %v; want %q", address, got, err, want)
		}
	}
	for _, address := range []string{
		"", "x", "?x", "https://app.example.com/", "//evil.example", `/\evil.example`, `/x?\evil.example`,
		"/%2Fevil.example", "/%5cevil.example", "/%252F%252Fevil.example", "/%25252525252Fevil.example",
		"/..//evil.example", "/.//x", "/%2e%2e//evil.example", "/a/..", "/x%zz", "/x#/%zz", "/x%00",
		"/x%0d%0aSet-Cookie:a=b", "/x\r\nSet-Cookie: a=b", "/\t/evil.example", "/x\x00", "/文", "/\xff", `/x"y`,
		"/<script>", "/x y",
	} {
		if got, err := origin.LocalPath(address); got != "" || err == nil {
			t.Errorf("LocalPath(%q) = %q, %v; want an error", address, got, err)
		}
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for address, want := range map[string][2]string{
		"HTTPS://App.Example.COM:443/X?y#z": {"https://app.example.com", "/X?y#z"},
		"https://app.example.com":           {"https://app.example.com", "/"},
		"https://app.example.com?x":         {"https://app.example.com", "/?x"},
		"http://127.0.0.1:3000#x":           {"http://127.0.0.1:3000", "/#x"},
	} {
		base, rest, err := origin.Split(address)
		if got := [2]string{base, rest}; got != want || err != nil {
			t.Errorf("Split(%q) = %q, %v; want %q", address, got, err, want)
		}
	}
	for _, address := range []string{
		"/x", "https:app.example.com", "https:/app.example.com", "https://evil@app.example.com/",
		"javascript://x/%0aalert(1)", "https://app.example.com%40evil.example/", "https://app.example.com:/", "",
	} {
		if base, rest, err := origin.Split(address); base != "" || rest != "" || err == nil {
			t.Errorf("Split(%q) = %q, %q, %v; want an error", address, base, rest, err)
		}
	}
}

func TestEscapedBytesAreAccepted(t *testing.T) {
	t.Parallel()
	const address = "/文章?a\\b\"<c>{d}|e f\x00"
	escaped := origin.EscapeBytes(address)
	if want := "/%E6%96%87%E7%AB%A0?a%5Cb%22%3Cc%3E{d}|e%20f%00"; escaped != want {
		t.Errorf("EscapeBytes = %q, want %q", escaped, want)
	}
	if origin.CheckBytes(address) == nil || origin.CheckBytes(escaped) != nil {
		t.Errorf("CheckBytes: %v, %v", origin.CheckBytes(address), origin.CheckBytes(escaped))
	}
}

// FuzzLocalPath looks for an address that is accepted and that leads a browser to another origin.
func FuzzLocalPath(f *testing.F) {
	for _, seed := range []string{
		"/", "/x?y#/z", "//evil.example", `/\evil.example`, "/%2F/evil.example", "/\t/evil.example", "/%252e%252e/",
		"/a%00", "/文章",
	} {
		f.Add(seed)
	}
	base, err := url.Parse("https://app.example.com/wechat/callback")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if _, err := origin.LocalPath(address); err != nil {
			return
		}
		u, err := base.Parse(address)
		if err != nil || u.User != nil || u.Scheme+"://"+u.Host != "https://app.example.com" {
			t.Fatalf("%q leads to %v (%v)", address, u, err)
		}
		if strings.HasPrefix(u.Path, "//") || strings.HasPrefix(u.EscapedPath(), "//") {
			t.Fatalf("%q has a path that names a host", address)
		}
	})
}
