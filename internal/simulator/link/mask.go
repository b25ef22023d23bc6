package link

import (
	"net/url"
	"regexp"
	"strings"
)

// Mask returns an address with its codes and tokens cut to their first characters, in the query and
// in the fragment.
func Mask(address string) string {
	return parameter.ReplaceAllStringFunc(address, func(m string) string {
		name, value, _ := strings.Cut(m[1:], "=")
		if name == "redirect_uri" {
			return m
		}
		if v, err := url.QueryUnescape(value); err == nil {
			value = v
		}
		return m[:1] + name + "=" + MaskParam(name, value)
	})
}

var parameter = regexp.MustCompile(`[?&#][A-Za-z_]+=[^&#]*`)

// MaskParam returns the value of a parameter as it may be shown: nothing of a secret, the first
// characters of a code, a token or a key, and the masked address of a redirect_uri.
func MaskParam(name, value string) string {
	switch name = strings.ToLower(name); {
	case value == "":
		return ""
	case strings.Contains(name, "secret"):
		return "[redacted]"
	case strings.Contains(name, "code"), strings.Contains(name, "token"), name == "key", name == "pass_ticket":
		return Lead(value)
	case name == "redirect_uri":
		return Mask(value)
	}
	return value
}

// Lead returns the first characters of a code or token: enough to follow it through a log, too few
// to use it.
func Lead(value string) string { return value[:min(6, len(value)/2)] + "…" }
