package proxyconfig

import (
	"cmp"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/weigate/weigate/internal/lang"
)

// This file checks every value that is printed. The patterns allow no character that has a meaning in
// the syntax of nginx or Caddy: spaces, line breaks, ; { } $ # " ' and the backslash. Package config has
// checked most values already, for other purposes.

var (
	safeHost = regexp.MustCompile(`^(\*\.)?[a-z0-9_.-]+(:[0-9]{1,5})?$`)
	safePath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*$`)
	safeName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
	// The path of a file on Unix or Windows. An "@" has no meaning outside of names in Caddy.
	safeFile = regexp.MustCompile(`^([A-Za-z]:)?/[A-Za-z0-9/._@+=,~-]+$`)
)

// checkHost checks a host with an optional port.
func checkHost(host string) error {
	if !safeHost.MatchString(host) {
		return errors.New("must be a host name without special characters, with an optional port")
	}
	return nil
}

func checkPath(path string) error {
	if !safePath.MatchString(path) {
		return errors.New("path must consist of letters, digits, dots, hyphens and single slashes")
	}
	return nil
}

// checkFiles checks the paths of the certificate's files.
func checkFiles(o Options) error {
	switch {
	case o.Certificate == "" && o.Key != "":
		return lang.Errorf("--certificate is missing: the file with the certificate of --key")
	case o.Certificate != "" && o.Key == "":
		return lang.Errorf("--key is missing: the file with the private key of --certificate")
	}
	for _, file := range []struct{ flag, path string }{{"--certificate", o.Certificate}, {"--key", o.Key}} {
		if file.path != "" && !safeFile.MatchString(strings.ReplaceAll(file.path, "{host}", "host")) {
			return lang.Errorf("%s: must be an absolute path of letters, digits and ._@+=,~-; {host} stands for the host",
				file.flag)
		}
	}
	return nil
}

// checkUpstream checks the address of a site behind the proxy.
func checkUpstream(upstream string) error {
	errAddress := errors.New("must be the address of the site behind the proxy, such as http://127.0.0.1:3000")
	if strings.ContainsFunc(upstream, func(r rune) bool { return r > '~' }) {
		return errors.New("must consist of ASCII characters: “：” and “／” are not “:” and “/”")
	}
	address, isHTTP := strings.CutPrefix(upstream, "http://")
	switch {
	case strings.HasPrefix(upstream, "https://"):
		return errors.New("must begin with http://: the proxy would not verify the certificate of the site")
	case !isHTTP:
		return errors.New("must begin with http://, such as http://127.0.0.1:3000")
	}
	u, err := url.Parse(upstream)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errAddress
	case u.Path != "":
		return lang.Errorf("must not have a path: http://%s", u.Host)
	case address != u.Host:
		return errAddress
	}
	_, err = hostPort(u.Hostname(), u.Port())
	return err
}

// isGateway reports whether an upstream, for which checkUpstream returned nil, is the address at which
// the proxy reaches the gateway.
func (p *proxy) isGateway(upstream string) bool {
	at := func(host, port string) string {
		if addr, err := netip.ParseAddr(host); host == "localhost" || err == nil && addr.IsLoopback() {
			host = "127.0.0.1"
		}
		return net.JoinHostPort(host, cmp.Or(port, "80"))
	}
	host, port, err := net.SplitHostPort(p.listen)
	u, failed := url.Parse(upstream)
	return err == nil && failed == nil && at(host, port) == at(u.Hostname(), u.Port())
}

// hostPort returns HOST:PORT, with brackets around an IPv6 address. An empty port is 80.
func hostPort(host, port string) (string, error) {
	if port == "" {
		port = "80"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", errors.New("port must be between 1 and 65535")
	}
	addr, err := netip.ParseAddr(host)
	if err != nil && !safeName.MatchString(host) || addr.Zone() != "" {
		return "", errors.New("host must be a name or an IP address without a zone")
	}
	return net.JoinHostPort(host, port), nil
}

// reachable returns the address at which the proxy reaches a gateway that listens on an address. If
// the gateway listens on all addresses, the proxy is expected on the same machine.
func reachable(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", err
	}
	if addr, err := netip.ParseAddr(host); host == "" || err == nil && addr.IsUnspecified() {
		host = "127.0.0.1"
	}
	return hostPort(host, port)
}
