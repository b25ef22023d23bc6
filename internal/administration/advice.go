package administration

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weigate/weigate/internal/errcode"
)

// This file advises what to do about a problem. Package errcode has the texts about WeChat's errcodes
// (key "wechat.40164"), and the catalogue of this package has all other texts.

// advicesOfApps are the codes of apps' problems that have their own text, such as
// "app.invalid_client".
var advicesOfApps = []string{"invalid_client", "invalid_redirect_uri", "invalid_grant", "logout_failed"}

// advicesOfCertificates are the codes of problems with the gateway's certificate.
var advicesOfCertificates = []string{"not_loaded", "not_issued", "expiring"}

// advicesOfProxies are the codes of problems with a reverse proxy.
var advicesOfProxies = []string{ProxyNotTrusted, ProxyReportsNobody}

// URLChanged is the code of the problem that the gateway serves at another address than before.
const URLChanged = "changed"

// Codes of the problem that all users behind a reverse proxy seem to have the proxy's address.
const (
	ProxyNotTrusted    = "not_trusted"    // it sends headers such as X-Forwarded-For, but is missing in trusted_proxies
	ProxyReportsNobody = "reports_nobody" // it is in trusted_proxies, but sends no readable X-Forwarded-For
)

// Advice returns the key of the text that advises what to do about the problem with this source,
// such as "wechat:main", and code. The key is one of Advices.
func Advice(source, code string) string {
	kind, _, _ := strings.Cut(source, ":")
	switch {
	case kind == "wechat" && explained(code), kind == "app" && slices.Contains(advicesOfApps, code),
		kind == "certificate" && slices.Contains(advicesOfCertificates, code),
		kind == "proxy" && slices.Contains(advicesOfProxies, code), kind == "url" && code == URLChanged:
		return kind + "." + code
	case kind == "wechat" || kind == "app" || kind == "notify":
		return kind + ".other"
	}
	return "other"
}

// Explain returns what a problem means and what to do about it, in a language. source and code are
// those of [Advice].
func Explain(language, source, code string) string {
	key := Advice(source, code)
	if digits, found := strings.CutPrefix(key, "wechat."); found {
		if n, known := errcode.Parse(digits); known {
			return errcode.Explain(language, n).Text
		}
	}
	return catalogue.In(language).MustText("advice." + key)
}

// explained reports whether package errcode explains a code.
func explained(code string) bool {
	_, found := errcode.Parse(code)
	return found
}

// Advices returns all keys that Advice returns, for the test of a catalogue.
func Advices() []string {
	all := []string{"wechat.other", "app.other", "notify.other", "other"}
	for _, code := range errcode.Codes() {
		all = append(all, "wechat."+strconv.Itoa(code))
	}
	for _, code := range advicesOfApps {
		all = append(all, "app."+code)
	}
	for _, code := range advicesOfCertificates {
		all = append(all, "certificate."+code)
	}
	for _, code := range advicesOfProxies {
		all = append(all, "proxy."+code)
	}
	return append(all, "url."+URLChanged)
}
