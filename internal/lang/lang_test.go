package lang_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/weigate/weigate/internal/lang"
)

func TestFromHeader(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"":                                    lang.English,
		"en":                                  lang.English,
		"ZH":                                  lang.Chinese,
		"ZH-hans":                             lang.Chinese,
		"zh-TW":                               lang.Chinese,
		"fr":                                  lang.English,
		"zh-CN,zh;q=0.9,en;q=0.8":             lang.Chinese,
		"en-GB,en;q=0.9,zh;q=0.8":             lang.English,
		"en, zh":                              lang.English, // the first of equals
		"zh, en":                              lang.Chinese,
		"fr,zh;q=0.5":                         lang.Chinese,
		"de-DE,de;q=0.9,zh-TW;q=0.5,en;q=0.4": lang.Chinese,
		"en;q=0.2, zh;q=0.3":                  lang.Chinese,
		"zh;q=0, en;q=0.1":                    lang.English,
		"zh;q=0":                              lang.English,
		"zh;q=much, en;q=0.1":                 lang.English,
		"zh;q=NaN":                            lang.English,
		"*":                                   lang.English,
		"*;q=0.2, zh;q=0.3":                   lang.Chinese,
		"*;q=0.5, zh;q=0.3":                   lang.English,
		";;;,,q=,":                            lang.English,
	} {
		if got := lang.FromHeader(http.Header{"Accept-Language": {header}}, lang.English); got != want {
			t.Errorf("Accept-Language %q: %s, want %s", header, got, want)
		}
	}
	two := http.Header{"Accept-Language": {"en;q=0.1", "zh;q=0.2"}}
	if got := lang.FromHeader(two, lang.English); got != lang.Chinese {
		t.Errorf("two headers: %s, want the second's", got)
	}
}

// WeChat's own pages are Chinese unless the browser prefers English.
func TestFromHeaderFallback(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"": lang.Chinese, "fr": lang.Chinese, "*": lang.Chinese, "en": lang.English, "zh;q=0.5, en;q=0.6": lang.English,
	} {
		if got := lang.FromHeader(http.Header{"Accept-Language": {header}}, lang.Chinese); got != want {
			t.Errorf("Accept-Language %q: %s, want %s", header, got, want)
		}
	}
}

func TestFromLocales(t *testing.T) {
	t.Parallel()
	for locales, want := range map[string]string{
		"": "", "fr": "", "fr zh-CN en": lang.Chinese, "en-US zh": lang.English, "se zh-CN": lang.Chinese, "*": "",
	} {
		got, found := lang.FromLocales(locales)
		if found != (want != "") || found && got != want {
			t.Errorf("%q: %q, %v, want %q", locales, got, found, want)
		}
	}
}

func TestFromRequest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ accept, locales, want string }{
		{"", "", lang.English},
		{"zh-CN,zh;q=0.9,en;q=0.8", "", lang.Chinese},
		{"en", "fr zh-CN en", lang.Chinese},
		{"zh", "en", lang.English},
		{"zh", "fr", lang.Chinese},
	} {
		r := httptest.NewRequest(http.MethodGet, "/?"+url.Values{"ui_locales": {tt.locales}}.Encode(), nil)
		r.Header.Set("Accept-Language", tt.accept)
		if got := lang.FromRequest(r); got != tt.want {
			t.Errorf("Accept-Language %q, ui_locales %q: %s, want %s", tt.accept, tt.locales, got, tt.want)
		}
	}
}

func TestFromEnvironment(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		env  map[string]string
		want string
	}{
		{nil, lang.English},
		{map[string]string{"LANG": "zh_CN.UTF-8"}, lang.Chinese},
		{map[string]string{"LANG": "ZH_TW"}, lang.Chinese},
		{map[string]string{"LANG": "C.UTF-8"}, lang.English},
		{map[string]string{"LANG": "en_GB.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, lang.Chinese},
		{map[string]string{"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, lang.English},
	} {
		if got := lang.FromEnvironment(func(name string) string { return tt.env[name] }); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.env, got, tt.want)
		}
	}
}
