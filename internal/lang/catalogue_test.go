package lang_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/weigate/weigate/internal/lang"
)

func load(en, zh string) (*lang.Catalogue, error) {
	return lang.Load(fstest.MapFS{
		"pages/en.json":    {Data: []byte(en)},
		"pages/zh-CN.json": {Data: []byte(zh)},
	}, "pages")
}

func TestLoadRefusesFaultyFiles(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ en, zh, want string }{
		"not JSON":        {`{"a": "x"`, `{"a": "甲"}`, "pages/en.json: unexpected end of JSON input"},
		"not an object":   {`["x"]`, `{"a": "甲"}`, "pages/en.json: json: cannot unmarshal array"},
		"not a text":      {`{"a": 1}`, `{"a": "甲"}`, "pages/en.json: json: cannot unmarshal number"},
		"a key twice":     {`{"a": "x", "a": "y"}`, `{"a": "甲"}`, `pages/en.json: key "a" occurs twice`},
		"only in English": {`{"a": "x", "b": "y"}`, `{"a": "甲"}`, `pages: "b": missing in zh-CN.json`},
		"only in Chinese": {`{"a": "x"}`, `{"a": "甲", "b": "乙"}`, `pages: "b": missing in en.json`},
		"empty text":      {`{"a": "x"}`, `{"a": " "}`, `pages: "a": empty text`},
		"another placeholder": {`{"a": "x {app}"}`, `{"a": "甲 {site}"}`,
			`pages: "a": placeholders differ between the languages`},
		"a placeholder too few": {`{"a": "{n} of {app}"}`, `{"a": "{app}"}`,
			`pages: "a": placeholders differ between the languages`},
		"every problem together": {`{"a": "", "b": "y"}`, `{"a": "甲", "c": "丙"}`,
			"pages: \"a\": empty text\npages: \"b\": missing in zh-CN.json\npages: \"c\": missing in en.json"},
	} {
		if _, err := load(tt.en, tt.zh); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	if _, err := lang.Load(fstest.MapFS{"en.json": {Data: []byte("{}")}}, "."); err == nil ||
		!strings.Contains(err.Error(), "zh-CN.json: ") {
		t.Errorf("a missing file: %v", err)
	}
	// The order of a placeholder and its repetition are the language's own.
	if _, err := load(`{"a": "{n} in {app}, {app}"}`, `{"a": "{app}的{n}"}`); err != nil {
		t.Error(err)
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	c, err := load(`{"hello": "Hello {name}, {n} new.\nBye {name}.", "plain": "a {b"}`,
		`{"hello": "{name}：{n}", "plain": "丙"}`)
	if err != nil {
		t.Fatal(err)
	}
	if keys := c.Keys(); !slices.Equal(keys, []string{"hello", "plain"}) {
		t.Errorf("keys %q", keys)
	}
	en, zh := c.In(lang.English), c.In(lang.Chinese)
	if en.Lang != "en" || zh.Lang != "zh-CN" || c.In("fr").Lang != "en" {
		t.Errorf("languages %q %q %q", en.Lang, zh.Lang, c.In("fr").Lang)
	}
	if !en.Has("hello") || en.Has("nothing") {
		t.Error("Has")
	}
	// A value is not searched for placeholders.
	if got, err := zh.Text("hello", "n", 3, "name", "{n}", "other", ""); got != "{n}：3" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	want := []string{"Hello Alice, 1 new.", "Bye Alice."}
	if got, err := en.Lines("hello", "name", "Alice", "n", 1); !slices.Equal(got, want) || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := en.Text("plain"); got != "a {b" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for want, call := range map[string]func() error{
		`lang: no text for "nothing" in zh-CN`: func() error {
			_, err := zh.Text("nothing")
			return err
		},
		`lang: no text for "nothing" in en`: func() error {
			_, err := en.Lines("nothing")
			return err
		},
		`lang: "hello": no value for {n}`: func() error {
			_, err := en.Text("hello", "name", "Alice")
			return err
		},
		`lang: "hello": a placeholder's name without a value`: func() error {
			_, err := en.Text("hello", "name")
			return err
		},
	} {
		if err := call(); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	c, err := load(`{"a": "x", "b": "y", "c": "z"}`, `{"a": "甲", "b": "乙", "c": "丙"}`)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check([]string{"a", "b"}, []string{"c", "d"}); err != nil {
		t.Error(err)
	}
	want := "no text for \"d\"\ntext \"b\" is not used\ntext \"c\" is not used"
	if err := c.Check([]string{"a", "d"}, nil); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestMustPanics(t *testing.T) {
	t.Parallel()
	c, err := load(`{"phone": "{person}’s phone"}`, `{"phone": "{person} 的手机"}`)
	if err != nil {
		t.Fatal(err)
	}
	texts := c.In(lang.English)
	if got := texts.MustText("phone", "person", "Alice"); got != "Alice’s phone" {
		t.Errorf("%q", got)
	}
	for name, call := range map[string]func(){
		"a missing file":      func() { lang.MustLoad(fstest.MapFS{}, ".") },
		"an unknown key":      func() { texts.MustText("nothing") },
		"a missing value":     func() { texts.MustText("phone") },
		"a name and no value": func() { texts.MustText("phone", "person") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
	files := fstest.MapFS{"en.json": {Data: []byte(`{}`)}, "zh-CN.json": {Data: []byte(`{}`)}}
	if keys := lang.MustLoad(files, ".").Keys(); len(keys) != 0 {
		t.Errorf("keys %q", keys)
	}
}
