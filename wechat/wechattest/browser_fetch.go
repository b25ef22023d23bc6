package wechattest

import (
	"bytes"
	"context"
	"crypto/tls"
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
		return nil, troubled(troubleBroken, origin(req.URL), "the answer of %s broke off: %w", origin(req.URL), err)
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
			a, err = nil, troubled(troubleBroken, origin(req.URL), "the simulator cut the connection: %w", io.ErrUnexpectedEOF)
		} else if v != nil {
			panic(v)
		}
	}()
	f.simulator.ServeHTTP(w, in)
	if err := req.Context().Err(); err != nil {
		return nil, troubled(troubleTime, origin(req.URL), "waiting for the simulator: %w", err)
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
	extra []string // hosts that may be visited wherever they are; "*" is every host
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n := net.Dialer{Timeout: 10 * time.Second}
	host = strings.TrimSuffix(lowerASCII(host), ".")
	if slices.Contains(d.extra, host) || slices.Contains(d.extra, "*") {
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
	ip = ip.Unmap().WithZone("")
	return ip.IsLoopback() || ip.IsPrivate() && !slices.Contains(metadata(), ip)
}

// metadata are addresses of cloud providers' metadata that are neither link-local nor public: of Amazon and of Google.
func metadata() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd20:ce::254")}
}

// A trouble is why a journey did not end at a page: a key into the catalogue of the control page, the host or address it is
// about, and the error for programs.
type trouble struct {
	kind troubleKind
	at   string // never with a query, which may hold a code
	err  error
}

type troubleKind string

const (
	troubleHost      troubleKind = "trouble-host"      // a host that phones do not visit
	troubleName      troubleKind = "trouble-name"      // no such host
	troubleSilent    troubleKind = "trouble-silent"    // nothing listens there
	troubleTime      troubleKind = "trouble-time"      // no answer in time
	troubleTLS       troubleKind = "trouble-tls"       // the certificate is not trusted
	troubleBroken    troubleKind = "trouble-broken"    // the answer broke off
	troubleRedirects troubleKind = "trouble-redirects" // in circles
	troubleScheme    troubleKind = "trouble-scheme"    // a redirect to weixin:, javascript: and the like
	troubleAddress   troubleKind = "trouble-address"   // not an address of the web
	troubleMissing   troubleKind = "trouble-missing"   // the page has no such link or button
)

func (t *trouble) Error() string { return t.err.Error() }
func (t *trouble) Unwrap() error { return t.err }

func troubled(kind troubleKind, at, format string, v ...any) *trouble {
	return &trouble{kind: kind, at: at, err: fmt.Errorf("wechattest: "+format, v...)}
}

// reachError says why an address could not be reached. It names no query: that may hold a code.
func reachError(u *url.URL, err error) error {
	var op *net.OpError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	at := origin(u)
	switch {
	case errors.Is(err, ErrHost):
		return troubled(troubleHost, at, "the phone may not open %s: %w", at, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return troubled(troubleTime, at, "the phone waited too long for %s: %w", at, err)
	case errors.As(err, &dns):
		return troubled(troubleName, at, "the phone cannot find the host of %s: %w", at, err)
	case errors.As(err, &cert):
		return troubled(troubleTLS, at, "the phone does not trust the certificate of %s: %w", at, err)
	case errors.As(err, &op) && op.Op == "dial":
		return troubled(troubleSilent, at, "nothing answers at %s; is the app running? %w", at, err)
	}
	return troubled(troubleBroken, at, "the phone got no proper answer from %s: %w", at, err)
}
