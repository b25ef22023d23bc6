package config

import (
	"net/netip"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/origin"
)

// TLS configures the certificate with which the gateway serves TLS on Config.Listen: from files, or
// from a certificate authority. The zero value means plain http, for a reverse proxy with TLS in front
// of the gateway.
type TLS struct {
	Certificate string // path of a file with the certificate and its chain, in PEM form; "" = none
	Key         string // path of the file with its private key
	ACME        ACME
}

// ACME configures the certificate authority.
type ACME struct {
	Enabled    bool
	Email      string // of the account at the certificate authority; "" = none
	Directory  string // URL
	CAFile     string // path of a file with the authorities of the directory's certificate; "" = the system's
	ListenHTTP string // host:port for the challenge HTTP-01 and redirects to https; "" = none
}

// Enabled reports whether the gateway serves TLS itself.
func (t TLS) Enabled() bool { return t.Certificate != "" || t.ACME.Enabled }

func tlsKeys() []key[TLS] {
	return []key[TLS]{
		{name: "certificate", read: func(_ *section, v value, t *TLS) { t.Certificate = v.certificateFile() }},
		{name: "key", read: func(_ *section, v value, t *TLS) { t.Key = v.certificateFile() }},
		{name: "acme", noEnv: true, below: prefixed(".", paths(acmeKeys())), read: func(_ *section, v value, t *TLS) {
			if t.ACME.Enabled = v.present(); t.ACME.Enabled {
				readMapping(v, acmeKeys(), &t.ACME)
			}
		}},
	}
}

func acmeKeys() []key[ACME] {
	return []key[ACME]{
		{name: "email", read: readACMEEmail},
		{name: "directory", read: readACMEDirectory},
		{name: "ca_file", read: func(_ *section, v value, a *ACME) { a.CAFile = v.certificateFile() }},
		{name: "listen_http", read: readListenHTTP},
	}
}

func readListenHTTP(_ *section, v value, a *ACME) {
	if !v.present() {
		a.ListenHTTP = ":80"
		return
	}
	text, _ := v.text()
	if text == "" {
		return // no listener, or rejected already
	}
	if err := checkListen(text); err != nil {
		v.reject("%s", err)
	}
	a.ListenHTTP = text
}

func readACMEEmail(_ *section, v value, a *ACME) {
	a.Email, _ = v.text()
	if name, host, _ := strings.Cut(a.Email, "@"); a.Email != "" && (name == "" || !strings.Contains(host, ".")) {
		v.reject("must be an email address")
	}
}

// acmeDirectories are the directories with a short name: name → URL.
var acmeDirectories = map[string]string{
	"letsencrypt":         "https://acme-v02.api.letsencrypt.org/directory",
	"letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}

func readACMEDirectory(_ *section, v value, a *ACME) {
	a.Directory = v.nonEmpty("letsencrypt")
	if known := acmeDirectories[a.Directory]; known != "" {
		a.Directory = known
		return
	}
	if u, err := parseAddress(a.Directory); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		v.reject("must be letsencrypt, letsencrypt-staging, or the https URL of another directory")
	}
}

// certificateFile reads the path of a file with a certificate or a key, "" if there is none. Package
// certificate reads the file: it may change at any time, and only the gateway's user can read the key.
func (v value) certificateFile() string {
	name, _ := v.text()
	if name == "" {
		return ""
	}
	return v.reader.secretPath(name)
}

func readTLS(_ *section, v value, c *Config) {
	s := readMapping(v, tlsKeys(), &c.TLS)
	switch {
	case c.TLS.ACME.Enabled && (c.TLS.Certificate != "" || c.TLS.Key != ""):
		s.fromFile("acme").reject("only one of certificate and acme is allowed")
	case c.TLS.Certificate != "" && c.TLS.Key == "":
		s.fromEnvOrFile("key").reject("missing: the file with the private key of the certificate")
	case c.TLS.Certificate == "" && c.TLS.Key != "":
		s.fromEnvOrFile("certificate").reject("missing: the file with the certificate of the key")
	}
	if c.TLS.Enabled() && strings.HasPrefix(c.URL, "http://") {
		v.reject("needs a url that begins with https://")
	}
	if !c.TLS.ACME.Enabled {
		return
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return // reported already
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil || origin.IsLoopback(u.Hostname()) ||
		!strings.Contains(u.Hostname(), ".") {
		s.fromFile("acme").reject("needs a url with a public host name, such as https://login.example.com")
	}
	if u.Port() != "" {
		s.fromFile("acme").reject("needs a url without a port: certificate authorities connect to port 443 or 80")
	}
}
