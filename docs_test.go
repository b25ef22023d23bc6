package weigate_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// outline is the structure that both languages of a page must share.
type outline struct {
	headings []string // "#", "##", …: levels, in order
	code     []string // text of each fenced block, with its comments
	rows     int      // number of table rows
	links    []string // targets of links
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func read(t *testing.T, name string) outline {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var o outline
	var block []string
	inside := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(strings.TrimLeft(line, " "), "```"): // a block in a list is indented
			if inside {
				o.code = append(o.code, strings.Join(block, "\n"))
				block = nil
			}
			inside = !inside
		case inside:
			block = append(block, line)
		case strings.HasPrefix(line, "#"):
			o.headings = append(o.headings, line[:strings.IndexByte(line+" ", ' ')])
		case strings.HasPrefix(line, "|"):
			o.rows++
		}
		if !inside {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				o.links = append(o.links, m[1])
			}
		}
	}
	if inside {
		t.Errorf("%s: a code block is not closed", name)
	}
	return o
}

// same compares the two languages of a page. translated are the numbers of code blocks with output, which
// the program prints in the language of the page.
func same(t *testing.T, en, zh string, translated ...int) {
	t.Helper()
	a, b := read(t, en), read(t, zh)
	if len(a.headings) == 0 {
		t.Errorf("%s has no heading", en)
	}
	if !slices.Equal(a.headings, b.headings) {
		t.Errorf("%s has headings %v, %s has %v: the two languages are one page", en, a.headings, zh, b.headings)
	}
	if len(a.code) != len(b.code) {
		t.Fatalf("%s has %d code blocks, %s has %d", en, len(a.code), zh, len(b.code))
	}
	for i := range a.code {
		if a.code[i] != b.code[i] && !slices.Contains(translated, i) {
			t.Errorf("code block %d differs:\n%s\n%s\n\n%s\n%s", i+1, en, a.code[i], zh, b.code[i])
		}
	}
	if a.rows != b.rows {
		t.Errorf("%s has %d number of table rows, %s has %d", en, a.rows, zh, b.rows)
	}
	strip := strings.NewReplacer("docs/zh-CN/", "docs/en/", "README.zh-CN.md", "README.md", ".zh-CN.jpg", ".jpg")
	for i, l := range b.links {
		b.links[i] = strip.Replace(l)
	}
	for i, l := range a.links {
		a.links[i] = strip.Replace(l)
	}
	slices.Sort(a.links)
	slices.Sort(b.links)
	if !slices.Equal(a.links, b.links) {
		t.Errorf("links differ:\n%s %v\n%s %v", en, a.links, zh, b.links)
	}
}

func TestDocsAreTheSameInBothLanguages(t *testing.T) {
	t.Parallel()
	names := func(dir string) (out []string) {
		for _, pattern := range []string{"*.md", "*/*.md"} {
			files, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil || len(files) == 0 {
				t.Fatalf("no pages %s in %s: %v", pattern, dir, err)
			}
			for _, file := range files {
				name, err := filepath.Rel(dir, file)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, filepath.ToSlash(name))
			}
		}
		return out
	}
	en, zh := names("docs/en"), names("docs/zh-CN")
	if !slices.Equal(en, zh) {
		t.Fatalf("docs/en has %v, docs/zh-CN has %v", en, zh)
	}
	for _, name := range en {
		same(t, "docs/en/"+name, "docs/zh-CN/"+name)
	}
}

// TestLinksLeadSomewhere checks that the target of each link to a file of the repository exists.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*/*.md", "docs/*/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	if len(pages) == 0 {
		t.Fatal("no page was found")
	}
	for _, page := range pages {
		for _, l := range read(t, page).links {
			if strings.Contains(l, "://") || strings.HasPrefix(l, "#") {
				continue
			}
			target, _, _ := strings.Cut(l, "#")
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), target)); err != nil {
				t.Errorf("%s leads to %s, which does not exist", page, l)
			}
		}
	}
}
