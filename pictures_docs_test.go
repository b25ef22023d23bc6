package weigate_test

import (
	"image"
	_ "image/jpeg" // the format of the screenshots
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPicturesInDocs compares the pictures of the documents with docs/images/pictures.txt: every picture is
// listed, used in pages of its language, and a screenshot that internal/e2e still makes.
func TestPicturesInDocs(t *testing.T) {
	t.Parallel()
	listed := listedPictures(t)
	used := map[string]bool{}
	embedded := regexp.MustCompile(`!\[([^\]]*)\]\(([^)]+)\)`)
	for _, pattern := range []string{"*.md", "docs/*/*.md", "docs/*/*/*.md"} {
		pages, err := fs.Glob(os.DirFS("."), pattern)
		if err != nil || len(pages) == 0 {
			t.Fatalf("no pages %s: %v", pattern, err)
		}
		for _, page := range pages {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			isChinese := strings.Contains(page, "zh-CN")
			for _, m := range embedded.FindAllStringSubmatch(string(text), -1) {
				file := filepath.Join(filepath.Dir(page), m[2])
				name := filepath.Base(file)
				if filepath.Dir(file) != filepath.Join("docs", "images") || listed[name] == "" {
					t.Errorf("%s has the picture %s, which docs/images/pictures.txt does not list", page, m[2])
				}
				if isChinese != strings.Contains(name, "zh-CN") {
					t.Errorf("%s has the picture %s, of the other language", page, name)
				}
				if m[1] == "" {
					t.Errorf("%s: the picture %s has no text for readers who do not see it", page, name)
				}
				used[name] = true
			}
		}
	}
	files, err := os.ReadDir(filepath.Join("docs", "images"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := f.Name(); name != "pictures.txt" && (listed[name] == "" || !used[name]) {
			t.Errorf("docs/images/%s is listed as %q, used: %v", name, listed[name], used[name])
		}
	}
	made := screenshotsOfTests(t)
	screenshot := regexp.MustCompile(`^(.+)-(en|zh-CN)-\d+\.jpg$`)
	for name, from := range listed {
		m := screenshot.FindStringSubmatch(from)
		switch {
		case m == nil || (m[2] == "zh-CN") != strings.Contains(name, "zh-CN"):
			t.Errorf("%s: %s is no screenshot of its language", name, from)
		case !made[m[1]]:
			t.Errorf("%s: no test of internal/e2e makes the screenshot %q", name, m[1])
		}
		f, err := os.Open(filepath.Join("docs", "images", name))
		if err != nil {
			t.Error(err)
			continue
		}
		if _, _, err := image.DecodeConfig(f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		f.Close()
	}
}

// listedPictures returns the screenshot of each picture in docs/images/pictures.txt.
func listedPictures(t *testing.T) map[string]string {
	t.Helper()
	list, err := os.ReadFile(filepath.Join("docs", "images", "pictures.txt"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for line := range strings.Lines(string(list)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		if len(words) != 2 || listed[words[0]] != "" {
			t.Errorf("pictures.txt: not a picture and its screenshot, or listed twice: %s", line)
			continue
		}
		listed[words[0]] = words[1]
	}
	return listed
}

// screenshotsOfTests returns the names of the pages of which internal/e2e keeps pictures. The names of the
// pages of administrators and of users are in a table, without the beginning of see's argument.
func screenshotsOfTests(t *testing.T) map[string]bool {
	t.Helper()
	made := map[string]bool{}
	files, err := filepath.Glob("internal/e2e/*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	kept := regexp.MustCompile(`\.(?:see|glance|keep)\("([\w-]+)"( \+)?`)
	row := regexp.MustCompile(`\{"([\w-]+)", "/?[^"]*"`)
	for _, name := range files {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rows := row.FindAllStringSubmatch(string(source), -1)
		for _, m := range kept.FindAllStringSubmatch(string(source), -1) {
			if m[2] == "" {
				made[m[1]] = true
				continue
			}
			for _, r := range rows {
				made[m[1]+r[1]] = true
			}
		}
		if strings.Contains(string(source), ".see(page.name)") {
			for _, r := range rows {
				made[r[1]] = true
			}
		}
	}
	return made
}
