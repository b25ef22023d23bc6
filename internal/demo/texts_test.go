package demo

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/lang"
)

// The catalogue has every text that the pages use, and no other.
func TestTextsMatchThePages(t *testing.T) {
	t.Parallel()
	templates := ""
	names, err := fs.Glob(files, "pages/*.html")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		templates += string(text)
	}
	// Keys that the code passes to the templates, or that a template puts together.
	used := []string{"signed_in", "tour", "wiki", "shop.welcome", "sample", "photos.open"}
	for _, notice := range []string{"expired", "not_signed_in", "not_found", "error"} {
		used = append(used, notice, notice+".text")
	}
	for _, app := range []string{NotesID, "wiki", "shop", BoardID, ForumID, PlansID} {
		used = append(used, app+".open", "tour."+app, "tour."+app+".note", "tour."+app+".steps")
	}
	used = append(used, NotesID, PhotosID, BoardID, ForumID, PlansID, "client.board", "client.forum")
	for _, m := range regexp.MustCompile(`\.(?:Text|Lines) "([^"]+)"`).FindAllStringSubmatch(templates, -1) {
		used = append(used, m[1])
	}
	catalogue, err := lang.Load(files, "pages")
	if err != nil {
		t.Fatal(err)
	}
	if err := catalogue.Check(used, nil); err != nil {
		t.Error(err)
	}
	// Templates have no text of their own.
	for _, m := range regexp.MustCompile(`>([^<>{}]*\pL[^<>{}]*)<`).FindAllStringSubmatch(templates, -1) {
		t.Errorf("text in a template: %q", m[1])
	}
}

func TestTextsAreInTheirLanguage(t *testing.T) {
	t.Parallel()
	catalogue, err := lang.Load(files, "pages")
	if err != nil {
		t.Fatal(err)
	}
	han := regexp.MustCompile(`\p{Han}`)
	english, chinese := catalogue.In(lang.English), catalogue.In(lang.Chinese)
	for _, key := range catalogue.Keys() {
		en, err := english.Lines(key, "name", "Alice")
		if err != nil {
			t.Error(err)
		}
		zh, err := chinese.Lines(key, "name", "Alice")
		if err != nil {
			t.Error(err)
		}
		if han.MatchString(strings.Join(en, "")) {
			t.Errorf("%s: Chinese in the English text %q", key, en)
		}
		if !han.MatchString(strings.Join(zh, "")) && !slices.Equal(en, zh) {
			t.Errorf("%s: the Chinese text %q is neither Chinese nor the English word", key, zh)
		}
		if len(en) != len(zh) {
			t.Errorf("%s: %d lines in English, %d in Chinese", key, len(en), len(zh))
		}
	}
}
