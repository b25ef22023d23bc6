// Package webtest parses the pages of package web in tests of other packages.
package webtest

import (
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/web"
)

// Page is the content of a page. If the page lacks a link or a form, the field for it is "".
type Page struct {
	Kind    web.Kind
	Text    string            // heading and text, without markup
	Go      string            // where the main button leads
	Back    string            // where the button back to the app leads
	Home    string            // where the button to the home page leads
	Refresh string            // where the page leads automatically (<meta http-equiv="refresh">)
	Action  string            // where the browser sends the page's first form
	Fields  map[string]string // hidden fields of the page's first form
}

var (
	kindOf    = regexp.MustCompile(`<main [^>]*id="([^"]+)"`)
	goOf      = regexp.MustCompile(`<a class="button" id="go" href="([^"]*)"`)
	backOf    = regexp.MustCompile(`id="back" href="([^"]*)"`)
	homeOf    = regexp.MustCompile(`id="home" href="([^"]*)"`)
	refreshOf = regexp.MustCompile(`<meta http-equiv="refresh" content="\d+;url=([^"]*)">`)
	formOf    = regexp.MustCompile(`(?s)<form (?:id="to-app" )?method="post" action="([^"]*)">(.*?)</form>`)
	fieldOf   = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	// markup matches a tag, or a style, script or svg element with its content.
	markup = regexp.MustCompile(`(?s)<(style|script|svg).*?</(style|script|svg)>|<[^>]*>`)
)

// Read parses the HTML of a page. If body is not a page of package web, the test fails.
func Read(t testing.TB, body string) Page {
	t.Helper()
	p := Page{
		Kind: web.Kind(first(kindOf, body)), Go: first(goOf, body), Back: first(backOf, body),
		Home:    first(homeOf, body),
		Refresh: first(refreshOf, body), Action: first(formOf, body), Fields: map[string]string{},
	}
	if p.Kind == "" {
		t.Fatalf("no page: %.300s", body)
	}
	_, main, _ := strings.Cut(body, "<main")
	p.Text = html.UnescapeString(markup.ReplaceAllString("<main"+main, " "))
	if form := formOf.FindStringSubmatch(body); form != nil {
		for _, field := range fieldOf.FindAllStringSubmatch(form[2], -1) {
			p.Fields[html.UnescapeString(field[1])] = html.UnescapeString(field[2])
		}
	}
	return p
}

// Kind returns the kind of a page, or "" when body is not a page.
func Kind(body string) web.Kind { return web.Kind(first(kindOf, body)) }

// first finds the first match of pattern in body, and returns the text of the pattern's first
// group. It returns "" if nothing matches.
func first(pattern *regexp.Regexp, body string) string {
	found := pattern.FindStringSubmatch(body)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}
