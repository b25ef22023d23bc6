package web

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/url"
	"strings"
)

// This file contains the scripts of pages, and the Content-Security-Policies that allow them. A
// page has a script only if it needs one.

// policies are the Content-Security-Policies of pages. formPolicy returns the policy of a page with
// form.js.
type policies struct {
	plain string // without a script
	page  string // with page.js
	scan  string // with page.js and scan.js
	wait  string // with page.js and wait.js
}

// readScripts reads the embedded scripts. Each page contains its style sheet, scripts and icon, to
// save requests.
func (e *embedded) readScripts() error {
	for name, to := range map[string]*template.JS{
		"page.js": &e.pageScript, "scan.js": &e.scanScript, "form.js": &e.formScript,
		"wait.js": &e.waitScript,
	} {
		script, err := files.ReadFile("files/" + name)
		if err != nil {
			return err
		}
		*to = template.JS(script)
	}
	return nil
}

// makePolicies composes the policies. The hosts of users' pictures at WeChat are *.qlogo.cn.
func (s *Site) makePolicies() {
	s.pictures = strings.Join(append([]string{"data: https://*.qlogo.cn", s.source()}, s.cfg.Pictures...), " ")
	page, scan := hashSource([]byte(s.pageScript)), hashSource([]byte(s.scanScript))
	wait := hashSource([]byte(s.waitScript))
	s.policies = policies{
		plain: s.newPolicy(s.style, "", s.pictures, ""),
		page:  s.newPolicy(s.style, "script-src "+page+"; ", s.pictures, ""),
		// Pages with scan.js load the picture of the QR code from the gateway, and send requests to it.
		scan: s.newPolicy(s.style, "script-src "+page+" "+scan+"; connect-src 'self'; ", "'self' "+s.pictures, ""),
		wait: s.newPolicy(s.style, "script-src "+page+" "+wait+"; connect-src 'self'; ", s.pictures, ""),
	}
}

// styleSheet is the style sheet of a page.
type styleSheet struct {
	text   template.CSS
	source string // source expression that allows the style sheet in a Content-Security-Policy
}

func newStyleSheet(text template.CSS) styleSheet {
	return styleSheet{text: text, source: hashSource([]byte(text))}
}

// newPolicy returns a Content-Security-Policy. It allows the style sheet and the scripts by their
// hashes, and no other style or script. scripts are the directives for scripts, and images are the
// sources of img-src. forms are sources of form-action in addition to 'self'.
func (s *Site) newPolicy(style styleSheet, scripts, images, forms string) string {
	return "default-src 'none'; style-src " + style.source + "; " + scripts + "manifest-src " + s.source() +
		"; img-src " + images +
		"; form-action " + strings.TrimSpace("'self' "+forms) + "; base-uri 'none'; frame-ancestors 'none'"
}

// source returns the source expression of the gateway. It is not 'self' if Config.Home has a host,
// since a page on the host of an app also loads the logo and the icons from the gateway.
func (s *Site) source() string {
	u, err := url.Parse(s.cfg.Home)
	if err != nil || u.Host == "" {
		return "'self'"
	}
	return policySource(u.Scheme + "://" + u.Host)
}

// scripts returns the scripts that a page needs, and the Content-Security-Policy that allows them.
func (s *Site) scripts(p Page) ([]template.JS, string) {
	switch {
	case p.Post != nil:
		return []template.JS{s.formScript}, s.formPolicy(p.Post)
	case p.Scan != nil:
		return []template.JS{s.pageScript, s.scanScript}, s.policies.scan
	case p.State != "":
		return []template.JS{s.pageScript, s.waitScript}, s.policies.wait
	case p.Copy != "" || p.UserID != nil || p.Invitation != nil && !p.Invitation.Expires.IsZero():
		return []template.JS{s.pageScript}, s.policies.page
	}
	return nil, s.policies.plain
}

// documentScripts returns the scripts of a document, and the Content-Security-Policy that allows
// them. A document may load pictures from the gateway.
func (s *Site) documentScripts(views *Views) ([]template.JS, string) {
	scripts, sources := []template.JS{s.pageScript}, hashSource([]byte(s.pageScript))
	if views.script != "" {
		scripts = append(scripts, views.script)
		sources += " " + hashSource([]byte(views.script))
	}
	return scripts, s.newPolicy(s.documentStyle, "script-src "+sources+"; ", "'self' "+s.pictures, "")
}

// hashSource returns the source expression of a Content-Security-Policy that allows an inline style
// or script with this content.
func hashSource(content []byte) string {
	sum := sha256.Sum256(content)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// iconURL returns the icon of the pages (favicon) as a data: URL.
func iconURL(svg []byte) template.URL {
	return template.URL("data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(svg))
}
