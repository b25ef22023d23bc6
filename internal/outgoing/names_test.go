package outgoing_test

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// names is a DNS server on this machine, which answers every question with the same addresses.
type names struct {
	resolver *net.Resolver

	mu        sync.Mutex
	addresses []netip.Addr
}

func newNames(t *testing.T) *names {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	n := &names{}
	n.resolver = &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
		},
	}
	go n.serve(conn)
	return n
}

// answer sets the addresses of all names.
func (n *names) answer(addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addresses = nil
	for _, text := range addresses {
		n.addresses = append(n.addresses, netip.MustParseAddr(text))
	}
}

func (n *names) serve(conn net.PacketConn) {
	buffer := make([]byte, 1500)
	for {
		size, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buffer[:size]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Response, m.Additionals = true, nil
		if m.Questions[0].Type == dnsmessage.TypeA {
			m.Answers = n.answers(m.Questions[0].Name)
		}
		if packed, err := m.Pack(); err == nil {
			_, _ = conn.WriteTo(packed, from)
		}
	}
}

func (n *names) answers(name dnsmessage.Name) (out []dnsmessage.Resource) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, address := range n.addresses {
		header := dnsmessage.ResourceHeader{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
		out = append(out, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: address.As4()}})
	}
	return out
}
