package scan

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"

	"github.com/weigate/weigate/internal/web"
)

// token is a part of a user agent and the name of the browser or system that it identifies.
type token struct{ text, name string }

// browsers returns the browsers in the order of recognition: the user agent of most of them
// contains the names of others too.
func browsers() []token {
	return []token{
		{"wxwork", "WeCom"}, {"micromessenger", "WeChat"}, {"edg/", "Edge"}, {"edga/", "Edge"}, {"edgios/", "Edge"},
		{"opr/", "Opera"},
		{"samsungbrowser/", "Samsung Internet"}, {"huaweibrowser/", "HUAWEI Browser"}, {"miuibrowser/", "Mi Browser"},
		{"ucbrowser/", "UC Browser"},
		{"mqqbrowser/", "QQ Browser"}, {"qqbrowser/", "QQ Browser"}, {"quark/", "Quark"}, {"baidu", "Baidu"},
		{"yabrowser/", "Yandex"}, {"vivaldi/", "Vivaldi"},
		{"firefox/", "Firefox"}, {"fxios/", "Firefox"}, {"crios/", "Chrome"}, {"headlesschrome/", "Chrome"},
		{"chrome/", "Chrome"}, {"safari/", "Safari"},
	}
}

func systems() []token {
	return []token{
		{"openharmony", "HarmonyOS"}, {"harmonyos", "HarmonyOS"}, {"ipad", "iPad"}, {"iphone", "iPhone"},
		{"android", "Android"}, {"cros", "ChromeOS"},
		{"windows", "Windows"}, {"mac os x", "macOS"}, {"macintosh", "macOS"}, {"linux", "Linux"},
	}
}

// readBrowser shortens a user agent to a name such as "Chrome, Windows". It returns only names of
// this file, and "" for a user agent that is not recognized. Users see the name; nothing is decided
// by it, since a client can send any user agent.
func readBrowser(userAgent string) string {
	ua := strings.ToLower(userAgent[:min(len(userAgent), 1024)])
	find := func(tokens []token) string {
		for _, s := range tokens {
			if strings.Contains(ua, s.text) {
				return s.name
			}
		}
		return ""
	}
	browser, system := find(browsers()), find(systems())
	if browser == "" || system == "" {
		return browser + system
	}
	return browser + ", " + system
}

// onPhone reports whether a browser is on a phone, which cannot scan its own screen.
func onPhone(userAgent string) bool {
	ua := strings.ToLower(userAgent)
	for _, piece := range []string{"mobile", "android", "iphone", "ipad", "openharmony"} {
		if strings.Contains(ua, piece) {
			return true
		}
	}
	return false
}

// The phone shows only reliable facts: the desktop's address without its end, and whether both
// devices are on the same network, which is mostly true when they are side by side. No GeoIP
// database is used.

// masked returns an address for display, without the end that identifies a household; "" when the
// address is not known.
func masked(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	switch {
	case !a.IsValid() || a.IsLoopback() || a.IsUnspecified():
		return ""
	case a.Is4():
		b := a.As4()
		return fmt.Sprintf("%d.%d.%d.*", b[0], b[1], b[2])
	}
	p, err := a.Prefix(48)
	if err != nil {
		return ""
	}
	b := p.Addr().As16()
	return fmt.Sprintf("%x:%x:%x:*", uint16(b[0])<<8|uint16(b[1]), uint16(b[2])<<8|uint16(b[3]),
		uint16(b[4])<<8|uint16(b[5]))
}

// networks computes a keyed hash of a network, so that the ticket does not contain an address. The
// first key hashes; all keys are tried to compare.
type networks [][]byte

func newNetworks(keys [][]byte) (out networks, err error) {
	for _, key := range keys {
		derived, err := hkdf.Key(sha256.New, key, nil, "weigate/scan network", 32)
		if err != nil {
			return nil, fmt.Errorf("scan: derive a key: %w", err)
		}
		out = append(out, derived)
	}
	return out, nil
}

// network returns the prefix that the devices of one household share: the address in IPv4, a /64 in
// IPv6. ok is false for private addresses: behind a proxy that is not configured as trusted, all
// clients have the address of the proxy.
func network(a netip.Addr) (text string, ok bool) {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || !a.IsGlobalUnicast() || a.IsPrivate() {
		return "", false
	}
	if a.Is4() {
		return a.String(), true
	}
	p, err := a.Prefix(64)
	return p.String(), err == nil
}

// tag returns the IP version and the hash of the network of an address; "" when it is not known.
// Networks of different IP versions cannot be compared.
func (n networks) tag(a netip.Addr) string {
	text, ok := network(a)
	if !ok {
		return ""
	}
	return ipVersion(a) + n.hash(0, text)
}

func ipVersion(a netip.Addr) string {
	if a.Unmap().Is4() {
		return "4"
	}
	return "6"
}

func (n networks) hash(key int, text string) string {
	m := hmac.New(sha256.New, n[key])
	m.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:12])
}

// compare reports whether an address is in the network of a tag.
func (n networks) compare(tag string, a netip.Addr) web.Network {
	text, ok := network(a)
	if !ok || tag == "" || tag[:1] != ipVersion(a) {
		return web.NetworkUnknown
	}
	for key := range n {
		if hmac.Equal([]byte(tag[1:]), []byte(n.hash(key, text))) {
			return web.NetworkSame
		}
	}
	return web.NetworkOther
}
