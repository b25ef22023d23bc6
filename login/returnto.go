package login

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// ErrReturn is wrapped by every refusal of a return address.
var ErrReturn = errors.New("login: return address refused")

// returnPolicy decides where a person may be sent after signing in. Addresses of
// the own origin are kept as a path ("/x?y#z"), others as an absolute address.
type returnPolicy struct {
	own     string          // origin, such as https://app.example.com
	prefix  string          // path of Config.URL, "" at the root
	allowed map[string]bool // origins, own included
}

// home is where a person goes when no address was asked for.
func (p *returnPolicy) home() string { return p.prefix + "/" }

// absolute turns an address that check returned into one for a Location header
// or a link. It never depends on the request's Host.
func (p *returnPolicy) absolute(address string) string {
	if strings.HasPrefix(address, "/") {
		return p.own + address
	}
	return address
}

// check returns the address in the form that is kept, or an error that wraps
// ErrReturn. It refuses rather than repairs: browsers read backslashes, tabs,
// missing slashes and user names in addresses in ways of their own, and what is
// let through here is exactly what they and we read alike.
func (p *returnPolicy) check(raw string) (string, error) {
	if raw == "" {
		return p.home(), nil
	}
	if len(raw) > MaxReturn {
		return "", fmt.Errorf("%w: longer than %d bytes", ErrReturn, MaxReturn)
	}
	for _, c := range []byte(raw) {
		// Space, controls and every byte of Unicode must be percent-encoded.
		if c <= ' ' || c >= 0x7f || c == '\\' || c == '"' || c == '<' || c == '>' {
			return "", fmt.Errorf("%w: it holds the byte %#02x", ErrReturn, c)
		}
	}
	origin, rest := p.own, raw
	if !strings.HasPrefix(raw, "/") {
		var err error
		if origin, rest, err = cutOrigin(raw); err != nil {
			return "", err
		}
		if !p.allowed[origin] {
			return "", fmt.Errorf("%w: its host is not among the return hosts", ErrReturn)
		}
	}
	// Browsers and Go differ about a fragment that is not well encoded.
	if _, fragment, _ := strings.Cut(rest, "#"); strings.Contains(fragment, "%") {
		if _, err := url.PathUnescape(fragment); err != nil {
			return "", fmt.Errorf("%w: its fragment is not well encoded", ErrReturn)
		}
	}
	decoded, err := checkPath(rest)
	if err != nil {
		return "", err
	}
	if origin == p.own {
		if p.isOurs(decoded) {
			return "", fmt.Errorf("%w: it is an address of the sign-in itself", ErrReturn)
		}
		return rest, nil
	}
	if len(origin)+len(rest) > MaxReturn {
		return "", fmt.Errorf("%w: longer than %d bytes", ErrReturn, MaxReturn)
	}
	return origin + rest, nil
}

// isOurs says whether a decoded path is one of this handler's, where a return
// would go round in a circle.
func (p *returnPolicy) isOurs(decoded string) bool {
	below, found := strings.CutPrefix(decoded, p.prefix)
	if !found {
		return false
	}
	below = strings.TrimSuffix(below, "/")
	return below == pathStart || strings.HasPrefix(below, pathStart+"/") || below == pathCallback || strings.HasPrefix(below, pathCallback+"/") || below == pathSignOut
}

// cutOrigin splits an absolute address after its host.
func cutOrigin(raw string) (origin, rest string, err error) {
	scheme, after, found := strings.Cut(raw, "://")
	if !found {
		return "", "", fmt.Errorf("%w: neither a path nor http(s)://", ErrReturn)
	}
	end := strings.IndexAny(after, "/?#")
	if end < 0 {
		end = len(after)
	}
	origin, err = canonicalOrigin(scheme + "://" + after[:end])
	if err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrReturn, err)
	}
	rest = after[end:]
	if !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	return origin, rest, nil
}

// checkPath reads the path of rest as servers and proxies on the way may read
// it, decoded once or several times, and refuses forms that could lead to
// another host or directory in any of these readings.
func checkPath(rest string) (decoded string, err error) {
	decoded = rest
	if end := strings.IndexAny(rest, "?#"); end >= 0 {
		decoded = rest[:end]
	}
	for round := 0; ; round++ {
		if strings.HasPrefix(decoded, "//") || strings.Contains(decoded, `\`) {
			return "", fmt.Errorf("%w: its path names a host", ErrReturn)
		}
		for _, c := range []byte(decoded) {
			if c < ' ' || c == 0x7f {
				return "", fmt.Errorf("%w: its path holds a control byte", ErrReturn)
			}
		}
		if strings.Contains(decoded+"/", "/./") || strings.Contains(decoded+"/", "/../") {
			return "", fmt.Errorf("%w: its path holds a dot segment", ErrReturn)
		}
		next, err := url.PathUnescape(decoded)
		switch {
		case err != nil && round == 0:
			return "", fmt.Errorf("%w: its path is not well encoded", ErrReturn)
		case err != nil || next == decoded:
			return decoded, nil // a literal % from an earlier round is no encoding
		case round == 4:
			return "", fmt.Errorf("%w: its path is encoded over and over", ErrReturn)
		}
		decoded = next
	}
}

// canonicalOrigin returns scheme://host[:port] in lower case, without a default
// port. A bare host means https.
func canonicalOrigin(text string) (string, error) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("not an address")
	}
	scheme, host, port := u.Scheme, strings.ToLower(u.Hostname()), u.Port()
	switch {
	case scheme != "http" && scheme != "https":
		return "", errors.New("neither http nor https")
	case u.User != nil || strings.ContainsAny(u.Host, "@%\\"):
		return "", errors.New("holds a user name")
	case host == "" || strings.HasPrefix(host, ".") || strings.HasSuffix(host, "."):
		return "", errors.New("has no proper host")
	case (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("is more than a scheme, a host and a port")
	case strings.HasSuffix(u.Host, ":"):
		return "", errors.New("has an empty port")
	}
	if strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-._:") != "" {
		return "", errors.New("has a host that is not of letters, digits, hyphens and dots (write others in Punycode)")
	}
	if (scheme == "http" && port == "80") || (scheme == "https" && port == "443") {
		port = ""
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" {
		host += ":" + port
	}
	return scheme + "://" + host, nil
}

// isLoopback says whether a host name is this machine's.
func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// cleanPrefix checks the path of Config.URL.
func cleanPrefix(p string) (string, error) {
	p = strings.TrimSuffix(p, "/")
	if p != "" && (path.Clean(p) != p || !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "%;, \\")) {
		return "", errors.New("has an unusual path")
	}
	for _, c := range []byte(p) {
		if c <= ' ' || c >= 0x7f {
			return "", errors.New("has a path that is not ASCII")
		}
	}
	return p, nil
}
