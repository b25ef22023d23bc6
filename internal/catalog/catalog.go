// Package catalog loads the texts of pages from JSON, one file for each language, and chooses a
// language by the Accept-Language header. It imports the standard library only, so that the public
// packages may use it.
package catalog

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Catalog holds the texts of one language.
type Catalog struct {
	Lang  string            // the name of the file without .json, for example "zh-CN"
	Texts map[string]string // by key; format verbs as in package fmt
}

// MustLoad reads DIR/LANG.json for each language. It panics when an embedded file is missing or
// malformed.
func MustLoad(fsys fs.FS, dir string, langs ...string) []*Catalog {
	out := make([]*Catalog, len(langs))
	for i, lang := range langs {
		b, err := fs.ReadFile(fsys, dir+"/"+lang+".json")
		if err != nil {
			panic(err)
		}
		out[i] = &Catalog{Lang: lang}
		if err := json.Unmarshal(b, &out[i].Texts); err != nil {
			panic(fmt.Errorf("catalog %s: %w", lang, err))
		}
	}
	return out
}

// Text returns the text of a key with its verbs filled. For an unknown key it returns the key in
// ⟨⟩, which tests search for.
func (c *Catalog) Text(key string, args ...any) string {
	text, ok := c.Texts[key]
	if !ok {
		return "⟨" + key + "⟩"
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// Preferred returns the language that an Accept-Language header weighs most, by its first subtag.
// Of equal ones it returns the first of langs; "" means that the header names none of them.
func Preferred(header string, langs ...string) string {
	weights := map[string]float64{}
	for item := range strings.SplitSeq(header, ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(item), ";")
		weight := 1.0
		if q, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			if v, err := strconv.ParseFloat(q, 64); err == nil {
				weight = v
			}
		}
		base, _, _ := strings.Cut(strings.ToLower(tag), "-")
		weights[base] = max(weights[base], weight)
	}
	best, found := 0.0, ""
	for _, lang := range langs {
		if weights[lang] > best {
			best, found = weights[lang], lang
		}
	}
	return found
}
