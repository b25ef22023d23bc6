package login

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strings"
)

//go:embed pages
var pageFiles embed.FS

// pages renders the built-in pages. The style sheet is part of each page, named
// by its hash in the policy: an app need not serve a file of ours.
type pages struct {
	layout *template.Template
	words  map[string]map[string]string // language → key → text
	policy string
}

// newPages reads the embedded files. Forms may end at the own origin and at the
// return hosts: Chromium applies form-action to the redirect after a form, too.
func newPages(own string, allowed map[string]bool) (*pages, error) {
	style, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		return nil, fmt.Errorf("login: pages: %w", err)
	}
	sum := sha256.Sum256(style)
	forms := []string{own}
	for origin := range allowed {
		if origin != own {
			forms = append(forms, origin)
		}
	}
	slices.Sort(forms[1:])
	p := &pages{
		words: map[string]map[string]string{},
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; form-action 'self' " + strings.Join(forms, " ") + "; base-uri 'none'; frame-ancestors 'none'",
	}
	p.layout, err = template.New("page.html").Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(style) },
	}).ParseFS(pageFiles, "pages/page.html")
	if err != nil {
		return nil, fmt.Errorf("login: pages: %w", err)
	}
	for _, lang := range []string{langEN, langZH} {
		raw, err := pageFiles.ReadFile("pages/" + lang + ".json")
		if err != nil {
			return nil, fmt.Errorf("login: pages: %w", err)
		}
		words := map[string]string{}
		if err := json.Unmarshal(raw, &words); err != nil {
			return nil, fmt.Errorf("login: pages/%s.json: %w", lang, err)
		}
		p.words[lang] = words
	}
	return p, nil
}

// view is what the template sees: a page and its words.
type view struct {
	Page
	Title string
	Lines []string // paragraphs
	Main  string   // words on the main button; "" is no button
	Tone  string   // "plain", "good" or "bad": the colour of the mark
	words map[string]string
}

// Word returns the text under a key, for labels that several pages share.
func (v view) Word(key string) (string, error) {
	text, found := v.words[key]
	if !found {
		return "", fmt.Errorf("login: no words for %q", key)
	}
	return text, nil
}

func (p *pages) render(page Page) ([]byte, error) {
	words, found := p.words[page.Lang]
	if !found {
		return nil, fmt.Errorf("login: no language %q", page.Lang)
	}
	kind := string(page.Kind)
	title, found := words[kind+".title"]
	if !found {
		return nil, fmt.Errorf("login: no page %q", kind)
	}
	v := view{Page: page, Title: title, Tone: "plain", words: words}
	if text := words[kind+".text"]; text != "" {
		v.Lines = strings.Split(text, "\n")
	}
	if page.Kind == PageRefused && page.Text != "" {
		v.Lines = []string{page.Text}
	}
	if page.AgainURL != "" {
		v.Main = words[kind+".button"]
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
