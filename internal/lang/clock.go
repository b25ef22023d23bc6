package lang

import (
	"fmt"
	"strings"
	"time"
)

// Clock returns the time of day of t with the name of its zone: "08:35 (UTC)", "16:35 (UTC+8)", or
// in Chinese 16:35（北京时间）.
func Clock(t time.Time, language string) string {
	if language != Chinese {
		return fmt.Sprintf("%s (%s)", t.Format("15:04"), Zone(t))
	}
	zone := Zone(t)
	if name := t.Location().String(); name == "Asia/Shanghai" || name == "PRC" { // PRC is its older name
		zone = "北京时间"
	}
	return fmt.Sprintf("%s（%s）", t.Format("15:04"), zone)
}

// Zone returns the offset of a time from UTC, such as UTC+8 or UTC-3:30.
func Zone(t time.Time) string {
	_, seconds := t.Zone()
	if seconds == 0 {
		return "UTC"
	}
	offset := t.Format("-07:00")
	offset = strings.TrimSuffix(offset, ":00")
	return "UTC" + offset[:1] + strings.TrimPrefix(offset[1:], "0")
}
