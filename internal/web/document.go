package web

import (
	"bytes"
	"cmp"
	"html/template"
	"net/http"

	"github.com/weigate/weigate/internal/lang"
)

// Tone is the color and the symbol of a part of a page.
type Tone = tone

// The tones.
const (
	Plain Tone = plain
	Good  Tone = good
	Bad   Tone = bad
	Warn  Tone = "warn"
)

// Document is a page whose content a package renders with a template and texts of its own. It has
// the head, the style sheet, the footer and the headers of all pages.
//
//	texts := views.Texts(lang.FromRequest(r))
//	site.Write(w, r, views, web.Document{
//		View: "users", Title: texts.MustText("users.title"), Wide: true, Nav: nav, Data: users,
//	})
type Document struct {
	View      string // name of the template
	ID        string // id of the main element; "" = main
	Data      any    // values for the template, as $.Data
	Title     string // heading and title
	Status    int    // HTTP status; 0 = 200
	Lang      string // "" = from the request
	Wide      bool   // has the navigation and the full width; false = one card
	Nav       []NavItem
	User      *User  // the signed-in user, in the header of a wide page
	Trail     []Step // links above the heading, such as to the list to which an item belongs
	Notices   []Notice
	Tone      Tone      // of a card; "" = Plain
	Rejection Rejection // for the log line of a page with a status of 4xx
}

// NavItem is an entry of the navigation. A phone shows the first [navShown] entries in a bar at the
// bottom, and the others below "More".
type NavItem struct {
	Label   string
	URL     string
	Icon    string // a key of iconPaths
	Count   int    // a number beside the label, such as how many users wait for approval; 0 = none
	Current bool   // the page belongs to this entry
}

// Step is a link of Document.Trail.
type Step struct{ Label, URL string }

// Notice is a message above the content of a page: the result of a form, or a warning.
type Notice struct {
	Tone  Tone
	Text  string
	URL   string // "" = no link
	Label string // of the link
}

// navShown is how many entries of the navigation a phone shows beside "More". If all entries fit
// without "More", the phone shows one entry more.
const navShown = 4

// document is the data of the template document.html.
type document struct {
	Document
	frame
	Lang string // hides Document.Lang and frame.Lang
	Body template.HTML
}

// HomeLink returns the address of the gateway's home page. The template calls it.
func (d document) HomeLink() string { return cmp.Or(d.Home, "/") }

// InMore reports whether a phone shows the entry with this index below "More". The template calls
// it.
func (d document) InMore(i int) bool { return len(d.Nav) > navShown+1 && i >= navShown }

// More returns the entries that a phone shows below "More". The template calls it.
func (d document) More() []NavItem {
	if len(d.Nav) <= navShown+1 {
		return nil
	}
	return d.Nav[navShown:]
}

// CurrentInMore reports whether the current entry is below "More". The template calls it.
func (d document) CurrentInMore() bool {
	for _, item := range d.More() {
		if item.Current {
			return true
		}
	}
	return false
}

// Write writes a document with all its headers. It renders the whole page before it sends the first
// byte. Therefore an error of a template results in a response with the status 500.
func (s *Site) Write(w http.ResponseWriter, r *http.Request, views *Views, d Document) {
	d.Status, d.Tone = cmp.Or(d.Status, http.StatusOK), cmp.Or(d.Tone, Plain)
	d.ID = cmp.Or(d.ID, "main")
	language := cmp.Or(d.Lang, lang.FromRequest(r))
	page := document{Document: d, frame: s.frame(r.Host, language, d.Title), Lang: language}
	page.Style = s.documentStyle.text
	if d.Status >= http.StatusBadRequest {
		page.RequestID, page.AskWhom = s.cfg.RequestID(r.Context()), true
	}
	var policy string
	page.Scripts, policy = s.documentScripts(views)
	content := Content{Data: d.Data, Texts: views.Texts(language), parts: page.parts}
	var inner, body bytes.Buffer
	err := views.templates.ExecuteTemplate(&inner, d.View, content)
	if err == nil {
		page.Body = template.HTML(inner.String()) // html/template has escaped it
		err = s.layout.ExecuteTemplate(&body, "document.html", page)
	}
	if err != nil {
		s.cfg.Logger.ErrorContext(r.Context(), "page not rendered", "view", d.View, "error", err, "request_id",
			s.cfg.RequestID(r.Context()))
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	setPageHeaders(header, language, policy)
	// With "no-referrer" a browser sends a form with "Origin: null". Package route would reject the
	// form as a form of another site.
	header.Set("Referrer-Policy", "same-origin")
	// The log line has the name of the template in place of a kind.
	s.logPage(r, Page{Kind: Kind(d.View), Rejection: d.Rejection}, d.Status)
	w.WriteHeader(d.Status)
	if r.Method != http.MethodHead {
		_, _ = body.WriteTo(w) // fails when the browser has disconnected
	}
}

// setPageHeaders sets the headers that all pages have.
func setPageHeaders(header http.Header, language, policy string) {
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", language)
	header.Set("Content-Security-Policy", policy)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Add("Vary", "Accept-Language")
}

// frame is the data that all pages have: the head, the footer and the scripts.
type frame struct {
	Site      SiteTexts
	Lang      string
	Heading   string
	Home      string // address of the home page; "" = none
	RequestID string // request id that the page shows; "" = none
	AskWhom   bool   // the page shows Site.Contact
	Scripts   []template.JS
	Style     template.CSS
	Files     filesOfPage
	parts
}

// filesOfPage are the addresses of the files that a page loads. Police is the picture beside the
// number of the police filing (公安备案).
type filesOfPage struct {
	Logo, LogoDark, Police       string // "" = none
	Favicon, TouchIcon, Manifest string
	OwnIcon                      bool // Favicon is the administrator's icon, not the built-in one
}

// frame returns the frame of a page on a host.
func (s *Site) frame(host, language, heading string) frame {
	return frame{
		Site: s.siteTextsAt(host, language), Lang: language, Heading: heading, Home: s.cfg.Home, Style: s.style.text,
		Files: filesOfPage{
			Logo: s.address(pathLogo), LogoDark: s.address(pathLogoDark), Police: s.address(pathPolice),
			Favicon:   s.address(pathFavicon),
			TouchIcon: s.address(pathTouchIcon), Manifest: s.base() + pathManifest, OwnIcon: s.cfg.Look.Icon.Type != "",
		},
		parts: parts{layout: s.layout, own: s.texts.In(language), zone: s.cfg.TimeZone},
	}
}
