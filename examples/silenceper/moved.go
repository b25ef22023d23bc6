package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// wechatOpen is the host of the authorize URL that the library builds. It cannot
// be configured, so the program replaces it with the gateway's.
const wechatOpen = "https://open.weixin.qq.com"

// moved returns a transport that sends the library's calls of
// https://api.weixin.qq.com to the gateway. Calls to other hosts fail.
func moved(gateway string) (http.RoundTripper, error) {
	to, err := url.Parse(gateway)
	if err != nil || to.Host == "" {
		return nil, errors.New("the gateway's address must be like https://login.example.com")
	}
	return move{to}, nil
}

type move struct{ to *url.URL }

// RoundTrip replaces scheme and host, and prepends the path of the gateway's
// address.
func (m move) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" || r.URL.Host != "api.weixin.qq.com" {
		return nil, fmt.Errorf("%s is not WeChat's API", r.URL.Host)
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host, r.Host = m.to.Scheme, m.to.Host, ""
	r.URL.Path = strings.TrimSuffix(m.to.Path, "/") + r.URL.Path
	return http.DefaultTransport.RoundTrip(r)
}

// loopback returns a transport that reaches this machine only, so that a mistake
// in an address does not send anything to WeChat.
func loopback() *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		if host == "localhost" {
			host = "127.0.0.1"
		}
		if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
			return nil, fmt.Errorf("%s is not on this machine", addr)
		}
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(host, port))
	}}
}
