package weigate_test

import (
	"fmt"
	"os"
	"regexp"
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
			value := row.Value
			if page == "docs/zh-CN/limits.md" {
				value = inChinese(value)
			}
			want := fmt.Sprintf("%s, %s", value, key)
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

// inChinese returns a rate or a length of limit.Table as the Chinese page writes it.
func inChinese(value string) string {
	for _, rule := range [][2]string{
		{`^([\d.]+)/s\b`, "每秒 $1 次"}, {`^([\d.]+)/min\b`, "每分钟 $1 次"}, {`, burst (\d+)$`, "，突发 $1 次"},
		{` bytes$`, " 字节"},
	} {
		value = regexp.MustCompile(rule[0]).ReplaceAllString(value, rule[1])
	}
	return value
}
