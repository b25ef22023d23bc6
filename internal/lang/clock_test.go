package lang_test

import (
	"testing"
	"time"

	"github.com/weigate/weigate/internal/lang"
)

func TestClock(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 30, 8, 35, 0, 0, time.UTC)
	for _, tt := range []struct {
		zone           *time.Location
		language, want string
	}{
		{zone: time.UTC, language: lang.English, want: "08:35 (UTC)"},
		{zone: time.UTC, language: lang.Chinese, want: "08:35（UTC）"},
		{zone: time.FixedZone("Asia/Shanghai", 8*3600), language: lang.English, want: "16:35 (UTC+8)"},
		{zone: time.FixedZone("Asia/Shanghai", 8*3600), language: lang.Chinese, want: "16:35（北京时间）"},
		{zone: time.FixedZone("", 8*3600), language: lang.Chinese, want: "16:35（UTC+8）"},
		{zone: time.FixedZone("", 5*3600+1800), language: lang.English, want: "14:05 (UTC+5:30)"},
		{zone: time.FixedZone("", -3*3600-1800), language: lang.English, want: "05:05 (UTC-3:30)"},
	} {
		if got := lang.Clock(at.In(tt.zone), tt.language); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.zone, got, tt.want)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	list := lang.List{lang.Text("%d apps", 2), "wiki"}
	if got := list.String(); got != "2 apps, wiki" {
		t.Error(got)
	}
	chinese := lang.Formats{"%d apps": "%d 个应用", "for %s": "用于 %s"}
	if got := chinese.Text(lang.Text("for %s", list)); got != "用于 2 个应用、wiki" {
		t.Error(got)
	}
}
