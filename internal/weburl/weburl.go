// Package weburl reads web addresses as browsers do: it resolves references, compares origins and
// sites, and masks the secrets in an address before it is shown. It imports the standard library
// only, so that the public packages may use it.
package weburl

import (
	"net/netip"
	"net/url"
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

// PotentiallyTrustworthy reports whether browsers treat an address as secure: https, or loopback by
// either scheme.
func PotentiallyTrustworthy(u *url.URL) bool {
	return u.Scheme == "https" || IsLoopback(u.Hostname())
}

// IsLoopback reports whether a host names this machine: localhost, *.localhost, 127.0.0.0/8 or ::1.
// It looks nothing up.
func IsLoopback(host string) bool {
	host = strings.TrimSuffix(lower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// Site returns the part of an address that must be equal for "same site": the scheme and the
// registrable name. It takes the last two labels for the registrable name.
func Site(u *url.URL) string {
	host := strings.TrimSuffix(lower(u.Hostname()), ".")
	if _, err := netip.ParseAddr(host); err == nil {
		return u.Scheme + "://" + host
	}
	labels := strings.Split(host, ".")
	return u.Scheme + "://" + strings.Join(labels[max(0, len(labels)-2):], ".")
}

// Origin returns scheme, host and port. The port is left out where it is the default of the scheme.
func Origin(u *url.URL) string {
	host := lower(u.Host)
	if p := u.Port(); p == "" || u.Scheme == "http" && p == "80" || u.Scheme == "https" && p == "443" {
		host = strings.TrimSuffix(strings.TrimSuffix(host, p), ":")
	}
	return u.Scheme + "://" + host
}

// lower lowers A to Z only: other letters must not become equal to them.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
