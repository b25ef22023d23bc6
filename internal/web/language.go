package web

import (
	"net/http"
	"strconv"
	"strings"
)

// Language picks the language of a page: what the app asked for (ui_locales of OpenID Connect), else what the browser prefers, else English. Any
// Chinese is Chinese to us.
func Language(r *http.Request) string {
	for tag := range strings.FieldsSeq(r.URL.Query().Get("ui_locales")) {
		if lang := known(tag); lang != "" {
			return lang
		}
	}
	best, lang := 0.0, English
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Language"), ","), ",") {
		tag, rest, _ := strings.Cut(strings.TrimSpace(part), ";")
		quality := 1.0
		if value, found := strings.CutPrefix(strings.TrimSpace(rest), "q="); found {
			parsed, err := strconv.ParseFloat(value, 64)
			if err != nil {
				continue
			}
			quality = parsed
		}
		if l := known(tag); l != "" && quality > best {
			best, lang = quality, l
		}
	}
	return lang
}

// known returns our language for a language tag, or "".
func known(tag string) string {
	primary, _, _ := strings.Cut(strings.ToLower(tag), "-")
	switch primary {
	case "zh":
		return Chinese
	case "en":
		return English
	}
	return ""
}
