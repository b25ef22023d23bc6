package wechattest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxPage is how much of an answer a phone reads; the rest is cut off.
const maxPage = 4 << 20

// wechatHosts are the names that WeChat's login uses. A phone finds the simulator behind each of them.
func wechatHosts() []string {
	return []string{"open.weixin.qq.com", "api.weixin.qq.com", "api2.weixin.qq.com", "sh.api.weixin.qq.com",
		"sz.api.weixin.qq.com", "hk.api.weixin.qq.com", "long.open.weixin.qq.com", "lp.open.weixin.qq.com",
		"res.wx.qq.com", "thirdwx.qlogo.cn", "wx.qlogo.cn"}
}

// A fetcher sends a phone's requests: to the simulator in the same process, to everybody else over the network.
type fetcher struct {
	simulator http.Handler
	book      *phoneBook // knows the addresses of the simulator
	transport *http.Transport
}

// A fetched is a response that was read to its end.
type fetched struct {
	status int
	header http.Header
	body   string
	own    bool // the simulator gave it
}

// fetch sends one request and reads the answer. It follows no redirect. identify is called for a request that goes to
// the simulator, and for no other.
func (f *fetcher) fetch(req *http.Request, identify func(*http.Request)) (*fetched, error) {
	if f.book.isOwn(req.URL) {
		identify(req)
		return f.inProcess(req)
	}
	done := f.book.expect(req.URL)
	resp, err := f.transport.RoundTrip(req)
	done()
	if err != nil {
		return nil, reachError(req.URL, err)
	}
	if f.book.isOwn(req.URL) { // it came in at the simulator, which did not answer but learned its address
		_ = resp.Body.Close()
		if req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, fmt.Errorf("wechattest: send the form again: %w", err)
			}
		}
		identify(req)
		return f.inProcess(req)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
	if err != nil {
		return nil, fmt.Errorf("wechattest: the answer of %s broke off: %w", req.URL.Host, err)
	}
	return &fetched{status: resp.StatusCode, header: resp.Header, body: string(body)}, nil
}

// inProcess hands a request to the simulator's own handler, as its network listener would.
func (f *fetcher) inProcess(req *http.Request) (a *fetched, err error) {
	in := req.Clone(inProcess(req.Context()))
	in.RequestURI = req.URL.RequestURI()
	in.Host = req.URL.Host
	in.RemoteAddr = "127.0.0.1:1"
	in.URL = &url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := &recorder{header: http.Header{}}
	defer func() {
		// A fault that cuts the connection is a panic with this value; net/http would have closed the connection.
		if v := recover(); v == http.ErrAbortHandler {
			a, err = nil, fmt.Errorf("wechattest: the simulator cut the connection: %w", io.ErrUnexpectedEOF)
		} else if v != nil {
			panic(v)
		}
	}()
	f.simulator.ServeHTTP(w, in)
	if err := req.Context().Err(); err != nil {
		return nil, fmt.Errorf("wechattest: waiting for the simulator: %w", context.Cause(req.Context()))
	}
	w.WriteHeader(http.StatusOK)
	if w.sent.Get("Content-Type") == "" && w.body.Len() > 0 {
		w.sent.Set("Content-Type", http.DetectContentType(w.body.Bytes()))
	}
	return &fetched{status: w.status, header: w.sent, body: w.body.String(), own: true}, nil
}

// recorder is the least of a http.ResponseWriter.
type recorder struct {
	header, sent http.Header
	status       int
	body         bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// Flush is there for handlers that ask for it.
func (w *recorder) Flush() { w.WriteHeader(http.StatusOK) }

// ErrHost is wrapped by the error of a phone that was sent to a host it does not visit: one that is neither this
// machine nor a private address nor on the list of hosts that the simulator's phones may visit. A simulator that fetched any
// address for whoever asks would be a proxy.
var ErrHost = errors.New("wechattest: phones of the simulator visit this machine and private addresses only")

// dialer opens connections for phones. Names are looked up once and the address that was checked is the one dialled,
// so a name that changes its mind cannot lead a phone out.
type dialer struct {
	extra func() []string // hosts that may be visited wherever they are; "*" is every host
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n := net.Dialer{Timeout: 10 * time.Second}
	host = strings.TrimSuffix(lowerASCII(host), ".")
	if slices.Contains(d.extra(), host) || slices.Contains(d.extra(), "*") {
		return n.DialContext(ctx, network, address)
	}
	ips, err := addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, ip := range ips {
		if !private(ip) {
			return nil, fmt.Errorf("%w; %s is %s", ErrHost, host, ip)
		}
	}
	for _, ip := range ips {
		var c net.Conn
		if c, err = n.DialContext(ctx, network, net.JoinHostPort(ip.String(), port)); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// addresses are where a host is. Names of loopback never leave the machine, not even to be looked up.
func addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	if isLoopback(host) {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// private reports whether an address is this machine or a private network. Link-local addresses are not: what answers
// there is often a cloud provider's metadata.
func private(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsLoopback() || ip.IsPrivate()
}

// reachError is what a person can do something with: no address with its query, which may hold a code.
func reachError(u *url.URL, err error) error {
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.Is(err, ErrHost), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("wechattest: the phone cannot open %s: %w", origin(u), err)
	case errors.As(err, &dns):
		return fmt.Errorf("wechattest: the phone cannot find %s: %w", u.Hostname(), err)
	case errors.As(err, &op) && op.Op == "dial":
		return fmt.Errorf("wechattest: nothing answers at %s; is the app running? %w", origin(u), err)
	}
	return fmt.Errorf("wechattest: the phone cannot open %s: %w", origin(u), err)
}
