package metrics_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/metrics"
)

// TestEveryMetricIsDocumented compares the metrics with the tables of both languages and with the
// comment of the package: the same names, with the same labels.
func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	want := slices.Sorted(slices.Values(metrics.New().Names()))
	name := regexp.MustCompile(`weigate_[a-z_]+\{[a-z,]+\}`)
	for _, path := range []string{"../../docs/en/configuration.md", "../../docs/zh-CN/configuration.md", "metrics.go"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		comment, _, _ := strings.Cut(string(text), "\npackage metrics") // of metrics.go
		if got := slices.Sorted(slices.Values(name.FindAllString(comment, -1))); !slices.Equal(got, want) {
			t.Errorf("%s names\n%s\nwant\n%s", path, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
