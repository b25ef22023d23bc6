package wechat

import (
	"regexp"
	"strings"
)

// maxMessage is the longest errmsg that is kept, in bytes.
const maxMessage = 256

// errmsgSuffix matches what WeChat appends to an errmsg, in every form seen between 2015 and 2026:
// "hints: [ req_id: … ]", "hint: […]", "rid: …", several of them in a row, and the suffix of WeCom.
// It also matches the empty end of a text without a suffix.
var errmsgSuffix = regexp.MustCompile(`(?:,?\s*hints?:\s*\[([^\]]*)\])?(?:,?\s*rid:\s*([0-9a-f-]{10,}))?` +
	`(?:,\s*(?:from ip|more info)\b.*)?\s*$`)

// splitErrmsg splits an errmsg into the message and the request id. The request id is the rid if
// there is one, else the hint.
func splitErrmsg(s string) (message, requestID string) {
	s = removeControl(s)
	at := errmsgSuffix.FindStringSubmatchIndex(s) // never nil: the end of s matches
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
