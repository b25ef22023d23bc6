package web

import (
	"cmp"
	"html/template"
	"net"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/brand"
)

// Names are the administrator's texts on every page. All are optional.
type Names struct {
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
func (n Names) HasFooter() bool {
	return n.Footer != "" || n.PrivacyURL != "" || n.TermsURL != "" || n.ICP != "" || n.Police != ""
}

// ContactURL returns the address of Contact, or "" if Contact is a text. The template calls it.
func (n Names) ContactURL() string {
	u, err := url.Parse(n.Contact)
	if err != nil || u.Scheme != "https" && u.Scheme != "mailto" {
		return ""
	}
	return n.Contact
}

// ContactText returns the text for Contact. The template calls it.
func (n Names) ContactText() string {
	text, _ := strings.CutPrefix(n.Contact, "mailto:")
	text, _ = strings.CutPrefix(text, "https://")
	return Shown(text, 200)
}

// in returns the texts in a language. own has the texts that are set for this language. They take
// precedence over n.
func (n Names) in(own Names) Names {
	return Names{
		Title: cmp.Or(own.Title, n.Title, "Weigate"), Welcome: cmp.Or(own.Welcome, n.Welcome),
		Footer: cmp.Or(own.Footer, n.Footer), Contact: cmp.Or(own.Contact, n.Contact),
		PrivacyURL: cmp.Or(own.PrivacyURL, n.PrivacyURL), TermsURL: cmp.Or(own.TermsURL, n.TermsURL),
		ICP: cmp.Or(own.ICP, n.ICP), ICPHosts: n.ICPHosts,
		Police: cmp.Or(own.Police, n.Police), PoliceURL: cmp.Or(own.PoliceURL, n.PoliceURL),
	}
}

// Look is the administrator's logo, icon and color. The zero value is Weigate's look.
type Look struct {
	Logo     brand.Picture
	LogoDark brand.Picture // on dark pages; the zero value = Logo
	Icon     brand.Picture // square PNG
	Police   brand.Picture // the official picture beside Names.Police; the zero value = none
	Color    string        // such as #067a41; "" = green
}

// names returns the administrator's texts in a language.
func (s *Site) names(language string) Names { return s.cfg.Names.in(s.cfg.NamesIn[language]) }

// namesAt returns the administrator's texts in a language, for a page on a host.
func (s *Site) namesAt(host, language string) Names {
	n := s.names(language)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	n.ICP = cmp.Or(n.ICPHosts[strings.ToLower(host)], n.ICP)
	return n
}

// Title returns the name of the gateway in a language.
func (s *Site) Title(language string) string { return s.names(language).Title }

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
