package relay

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

// authority matches the part between "://" and the path: a host of letters, digits, dots and
// hyphens, or an IPv6 address, and a port. It excludes user names, percent-encoding, and all
// characters that browsers parse differently.
var authority = regexp.MustCompile(
	`^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$`)

var errRedirectURI = errors.New("relay: redirect_uri rejected")

// checkRedirectURI returns an error unless a code may be sent to address: an http or https address
// at one of the app's hosts. WeChat's rule is the same, an exact host and any path ("网页授权域名",
// WeChat's guide to web authorization). WeChat is reported to accept any port as well; here a port
// must be listed.
//
// The address is parsed here and not by package url: an address from which some browser may read
// another host is rejected.
func (a *App) checkRedirectURI(address string) error {
	for i := range len(address) {
		// Browsers drop tabs and line breaks, and take a backslash for a slash.
		if c := address[i]; c < ' ' || c == 0x7f || c == '\\' {
			return errRedirectURI
		}
	}
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		return errRedirectURI
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host := rest[:end]
	if !authority.MatchString(host) {
		return errRedirectURI
	}
	host = strings.ToLower(host)
	usual := host
	switch strings.ToLower(scheme) {
	case "http":
		usual = strings.TrimSuffix(host, ":80")
	case "https":
		usual = strings.TrimSuffix(host, ":443")
	default:
		return errRedirectURI
	}
	if !slices.Contains(a.ReturnHosts, host) && !slices.Contains(a.ReturnHosts, usual) {
		return errRedirectURI
	}
	return nil
}

// withCode adds code and state to the query of an app's address as WeChat does: before the fragment
// (field reports since 2019), without merging parameters. WeChat's QR page for website apps appends
// them to the whole address, even after a fragment (seen in its script), where code written for
// that page looks for them.
func withCode(address, code, state string, website bool) string {
	fragment := ""
	if !website {
		if i := strings.IndexByte(address, '#'); i >= 0 {
			address, fragment = address[:i], address[i:]
		}
	}
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	return headerSafe(address + separator + "code=" + code + "&state=" + encodeState(state) + fragment)
}

// withoutInherited adds an empty fragment to an address without one. The authorize address of apps
// written for WeChat ends in "#wechat_redirect", which WeChat's own client removes. Other browsers
// keep the fragment at each redirect to an address without one (RFC 9110, section 10.2.2; the Fetch
// standard), so it would reach the app, and routing by fragment in the app would fail.
func withoutInherited(address string) string {
	if strings.Contains(address, "#") {
		return address
	}
	return address + "#"
}

// encodeState returns the state as it is returned to the app. WeChat does not encode it again, so
// that a state which an app encodes twice is returned encoded once; the same here. Only the
// characters that would end the parameter are encoded: at WeChat a "&" allows the author of a link
// to add parameters to the app's callback, for example a second code.
func encodeState(state string) string {
	return strings.NewReplacer("&", "%26", "#", "%23", "+", "%2B", ";", "%3B").Replace(state)
}

// headerSafe percent-encodes the bytes that must not be in a header or in an address, and leaves
// all others unchanged.
func headerSafe(address string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(address) {
		if c := address[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' || c == '\\' {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
