package catalog_test

import (
	"testing"
	"testing/fstest"

	"github.com/weigate/weigate/internal/catalog"
)

func TestPreferred(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"":                           "",
		"fr":                         "",
		"zh-CN,zh;q=0.9,en;q=0.8":    "zh",
		"en-GB,en;q=0.9,zh;q=0.5":    "en",
		"zh;q=0.5, EN;q=0.8":         "en",
		"en;q=0.7,zh-TW;q=0.7":       "zh",
		"en;q=0,zh;q=nonsense;level": "zh",
		"en;q=0":                     "",
	} {
		if got := catalog.Preferred(header, "zh", "en"); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"texts/en.json": {Data: []byte(`{"plain": "100%", "name": "%s’s phone"}`)}}
	c := catalog.MustLoad(files, "texts", "en")[0]
	for _, tt := range []struct{ got, want string }{
		{c.Lang, "en"},
		{c.Text("plain"), "100%"},
		{c.Text("name", "Alice"), "Alice’s phone"},
		{c.Text("missing"), "⟨missing⟩"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

func TestMustLoadPanics(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]fstest.MapFS{
		"a missing file":   {},
		"a malformed file": {"texts/en.json": {Data: []byte(`{"a":`)}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			catalog.MustLoad(files, "texts", "en")
		}()
	}
}
