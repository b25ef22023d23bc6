package outgoing

import "net/netip"

// CheckAddress reports whether a client with this policy connects to an address.
func (p Policy) CheckAddress(address netip.Addr, plain bool) error { return p.check(address, plain) }
