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

// There is no table of places here. A phone is told what is known for sure: the desktop's address without its end, and whether the two come from the
// same network, which they mostly do when they lie side by side.

// masked is an address for people to read: its end tells nobody who lives where. "" = not known.
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
	return fmt.Sprintf("%x:%x:%x:*", uint16(b[0])<<8|uint16(b[1]), uint16(b[2])<<8|uint16(b[3]), uint16(b[4])<<8|uint16(b[5]))
}

// networks marks networks with a keyed hash, so that the ticket does not hold anybody's address.
type networks [][]byte // the first marks, all recognise

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

// network is what two devices of one household share: the address in IPv4, a /64 in IPv6. Private addresses tell nothing: behind a proxy that nobody
// named as trusted all visitors have the proxy's.
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

// mark names the network of an address; "" = not known. The family stands before it, since two families cannot be compared.
func (n networks) mark(a netip.Addr) string {
	text, ok := network(a)
	if !ok {
		return ""
	}
	return family(a) + n.hash(0, text)
}

func family(a netip.Addr) string {
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

// compare says whether an address is in the network that was marked.
func (n networks) compare(mark string, a netip.Addr) web.Network {
	text, ok := network(a)
	if !ok || mark == "" || mark[:1] != family(a) {
		return web.NetworkUnknown
	}
	for key := range n {
		if hmac.Equal([]byte(mark[1:]), []byte(n.hash(key, text))) {
			return web.NetworkSame
		}
	}
	return web.NetworkOther
}
