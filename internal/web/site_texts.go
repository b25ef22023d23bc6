package web

import (
	"cmp"
	"html/template"
	"net"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/brand"
)

// SiteTexts are the administrator's texts on every page. All of them are optional.
type SiteTexts struct {
	Title      string // "" = Weigate
	Welcome    string // on the home page, for visitors; "" = the text of the kind Welcome
	Footer     string
	Contact    string            // whom users ask: a text, or an https or mailto URL
	PrivacyURL string            // https
	TermsURL   string            // https
	ICP        string            // the registration number that sites in China show (备案号)
	ICPHosts   map[string]string // host → ICP of this host; other hosts have ICP
	Police     string            // the number of the police filing (公安备案号)
	PoliceURL  string            // the page about Police
}

// HasFooter reports whether pages have a footer. The template calls it.
func (t SiteTexts) HasFooter() bool {
	return t.Footer != "" || t.PrivacyURL != "" || t.TermsURL != "" || t.ICP != "" || t.Police != ""
}

// ContactURL returns the address of Contact, or "" if Contact is a text. The template calls it.
func (t SiteTexts) ContactURL() string {
	u, err := url.Parse(t.Contact)
	if err != nil || u.Scheme != "https" && u.Scheme != "mailto" {
		return ""
	}
	return t.Contact
}

// ContactText returns the text for Contact. The template calls it.
func (t SiteTexts) ContactText() string {
	text, _ := strings.CutPrefix(t.Contact, "mailto:")
	text, _ = strings.CutPrefix(text, "https://")
	return Shown(text, 200)
}

// in returns the texts in a language. own has the texts that are set for this language. They take
// precedence over t.
func (t SiteTexts) in(own SiteTexts) SiteTexts {
	return SiteTexts{
		Title: cmp.Or(own.Title, t.Title, "Weigate"), Welcome: cmp.Or(own.Welcome, t.Welcome),
		Footer: cmp.Or(own.Footer, t.Footer), Contact: cmp.Or(own.Contact, t.Contact),
		PrivacyURL: cmp.Or(own.PrivacyURL, t.PrivacyURL), TermsURL: cmp.Or(own.TermsURL, t.TermsURL),
		ICP: cmp.Or(own.ICP, t.ICP), ICPHosts: t.ICPHosts,
		Police: cmp.Or(own.Police, t.Police), PoliceURL: cmp.Or(own.PoliceURL, t.PoliceURL),
	}
}

// Look is the administrator's logo, icon and color. The zero value is Weigate's look.
type Look struct {
	Logo     brand.Picture
	LogoDark brand.Picture // on dark pages; the zero value = Logo
	Icon     brand.Picture // square PNG
	Police   brand.Picture // the official picture beside SiteTexts.Police; the zero value = none
	Color    string        // such as #067a41; "" = green
}

// siteTexts returns the administrator's texts in a language.
func (s *Site) siteTexts(language string) SiteTexts { return s.cfg.Texts.in(s.cfg.TextsIn[language]) }

// siteTextsAt returns the administrator's texts in a language, for a page on a host.
func (s *Site) siteTextsAt(host, language string) SiteTexts {
	t := s.siteTexts(language)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	t.ICP = cmp.Or(t.ICPHosts[strings.ToLower(host)], t.ICP)
	return t
}

// Title returns the name of the gateway in a language.
func (s *Site) Title(language string) string { return s.siteTexts(language).Title }

// colors returns the part of the style sheet with the administrator's color.
func (l Look) colors() (template.CSS, error) {
	if l.Color == "" {
		return "", nil
	}
	c, err := brand.ParseColor(l.Color)
	if err != nil {
		return "", err
	}
	light, dark, err := brand.NewPalette(c)
	if err != nil {
		return "", err
	}
	rule := func(p brand.Palette) string { // --s0 is the color of the first series of a chart
		return ":root{--main:" + p.Main.String() + ";--main-text:" + p.Text.String() + ";--tint:" + p.Tint.String() +
			";--s0:" + p.Main.String() + "}"
	}
	return template.CSS(rule(light) + "@media (prefers-color-scheme:dark){" + rule(dark) + "}"), nil
}
