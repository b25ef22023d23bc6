package config

import (
	"net/url"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/weigate/weigate/internal/brand"
)

// This file reads the key site, the administrator's texts and pictures on the pages.

// Site configures the gateway's pages.
type Site struct {
	SiteTexts // in both languages, unless InEnglish or InChinese has the text
	InEnglish SiteTexts
	InChinese SiteTexts

	Logo      brand.Picture // the zero value = none
	LogoDark  brand.Picture // on dark pages; the zero value = Logo
	Icon      brand.Picture // for browsers and home screens; the zero value = Weigate's
	Color     string        // of buttons and links, such as #067a41; "" = green
	Agreement bool          // users must agree to PrivacyURL and TermsURL before they sign in
	// AgreementVersion is the version of the documents that users agree to. Users are asked again when
	// it changes. "" = no version
	AgreementVersion string
	ICP              string            // 备案号, shown in the footer
	ICPHosts         map[string]string // host → 备案号, for hosts with their own; nil = none
	Police           string            // 公安备案号, shown in the footer
	PoliceIcon       brand.Picture     // the official picture beside Police; the zero value = none
	TimeZone         *time.Location
}

// SiteTexts are texts of the pages. "" = not configured.
type SiteTexts struct {
	Title      string
	Welcome    string // on the home page, for visitors
	Footer     string
	Contact    string // whom users ask: a text, or an https or mailto URL
	PrivacyURL string
	TermsURL   string
}

func siteKeys() []key[Site] {
	return []key[Site]{
		{name: "title", read: func(_ *section, v value, s *Site) { s.Title = v.shortText() }},
		{name: "welcome", read: func(_ *section, v value, s *Site) { s.Welcome = v.shortText() }},
		{name: "footer", read: func(_ *section, v value, s *Site) { s.Footer = v.shortText() }},
		{name: "contact", read: func(_ *section, v value, s *Site) { s.Contact = v.contact() }},
		{name: "privacy_url", read: func(_ *section, v value, s *Site) { s.PrivacyURL = v.pageURL() }},
		{name: "terms_url", read: func(_ *section, v value, s *Site) { s.TermsURL = v.pageURL() }},
		{name: "texts", noEnv: true, read: readSiteTexts},
		{name: "agreement", read: readAgreement},
		{name: "agreement_version", read: readAgreementVersion},
		{name: "logo", read: func(_ *section, v value, s *Site) { s.Logo = v.picture(brand.ReadPicture) }},
		{name: "logo_dark", read: func(_ *section, v value, s *Site) { s.LogoDark = v.picture(brand.ReadPicture) }},
		{name: "icon", read: func(_ *section, v value, s *Site) { s.Icon = v.picture(brand.ReadIcon) }},
		{name: "color", read: readColor},
		{name: "icp", read: func(_ *section, v value, s *Site) { s.ICP = v.shortText() }},
		{name: "icp_hosts", noEnv: true, read: readICPHosts},
		{name: "police", read: readPolice},
		{name: "police_icon", read: func(_ *section, v value, s *Site) { s.PoliceIcon = v.picture(brand.ReadPicture) }},
		{name: "time_zone", read: readTimeZone},
	}
}

// siteTextKeys are the keys of a language in site.texts.
func siteTextKeys() []key[SiteTexts] {
	return []key[SiteTexts]{
		{name: "title", read: func(_ *section, v value, s *SiteTexts) { s.Title = v.shortText() }},
		{name: "welcome", read: func(_ *section, v value, s *SiteTexts) { s.Welcome = v.shortText() }},
		{name: "footer", read: func(_ *section, v value, s *SiteTexts) { s.Footer = v.shortText() }},
		{name: "contact", read: func(_ *section, v value, s *SiteTexts) { s.Contact = v.contact() }},
		{name: "privacy_url", read: func(_ *section, v value, s *SiteTexts) { s.PrivacyURL = v.pageURL() }},
		{name: "terms_url", read: func(_ *section, v value, s *SiteTexts) { s.TermsURL = v.pageURL() }},
	}
}

func readSite(_ *section, v value, c *Config) {
	readMapping(v, siteKeys(), &c.Site)
	if c.Site.TimeZone == nil {
		c.Site.TimeZone = time.Local
	}
}

// readSiteTexts reads the texts of each language.
func readSiteTexts(_ *section, v value, s *Site) {
	readMapping(v, []key[Site]{
		{name: "en", noEnv: true, read: func(_ *section, v value, s *Site) {
			readMapping(v, siteTextKeys(), &s.InEnglish)
		}},
		{name: "zh-CN", noEnv: true, read: func(_ *section, v value, s *Site) {
			readMapping(v, siteTextKeys(), &s.InChinese)
		}},
	}, s)
}

// shortText reads a text for the pages.
func (v value) shortText() string {
	text, _ := v.text()
	if len([]rune(text)) > 200 {
		v.reject("must not be longer than 200 characters")
		return ""
	}
	return text
}

