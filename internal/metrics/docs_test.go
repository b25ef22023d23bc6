package metrics_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/metrics"
)

var (
	metricRow  = regexp.MustCompile("(?m)^\\| `(weigate_[a-z_]+)` \\| ([a-z]+) \\| (.*?) \\| .+ \\|$")
	metricName = regexp.MustCompile(`weigate_[a-z_]+(\{[a-z,]+\})?`)
	operation  = regexp.MustCompile(`\(ctx, "([a-z_]+)"`)
)

// TestEveryMetricIsDocumented compares the metrics with the tables of both languages: the same names,
// types and labels. The comment of the package has the same names and labels.
func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	want := slices.Sorted(slices.Values(m.Names()))
	for _, language := range []string{"en", "zh-CN"} {
		var got []string
		for _, row := range metricRow.FindAllStringSubmatch(page(t, language), -1) {
			labels := ""
			if row[3] != "–" {
				labels = "{" + strings.NewReplacer("`", "", " ", "").Replace(row[3]) + "}"
			}
			got = append(got, row[1]+labels)
			if kind := m.Type(row[1]); kind != row[2] {
				t.Errorf("docs/%s/metrics.md: %s has type %s, want %s", language, row[1], row[2], kind)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("docs/%s/metrics.md names\n%s\nwant\n%s", language, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	text, err := os.ReadFile("metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	comment, _, _ := strings.Cut(string(text), "\npackage metrics")
	if got := slices.Sorted(slices.Values(metricName.FindAllString(comment, -1))); !slices.Equal(got, want) {
		t.Errorf("metrics.go names\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestEveryLabelIsDocumented looks for each value of a label that the package has in a list, and
// compares the operations of the store with the names in the code of the stores.
func TestEveryLabelIsDocumented(t *testing.T) {
	t.Parallel()
	want := operations(t)
	for _, language := range []string{"en", "zh-CN"} {
		text := page(t, language)
		for _, value := range metrics.LabelValues() {
			if !strings.Contains(text, "`"+value+"`") {
				t.Errorf("docs/%s/metrics.md does not have the value %q", language, value)
			}
		}
		_, list, _ := strings.Cut(text, "\n**`operation`")
		list, _, _ = strings.Cut(list, "\n")
		var got []string
		for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(list, -1) {
			got = append(got, m[1])
		}
		if !slices.Equal(got, want) {
			t.Errorf("docs/%s/metrics.md has the operations\n%v, the stores have\n%v", language, got, want)
		}
	}
}

// operations returns the names of the operations of the stores, sorted.
func operations(t *testing.T) (names []string) {
	t.Helper()
	for _, dir := range []string{"sqlstore", "sqlite", "postgres"} {
		files, err := filepath.Glob("../store/" + dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatal(fmt.Errorf("no files in %s: %w", dir, err))
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range operation.FindAllStringSubmatch(string(source), -1) {
				if !strings.HasSuffix(file, "_test.go") {
					names = append(names, m[1])
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func page(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + language + "/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
