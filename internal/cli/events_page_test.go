package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/lang"
)

// TestEventsPages compares the tables of the pages "events" of the documents with the kinds of events:
// every kind has a row with its outcomes, its fields and its meaning, and no row is about anything else.
// It writes them with -write, as TestCommandsPages does.
func TestEventsPages(t *testing.T) {
	t.Parallel()
	for language, texts := range map[string]lang.Formats{"en": nil, "zh-CN": chinese()} {
		name := filepath.Join("..", "..", "docs", language, "events.md")
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		page, categories := string(raw), map[administration.EventCategory]bool{}
		for _, k := range administration.EventKinds() {
			categories[k.Category] = true
		}
		for c := range categories {
			mark := fmt.Sprintf("<!-- generated: %s -->\n\n", c)
			before, rest, found := strings.Cut(page, mark)
			_, after, ended := strings.Cut(rest, "\n\n")
			if !found || !ended {
				t.Fatalf("%s has no table of category %s", name, c)
			}
			page = before + mark + eventsTable(language, texts, c) + "\n" + after
		}
		switch {
		case page == string(raw):
		case !*write:
			t.Errorf("%s is outdated: go test -run TestEventsPages ./internal/cli -write", name)
		default:
			if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// eventsTable returns the table of the events of a category.
func eventsTable(language string, texts lang.Formats, c administration.EventCategory) string {
	head := "| kind | what happened | outcomes | fields |\n"
	if language == "zh-CN" {
		head = "| 类型 | 含义 | 结果 | 字段 |\n"
	}
	var b strings.Builder
	b.WriteString(head + "|---|---|---|---|\n")
	for _, k := range administration.EventKinds() {
		if k.Category == c {
			fmt.Fprintf(&b, "| `%s` | %s | `%s` | `%s` |\n", k.Kind, texts.Text(lang.Text(k.Meaning)),
				strings.Join(k.Outcomes, "` `"), strings.Join(k.Fields, "` `"))
		}
	}
	return b.String()
}
