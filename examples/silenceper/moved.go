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

// wechatOpen is the host that the library writes into the address to which
// people are sent. It cannot be set there, so the program puts the gateway's in
// its place.
const wechatOpen = "https://open.weixin.qq.com"

// moved returns a transport that makes at gateway what the library calls at
// https://api.weixin.qq.com. That is all that an app which uses this library
// changes to be an app of a gateway; other calls, such as those with the global
// access token, have no business there and fail.
func moved(gateway string) (http.RoundTripper, error) {
	to, err := url.Parse(gateway)
	if err != nil || to.Host == "" {
		return nil, errors.New("the gateway's address must be one such as https://login.example.com")
	}
	return move{to}, nil
}

type move struct{ to *url.URL }

// RoundTrip changes the scheme and the host, and puts a path in front where the
// gateway has one.
func (m move) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" || r.URL.Host != "api.weixin.qq.com" {
		return nil, fmt.Errorf("%s is not WeChat's interface", r.URL.Host)
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host, r.Host = m.to.Scheme, m.to.Host, ""
	r.URL.Path = strings.TrimSuffix(m.to.Path, "/") + r.URL.Path
	return http.DefaultTransport.RoundTrip(r)
}

// loopback is the visitor's network when a gateway is tried out: this machine,
// so that nothing reaches the real WeChat by a slip.
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
