package lang_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/weigate/weigate/internal/lang"
)

var formats = lang.Formats{
	"%s: %w":               "%s：%w",
	"%s has %s":            "%s有%s",
	"line %d of %s":        "%[2]s的第%[1]d行",
	"1 line":               "1 行",
	"%d lines":             "%d 行",
	"file does not exist":  "文件不存在",
	"no such user":         "没有这个用户",
	"read %[2]s in %[1]w":  "在%[1]w中读取%[2]s",
	"permission denied":    "权限不足",
	"store is unavailable": "存储不可用",
}

func TestFormatsTranslateErrors(t *testing.T) {
	t.Parallel()
	notExist := lang.Errorf("%s: %w", "a.yaml", fs.ErrNotExist)
	for name, tt := range map[string]struct {
		err      error
		en, want string
	}{
		"format and wrapped error": {notExist, "a.yaml: file does not exist", "a.yaml：文件不存在"},
		"constant error":           {errors.New("no such user"), "no such user", "没有这个用户"},
		"order differs":            {lang.Errorf("line %d of %s", 3, "a"), "line 3 of a", "a的第3行"},
		"message as argument": {lang.Errorf("%s has %s", "a", lang.Count(2, "1 line", "%d lines")), "a has 2 lines",
			"a有2 行"},
		"wrapped by another package": {fmt.Errorf("open x: %w", fs.ErrPermission), "open x: permission denied",
			"open x: 权限不足"},
		"joined errors": {errors.Join(notExist, errors.New("no such user")),
			"a.yaml: file does not exist\nno such user", "a.yaml：文件不存在\n没有这个用户"},
		"unknown text": {errors.New("a text of another package"), "a text of another package",
			"a text of another package"},
	} {
		if got := tt.err.Error(); got != tt.en {
			t.Errorf("%s: Error() = %q, want %q", name, got, tt.en)
		}
		if got := formats.Error(tt.err); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
		if got := lang.Formats(nil).Error(tt.err); got != tt.en {
			t.Errorf("%s: in English %q, want %q", name, got, tt.en)
		}
	}
	if !errors.Is(notExist, fs.ErrNotExist) {
		t.Error("Errorf does not wrap the argument of %w")
	}
}

func TestMessagesAreEnglishInJSON(t *testing.T) {
	t.Parallel()
	out, err := json.Marshal(map[string]any{"lines": lang.Count(1, "1 line", "%d lines")})
	if err != nil || string(out) != `{"lines":"1 line"}` {
		t.Errorf("got %s, %v", out, err)
	}
	if got := formats.Text(lang.Count(1, "1 line", "%d lines")); got != "1 行" {
		t.Errorf("got %q", got)
	}
}
