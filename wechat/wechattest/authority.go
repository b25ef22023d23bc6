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

// authorityLife is how long a throw-away authority is good for: a working week of one run, no longer.
const authorityLife = 7 * 24 * time.Hour

// An Authority is a throw-away certificate authority, for clients that cannot be told another host than WeChat's:
// such a client is given the authority's certificate ([Authority.PEM]) and has the two names pointed at the simulator,
// and then speaks TLS with it under WeChat's own names. Make one with [NewAuthority].
//
// Its key exists in memory only, and is dropped once it has signed its one certificate. The authority may sign for
// the names that it serves and no other. Never add it to the trust store of a system; give it to the one client.
// It is safe for concurrent use.
type Authority struct {
	cert *x509.Certificate
	leaf tls.Certificate
}

// NewAuthority makes an authority and its server certificate for open.weixin.qq.com, api.weixin.qq.com, the other
// hosts that WeChat's login uses, localhost, 127.0.0.1 and ::1, good for seven days from now by the machine's clock
// (clients check by theirs, not by the simulator's). It fails only when the system has no randomness.
func NewAuthority() (*Authority, error) {
	now := time.Now()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("wechattest: make the authority's key: %w", err)
	}
	names := append([]string{"localhost"}, wechatHosts()...)
	ca := &x509.Certificate{
		SerialNumber:                serial(),
		Subject:                     pkix.Name{CommonName: "weigate simulator, throw-away", Organization: []string{"not WeChat, not Tencent"}},
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
		return nil, fmt.Errorf("wechattest: make the authority's certificate: %w", err)
	}
	parent, err := x509.ParseCertificate(caDER)
	if err != nil {
		return nil, fmt.Errorf("wechattest: read the authority's certificate: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("wechattest: make the server's key: %w", err)
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
		return nil, fmt.Errorf("wechattest: make the server's certificate: %w", err)
	}
	return &Authority{
		cert: parent,
		leaf: tls.Certificate{Certificate: [][]byte{der, caDER}, PrivateKey: key},
	}, nil
}

// serial is a random serial number; 63 bits of it, so that it stays positive.
func serial() *big.Int {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}

// PEM is the authority's certificate, for the trust list of the client under test. It holds no key.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Pool is a certificate pool with this authority alone, for a client in the same program.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// TLSConfig is a server's configuration that shows the authority's certificate. Each call returns a new one.
func (a *Authority) TLSConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.leaf}, MinVersion: tls.VersionTLS12}
}
