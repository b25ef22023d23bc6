package web

import (
	"net/url"
	"regexp"
	"strings"
)

// AppForm is a form that a page sends to an address of an app. The script of the page sends it at
// once. Without JavaScript, the user presses its button.
type AppForm struct {
	Address string            // http or https
	Fields  map[string]string // hidden fields

	// Redirects are the origins to which the app may redirect the browser in response to the form.
	// Chromium applies form-action of the Content-Security-Policy to these redirects too
	// (w3c/webappsec-csp#8).
	Redirects []string
}

// formPolicy returns the Content-Security-Policy of a page with an AppForm. Its form-action allows
// the address of the form, the origins in AppForm.Redirects, and the gateway. Redirects after the
// form may lead to every path of the address's host: browsers ignore the path of a source after a
// redirect.
func (s *Site) formPolicy(f *AppForm) string {
	sources := []string{policySource(f.Address)}
	for _, origin := range f.Redirects {
		sources = append(sources, policySource(origin))
	}
	script := "script-src " + hashSource([]byte(s.formScript)) + "; "
	return s.newPolicy(s.style, script, s.pictures, strings.Join(sources, " "))
}

// policyHost matches the hosts that a Content-Security-Policy can name.
var policyHost = regexp.MustCompile(`^[A-Za-z0-9._-]+(:[0-9]+)?$`)

// policySource returns the source expression of a Content-Security-Policy that allows an address.
// It omits the query, which a source expression cannot have. There is no syntax for IPv6 addresses:
// for these, the source is the scheme. For an address that is neither http nor https, policySource
// returns 'none', which allows nothing even among other sources.
func policySource(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https":
		return "'none'"
	case !policyHost.MatchString(u.Host):
		return u.Scheme + ":"
	}
	// A semicolon and a comma would end the expression.
	return u.Scheme + "://" + u.Host + strings.NewReplacer(";", "%3B", ",", "%2C").Replace(u.EscapedPath())
}
