// Package link handles the addresses in the pages and in the log of the WeChat simulator. [Resolve]
// resolves a relative address as browsers do. [Mask] shortens the codes and tokens in an address
// before it is shown.
//
// The package imports the standard library only, so that the public package wechattest may use it.
package link

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Resolve returns the absolute address of ref, the value of a link or form on a page at base. A nil
// base accepts absolute addresses only. Like browsers it accepts surrounding blanks, line breaks,
// backslashes as slashes, and a "%" without two hex digits. It returns false for an address that is
// not http or https.
func Resolve(base *url.URL, ref string) (*url.URL, bool) {
	ref = strings.TrimFunc(ref, func(r rune) bool { return r <= ' ' })
	path, fragment, _ := strings.Cut(ref, "#")
	path, query, hasQuery := strings.Cut(path, "?")
	// Browsers read a backslash as a slash in relative, http and https addresses, not after other
	// schemes.
	if scheme, _, ok := strings.Cut(path, ":"); !ok || len(scheme) >= 4 && strings.EqualFold(scheme[:4], "http") {
		path = strings.ReplaceAll(path, `\`, "/")
	}
	ref = path
	if hasQuery {
		ref += "?" + query
	}
	if fragment != "" {
		ref += "#" + fragment
	}
	u, err := url.Parse(escape(ref))
	if err != nil {
		return nil, false
	}
	if base != nil {
		u = base.ResolveReference(u)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, false
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, true
}

// escape removes line breaks and percent-encodes the bytes that url.Parse rejects and browsers
// accept.
func escape(ref string) string {
	var b strings.Builder
	for i := 0; i < len(ref); i++ {
		switch c := ref[i]; {
		case c == '\t' || c == '\n' || c == '\r':
		case c == '%' && !(i+2 < len(ref) && isHex(ref[i+1]) && isHex(ref[i+2])):
			b.WriteString("%25")
		case c <= ' ' || c == '"' || c == '<' || c == '>' || c == '`' || c == 0x7f:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// Mask returns an address with its codes and tokens cut to their first characters, in the query and
// in the fragment. The values are shown unescaped. A redirect_uri stays as it is: it has no code
// yet, and its own query, unescaped, would look like parameters of the address.
func Mask(address string) string {
	return parameterPattern.ReplaceAllStringFunc(address, func(match string) string {
		separator := match[:1]
		name, value, _ := strings.Cut(match[1:], "=")
		if name == "redirect_uri" {
			return match
		}
		if v, err := url.QueryUnescape(value); err == nil {
			value = v
		}
		return separator + name + "=" + MaskParam(name, value)
	})
}

// parameterPattern matches a parameter with the separator before it.
var parameterPattern = regexp.MustCompile(`[?&#][A-Za-z_]+=[^&#]*`)

// MaskParam returns the value of a parameter as it may be shown: nothing of a secret, the first
// characters of a code, a token or a key (key and pass_ticket are parameters of WeChat's client),
// and the masked address of a redirect_uri.
func MaskParam(name, value string) string {
	switch name = strings.ToLower(name); {
	case value == "":
		return ""
	case strings.Contains(name, "secret"):
		return "[redacted]"
	case strings.Contains(name, "code"), strings.Contains(name, "token"), name == "key", name == "pass_ticket":
		return Lead(value)
	case name == "redirect_uri":
		return Mask(value)
	}
	return value
}

// Lead returns the first characters of a code or token: enough to recognize it in a log, too few to
// use it.
func Lead(value string) string { return value[:min(6, len(value)/2)] + "…" }
