package weigate_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// clientPages returns the pages with the settings of clients, in English.
func clientPages(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("docs/en/clients/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	return pages
}

// TestClientPagesAreLinked fails for a client page that the list of clients does not lead to.
func TestClientPagesAreLinked(t *testing.T) {
	t.Parallel()
	for _, list := range []string{"docs/en/clients.md", "docs/zh-CN/clients.md"} {
		linked := map[string]bool{}
		for _, l := range read(t, list).links {
			linked[filepath.Base(l)] = true
		}
		for _, page := range clientPages(t) {
			if !linked[filepath.Base(page)] {
				t.Errorf("%s has no link to %s", list, page)
			}
		}
	}
}

// TestAppPagesAnswerTheSameQuestions compares the sections of the pages that describe one app. Pages of
// libraries have other sections.
func TestAppPagesAnswerTheSameQuestions(t *testing.T) {
	t.Parallel()
	want := []string{"What you get", "Test it", "Groups and the first administrator", "Sign-out", "What can go wrong",
		"How this page was checked"}
	list, err := os.ReadFile("docs/en/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	_, apps, _ := strings.Cut(string(list), "\n## Apps with a sign-in of their own\n")
	apps, _, _ = strings.Cut(apps, "\n## ")
	pages := regexp.MustCompile(`\]\((clients/\w+\.md)\)`).FindAllStringSubmatch(apps, -1)
	if len(pages) < 8 {
		t.Fatalf("the list has the apps %v", pages)
	}
	for _, page := range pages {
		text, err := os.ReadFile("docs/en/" + page[1])
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		for _, heading := range want {
			next := strings.Index(string(text)[at:], "\n## "+heading+"\n")
			if next < 0 {
				t.Errorf("%s lacks the section %q, or has it elsewhere", page[1], heading)
				break
			}
			at += next
		}
		checked := string(text)[at:]
		if !strings.Contains(checked, "By reading, ") || !strings.Contains(checked, "Run by the tests: ") {
			t.Errorf("%s does not end with what was read and what was run", page[1])
		}
	}
}
