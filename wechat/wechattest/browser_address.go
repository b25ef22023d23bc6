package wechattest

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// resolve makes an address of a page absolute, forgiving what browsers forgive: blanks around it, line ends inside it,
// backslashes, stray percent signs. ok is false for whatever is not http or https.
func resolve(base *url.URL, ref string) (u *url.URL, ok bool) {
	ref = strings.TrimFunc(ref, func(r rune) bool { return r <= ' ' })
	path, fragment, _ := strings.Cut(ref, "#")
	path, query, asked := strings.Cut(path, "?")
	if s, _, has := strings.Cut(path, ":"); !has || hasFold(s, "http") {
		path = strings.ReplaceAll(path, `\`, "/")
	}
	ref = path
	if asked {
		ref += "?" + query
	}
	if fragment != "" {
		ref += "#" + fragment
	}
	var b strings.Builder
	for i := 0; i < len(ref); i++ {
		switch c := ref[i]; {
		case c == '\t' || c == '\n' || c == '\r':
		case c == '%' && !percentEscape(ref[i:]):
			b.WriteString("%25")
		case c <= ' ' || c == '"' || c == '<' || c == '>' || c == '`' || c == 0x7f:
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)|0x100, 16)[1:]))
		default:
			b.WriteByte(c)
		}
	}
	u, err := url.Parse(b.String())
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

func percentEscape(s string) bool {
	if len(s) < 3 {
		return false
	}
	_, a := hexDigit(s[1])
	_, b := hexDigit(s[2])
	return a && b
}

// trustworthy reports whether browsers treat an address as secure: https, and loopback by whatever scheme.
func trustworthy(u *url.URL) bool {
	return u.Scheme == "https" || isLoopback(u.Hostname())
}

// isLoopback reports whether a host is this machine by its name alone: localhost, *.localhost, 127.0.0.0/8, ::1.
func isLoopback(host string) bool {
	host = strings.TrimSuffix(lowerASCII(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// site is the part of an address that decides what is "same site": the scheme and the registrable name.
func site(u *url.URL) string {
	host := strings.TrimSuffix(lowerASCII(u.Hostname()), ".")
	if _, err := netip.ParseAddr(host); err == nil {
		return u.Scheme + "://" + host
	}
	labels := strings.Split(host, ".")
	return u.Scheme + "://" + strings.Join(labels[max(0, len(labels)-2):], ".")
}

// origin is scheme, host and port, the port left out where it is the scheme's own.
func origin(u *url.URL) string {
	host := lowerASCII(u.Host)
	if p := u.Port(); p == "" || u.Scheme == "http" && p == "80" || u.Scheme == "https" && p == "443" {
		host = strings.TrimSuffix(strings.TrimSuffix(host, p), ":")
	}
	return u.Scheme + "://" + host
}

// withoutQuery is an address that may stand in an error: a query can hold a code.
func withoutQuery(u *url.URL) string { return origin(u) + u.EscapedPath() }

func withoutQueryString(s string) string {
	s, _, _ = strings.Cut(s, "?")
	return s
}
