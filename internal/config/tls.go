package config

import "strings"

// TLS configures the certificate with which the gateway serves TLS on Config.Listen. The zero value
// means plain http, for a reverse proxy with TLS in front of the gateway.
type TLS struct {
	Certificate string // path of a file with the certificate and its chain, in PEM form; "" = none
	Key         string // path of the file with its private key
}

// Enabled reports whether the gateway serves TLS itself.
func (t TLS) Enabled() bool { return t.Certificate != "" }

func tlsKeys() []key[TLS] {
	return []key[TLS]{
		{name: "certificate", read: func(_ *section, v value, t *TLS) { t.Certificate = v.certificateFile() }},
		{name: "key", read: func(_ *section, v value, t *TLS) { t.Key = v.certificateFile() }},
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
	case c.TLS.Certificate != "" && c.TLS.Key == "":
		s.fromEnvOrFile("key").reject("missing: the file with the private key of the certificate")
	case c.TLS.Certificate == "" && c.TLS.Key != "":
		s.fromEnvOrFile("certificate").reject("missing: the file with the certificate of the key")
	}
	if c.TLS.Enabled() && strings.HasPrefix(c.URL, "http://") {
		v.reject("needs a url that begins with https://")
	}
}
