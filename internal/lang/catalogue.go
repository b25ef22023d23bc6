package lang

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Catalogue has the texts of a package's pages in all languages. Create it with [Load]. It is safe
// for concurrent use.
type Catalogue struct {
	texts map[string]map[string]string // language → key → text
}

// Load reads en.json and zh-CN.json from a directory. Each file is one JSON object that maps keys
// to texts. A text may have placeholders such as {app}. The error joins all problems: keys that are
// missing in one language, duplicate keys, empty texts, and placeholders that differ between the
// languages.
func Load(files fs.FS, dir string) (*Catalogue, error) {
	c := &Catalogue{texts: map[string]map[string]string{}}
	var problems []error
	for _, language := range All() {
		name := path.Join(dir, language+".json")
		texts, err := readTexts(files, name)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
		c.texts[language] = texts
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	english, chinese := c.texts[English], c.texts[Chinese]
	for _, key := range c.Keys() {
		en, inEnglish := english[key]
		zh, inChinese := chinese[key]
		switch {
		case !inEnglish:
			problems = append(problems, fmt.Errorf("%s: %q: missing in %s.json", dir, key, English))
		case !inChinese:
			problems = append(problems, fmt.Errorf("%s: %q: missing in %s.json", dir, key, Chinese))
		case strings.TrimSpace(en) == "" || strings.TrimSpace(zh) == "":
			problems = append(problems, fmt.Errorf("%s: %q: empty text", dir, key))
		case !slices.Equal(placeholders(en), placeholders(zh)):
			problems = append(problems, fmt.Errorf("%s: %q: placeholders differ between the languages", dir, key))
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return c, nil
}

// MustLoad is like [Load] and panics instead of returning an error, for embedded files.
func MustLoad(files fs.FS, dir string) *Catalogue {
	c, err := Load(files, dir)
	if err != nil {
		panic(err)
	}
	return c
}

// readTexts decodes one file. It reads the file token by token to find duplicate keys.
// json.Unmarshal accepts duplicate keys.
func readTexts(files fs.FS, name string) (map[string]string, error) {
	raw, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	// This rejects every file that is not one object of strings.
	if err := json.Unmarshal(raw, &map[string]string{}); err != nil {
		return nil, err
	}
	texts := map[string]string{}
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil { // the opening brace
		return nil, err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		var text string
		if err := d.Decode(&text); err != nil {
			return nil, err
		}
		if _, twice := texts[key.(string)]; twice {
			return nil, fmt.Errorf("key %q occurs twice", key)
		}
		texts[key.(string)] = text
	}
	return texts, nil
}

// Keys returns the keys, sorted.
func (c *Catalogue) Keys() []string {
	keys := map[string]bool{}
	for _, texts := range c.texts {
		for key := range texts {
			keys[key] = true
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// Check compares the catalogue with the keys that a package uses. It returns an error for each
// required key without a text (a missing text). It also returns an error for each text whose key is
// neither required nor optional (an unused text).
func (c *Catalogue) Check(required, optional []string) error {
	keys := c.Keys()
	var problems []error
	for _, key := range required {
		if _, found := slices.BinarySearch(keys, key); !found {
			problems = append(problems, fmt.Errorf("no text for %q", key))
		}
	}
	for _, key := range keys {
		if !slices.Contains(required, key) && !slices.Contains(optional, key) {
			problems = append(problems, fmt.Errorf("text %q is not used", key))
		}
	}
	return errors.Join(problems...)
}

// In returns the texts in one language. For an unknown language, it returns the English texts.
func (c *Catalogue) In(language string) Texts {
	texts, found := c.texts[language]
	if !found {
		language, texts = English, c.texts[English]
	}
	return Texts{Lang: language, texts: texts}
}

// Texts are the texts of a catalogue in one language. Its methods may be called from templates.
type Texts struct {
	Lang  string // for Content-Language and <html lang>
	texts map[string]string
}

// Has reports whether there is a text for key.
func (t Texts) Has(key string) bool {
	_, found := t.texts[key]
	return found
}

// Text returns the text for key with its placeholders filled in from pairs of name and value:
//
//	t.Text("refused.title", "app", "Wiki")   // {app} becomes Wiki
//
// Values are inserted without escaping. A name that is not a placeholder of the text is ignored. An
// unknown key is an error, and so is a placeholder without a value. In a template, the error ends
// the execution.
func (t Texts) Text(key string, pairs ...any) (string, error) {
	text, found := t.texts[key]
	if !found {
		return "", fmt.Errorf("lang: no text for %q in %s", key, t.Lang)
	}
	if len(pairs)%2 != 0 {
		return "", fmt.Errorf("lang: %q: a placeholder's name without a value", key)
	}
	var missing error
	filled := placeholder.ReplaceAllStringFunc(text, func(p string) string {
		name := strings.Trim(p, "{}")
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return fmt.Sprint(pairs[i+1])
			}
		}
		missing = fmt.Errorf("lang: %q: no value for %s", key, p)
		return p
	})
	return filled, missing
}

// MustText is like [Texts.Text] and panics instead of returning an error, for code whose keys and
// placeholders are covered by a test.
func (t Texts) MustText(key string, pairs ...any) string {
	text, err := t.Text(key, pairs...)
	if err != nil {
		panic(err)
	}
	return text
}

// Lines returns the paragraphs of the text for key: it splits [Texts.Text] at line breaks.
func (t Texts) Lines(key string, pairs ...any) ([]string, error) {
	text, err := t.Text(key, pairs...)
	if err != nil {
		return nil, err
	}
	return strings.Split(text, "\n"), nil
}

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

// placeholders returns the placeholders of a text, sorted, each once.
func placeholders(text string) []string {
	found := placeholder.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}
