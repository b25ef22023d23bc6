package proxyconfig

import (
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
	u, err := url.Parse(upstream)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || upstream != u.Scheme+"://"+u.Host:
		return errAddress
	case u.Scheme == "https":
		return errors.New("must begin with http://: the proxy would not verify the certificate of the site")
	}
	if _, err := hostPort(u.Hostname(), u.Port()); err != nil {
		return errAddress
	}
	return nil
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
