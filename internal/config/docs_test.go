package config_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/weigate/weigate/internal/config"
)

// TestReferenceListsEveryKey checks that the reference page of each language has a row for each key,
// in the order of the example file, and no other row.
func TestReferenceListsEveryKey(t *testing.T) {
	t.Parallel()
	row := regexp.MustCompile("(?m)^\\| `([a-z_.\\[\\]]+)` \\| [^|]* \\| [^|]+ \\|$")
	for _, page := range []string{"../../docs/en/configuration.md", "../../docs/zh-CN/configuration.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, m := range row.FindAllStringSubmatch(string(text), -1) {
			told = append(told, m[1])
		}
		if want := config.Keys(); !slices.Equal(told, want) {
			t.Errorf("%s has rows for\n%v\nwant\n%v", page, told, want)
		}
	}
}
