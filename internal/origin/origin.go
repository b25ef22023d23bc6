// Package origin parses URLs as browsers do, for code that decides where a browser may be
// redirected.
//
// [Canonical] and [Of] return the origin of a URL: its scheme, host and port. [Site] returns its
// site: the scheme and the registrable domain. [IsLoopback] reports whether a host is this machine.
// [LocalPath] validates a redirect target. It rejects everything that a browser or proxy may parse
// differently than this program: backslashes, control bytes, dot segments ("..") and too many
// layers of percent-encoding.
//
// The package imports the standard library only, so that the public packages of this module may use
// it.
package origin

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Canonical validates an origin from a configuration or a program, and returns it as
// scheme://host[:port]. The result is in lower case and has no default port. A host without a
// scheme means https. A URL with a path other than "/", a query or a fragment is an error.
func Canonical(text string) (string, error) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("not an address")
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("neither http nor https")
	case u.User != nil || strings.ContainsAny(u.Host, "@%\\"):
		return "", errors.New("contains a user name, or a host with % or a backslash")
	case host == "" || strings.HasPrefix(host, ".") || strings.HasSuffix(host, "."):
		return "", errors.New("has no valid host")
	case (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("is more than a scheme, a host and a port")
	case strings.HasSuffix(u.Host, ":"):
		return "", errors.New("has an empty port")
	}
	if strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-._:") != "" {
		return "", errors.New("has a host that is not of letters, digits, hyphens and dots (write others in Punycode)")
	}
	return Of(u), nil
}

// Of returns the origin of an http or https URL as browsers send it in the Origin header: in lower
// case, without a default port. It returns "" for other schemes, and for a URL without a host.
func Of(u *url.URL) string {
	if u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return ""
	}
	host := strings.ToLower(u.Host)
	port := u.Port()
	isDefault := port == "" || u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443"
	if isDefault { // remove ":443", or ":" before an empty port
		host = strings.TrimSuffix(strings.TrimSuffix(host, port), ":")
	}
	return u.Scheme + "://" + host
}

// Site returns the scheme and the registrable domain of an http or https URL. Two URLs with equal
// results belong to one site (HTML standard, "schemeful same-site"). Site takes the last two labels
// of the host as the registrable domain. This is wrong below public suffixes such as co.uk.
func Site(u *url.URL) string {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if _, err := netip.ParseAddr(host); err == nil {
		return u.Scheme + "://" + host
	}
	labels := strings.Split(host, ".")
	return u.Scheme + "://" + strings.Join(labels[max(0, len(labels)-2):], ".")
}

// Hostname returns the host of a Host header in lower case, without port and without the brackets
// of an IPv6 address.
func Hostname(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		hostport = host
	}
	return strings.ToLower(strings.Trim(hostport, "[]"))
}

// IsLoopback reports whether browsers treat a host as this machine: localhost, names below it,
// 127.0.0.0/8 and ::1 (W3C, "Secure Contexts", section 3.1). It does not resolve names. host has no
// port and no brackets.
func IsLoopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || IsLoopbackIP(host)
}

// IsLoopbackIP reports whether a host is a loopback IP address. RFC 8252, section 8.3, recommends
// such an address over the name localhost, which may resolve to another machine.
func IsLoopbackIP(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// CheckBytes returns an error for an address with a byte that must be percent-encoded. These are
// spaces, control characters, bytes outside ASCII, double quotes, angle brackets and backslashes.
// Browsers read a backslash as a slash.
func CheckBytes(address string) error {
	for _, c := range []byte(address) {
		if !allowedByte(c) {
			return fmt.Errorf("it contains the byte %#02x", c)
		}
	}
	return nil
}

// EscapeBytes percent-encodes the bytes that CheckBytes rejects.
func EscapeBytes(address string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(address) {
		if allowedByte(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// allowedByte reports whether an address may contain a byte without percent-encoding.
func allowedByte(c byte) bool {
	return c > ' ' && c < 0x7f && c != '\\' && c != '"' && c != '<' && c != '>'
}

// maxEncodings is how many layers of percent-encoding CheckPath accepts: %2541 has two layers,
// since it decodes to %41 and then to A.
const maxEncodings = 4

// CheckPath validates a path with an optional query and fragment, and returns the decoded path.
//
// Servers and proxies decode a path once or several times. CheckPath therefore decodes the path
// repeatedly, and checks each result. It returns an error if a result names a host
// ("//evil.example"), or contains a backslash, a control byte or a dot segment (".."). Browsers and
// Go parse an invalid percent-encoding in the fragment differently, so this is an error too.
func CheckPath(address string) (decoded string, err error) {
	if _, fragment, _ := strings.Cut(address, "#"); strings.Contains(fragment, "%") {
		if _, err := url.PathUnescape(fragment); err != nil {
			return "", errors.New("its fragment is not well encoded")
		}
	}
	decoded = address
	if end := strings.IndexAny(address, "?#"); end >= 0 {
		decoded = address[:end]
	}
	for round := 0; ; round++ {
		if strings.HasPrefix(decoded, "//") {
			return "", errors.New("its path names a host")
		}
		if strings.Contains(decoded, `\`) { // browsers read it as a slash
			return "", errors.New("its path contains a backslash")
		}
		for _, c := range []byte(decoded) {
			if c < ' ' || c == 0x7f {
				return "", errors.New("its path contains a control byte")
			}
		}
		if strings.Contains(decoded+"/", "/./") || strings.Contains(decoded+"/", "/../") {
			return "", errors.New("its path contains a dot segment")
		}
		next, err := url.PathUnescape(decoded)
		switch {
		case err != nil && round == 0:
			return "", errors.New("its path is not well encoded")
		case err != nil || next == decoded:
			// After the first round, a decoding error comes from a literal %: the address had %25.
			return decoded, nil
		case round == maxEncodings:
			return "", errors.New("its path is encoded too many times")
		}
		decoded = next
	}
}

// LocalPath validates a redirect target on the current origin, and returns the decoded path. The
// target is a path with an optional query and fragment. A redirect to an accepted target never
// leaves the origin, in any browser.
func LocalPath(address string) (decoded string, err error) {
	if !strings.HasPrefix(address, "/") {
		return "", errors.New("it is not a path")
	}
	if err := CheckBytes(address); err != nil {
		return "", err
	}
	return CheckPath(address)
}

// Split splits an absolute URL into its canonical origin and the rest, which begins with a slash.
func Split(address string) (origin, rest string, err error) {
	scheme, after, found := strings.Cut(address, "://")
	if !found {
		return "", "", errors.New("not an absolute URL")
	}
	end := strings.IndexAny(after, "/?#")
	if end < 0 {
		end = len(after)
	}
	if origin, err = Canonical(scheme + "://" + after[:end]); err != nil {
		return "", "", err
	}
	rest = after[end:]
	if !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	return origin, rest, nil
}
