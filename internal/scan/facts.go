package scan

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"

	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/web"
)

// This file contains what the phone shows about the desktop (the browser with the QR code):
// browser, system, masked IP address, and whether both devices are on one network. By these facts
// the user can notice a QR code that an attacker sent. No location is shown, since GeoIP databases
// are unreliable.

// networkKeys has the keys for keyed hashes (HMAC) of networks. The store has a hash of the
// desktop's network, not the full address. The first key makes new hashes. compare tries every key:
// an older key may have made the stored hash.
type networkKeys [][]byte

func newNetworkKeys(keys [][]byte) (out networkKeys, err error) {
	for _, key := range keys {
		derived, err := hkdf.Key(sha256.New, key, nil, "weigate/scan network", 32)
		if err != nil {
			return nil, fmt.Errorf("scan: derive a key: %w", err)
		}
		out = append(out, derived)
	}
	return out, nil
}

// network returns the part of an IP address that the devices of one household share: the whole IPv4
// address, or the /64 prefix of an IPv6 address. ok is false for a private address. A private
// address may belong to a proxy or load balancer that is missing in trusted_proxies. All clients
// would then seem to share a network.
func network(a netip.Addr) (text string, ok bool) {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || !a.IsGlobalUnicast() || !route.IsPublic(a) {
		return "", false
	}
	if a.Is4() {
		return a.String(), true
	}
	p, err := a.Prefix(64)
	return p.String(), err == nil
}

// tag returns the text that the store keeps about the network of an address: the IP version ("4" or
// "6") and the hash of the network. It returns "" if the network is not known. compare needs the
// version: it cannot compare an IPv4 network with an IPv6 network.
func (n networkKeys) tag(a netip.Addr) string {
	text, ok := network(a)
	if !ok {
		return ""
	}
	return ipVersion(a) + n.hash(0, text)
}

// limitHash returns a hash of the network of an address, to limit the tickets of one network
// (gateway.TicketLimits). A ticket is the row in the store for one QR code. The network here is an
// IPv4 address or an IPv6 /48. The hash is "" for an unknown address, and for a loopback address of
// a proxy that is missing in trusted_proxies. All clients with the hash "" count as one network.
func (n networkKeys) limitHash(a netip.Addr) string {
	if !a.IsValid() || a.IsLoopback() {
		return ""
	}
	return n.hash(0, "share "+limit.Network(a)) // the prefix makes it differ from hashes for other purposes
}

func ipVersion(a netip.Addr) string {
	if a.Unmap().Is4() {
		return "4"
	}
	return "6"
}

// hash returns the hash of text under the key n[index].
func (n networkKeys) hash(index int, text string) string {
	mac := hmac.New(sha256.New, n[index])
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:12])
}

// compare reports whether an address is in the network for which tag was computed. It returns
// web.NetworkUnknown if the IP versions differ.
func (n networkKeys) compare(tag string, a netip.Addr) web.Network {
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
