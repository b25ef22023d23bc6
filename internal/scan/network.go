package scan

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"

	"github.com/weigate/weigate/internal/web"
)

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
