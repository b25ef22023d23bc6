//go:build root && linux

package packaging_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinksOfTheDebianPackage checks that every relative link of the documents in the package leads to a
// file or folder of the package: a server without internet access has these documents only.
func TestLinksOfTheDebianPackage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run(t, "dpkg-deb", "--extract", debianPackage(t, "v1.2.3-rc.1"), dir)
	found, forge := 0, 0
	err := filepath.WalkDir(dir, func(page string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(page, ".md") {
			return err
		}
		text, err := os.ReadFile(page)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			switch {
			case strings.HasPrefix(target, "https://github.com/weigate/weigate/"):
				forge++
				if !strings.Contains(target, "/v1.2.3-rc.1/") {
					t.Errorf("%s leads to %s, not to the version of the package", page, target)
				}
			case target == "" || strings.Contains(target, "://"):
			default:
				found++
				if _, err := os.Stat(filepath.Join(filepath.Dir(page), target)); err != nil {
					t.Errorf("%s leads to %s: %v", page, m[1], err)
				}
			}
		}
		return err
	})
	if err != nil || found < 500 || forge == 0 || forge > 60 {
		t.Errorf("%d links to files of the package, %d to the repository, %v", found, forge, err)
	}
}
