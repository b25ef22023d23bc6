package login

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/lang"
)

//go:embed pages
var pageFiles embed.FS

// pages renders the built-in pages. Each page contains the style sheet, which the Content Security
// Policy allows by its hash, so that a program need not serve files of this package.
type pages struct {
	layout *template.Template
	texts  *lang.Catalogue
	policy string
}

// newPages reads the embedded files. The policy allows forms to the own origin and to the return
// hosts, since Chromium also applies form-action to the redirect after a form.
func newPages(own string, allowed map[string]bool) (*pages, error) {
	style, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		return nil, fmt.Errorf("login: pages: %w", err)
	}
	sum := sha256.Sum256(style)
	forms := []string{own}
	for _, origin := range slices.Sorted(maps.Keys(allowed)) {
		if origin != own {
			forms = append(forms, origin)
		}
	}
	p := &pages{
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; form-action 'self' " + strings.Join(forms, " ") + "; base-uri 'none'; frame-ancestors 'none'",
	}
	p.layout, err = template.New("page.html").Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(style) },
	}).ParseFS(pageFiles, "pages/page.html")
	if err != nil {
		return nil, fmt.Errorf("login: pages: %w", err)
	}
	if p.texts, err = lang.Load(pageFiles, "pages"); err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	return p, nil
}

// view is the data of the template: a page and its texts.
type view struct {
	Page
	Title string
	Lines []string // paragraphs
	Main  string   // text of the main button; "" = none
	Tone  string   // "plain", "good" or "bad": the colour of the symbol
	texts lang.Texts
}

// Word returns the text for a key, for labels that several pages share.
func (v view) Word(key string) (string, error) { return v.texts.Text(key) }

func (p *pages) render(page Page) ([]byte, error) {
	texts := p.texts.In(page.Lang)
	if texts.Lang != page.Lang {
		return nil, fmt.Errorf("login: no language %q", page.Lang)
	}
	kind := string(page.Kind)
	v := view{Page: page, Tone: "plain", texts: texts}
	var err error
	if v.Title, err = texts.Text(kind + ".title"); err != nil {
		return nil, fmt.Errorf("login: no page %q: %w", kind, err)
	}
	if v.Lines, err = texts.Lines(kind + ".text"); err != nil {
		return nil, fmt.Errorf("login: page %q: %w", kind, err)
	}
	if page.Kind == PageRefused && page.Text != "" {
		v.Lines = []string{page.Text}
	}
	if button := kind + ".button"; page.AgainURL != "" && texts.Has(button) {
		if v.Main, err = texts.Text(button); err != nil {
			return nil, fmt.Errorf("login: page %q: %w", kind, err)
		}
	}
	if page.Kind.isError() {
		v.Tone = "bad"
	}
	var b bytes.Buffer
	if err := p.layout.Execute(&b, v); err != nil {
		return nil, fmt.Errorf("login: page %q: %w", kind, err)
	}
	return b.Bytes(), nil
}
