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

	"github.com/weigate/weigate/internal/origin"
)

// This file checks URLs, hosts and listen addresses. The checks of URLs and hosts return all
// errors.

// Errors of several checks. The errors of url.Parse are never shown: they quote the value, and the
// value may be a misplaced secret.
var (
	errNotURL   = errors.New("must be a complete URL such as https://login.example.com")
	errUserInfo = errors.New("must not contain a user name or password")
	errWildcard = errors.New("must not contain a wildcard: list each one")
	errPort     = errors.New("must not include the default port")
)

// parseAddress parses a URL, which must have a scheme.
func parseAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" {
		return nil, errNotURL
	}
	return u, nil
}

var validHostName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

// checkHost checks the host and port of an http or https URL.
func checkHost(u *url.URL) (errs []error) {
	host := strings.ToLower(u.Hostname())
	if host == "" {
		return []error{errNotURL}
	}
	switch addr, err := netip.ParseAddr(host); {
	case err != nil && (len(host) > 253 || !validHostName.MatchString(host)):
		errs = append(errs, errors.New("host must consist of letters, digits, hyphens and dots "+
			"(write other characters in Punycode: xn--...)"))
	case addr.Zone() != "":
		// A zone is valid on one machine only, and can contain any character, such as a line break.
		return append(errs, errors.New("IPv6 address must not have a zone"))
	}
	if u.Hostname() != host {
		errs = append(errs, errors.New("host must be in lower case"))
	}
	n, err := strconv.Atoi(u.Port())
	switch {
	case strings.HasSuffix(u.Host, ":"):
		errs = append(errs, errors.New("host must not end with a colon"))
	case u.Port() == "":
	case err != nil || n < 1 || n > 65535:
		errs = append(errs, errors.New("port must be between 1 and 65535"))
	case u.Scheme == "https" && n == 443 || u.Scheme == "http" && n == 80:
		errs = append(errs, errPort)
	}
	return errs
}

// isLoopback reports whether the host of a URL is this machine.
func isLoopback(address string) bool {
	u, err := parseAddress(address)
	return err == nil && origin.IsLoopback(u.Hostname())
}

// checkBaseURL checks a URL to which the gateway appends paths: its own URL, or a URL of WeChat.
// With insecure, plain http is allowed on every host, and without it only on this machine.
func checkBaseURL(text string, insecure bool) (errs []error) {
	u, err := parseAddress(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return []error{errNotURL}
	}
	if u.User != nil {
		errs = append(errs, errUserInfo)
	}
	errs = append(errs, checkHost(u)...)
	if u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#") {
		errs = append(errs, errors.New("must not contain a query (?) or a fragment (#)"))
	}
	trimmed := strings.TrimSuffix(u.Path, "/")
	if trimmed != u.Path {
		errs = append(errs, errors.New("must not end with a slash"))
	}
	special := strings.ContainsAny(u.EscapedPath(), "%;,\\") || strings.ContainsFunc(u.Path, notPrintable)
	if trimmed != "" && (path.Clean(trimmed) != trimmed || special) {
		errs = append(errs, errors.New("path must consist of plain letters, digits, hyphens and single slashes"))
	}
	if u.Scheme == "http" && !origin.IsLoopback(u.Hostname()) && !insecure {
		errs = append(errs, errors.New("must start with https:// (http only on this machine, or with insecure: true)"))
	}
	return errs
}

// notPrintable reports whether a character is a space, a control character or outside ASCII.
func notPrintable(r rune) bool { return r <= ' ' || r > '~' }

// validNativeScheme matches the private-use schemes of native apps: a reversed domain name (RFC 8252,
// section 7.1), such as com.example.app, or at least a name with a dot, such as app.immich.
var validNativeScheme = regexp.MustCompile(`^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+$`)

// checkRedirectURI checks a redirect URI of an app. With insecure, plain http is allowed on every
// host. checkRedirectURI does not normalize the URI, because the gateway compares redirect URIs byte
// for byte. A confidential app may have the scheme of a native app too: Immich's phone app receives
// the code and passes it to Immich's server, which has the secret (immich-app/immich#10832).
func checkRedirectURI(text string, insecure bool) (errs []error) {
	u, err := parseAddress(text)
	if err != nil {
		return []error{errors.New("must be a complete URL such as https://app.example.com/callback")}
	}
	if strings.Contains(text, "#") {
		errs = append(errs, errors.New("must not contain a fragment (#)"))
	}
	if u.User != nil {
		errs = append(errs, errUserInfo)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return notPrintable(r) || r == '\\' }) {
		errs = append(errs, errors.New("must be percent-encoded: no spaces, backslashes or non-ASCII characters"))
	}
	native := u.Scheme != "https" && u.Scheme != "http"
	switch {
	case strings.Contains(text, "*"):
		errs = append(errs, errWildcard)
	case native && validNativeScheme.MatchString(u.Scheme):
	case native:
		errs = append(errs, errors.New("must start with https:// (or a native app's scheme with a dot: com.example.app:)"))
	default:
		errs = append(errs, checkHost(u)...)
		if u.Scheme == "http" && !origin.IsLoopback(u.Hostname()) && !insecure {
			errs = append(errs, errors.New("must start with https:// (http only on this machine)"))
		}
	}
	return errs
}

