package administration_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/administration"
)

var (
	eventConstant = regexp.MustCompile(`(?m)^\s*(?:const )?[eE]vent[A-Z]\w*\s+= "(\w+)"`)
	tableRow      = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `(\\w+)` \\| ")
)

// Every kind of events that any package defines is in the list, and in both documents with the same
// category. An administrator can look up every event.
func TestEventKindsAreDocumented(t *testing.T) {
	t.Parallel()
	listed := map[string]string{}
	for _, k := range administration.EventKinds() {
		if listed[k.Kind] != "" || k.Meaning == "" || k.Category == "" {
			t.Errorf("kind %q is listed twice, or has no category or meaning", k.Kind)
		}
		listed[k.Kind] = string(k.Category)
	}
	if defined := definedKinds(t); !slices.Equal(defined, slices.Sorted(maps.Keys(listed))) {
		t.Errorf("packages define the kinds %v\nEventKinds lists      %v", defined, slices.Sorted(maps.Keys(listed)))
	}
	for _, language := range []string{"en", "zh-CN"} {
		page, err := os.ReadFile(filepath.Join("..", "..", "docs", language, "administration.md"))
		if err != nil {
			t.Fatal(err)
		}
		documented := map[string]string{}
		for _, row := range tableRow.FindAllStringSubmatch(string(page), -1) {
			documented[row[1]] = row[2]
		}
		for kind, category := range listed {
			if documented[kind] != category {
				t.Errorf("docs/%s/administration.md: kind %s has category %q, want %q", language, kind, documented[kind], category)
			}
			delete(documented, kind)
		}
		for kind := range documented {
			t.Errorf("docs/%s/administration.md has kind %s, which no package defines", language, kind)
		}
	}
}

// definedKinds returns the values of the constants named Event… of all internal packages, sorted.
func definedKinds(t *testing.T) []string {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && e.Name() == "flow": // its events are steps of a sign-in, for metrics
			return fs.SkipDir
		case e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		for _, m := range eventConstant.FindAllStringSubmatch(string(source), -1) {
			found[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(found))
}
