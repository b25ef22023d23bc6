package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// simulated returns a transport on which WeChat's two hosts are the simulator
// at tlsAddr, and no other host exists: a slip cannot reach the real WeChat.
// ca is the PEM text that the simulator wrote. Certificates are verified.
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

// phoneAgent is how WeChat's own browser on Android calls itself. The
// authorize page shows itself to no other browser.
const phoneAgent = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 " +
	"Chrome/116.0.0.0 Mobile Safari/537.36 MMWEBID/8157 MicroMessenger/8.0.50.2701(0x28003255) WeChat/arm64 Weixin NetType/WIFI Language/zh_CN ABI/arm64"

// visitor stands for the person's phone: it opens the authorize address and
// reads the code from the redirect, where a real phone would go on to the app.
type visitor struct{ transport http.RoundTripper }

// open follows the redirects from authorize until they lead to callback, and
// returns the code found there. The state has to come back unchanged.
func (v visitor) open(ctx context.Context, authorize, callback, state string) (code string, err error) {
	var landed *url.URL
	client := http.Client{
		Transport: v.transport,
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if strings.HasPrefix(next.URL.String(), callback+"?") {
				landed = next.URL
				return http.ErrUseLastResponse
			}
			if len(via) > 5 {
				return errors.New("too many redirects")
			}
			return nil
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, authorize, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("User-Agent", phoneAgent)
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if landed == nil {
		return "", errors.New("WeChat showed a page instead of going on; start weigate sim with --consent-as alice")
	}
	query := landed.Query()
	if got := query.Get("state"); got != state {
		return "", fmt.Errorf("state %q came back as %q", state, got)
	}
	return query.Get("code"), nil
}