// checkBackchannelLogoutURI checks the address to which the gateway sends logout tokens of an app.
// With private, plain http is allowed. The reason is that a host name of a private network has no
// certificate, such as the host name in http://app:8080, the address of a container.
func checkBackchannelLogoutURI(text string, private bool) (errs []error) {
	u, err := parseAddress(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return []error{errors.New("must be a complete URL such as https://app.example.com/backchannel-logout")}
	}
	errs = checkHost(u)
	if u.User != nil {
		errs = append(errs, errUserInfo)
	}
	if strings.Contains(text, "#") {
		errs = append(errs, errors.New("must not contain a fragment (#)"))
	}
	if strings.ContainsFunc(text, func(r rune) bool { return notPrintable(r) || r == '\\' }) {
		errs = append(errs, errors.New("must be percent-encoded: no spaces, backslashes or non-ASCII characters"))
	}
	if u.Scheme == "http" && !private {
		errs = append(errs, errors.New("must start with https:// (http only with outgoing.private_apps: true)"))
	}
	return errs
}

// checkOrigin checks an origin of an app, written as browsers send it in the Origin header. Apps in
// the web view of a phone have origins such as capacitor://localhost (authgear/authgear-server#3637).
func checkOrigin(text string, insecure bool) (errs []error) {
	u, err := parseAddress(text)
	switch {
	case strings.Contains(text, "*"):
		return []error{errWildcard}
	case err != nil || u.Host == "":
		return []error{errors.New("must be an origin such as https://app.example.com or capacitor://localhost")}
	case text != u.Scheme+"://"+u.Host:
		return []error{errors.New("must be scheme, host and perhaps a port, in lower case, without a slash at the end")}
	}
	errs = checkHost(u)
	if u.Scheme == "http" && !origin.IsLoopback(u.Hostname()) && !insecure {
		errs = append(errs, errors.New("must start with https:// (http only on this machine)"))
	}
	return errs
}

// checkDomain checks a domain of email addresses.
func checkDomain(text string) (errs []error) {
	_, ipErr := netip.ParseAddr(text)
	if ipErr == nil || !validHostName.MatchString(text) || !strings.Contains(text, ".") {
		errs = append(errs, errors.New("must be a domain such as people.example.com, in lower case"))
	}
	return errs
}

// checkReturnURL checks a return URL of a relay app (an app that speaks WeChat's own protocol). The
// gateway sends codes only to addresses that begin with a return URL.
func checkReturnURL(text string) (errs []error) {
	u, err := parseAddress(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return []error{errors.New("must be a URL such as https://shop.example.com/wechat/")}
	}
	if u.User != nil {
		errs = append(errs, errUserInfo)
	}
	if strings.Contains(text, "*") {
		return append(errs, errWildcard)
	}
	errs = append(errs, checkHost(u)...)
	if u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#") {
		errs = append(errs, errors.New("must not contain a query (?) or a fragment (#)"))
	}
	trimmed := strings.TrimSuffix(u.Path, "/")
	special := strings.ContainsAny(u.EscapedPath(), "%;\\") || strings.ContainsFunc(u.Path, notPrintable)
	if trimmed != "" && (path.Clean(trimmed) != trimmed || special) {
		errs = append(errs, errors.New("path must consist of plain letters, digits, hyphens and single slashes"))
	}
	return errs
}

// checkSiteHost checks a host of a forward_auth app, with an optional port, written as browsers send
// it in the Host header. Its first label may be "*", which stands for any label.
func checkSiteHost(text string) (errs []error) {
	u, err := url.Parse("https://" + text)
	if err != nil || u.Host != text || text == "" {
		return []error{errors.New("must be a host without scheme and path, such as wiki.example.com:8443")}
	}
	parent, isWildcard := strings.CutPrefix(u.Hostname(), "*.")
	if strings.Contains(parent, "*") {
		return []error{errors.New("only the first label may be *, as in *.apps.example.com")}
	}
	// Below a public suffix such as com, the hosts would belong to others.
	if isWildcard && parent != "localhost" && !strings.Contains(parent, ".") {
		return []error{errors.New("must not stand for all hosts of a top-level domain, use one such as *.apps.example.com")}
	}
	// The scheme of the app is not known here, so the default ports of http and https are rejected.
	if u.Port() == "443" || u.Port() == "80" {
		errs = append(errs, errPort)
		u.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
	}
	u.Host = strings.TrimPrefix(u.Host, "*.")
	errs = append(errs, checkHost(u)...)
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		errs = append(errs, errors.New("must be a host name, not an IP address"))
	}
	return errs
}

// hostOnly returns a host without its port.
func hostOnly(hostPort string) string {
	return (&url.URL{Host: hostPort}).Hostname()
}

// checkListen checks an address to listen on.
func checkListen(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return errors.New("must be HOST:PORT such as 127.0.0.1:8080, or :8080 for all addresses of this machine")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return errors.New("port must be between 0 and 65535")
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !validHostName.MatchString(strings.ToLower(host)) {
		return errors.New("host must be a name or an IP address")
	}
	return nil
}
