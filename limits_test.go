package weigate_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/limit"
)

// TestLimitsInDocsAreTheCodes compares the tables of docs/en/limits.md and docs/zh-CN/limits.md with
// the bounds that the code declares: each has one row with its default and its key, and no row is
// about anything else.
func TestLimitsInDocsAreTheCodes(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"docs/en/limits.md", "docs/zh-CN/limits.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]string{} // by name: "default, key"
		for line := range strings.Lines(string(text)) {
			cells := strings.Split(line, " | ")
			if name, isRow := strings.CutPrefix(cells[0], "| `"); isRow && len(cells) == 5 {
				found[strings.TrimSuffix(name, "`")] = cells[2] + ", " + cells[3]
			}
		}
		for _, row := range limit.Table() {
			key := "–"
			if row.Key != "" {
				key = "`" + row.Key + "`"
			}
			want := fmt.Sprintf("%s, %s", row.Value, key)
			if found[row.Name] != want {
				t.Errorf("%s: %s is %q, in the code it is %q", page, row.Name, found[row.Name], want)
			}
			delete(found, row.Name)
		}
		for name := range found {
			t.Errorf("%s: the code has no limit %s", page, name)
		}
	}
}
