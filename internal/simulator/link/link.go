// Package link handles the addresses in the pages and in the log of the WeChat simulator: [Resolve]
// resolves references as browsers do, [Mask] shortens the codes and tokens in an address before it
// is shown.
//
// The package imports the standard library only, so that the public package wechattest may use it.
package link

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Resolve returns the absolute address of a reference on a page at base; a nil base accepts
// absolute addresses only. It tolerates what browsers tolerate: surrounding blanks, line breaks,
// backslashes and stray percent signs. The result is false for an address that is not http or
// https.
func Resolve(base *url.URL, ref string) (*url.URL, bool) {
	ref = strings.TrimFunc(ref, func(r rune) bool { return r <= ' ' })
	path, fragment, _ := strings.Cut(ref, "#")
	path, query, hasQuery := strings.Cut(path, "?")
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
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)|0x100, 16)[1:]))
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
// in the fragment.
func Mask(address string) string {
	return parameterPattern.ReplaceAllStringFunc(address, func(m string) string {
		name, value, _ := strings.Cut(m[1:], "=")
		if name == "redirect_uri" {
			return m
		}
		if v, err := url.QueryUnescape(value); err == nil {
			value = v
		}
		return m[:1] + name + "=" + MaskParam(name, value)
	})
}

var parameterPattern = regexp.MustCompile(`[?&#][A-Za-z_]+=[^&#]*`)

// MaskParam returns the value of a parameter as it may be shown: nothing of a secret, the first
// characters of a code, a token or a key, and the masked address of a redirect_uri.
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

// Lead returns the first characters of a code or token: enough to follow it through a log, too few
// to use it.
func Lead(value string) string { return value[:min(6, len(value)/2)] + "…" }
