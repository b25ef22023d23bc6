package cli

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/weigate/weigate/internal/administration"
)

// TestWords compares the Chinese names of values with those of the administration, and finds kinds and
// outcomes of events without a name.
func TestWords(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../admin/files/zh-CN.json")
	if err != nil {
		t.Fatal(err)
	}
	var pages map[string]string
	if err := json.Unmarshal(raw, &pages); err != nil {
		t.Fatal(err)
	}
	words := chineseWords()
	for key, text := range words {
		if page, found := pages[key]; found && page != text {
			t.Errorf("%s: %s, on pages %s", key, text, page)
		}
	}
	for _, k := range administration.EventKinds() {
		keys := []string{"event." + k.Kind, "category." + string(k.Category)}
		for _, outcome := range k.Outcomes {
			keys = append(keys, "outcome."+outcome)
		}
		for _, key := range keys {
			if words[key] == "" {
				t.Errorf("%s has no Chinese name", key)
			}
		}
	}
}
