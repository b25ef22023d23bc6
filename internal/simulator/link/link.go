// Package link handles the addresses in the pages and in the log of the WeChat simulator. [Resolve]
// resolves a relative address as browsers do. [Mask] shortens the codes and tokens in an address: a
// screenshot or a log must not reveal them.
//
// The package imports the standard library only, because the public package wechattest imports this
// package: a program that uses wechattest must not get further dependencies.
package link

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Resolve returns the absolute address of ref (the value of a link or form) on a page with the
// address base. With a nil base, only absolute addresses are valid. Resolve returns false if the
// result is not an http or https address.
//
// Unlike url.Parse, browsers and Resolve accept blanks around ref, line breaks inside, backslashes
// for slashes, and a "%" without two hex digits.
func Resolve(base *url.URL, ref string) (*url.URL, bool) {
	ref = strings.TrimFunc(ref, func(r rune) bool { return r <= ' ' })
	path, fragment, _ := strings.Cut(ref, "#")
	path, query, hasQuery := strings.Cut(path, "?")
	// Browsers read "\" as "/" in relative, http and https addresses only. With another scheme, "\"
	// stays.
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

// escape percent-encodes bytes that browsers accept in addresses and url.Parse rejects. It removes
// tabs and line breaks.
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

// Mask shortens the codes and tokens in the query and the fragment of an address to their first
// characters. It also unescapes the values. Mask leaves a redirect_uri as it is, because the query of
// an unescaped redirect_uri would look like parameters of the address itself, and because a
// redirect_uri contains no code yet. (MaskParam, which returns a value alone, masks a redirect_uri
// too.)
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

// MaskParam returns the value of a parameter in a form that may be shown:
//
//   - "[redacted]" for a secret;
//   - the first characters of a code or a token, and of key and pass_ticket (by these parameters
//     WeChat's client authenticates the person);
//   - the result of Mask for a redirect_uri;
//   - the whole value for all other parameters.
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
