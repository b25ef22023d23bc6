package wechattest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// authorityLife is the lifetime of an authority. It is longer than a test run. It is short, because
// the certificate may be forgotten in a trust store.
const authorityLife = 7 * 24 * time.Hour

// Authority is a temporary certificate authority. Use it when the client under test always calls
// https://api.weixin.qq.com and its host names cannot be configured:
//
//   - Serve the simulator over TLS with [Authority.TLSConfig].
//   - Let the client trust the authority's certificate ([Authority.PEM]).
//   - Let the client resolve WeChat's names to the simulator.
//
// Make an authority with [NewAuthority].
//
// A leaked authority can harm little. Its key is discarded after it has signed one server
// certificate. A name constraint limits the authority to the names of this certificate. Still, add
// the authority to the trust store of the client only, not of a system. An Authority is safe for
// concurrent use.
type Authority struct {
	cert *x509.Certificate // of the authority
	leaf tls.Certificate   // of the server, signed by it
}

// NewAuthority makes an authority and a server certificate for open.weixin.qq.com,
// api.weixin.qq.com, the other hosts of WeChat's login, localhost, 127.0.0.1 and ::1. Both are
// valid for seven days by the machine's clock. The clock of a [Server] does not matter, because
// clients use the machine's clock.
func NewAuthority() (*Authority, error) {
	now := time.Now()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("wechattest: make authority key: %w", err)
	}
	subject := pkix.Name{CommonName: "weigate simulator, temporary", Organization: []string{"not WeChat, not Tencent"}}
	names := append([]string{"localhost"}, wechatHosts()...)
	ca := &x509.Certificate{
		SerialNumber:                serial(),
		Subject:                     subject,
		NotBefore:                   now.Add(-time.Hour),
		NotAfter:                    now.Add(authorityLife),
		IsCA:                        true,
		BasicConstraintsValid:       true,
		MaxPathLenZero:              true,
		KeyUsage:                    x509.KeyUsageCertSign,
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         names,
		PermittedIPRanges: []*net.IPNet{
			{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
			{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
		},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, fmt.Errorf("wechattest: make authority certificate: %w", err)
	}
	parent, err := x509.ParseCertificate(caDER)
	if err != nil {
		return nil, fmt.Errorf("wechattest: parse authority certificate: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("wechattest: make server key: %w", err)
	}
	leaf := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: "weigate simulator"},
		NotBefore:    ca.NotBefore,
		NotAfter:     ca.NotAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     names,
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, parent, &key.PublicKey, caKey)
	if err != nil {
		return nil, fmt.Errorf("wechattest: make server certificate: %w", err)
	}
	return &Authority{
		cert: parent,
		leaf: tls.Certificate{Certificate: [][]byte{der, caDER}, PrivateKey: key},
	}, nil
}

// serial returns a random serial number of at most 63 bits.
func serial() *big.Int {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}

// PEM returns the authority's certificate, for the client under test. It contains no key.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Pool returns a certificate pool with this authority only, for a client in the same program.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// TLSConfig returns a TLS configuration with the server certificate. Each call returns a new
// configuration.
func (a *Authority) TLSConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.leaf}, MinVersion: tls.VersionTLS12}
}
