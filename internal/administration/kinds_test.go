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

var eventConstant = regexp.MustCompile(`(?m)^\s*(?:const )?[eE]vent[A-Z]\w*\s+= "(\w+)"`)

// Every kind of events that any package defines is in the list. TestEventsPages of internal/cli compares
// the list with the documents.
func TestEventKindsAreListed(t *testing.T) {
	t.Parallel()
	listed := map[string]string{}
	for _, k := range administration.EventKinds() {
		if listed[k.Kind] != "" || k.Meaning == "" || k.Category == "" || len(k.Outcomes) == 0 {
			t.Errorf("kind %q is listed twice, or has no category, outcome or meaning", k.Kind)
		}
		listed[k.Kind] = string(k.Category)
	}
	if defined := definedKinds(t); !slices.Equal(defined, slices.Sorted(maps.Keys(listed))) {
		t.Errorf("packages define the kinds %v\nEventKinds lists      %v", defined, slices.Sorted(maps.Keys(listed)))
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
