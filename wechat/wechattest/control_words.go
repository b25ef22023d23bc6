package wechattest

import (
	"fmt"
	"net/http"
	"strings"
)

// A speech is the control page's words in one language. Both have the same keys with the same verbs, as a test proves.
type speech struct {
	lang  string
	texts map[string]string
}

// text is a sentence with its places filled. A key without words shows itself, which the tests look for.
func (s *speech) text(key string, args ...any) string {
	t, ok := s.texts[key]
	if !ok {
		return "⟨" + key + "⟩"
	}
	if len(args) == 0 || !strings.Contains(t, "%") {
		return t
	}
	return fmt.Sprintf(t, args...)
}

// controlSpeech is the language of whoever looks at the control page: Chinese if the browser prefers it, else English.
func controlSpeech(r *http.Request, all []*speech) *speech {
	header := r.Header.Get("Accept-Language")
	if !prefersEnglish(header) && strings.Contains(lowerASCII(header), "zh") {
		return all[1]
	}
	return all[0]
}

func speeches() []*speech {
	return []*speech{{lang: "en", texts: controlEnglish()}, {lang: "zh-CN", texts: controlChinese()}}
}
