package weigate_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/cli"
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

// TestClientPagesLoad runs "weigate check" on the apps of each client page, with a connector.
// TestDocsAreTheSameInBothLanguages compares the Chinese pages.
func TestClientPagesLoad(t *testing.T) {
	t.Parallel()
	block := regexp.MustCompile("(?ms)^```yaml\n((?:verified_email_domains:[^\n]*\n)?apps:\n.*?)^```$")
	for _, page := range clientPages(t) {
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			blocks := block.FindAllStringSubmatch(string(text), -1)
			if len(blocks) == 0 {
				t.Error("it has no apps")
			}
			for _, m := range blocks {
				checkApps(t, m[1])
			}
		})
	}
}

// checkApps runs "weigate check" on a configuration with these apps.
func checkApps(t *testing.T, apps string) {
	t.Helper()
	dir := t.TempDir()
	path, secret := filepath.Join(dir, "weigate.yaml"), filepath.Join(dir, "secret")
	config := "url: https://login.example.com\nstore: \"sqlite:" + filepath.Join(dir, "weigate.db") +
		"\"\nmaster_key_file: " + filepath.Join(dir, "weigate.key") + "\ntrusted_proxies: [127.0.0.1]\n" +
		"wechat:\n  - {name: main, kind: official_account, appid: wx0123456789abcdef, secret: any-secret}\n"
	for name, text := range map[string]string{secret: "a-secret-of-16-characters-or-more",
		path: config + strings.ReplaceAll(apps, "/run/secrets/app", secret)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, told bytes.Buffer
	err := cli.Run(t.Context(), []string{"check", "--offline", "-c", path}, nil, &out, &told,
		func(string) string { return "" })
	if err != nil || told.Len() > 0 {
		t.Errorf("weigate check: %v\n%s%s\n%s", err, out.String(), told.String(), apps)
	}
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
