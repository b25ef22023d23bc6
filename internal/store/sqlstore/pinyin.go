package sqlstore

import (
	"slices"
	"strings"

	"github.com/mozillazg/go-pinyin"
)

// maxPinyin is how many characters of a name have terms in pinyin. Few names are longer.
const maxPinyin = 8

// maxSpellings limits the spellings of a name, because each character can have several readings.
const maxSpellings = 16

// pinyinTerms returns the terms in pinyin of a normalized name: for 张小明 "zhangxiaoming",
// "xiaoming", "ming", "zxm", "xm", and the first letter of the first character. The result also has
// the term "zhang xiaoming", with a space after the family name.
func pinyinTerms(name string) (all []string) {
	isOther := func(r rune) bool { return readings(r) == nil }
	for _, word := range strings.FieldsFunc(name, isOther) {
		runes := []rune(word)
		runes = runes[:min(len(runes), maxPinyin)]
		for i := range runes {
			for _, s := range spellings(runes[i:]) {
				all = append(all, s.full)
				if len(s.initials) > 1 {
					all = append(all, s.initials)
				}
				if i == 0 {
					all = append(all, firstLetter+s.initials[:1])
				}
			}
		}
		for _, first := range spellings(runes[:1]) {
			for _, s := range spellings(runes[1:]) {
				all = append(all, first.full+" "+s.full)
			}
		}
	}
	for i, term := range all {
		all[i] = term[:min(len(term), termLength)]
	}
	return all
}

// spelling is one pronunciation of a name.
type spelling struct {
	full     string // such as "zhangxiaoming"
	initials string // such as "zxm"
}

// spellings returns the pronunciations of Han characters, at most maxSpellings. It is unknown which
// reading a character has in a name, so each of its readings makes further pronunciations. The
// library has the customary reading first.
func spellings(name []rune) []spelling {
	all := []spelling{{}}
	for _, r := range name {
		var longer []spelling
		for _, begin := range all {
			for _, syllable := range readings(r) {
				longer = append(longer, spelling{full: begin.full + syllable, initials: begin.initials + syllable[:1]})
			}
		}
		all = longer[:min(len(longer), maxSpellings)]
	}
	return all
}

// readings returns the syllables of a Han character without tones, in the ways to type them: ü is v
// on keyboards, and yu in passports. It returns nil for other characters.
func readings(r rune) (all []string) {
	options := pinyin.NewArgs() // without tones
	options.Heteronym = true
	for _, s := range pinyin.SinglePinyin(r, options) {
		if strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") != "" || s == "" || slices.Contains(all, s) {
			continue // 嗯 has a reading without a vowel: ǹg
		}
		all = append(all, s)
		if begin, found := strings.CutSuffix(s, "v"); found {
			all = append(all, begin+"yu")
		}
	}
	return all
}
