package weigate_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// readsCookies matches code that reads cookies of requests other than through package cookie. The
// methods of http.Request parse the whole header each time they are called.
var readsCookies = regexp.MustCompile(`\.CookiesNamed\(|\b(r|req|request|Request)\.Cookies?\(`)

// TestCookiesAreReadInOnePlace rejects product code that reads cookies without the bound of
// cookie.Sent. The simulator and the sample apps are not exposed, and may use net/http.
func TestCookiesAreReadInOnePlace(t *testing.T) {
	t.Parallel()
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
			if readsCookies.MatchString(line) {
				t.Errorf("%s:%d: read cookies with package cookie: %s", path, i+1, strings.TrimSpace(line))
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
