package web

import (
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"

	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/useragent"
)

// Views are the templates and the texts of a package that shows documents. Load them with
// [LoadViews].
type Views struct {
	templates *template.Template
	texts     *lang.Catalogue
	script    template.JS // "" = none
}

// LoadViews reads the templates *.html of a directory, the texts en.json and zh-CN.json, and the
// script script.js if there is one. A template has the name of its file without .html, and its data
// is a [Content].
func LoadViews(files fs.FS, dir string) (*Views, error) {
	v := &Views{templates: template.New("")}
	var err error
	if v.texts, err = lang.Load(files, dir); err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, path.Join(dir, "*.html"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		if _, err := v.templates.New(strings.TrimSuffix(path.Base(name), ".html")).Parse(string(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if script, err := fs.ReadFile(files, path.Join(dir, "script.js")); err == nil {
		v.script = template.JS(script)
	}
	return v, nil
}

// MustLoadViews is like [LoadViews] and panics instead of returning an error, for embedded files.
func MustLoadViews(files fs.FS, dir string) *Views {
	v, err := LoadViews(files, dir)
	if err != nil {
		panic(err)
	}
	return v
}

// Texts returns the texts in a language. lang.FromRequest returns the language of a request.
func (v *Views) Texts(language string) lang.Texts { return v.texts.In(language) }

// Keys returns the keys of the texts. Tests check with them that each text is used.
func (v *Views) Keys() []string { return v.texts.Keys() }

// Content is the data of a template of a package. In the template, $ is the Content, and $.Data is
// the field Data of [Document]. The methods of parts return parts of pages as HTML, in which all text is
// escaped.
type Content struct {
	Data  any
	Texts lang.Texts // of the package
	parts
}

// Word returns a text of the package; see [lang.Texts.Text] for pairs.
func (c Content) Word(key string, pairs ...any) (string, error) { return c.Texts.Text(key, pairs...) }

// Browser translates the name of a browser, as [useragent.Agent.String] returns it.
func (c Content) Browser(name string) string { return useragent.Localize(name, c.Texts.Lang) }

// Lines returns the paragraphs of a text of the package.
func (c Content) Lines(key string, pairs ...any) ([]string, error) {
	return c.Texts.Lines(key, pairs...)
}
