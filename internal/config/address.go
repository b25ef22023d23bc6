package config

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Problems of an address. url.Parse quotes what it cannot read, so its words are never used.
var (
	errNoAddress = errors.New("must be a whole address such as https://login.example.com")
	errUser      = errors.New("must not hold a user name or password")
	errMore      = errors.New("must have no query (?) and no fragment (#)")
)

func parseAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" {
		return nil, errNoAddress
	}
	return u, nil
}

var hostName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

// checkHost tells what is wrong with the host and port of an http or https address.
func checkHost(u *url.URL) (wrong []error) {
	host := strings.ToLower(u.Hostname())
	if host == "" {
		return []error{errNoAddress}
	}
	if _, err := netip.ParseAddr(host); err != nil && (len(host) > 253 || !hostName.MatchString(host)) {
		wrong = append(wrong, errors.New("has a host that is no name: letters, digits, hyphens and dots, other scripts in Punycode (xn--…)"))
	}
	if u.Hostname() != host {
		wrong = append(wrong, errors.New("must have its host in lower case"))
	}
	n, err := strconv.Atoi(u.Port())
	switch {
	case strings.HasSuffix(u.Host, ":"):
		wrong = append(wrong, errors.New("has a colon and no port"))
	case u.Port() == "":
	case err != nil || n < 1 || n > 65535:
		wrong = append(wrong, errors.New("has a port that is not between 1 and 65535"))
	case u.Scheme == "https" && n == 443 || u.Scheme == "http" && n == 80:
		wrong = append(wrong, errors.New("must not name the port that its scheme has anyway"))
	}
	return wrong
}

// localHost tells whether a host name is this machine's own.
func localHost(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func isLocal(address string) bool {
	u, err := parseAddress(address)
	return err == nil && localHost(u.Hostname())
}

// checkBase tells what is wrong with an address to which paths are added: the gateway's own, and WeChat's.
func checkBase(text string, insecure bool) (wrong []error) {
	u, err := parseAddress(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return []error{errNoAddress}
	}
	if u.User != nil {
		wrong = append(wrong, errUser)
	}
	wrong = append(wrong, checkHost(u)...)
	if u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#") {
		wrong = append(wrong, errMore)
	}
	trimmed := strings.TrimSuffix(u.Path, "/")
	if trimmed != u.Path {
		wrong = append(wrong, errors.New("must not end in a slash"))
	}
	if trimmed != "" && (path.Clean(trimmed) != trimmed || strings.ContainsAny(u.EscapedPath(), "%;,\\") || strings.ContainsFunc(u.Path, notASCII)) {
		wrong = append(wrong, errors.New("has a path with more than plain letters, digits, hyphens and single slashes"))
	}
	if u.Scheme == "http" && !localHost(u.Hostname()) && !insecure {
		wrong = append(wrong, errors.New("must begin with https:// (plain http is for this machine only, or with insecure: true for a test account in a private network)"))
	}
	return wrong
}

func notASCII(r rune) bool { return r <= ' ' || r > '~' }

var nativeScheme = regexp.MustCompile(`^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+$`)

// checkReturn tells what is wrong with an address that browsers are sent back to. It is compared byte for byte later.
func checkReturn(text string, public, insecure bool) (wrong []error) {
	u, err := parseAddress(text)
	if err != nil {
		return []error{errors.New("must be a whole address such as https://app.example.com/callback")}
	}
	if strings.Contains(text, "#") {
		wrong = append(wrong, errors.New("must have no fragment (#)"))
	}
	if u.User != nil {
		wrong = append(wrong, errUser)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return notASCII(r) || r == '\\' }) {
		wrong = append(wrong, errors.New("has a character that must be percent-encoded"))
	}
	native := u.Scheme != "https" && u.Scheme != "http"
	switch {
	case strings.Contains(text, "*"):
		wrong = append(wrong, errors.New("must have no wildcard: name each address"))
	case native && public && nativeScheme.MatchString(u.Scheme): // RFC 8252 section 7.1: a native app's own scheme, a domain name turned round
	case native:
		wrong = append(wrong, errors.New("must begin with https:// (a public app may also have a scheme of its own with a dot in it, such as com.example.app:/callback)"))
	default:
		wrong = append(wrong, checkHost(u)...)
		if u.Scheme == "http" && !localHost(u.Hostname()) && !insecure {
			wrong = append(wrong, errors.New("must begin with https:// (plain http is for this machine only)"))
		}
	}
	return wrong
}

// checkHostPort tells what is wrong with a host that stands alone, as a browser writes it in the Host header. An IP address is one only where addresses
// is true.
func checkHostPort(text string, addresses bool) (wrong []error) {
	u, err := url.Parse("https://" + text) // its error quotes the text
	if err != nil || u.Host != text || text == "" {
		if strings.Contains(text, "*") {
			return []error{errors.New("must have no wildcard: name each host")}
		}
		return []error{errors.New("must be a host alone, such as wiki.example.com or wiki.example.com:8443: no scheme, no path")}
	}
	if strings.Contains(text, "*") {
		return []error{errors.New("must have no wildcard: name each host")}
	}
	if u.Port() == "443" || u.Port() == "80" {
		wrong = append(wrong, errors.New("must not name the port that browsers leave out"))
		u.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
	}
	wrong = append(wrong, checkHost(u)...)
	if _, err := netip.ParseAddr(u.Hostname()); err == nil && !addresses {
		wrong = append(wrong, errors.New("must be a host name, and is an IP address"))
	}
	return wrong
}

// hostOnly is a host without its port.
func hostOnly(hostPort string) string {
	return (&url.URL{Host: hostPort}).Hostname()
}

// checkListen looks at an address to listen on.
func checkListen(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return errors.New("must be HOST:PORT, such as 127.0.0.1:8080, or :8080 for every address of this machine")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return errors.New("has a port that is not between 0 and 65535")
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !hostName.MatchString(strings.ToLower(host)) {
		return errors.New("has a host that is neither a name nor an IP address")
	}
	return nil
}
