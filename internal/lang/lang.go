// Package lang chooses between the two languages of the program, English and Chinese, and loads the
// texts of its pages.
//
// [FromRequest] and [FromHeader] read the Accept-Language header of a browser, [FromLocales] reads
// the ui_locales parameter of OpenID Connect, and [FromEnvironment] reads the environment of a
// terminal. A package with pages embeds two JSON files of texts, en.json and zh-CN.json. It reads
// the files with [Load]. [Text] and [Errorf] make messages and errors that [Formats] translates, with
// the errors of the standard library that they wrap.
//
// Regional variants are not distinguished: every Chinese language tag selects zh-CN.
package lang

import (
	"net/http"
	"strconv"
	"strings"
)

// The languages, as values of Content-Language and of the lang attribute in HTML.
const (
	English = "en"
	Chinese = "zh-CN"
)

// All returns the languages. Every catalogue has texts in each of them.
func All() []string { return []string{English, Chinese} }

// FromRequest returns the language for a page. The first known tag of the ui_locales parameter
// decides, then the browser's Accept-Language header. Without both, the language is English.
func FromRequest(r *http.Request) string {
	if language, found := FromLocales(r.URL.Query().Get("ui_locales")); found {
		return language
	}
	return FromHeader(r.Header, English)
}

// FromLocales returns the first known language in a space-separated list of language tags, which is
// the format of ui_locales (OpenID Connect Core 3.1.2.1). found is false when the list has none.
func FromLocales(locales string) (language string, found bool) {
	for tag := range strings.FieldsSeq(locales) {
		if language, found = fromTag(tag); found {
			return language, true
		}
	}
	return "", false
}

// FromHeader returns the known language with the highest quality value in Accept-Language (RFC
// 9110, 12.5.4). Of several languages with the highest value, it returns the first. The entry "*"
// stands for fallback. Entries with an invalid or zero quality value are ignored. Without a known
// language in the header, FromHeader returns fallback.
func FromHeader(h http.Header, fallback string) string {
	best, highest := fallback, 0.0
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept-Language"), ","), ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		quality := 1.0
		if value, found := strings.CutPrefix(strings.TrimSpace(params), "q="); found {
			parsed, err := strconv.ParseFloat(value, 64)
			if err != nil {
				continue
			}
			quality = parsed
		}
		language, known := fromTag(tag)
		if strings.TrimSpace(tag) == "*" {
			language, known = fallback, true
		}
		if known && quality > highest {
			best, highest = language, quality
		}
	}
	return best
}

// FromEnvironment returns the language of a terminal. The first variable that is set decides, in
// the order of POSIX: LC_ALL, LC_MESSAGES, LANG.
func FromEnvironment(getenv func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if value := getenv(name); value != "" {
			if strings.HasPrefix(strings.ToLower(value), "zh") {
				return Chinese
			}
			return English
		}
	}
	return English
}

// fromTag returns the language of a tag such as zh-Hans-CN. Only its first part (zh) counts.
func fromTag(tag string) (language string, known bool) {
	primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
	switch primary {
	case "zh":
		return Chinese, true
	case "en":
		return English, true
	}
	return "", false
}