// pageURL reads the address of a page of the administrator. It must be https.
func (v value) pageURL() string {
	text := v.shortText()
	if text == "" {
		return ""
	}
	u, err := parseAddress(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		v.reject("must be an https URL such as https://www.example.com/privacy")
		return ""
	}
	return text
}

// contact reads whom users ask. A text that looks like a URL must be an https or mailto URL,
// because pages link to it.
func (v value) contact() string {
	text := v.shortText()
	u, err := url.Parse(text)
	switch {
	case text == "" || err != nil || u.Scheme == "":
	case u.Scheme == "https" && u.Host != "" && u.User == nil, u.Scheme == "mailto" && u.Opaque != "":
	case urlLike.MatchString(text):
		v.reject("must be a text, or an https or mailto URL such as https://www.example.com/help")
		return ""
	}
	return text
}

// urlLike matches a text that a browser could take for a URL with a scheme. It does not match a
// text with a space after the colon, such as "WeChat: admin".
var urlLike = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:[^ ]`)

func readAgreement(_ *section, v value, into *Site) {
	inBothLanguages := into.InEnglish.PrivacyURL != "" && into.InChinese.PrivacyURL != ""
	if into.Agreement = v.boolean(); into.Agreement && into.PrivacyURL == "" && !inBothLanguages {
		v.reject("requires privacy_url, the page that users agree to")
	}
}

// readAgreementVersion reads the version of the documents. The limit keeps it readable in lists.
func readAgreementVersion(_ *section, v value, s *Site) {
	text, _ := v.text()
	switch {
	case len([]rune(text)) > 40:
		v.reject("must not be longer than 40 characters")
	case text != "" && !s.Agreement:
		v.reject("requires agreement: true")
	default:
		s.AgreementVersion = text
	}
}

// picture reads a picture file with the function read.
func (v value) picture(read func(name string) (brand.Picture, error)) brand.Picture {
	name, _ := v.text()
	if name == "" {
		return brand.Picture{}
	}
	p, err := read(v.reader.path(name))
	if err != nil {
		v.reject("%s: %s", name, err)
	}
	return p
}

func readColor(_ *section, v value, s *Site) {
	text, _ := v.text()
	if text == "" {
		return
	}
	c, err := brand.ParseColor(text)
	if err == nil {
		_, _, err = brand.NewPalette(c)
	}
	if err != nil {
		v.reject("%s", err)
		return
	}
	s.Color = text
}

// PoliceURL returns the address of the police's page about the number (公安备案号), which pages link
// to. It returns "" if the number is not configured.
func (s Site) PoliceURL() string {
	if s.Police == "" {
		return ""
	}
	return "https://beian.mps.gov.cn/#/query/webSearch?code=" + policeDigits(s.Police)
}

// policeDigits returns the digits of a number from the police, such as 11010502030000 of
// 京公网安备11010502030000号. It returns "" if the text does not have one group of 8 to 14 digits.
func policeDigits(text string) string {
	found := digits.FindAllString(text, -1)
	if len(found) != 1 || len(found[0]) < 8 || len(found[0]) > 14 {
		return ""
	}
	return found[0]
}

var digits = regexp.MustCompile(`[0-9]+`)

func readPolice(_ *section, v value, s *Site) {
	if s.Police = v.shortText(); s.Police != "" && policeDigits(s.Police) == "" {
		v.reject("must have one group of 8 to 14 digits, such as 京公网安备11010502030000号")
	}
}

// validHost matches the host of a website, without a port.
var validHost = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// readICPHosts reads a mapping from hosts to their ICP numbers (备案号). Each website in China has a
// number of its own.
func readICPHosts(_ *section, v value, s *Site) {
	if !v.present() {
		return
	}
	if v.node.Kind != yaml.MappingNode {
		v.reject("must be a mapping such as {wiki.example.com: 京ICP备12345678号-2}, not %s", typeName(v.node))
		return
	}
	if len(v.node.Content) > 0 {
		s.ICPHosts = map[string]string{}
	}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		host, number := v.node.Content[i], resolve(v.node.Content[i+1])
		at := value{reader: v.reader, node: number, line: host.Line, path: v.path}
		if !validHost.MatchString(host.Value) {
			at.reject("keys must be hosts such as wiki.example.com")
			continue
		}
		s.ICPHosts[host.Value] = at.shortText()
		v.reader.icpHosts[host.Value] = at
	}
}

// serves reports whether the gateway's pages or a forward_auth app have this host.
func (c *Config) serves(host string) bool {
	if u, err := parseAddress(c.URL); err != nil || strings.EqualFold(u.Hostname(), host) {
		return true // an invalid url is reported elsewhere
	}
	for _, app := range c.Apps {
		for _, served := range app.Hosts {
			name := hostOnly(served)
			_, parent, _ := strings.Cut(host, ".")
			if name == host || name == "*."+parent {
				return true
			}
		}
	}
	return false
}

func readTimeZone(_ *section, v value, s *Site) {
	name, _ := v.text()
	if name == "" {
		return
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		v.reject("must be a time zone such as Asia/Shanghai")
		return
	}
	s.TimeZone = zone
}
