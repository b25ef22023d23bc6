package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// simulated returns a transport that connects to the simulator at tlsAddr for
// WeChat's two hosts, and to no other host. ca is the PEM text that the simulator
// has written. Certificates are verified.
func simulated(tlsAddr string, ca []byte) (*http.Transport, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("no certificate in the simulator's certificate authority file")
	}
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			switch addr {
			case "api.weixin.qq.com:443", "open.weixin.qq.com:443":
				return new(net.Dialer).DialContext(ctx, network, tlsAddr)
			}
			return nil, fmt.Errorf("%s is not one of WeChat's hosts", addr)
		},
	}, nil
}
