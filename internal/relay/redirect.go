package relay

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

// authority is what may stand between "://" and the path: a host of letters, digits, dots and hyphens, or an IPv6 address, and a port. No user name,
// nothing percent-encoded, nothing that browsers read in ways of their own.
var authority = regexp.MustCompile(`^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$`)

var errReturn = errors.New("relay: the address to return to is refused")

// checkReturn says whether a code may be sent to address: an http or https address at one of the app's hosts. WeChat's rule is the same, an exact host
// and any path ("网页授权域名", WeChat's guide to web authorization); it is said to take any port as well, which here has to be listed.
//
// The address is read here and not by package url: the host must be the same to every browser, so whatever could be read in two ways is refused.
func (a *App) checkReturn(address string) error {
	for i := range len(address) {
		// Browsers drop tabs and line breaks, and take a backslash for a slash.
		if c := address[i]; c < ' ' || c == 0x7f || c == '\\' {
			return errReturn
		}
	}
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		return errReturn
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host := rest[:end]
	if !authority.MatchString(host) {
		return errReturn
	}
	host = strings.ToLower(host)
	usual := host
	switch strings.ToLower(scheme) {
	case "http":
		usual = strings.TrimSuffix(host, ":80")
	case "https":
		usual = strings.TrimSuffix(host, ":443")
	default:
		return errReturn
	}
	if !slices.Contains(a.ReturnHosts, host) && !slices.Contains(a.ReturnHosts, usual) {
		return errReturn
	}
	return nil
}

// withCode adds code and state to the address of an app as WeChat does: to the query that is there, before a fragment (field reports of 2019 and later),
// nothing merged. The QR page of website apps is plain string work there, which puts them behind a fragment (seen in its script); code made for that
// looks for them in that place.
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
	return headerSafe(address + separator + "code=" + code + "&state=" + echo(state) + fragment)
}

// withoutInherited gives an address that has no fragment an empty one. Old code's authorize address ends in "#wechat_redirect", which WeChat's own client
// takes off. Other browsers hand a fragment on by each redirect to an address without one (RFC 9110, 10.2.2; the Fetch standard) and so into the app,
// where code that routes by the fragment knows no such page.
func withoutInherited(address string) string {
	if strings.Contains(address, "#") {
		return address
	}
	return address + "#"
}

// echo is the state as it goes back. WeChat does not encode it again, so that what an app encodes twice comes back encoded once; here too. Only what
// would end the parameter is encoded: with WeChat a "&" lets whoever made the link add parameters to the app's callback, a second code for one.
func echo(state string) string {
	return strings.NewReplacer("&", "%26", "#", "%23", "+", "%2B", ";", "%3B").Replace(state)
}

// headerSafe encodes what cannot stand in a header, or in an address; all else stays as it was given.
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
