package scan

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/web"
)

// This file contains what the phone shows about the desktop, so that its user notices a QR code that
// an attacker sent: browser, system, masked IP address, and whether both devices are on one network.
// No location is shown, since GeoIP databases are not reliable.

// token is a part of a user agent and the name of the browser or system that it identifies.
type token struct{ text, name string }

// browsers returns the browsers, the most specific first: most user agents also contain the names
// of other browsers.
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

// systems returns the operating systems, also the most specific first.
func systems() []token {
	return []token{
		{"openharmony", "HarmonyOS"}, {"harmonyos", "HarmonyOS"}, {"ipad", "iPad"}, {"iphone", "iPhone"},
		{"android", "Android"}, {"cros", "ChromeOS"},
		{"windows", "Windows"}, {"mac os x", "macOS"}, {"macintosh", "macOS"}, {"linux", "Linux"},
	}
}

// readBrowser shortens a user agent to a name such as "Chrome, Windows". It returns only names of
// this file, so that a page never shows text of an attacker; for an unknown user agent it returns
// "". The name is for display only, since a client can send any user agent.
func readBrowser(userAgent string) string {
	ua := strings.ToLower(userAgent[:min(len(userAgent), 1024)])
	find := func(tokens []token) string {
		for _, t := range tokens {
			if strings.Contains(ua, t.text) {
				return t.name
			}
		}
		return ""
	}
	browser, system := find(browsers()), find(systems())
	if browser == "" || system == "" {
		return browser + system // at most one of them is known
	}
	return browser + ", " + system
}

// onPhone reports whether a browser is on a phone, which cannot scan its own screen.
func onPhone(userAgent string) bool {
	ua := strings.ToLower(userAgent)
	for _, word := range []string{"mobile", "android", "iphone", "ipad", "openharmony"} {
		if strings.Contains(ua, word) {
			return true
		}
	}
	return false
}

// maskAddress returns an IP address for display, without the last part, which identifies a
// household: "192.0.2.*", or the first 48 bits of an IPv6 address. It returns "" if the address is
// not known or is not that of another machine.
func maskAddress(a netip.Addr) string {
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
	return fmt.Sprintf("%x:%x:%x:*", binary.BigEndian.Uint16(b[0:]), binary.BigEndian.Uint16(b[2:]),
		binary.BigEndian.Uint16(b[4:]))
}

// networks has the keys for keyed hashes (HMAC) of network addresses. The store has only the hash of
// the desktop's network, not the address. A new hash is made with the first key. Hashes are compared
// with all keys, because keys are rotated.
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

// network returns the part of an IP address that the devices of one household share: the whole
// address in IPv4, the /64 prefix in IPv6. ok is false for private addresses, because behind a
// proxy that is not configured as trusted all clients have the private address of the proxy.
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

// tag returns the IP version ("4" or "6") and the hash of the network of an address, or "" if the
// network is not known. The version is included because networks of different IP versions cannot be
// compared.
func (n networks) tag(a netip.Addr) string {
	text, ok := network(a)
	if !ok {
		return ""
	}
	return ipVersion(a) + n.hash(0, text)
}

// share returns the hash of the network for which tickets are counted (gateway.TicketLimits): an
// IPv4 address or an IPv6 /48. Addresses that are not known, and loopback addresses, which belong to
// a proxy that is missing in trusted_proxies, count as one network.
func (n networks) share(a netip.Addr) string {
	if !a.IsValid() || a.IsLoopback() {
		return ""
	}
	return n.hash(0, "share "+limit.Network(a))
}

func ipVersion(a netip.Addr) string {
	if a.Unmap().Is4() {
		return "4"
	}
	return "6"
}

// hash returns the hash of text with the key at an index of n.
func (n networks) hash(index int, text string) string {
	mac := hmac.New(sha256.New, n[index])
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:12])
}

// compare reports whether an address is in the network for which tag was computed.
func (n networks) compare(tag string, a netip.Addr) web.Network {
	text, ok := network(a)
	if !ok || tag == "" || tag[:1] != ipVersion(a) {
		return web.NetworkUnknown
	}
	for index := range n {
		if hmac.Equal([]byte(tag[1:]), []byte(n.hash(index, text))) {
			return web.NetworkSame
		}
	}
	return web.NetworkOther
}
