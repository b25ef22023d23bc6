package sqlstore

import (
	"slices"
	"strings"
	"testing"
)

func TestReadings(t *testing.T) {
	t.Parallel()
	for r, want := range map[rune]string{
		'张': "zhang", '長': "zhang chang", '吕': "lv lyu", '单': "dan chan shan", '𬭎': "hong",
		'a': "", 'あ': "", '。': "", '😀': "",
	} {
		if got := strings.Join(readings(r), " "); got != want {
			t.Errorf("%c: %q, want %q", r, got, want)
		}
	}
	if got := readings('仇'); !slices.Contains(got, "qiu") || got[0] != "chou" {
		t.Errorf("仇, as a name qiu: %q", got)
	}
}

// Each character of the basic block that has a reading has it as syllables of letters.
func TestReadingsOfAllCharacters(t *testing.T) {
	t.Parallel()
	known := 0
	for r := rune(0x4e00); r <= 0x9fff; r++ {
		all := readings(r)
		if len(all) > 0 {
			known++
		}
		for i, s := range all {
			if s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") != "" || slices.Contains(all[:i], s) {
				t.Errorf("%c: %q", r, all)
			}
		}
	}
	if known < 20_900 {
		t.Errorf("%d characters have a reading", known)
	}
}

func TestSpellings(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"张小川": "zhangxiaochuan/zxc", "吕布": "lvbu/lb lyubu/lb", "曾": "ceng/c zeng/z", "": "/",
	} {
		var got []string
		for _, s := range spellings([]rune(name)) {
			got = append(got, s.full+"/"+s.initials)
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s: %q, want %q", name, text, want)
		}
	}
	if n := len(spellings([]rune(strings.Repeat("单", 40)))); n != maxSpellings {
		t.Errorf("%d spellings of a name whose characters have many readings", n)
	}
}
