package weigate_test

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// readsCookies matches code that reads cookies of requests other than through package cookie. The
// methods of http.Request parse the whole header each time they are called.
var readsCookies = regexp.MustCompile(`\.CookiesNamed\(|\b(r|req|request|Request)\.Cookies?\(`)

// cookieName matches the constant with the name of a cookie.
var cookieName = regexp.MustCompile(`^\s*\w*[cC]ookie\w*\s+= "([a-z-]+)"`)

// productLines calls f for each line of the code whose cookies browsers keep. The simulator and the
// sample apps have hosts of their own.
func productLines(t *testing.T, f func(place, line string)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == "examples" || path == "bench" || path == "wechat" || path == "internal/demo" ||
			path == "internal/simulator"):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			f(fmt.Sprintf("%s:%d", path, i+1), line)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestCookiesAreReadInOnePlace rejects product code that reads cookies without the bound of
// cookie.Sent. The simulator and the sample apps are not exposed, and may use net/http.
func TestCookiesAreReadInOnePlace(t *testing.T) {
	t.Parallel()
	productLines(t, func(place, line string) {
		if readsCookies.MatchString(line) {
			t.Errorf("%s: read cookies with package cookie: %s", place, strings.TrimSpace(line))
		}
	})
}

// TestCookiesHaveNamesOfTheirOwn: the packages of the gateway set their cookies on one host. Two cookies
// with one name replace each other.
func TestCookiesHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	places := map[string]string{}
	productLines(t, func(place, line string) {
		found := cookieName.FindStringSubmatch(line)
		if found == nil {
			return
		}
		if other := places[found[1]]; other != "" {
			t.Errorf("%s: the cookie %q has the name of another one, at %s", place, found[1], other)
		}
		places[found[1]] = place
	})
	if len(places) < 9 {
		t.Errorf("only %d cookies found: %v", len(places), places)
	}
}
