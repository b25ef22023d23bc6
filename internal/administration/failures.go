package administration

import (
	"regexp"
	"strings"
	"sync"

	"github.com/weigate/weigate/internal/lang"
)

// This file translates why a request to another server failed. Deliveries, problems and events have
// the reason in English: the stored text does not depend on a language.

// failureTexts are the keys below "failure." of the texts. The English text is the stored one; its
// placeholders stand for values.
var failureTexts = []string{
	"link_local", "not_public", "not_ip", "invalid_url", "http_private", "http_public", "proxy", "host", "name",
	"time", "refused", "failed", "certificate_host", "certificate_authority", "certificate_expired", "certificate",
	"not_configured", "unreadable", "gone", "held", "too_many", "message", "interrupted", "not_platform", "http",
	"no_logout_address", "logout_refused", "logout_redirected", "logout_status", "other_url",
}

// failure is a text that a store may have.
type failure struct {
	stored *regexp.Regexp
	values []string // names of the placeholders
	key    string
}

var failures = sync.OnceValue(func() (all []failure) {
	placeholder := regexp.MustCompile(`\\\{([a-z]+)\\\}`)
	for _, name := range failureTexts {
		f := failure{key: "failure." + name}
		pattern := regexp.QuoteMeta(catalogue.In(lang.English).MustText(f.key, "value", "{value}", "kind", "{kind}"))
		for _, m := range placeholder.FindAllStringSubmatch(pattern, -1) {
			f.values = append(f.values, m[1])
		}
		f.stored = regexp.MustCompile(`^` + placeholder.ReplaceAllString(pattern, `(.+)`) + `$`)
		all = append(all, f)
	}
	return all
})

// DescribeFailure returns the reason of a failed delivery, or the detail of a problem, in a language.
// A text that it does not know stays as it is.
func DescribeFailure(language, stored string) string {
	text := strings.TrimPrefix(stored, "outgoing request: ")
	for _, f := range failures() {
		m := f.stored.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		var pairs []any
		for i, name := range f.values {
			pairs = append(pairs, name, m[i+1])
		}
		return catalogue.In(language).MustText(f.key, pairs...)
	}
	return stored
}
