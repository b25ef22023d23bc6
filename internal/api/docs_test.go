package api

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/weigate/weigate/internal/administration"
)

// TestDocsListScopesAndCodes compares the tables of docs/en/api.md and docs/zh-CN/api.md with the
// scopes and the codes that exist.
func TestDocsListScopesAndCodes(t *testing.T) {
	t.Parallel()
	var codes []string
	for _, k := range problemKinds {
		codes = append(codes, fmt.Sprintf("`%s` | %d", k.code, k.status))
	}
	scope := regexp.MustCompile("(?m)^\\| `(\\w+:\\w+)` \\|")
	code := regexp.MustCompile("(?m)^\\| (`\\w+` \\| \\d+) \\|")
	for _, name := range []string{"../../docs/en/api.md", "../../docs/zh-CN/api.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		first := func(expression *regexp.Regexp) (found []string) {
			for _, m := range expression.FindAllSubmatch(text, -1) {
				found = append(found, string(m[1]))
			}
			return found
		}
		if have := slices.Sorted(slices.Values(first(scope))); !slices.Equal(have, administration.Scopes()) {
			t.Errorf("%s has the scopes %v, want %v", name, have, administration.Scopes())
		}
		if have := first(code); !slices.Equal(have, codes) {
			t.Errorf("%s has the codes %v, want %v", name, have, codes)
		}
	}
}

// TestProblemsSayWhatToDo: each has a sentence for what happened and one for what to do.
func TestProblemsSayWhatToDo(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, k := range problemKinds {
		if k.title == "" || k.action == "" || k.side != sideCaller && k.side != sideGateway || seen[k.code] {
			t.Errorf("incomplete or repeated: %+v", k)
		}
		if (k.status >= 500) != (k.side == sideGateway) {
			t.Errorf("%s: status %d is not the side %s", k.code, k.status, k.side)
		}
		seen[k.code] = true
	}
}
