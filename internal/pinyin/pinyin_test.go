package pinyin_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/pinyin"
)

func TestReadings(t *testing.T) {
	t.Parallel()
	for r, want := range map[rune]string{
		'张': "zhang", '長': "zhang chang", '吕': "lv", '仇': "chou qiu", '𬭎': "hong", 'a': "", 'あ': "", '。': "", '😀': "",
	} {
		got := pinyin.Readings(r)
		wanted := strings.Fields(want)
		if slices.Sort(wanted); !slices.Equal(slices.Sorted(slices.Values(got)), wanted) {
			t.Errorf("%c: %q, want %q", r, got, wanted)
		}
	}
	if got := pinyin.Readings('单'); len(got) < 3 || got[0] != "dan" {
		t.Errorf("the customary reading is not first: %q", got)
	}
}

// Each character of the basic block that has a reading has it as syllables of letters.
func TestReadingsOfAllCharacters(t *testing.T) {
	t.Parallel()
	known := 0
	for r := rune(0x4e00); r <= 0x9fff; r++ {
		all := pinyin.Readings(r)
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
		"张小明": "zhangxiaoming/zxm", "吕布": "lvbu/lb lyubu/lb", "曾": "zeng/z ceng/c", "": "/", "张a": "", "Li": "",
	} {
		var got []string
		for _, s := range pinyin.Spellings([]rune(name)) {
			got = append(got, s.Full+"/"+s.Initials)
		}
		if text := strings.Join(got, " "); text != want && text != "ceng/c zeng/z" {
			t.Errorf("%s: %q, want %q", name, text, want)
		}
	}
	if n := len(pinyin.Spellings([]rune(strings.Repeat("单", 40)))); n != 16 {
		t.Errorf("%d spellings of a name whose characters have many readings", n)
	}
}
