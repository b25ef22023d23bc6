// Package pinyin returns how the Han characters of a name are pronounced, so that a search finds 张小明
// by "zhangxiaoming" and by "zxm".
//
// [Readings] returns the syllables of a character, [Spellings] those of a name. The readings are
// those of the Unihan database, without tones. The package does not know which reading a name has,
// and returns all combinations up to a limit.
package pinyin

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed readings.txt
var file string

// readings returns the syllables of each character, the customary reading first.
var readings = sync.OnceValue(func() map[rune][]string {
	all := make(map[rune][]string, 22_000)
	var others [][2]string // syllable, and the characters that have it as another reading
	for line := range strings.Lines(file) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		for _, r := range strings.Trim(fields[1], "-") {
			all[r] = []string{fields[0]}
		}
		if len(fields) > 2 {
			others = append(others, [2]string{fields[0], fields[2]})
		}
	}
	for _, other := range others {
		for _, r := range other[1] {
			all[r] = append(all[r], other[0])
		}
	}
	return all
})

// Readings returns the syllables of a Han character, the customary one first, with v for ü. It
// returns nil for other characters, and for Han characters that are too rare.
func Readings(r rune) []string {
	if r < 0x3400 { // no Han character: do not read the file for a Latin name
		return nil
	}
	return readings()[r]
}

// maxSpellings limits the spellings of a name, because each character can have several readings.
const maxSpellings = 16

// Spelling is one pronunciation of a name.
type Spelling struct {
	Full     string // such as "zhangxiaoming"
	Initials string // such as "zxm"
}

// Spellings returns the pronunciations of consecutive Han characters, at most 16. It returns nil if a
// character has no reading.
func Spellings(name []rune) []Spelling {
	all := []Spelling{{}}
	for _, r := range name {
		var longer []Spelling
		for _, begin := range all {
			for _, syllable := range typed(Readings(r)) {
				longer = append(longer, Spelling{begin.Full + syllable, begin.Initials + syllable[:1]})
			}
		}
		all = longer[:min(len(longer), maxSpellings)]
	}
	return all
}

// typed returns the ways to type syllables: ü after l and n is v on keyboards, and yu in passports.
func typed(syllables []string) (all []string) {
	for _, s := range syllables {
		all = append(all, s)
		if begin, found := strings.CutSuffix(s, "v"); found {
			all = append(all, begin+"yu")
		}
	}
	return all
}
