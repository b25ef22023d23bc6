package flow

import (
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/origin"
)

// SafeAvatar returns an address that a page may show, or "". WeChat's avatars come from hosts below
// qlogo.cn; older users still have http addresses, which the same hosts serve by https. allowed has
// further origins.
func SafeAvatar(address string, allowed map[string]bool) string {
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.Opaque != "" || len(address) > 1000 || strings.ContainsAny(address, "\"'<>\\` ") {
		return ""
	}
	host, err := origin.Canonical(u.Scheme + "://" + u.Host)
	if err != nil {
		return ""
	}
	if allowed[host] {
		return u.String()
	}
	if !strings.HasSuffix(strings.ToLower(u.Host), ".qlogo.cn") {
		return ""
	}
	u.Scheme = "https"
	return u.String()
}
