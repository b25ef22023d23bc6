package demo

import (
	"io/fs"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestWordsAreWholeInBothLanguages finds a text that one language lacks, one that was
// forgotten in the other's words, and one that nothing shows any more.
func TestWordsAreWholeInBothLanguages(t *testing.T) {
	t.Parallel()
	source := ""
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := files.ReadFile(name)
		source += string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, used := range []string{"Welcome", "SignedIn", "NotFound", "NotFoundNote", "Trouble", "TroubleNote", "Notes", "Photos", "Board", "Wiki", "ShopWelcome", "ShopOwnSecret", "FactSecret", "ByLibrary", "CardOIDC", "CardOIDCNote", "CardOIDCSteps", "CardWiki", "CardWikiNote", "CardWikiSteps", "CardShop", "CardShopNote", "CardShopSteps", "CardScan",
		"CardScanNote", "CardScanSteps", "OpenWiki", "OpenShop", "OpenBoard", "Over", "OverNote", "NotIn", "NotInNote"} {
		source += ".Words." + used + " " // the code passes these to the templates
	}
	en, zh := reflect.ValueOf(*english()), reflect.ValueOf(*chinese())
	han := regexp.MustCompile(`\p{Han}`)
	for i := range en.NumField() {
		name := en.Type().Field(i).Name
		a, b := en.Field(i).String(), zh.Field(i).String()
		if strings.TrimSpace(a) == "" || strings.TrimSpace(b) == "" {
			t.Errorf("%s is empty: %q, %q", name, a, b)
		}
		if han.MatchString(a) {
			t.Errorf("%s: Chinese in the English text %q", name, a)
		}
		if !han.MatchString(b) && a != b && name != "Lang" {
			t.Errorf("%s: the Chinese text %q is neither Chinese nor the same word", name, b)
		}
		if !regexp.MustCompile(`\.Words\.` + name + `\b`).MatchString(source) {
			t.Errorf("%s is shown nowhere", name)
		}
	}
	// All text comes from the words: templates have none of their own.
	for _, m := range regexp.MustCompile(`>([^<>{}]*\pL[^<>{}]*)<`).FindAllStringSubmatch(source, -1) {
		t.Errorf("text in a template: %q", m[1])
	}
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"":                                    "en",
		"en":                                  "en",
		"zh-CN,zh;q=0.9,en;q=0.8":             "zh-CN",
		"en-GB,en;q=0.9,zh;q=0.8":             "en",
		"de-DE,de;q=0.9,zh-TW;q=0.5,en;q=0.4": "zh-CN",
		"fr":                                  "en",
		"zh;q=0, en":                          "en",
		"*":                                   "en",
		"ZH-hans":                             "zh-CN",
		"zh;q=much,en;q=0.1":                  "en",
		";;;,,q=,":                            "en",
	} {
		r, err := http.NewRequest(http.MethodGet, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Language", header)
		if got := wordsFor(r).Lang; got != want {
			t.Errorf("Accept-Language %q: %s, want %s", header, got, want)
		}
	}
}
