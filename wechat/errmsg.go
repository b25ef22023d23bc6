package wechat

import (
	"regexp"
	"strings"
)

// maxMessage is how much of an errmsg is kept, in bytes.
const maxMessage = 256

// suffix matches what WeChat appends to an errmsg, in every form seen between 2015 and 2026: "hints: [ req_id: … ]", "hint: […]",
// "rid: …", one after the other, and WeCom's tail. It also matches the empty end of a text without a suffix.
var suffix = regexp.MustCompile(`(?:,?\s*hints?:\s*\[([^\]]*)\])?(?:,?\s*rid:\s*([0-9a-f-]{10,}))?(?:,\s*(?:from ip|more info)\b.*)?\s*$`)

// splitMessage takes the suffix off an errmsg and returns the bare message and the request id: the rid if there is one, else the
// hint.
func splitMessage(s string) (message, requestID string) {
	s = visible(s)
	at := suffix.FindStringSubmatchIndex(s) // never nil: the end of s matches
	if at[2] >= 0 {
		requestID = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(s[at[2]:at[3]]), "req_id:"))
	}
	if at[4] >= 0 {
		requestID = s[at[4]:at[5]]
	}
	return shorten(s[:at[0]]), shorten(requestID)
}

// shorten trims s and cuts it to maxMessage bytes, never inside a character.
func shorten(s string) string {
	if s = strings.TrimSpace(s); len(s) > maxMessage {
		s = strings.TrimSpace(strings.ToValidUTF8(s[:maxMessage], ""))
	}
	return s
}
