package wechattest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

// A client with fixed host names connects to the simulator by TLS under WeChat's names.
func TestAuthorityServesWeChatsNames(t *testing.T) {
	t.Parallel()
	authority, err := wechattest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	sim, err := wechattest.New(wechattest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(sim)
	server.TLS = authority.TLSConfig()
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority.PEM()) {
		t.Fatal("the PEM holds no certificate")
	}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
		},
	}}
	for host, good := range map[string]bool{"open.weixin.qq.com": true, "api.weixin.qq.com": true, "localhost": true,
		"127.0.0.1":        true,
		"mp.weixin.qq.com": false, "example.com": false} {
		res, err := client.Get("https://" + host + "/sns/auth")
		if good != (err == nil) {
			t.Errorf("%s: %v", host, err)
		}
		if err == nil {
			_ = res.Body.Close()
		}
	}
}

// Some user will add the certificate to the trust store of a system, against the advice. It must be
// of little use to an attacker there.
func TestAuthorityIsUselessToAnAttacker(t *testing.T) {
	t.Parallel()
	authority, err := wechattest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(authority.PEM())
	if block == nil || block.Type != "CERTIFICATE" || len(rest) != 0 {
		t.Fatalf("the PEM is %v and %d bytes more, want one certificate", block, len(rest))
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if life := time.Until(cert.NotAfter); life > 8*24*time.Hour || life < 24*time.Hour {
		t.Errorf("it is good for %v", life)
	}
	if !strings.Contains(cert.Subject.CommonName, "temporary") || !cert.IsCA || !cert.MaxPathLenZero ||
		!cert.PermittedDNSDomainsCritical || len(cert.PermittedDNSDomains) == 0 {
		t.Errorf("%v: CA %t, names %v", cert.Subject, cert.IsCA, cert.PermittedDNSDomains)
	}
	other, err := wechattest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	if string(other.PEM()) == string(authority.PEM()) {
		t.Error("two authorities are one")
	}
}
