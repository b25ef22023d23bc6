package wechattest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/internal/simulator/link"
)

// phones is the set of phones of a server. A phone's request to the simulator is a direct call of
// its handler (in process), without the network.
type phones struct {
	fetcher *fetcher

	mu               sync.Mutex            // guards the fields below
	byID             map[string]*Phone     // by person
	simulatorOrigins map[string]bool       // addresses of the simulator, such as http://127.0.0.1:8090
	pending          map[string]int        // number of phones' requests now on the network, by origin, path and query
	hooks            []func(person string) // see OnPhoneChange
}

func (ps *phones) init(s *Server) {
	ps.byID, ps.simulatorOrigins, ps.pending = map[string]*Phone{}, map[string]bool{}, map[string]int{}
	if u, ok := link.Resolve(nil, s.cfg.OpenURL); ok {
		ps.simulatorOrigins[origin.Of(u)] = true
	}
	d := &dialer{allowed: slices.Clone(s.cfg.PhoneHosts)}
	ps.fetcher = &fetcher{
		simulator: s,
		phones:    ps,
		// Keep-alive is off, because it would leave goroutines behind after a test. The field Proxy
		// is not set: a proxy would resolve host names, and the dialer could not check the
		// addresses.
		transport: &http.Transport{DialContext: d.dial, DisableKeepAlives: true, MaxResponseHeaderBytes: 1 << 20},
	}
}

// Phone returns the phone of a person. Each call returns one and the same Phone. For an unknown id
// it returns a phone that cannot open addresses: each method that opens an address returns an error
// with the known ids.
func (s *Server) Phone(person string) *Phone {
	known := s.hasPerson(person)
	ps := &s.phones
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.byID[person]; p != nil {
		return p
	}
	p := &Phone{at: -1, device: &device{person: person, server: s}}
	if known {
		ps.byID[person] = p
	}
	return p
}

// OnPhoneChange registers a function that is called with the person's id after the page or the
// error of a phone has changed.
func (s *Server) OnPhoneChange(hook func(person string)) {
	ps := &s.phones
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.hooks = append(slices.Clip(ps.hooks), hook) // a new array: the method changed reads the old one
}

// changed calls the hooks of OnPhoneChange, without the lock: a hook may call the server.
func (ps *phones) changed(person string) {
	ps.mu.Lock()
	hooks := ps.hooks
	ps.mu.Unlock()
	for _, hook := range hooks {
		hook(person)
	}
}

// hasPerson reports whether the server has a person with this id.
func (s *Server) hasPerson(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.person(id) != nil
}

func (p *Phone) fetcher() *fetcher { return p.device.server.phones.fetcher }

// addClientParams appends the parameters that identify the person to a request to the simulator, as
// WeChat's client does. If the phone has another browser than WeChat, it appends nothing.
func (p *Phone) addClientParams(r *http.Request) {
	if !p.device.currentBrowser().isWeChat() {
		return
	}
	var b strings.Builder
	b.WriteString(r.URL.RawQuery)
	for _, param := range p.device.server.clientParams(p.device.person) {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(param.Name + "=" + url.QueryEscape(param.Value))
	}
	r.URL.RawQuery = b.String()
}

// isSimulator reports whether the simulator serves an address. The simulator serves WeChat's host
// names, Config.OpenURL, and the origins that learnOrigin has added.
//
// The simulator does not know its own address: in a test it is behind an httptest.Server. It learns
// the address from a phone's first request to it:
//
//   - addPending records the URL, and the request goes over the network.
//   - The server receives a request for a recorded URL, so its origin is the simulator's.
//     learnOrigin adds the origin, and ServeHTTP answers 421.
//   - The phone repeats the request in process.
//
// A special header on the requests of phones would be simpler, but apps under test would see the
// header.
func (ps *phones) isSimulator(u *url.URL) bool {
	if slices.Contains(wechatHosts(), lowerASCII(u.Hostname())) {
		return true
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.simulatorOrigins[origin.Of(u)]
}

// addPending records that a phone sends a request over the network. The caller calls done when it
// has the response.
func (ps *phones) addPending(u *url.URL) (done func()) {
	key := origin.Of(u) + u.RequestURI()
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.pending[key]++
	return func() {
		ps.mu.Lock()
		defer ps.mu.Unlock()
		if ps.pending[key]--; ps.pending[key] <= 0 {
			delete(ps.pending, key)
		}
	}
}

// learnOrigin reports whether a phone has just sent this request over the network, and stores the
// origin of the request if so. The origin is an address of the simulator, see isSimulator.
func (ps *phones) learnOrigin(r *http.Request) bool {
	if r.Context().Value(inProcessKey{}) != nil {
		return false
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	requested := origin.Of(&url.URL{Scheme: scheme, Host: r.Host})
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.pending[requested+r.URL.RequestURI()] == 0 {
		return false
	}
	ps.simulatorOrigins[requested] = true
	return true
}

// inProcessKey is the context key of requests that a phone makes in process.
type inProcessKey struct{}

func inProcess(ctx context.Context) context.Context {
	return context.WithValue(ctx, inProcessKey{}, true)
}

// maxBody is the maximum length of a response body in a Page, in bytes. The rest is cut off.
const maxBody = 4 << 20

// wechatHosts returns the host names of WeChat's login. Phones send requests for them to the
// simulator.
func wechatHosts() []string {
	return []string{"open.weixin.qq.com", "api.weixin.qq.com", "api2.weixin.qq.com", "sh.api.weixin.qq.com",
		"sz.api.weixin.qq.com", "hk.api.weixin.qq.com", "long.open.weixin.qq.com", "lp.open.weixin.qq.com",
		"res.wx.qq.com", "thirdwx.qlogo.cn", "wx.qlogo.cn"}
}

// fetcher sends the requests of phones. Requests to the simulator are made in process, requests to
// other hosts over the network.
type fetcher struct {
	simulator http.Handler
	phones    *phones // knows the addresses of the simulator
	transport *http.Transport
}

// fetchedResponse is a response with its whole body.
type fetchedResponse struct {
	status        int
	header        http.Header
	body          string
	fromSimulator bool
}

// fetch sends one request and follows no redirect. It calls addClientParams for requests to the
// simulator only: no app may see who the person is.
func (f *fetcher) fetch(req *http.Request, addClientParams func(*http.Request)) (*fetchedResponse, error) {
	if f.phones.isSimulator(req.URL) {
		addClientParams(req)
		return f.inProcess(req)
	}
	done := f.phones.addPending(req.URL)
	resp, err := f.transport.RoundTrip(req)
	done()
	if err != nil {
		return nil, reachError(req.URL, err)
	}
	if f.phones.isSimulator(req.URL) { // the simulator has just learned that this address is its own
		_ = resp.Body.Close()
		if req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, fmt.Errorf("wechattest: repeat the form: %w", err)
			}
		}
		addClientParams(req)
		return f.inProcess(req)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, newPhoneError(failureBroken, origin.Of(req.URL), "response incomplete: %w", err)
	}
	return &fetchedResponse{status: resp.StatusCode, header: resp.Header, body: string(body)}, nil
}

// inProcess calls the simulator's handler as net/http would for a request from the network.
func (f *fetcher) inProcess(req *http.Request) (resp *fetchedResponse, err error) {
	in := req.Clone(inProcess(req.Context()))
	in.RequestURI = req.URL.RequestURI()
	in.Host = req.URL.Host
	in.RemoteAddr = "127.0.0.1:1"
	in.URL = &url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	requested := origin.Of(req.URL)
	defer func() {
		// A Fault with Cut panics with http.ErrAbortHandler. A real server would close the
		// connection.
		if v := recover(); v == http.ErrAbortHandler {
			resp, err = nil, newPhoneError(failureBroken, requested, "the simulator closed the connection: %w",
				io.ErrUnexpectedEOF)
		} else if v != nil {
			panic(v)
		}
	}()
	f.simulator.ServeHTTP(w, in)
	if err := req.Context().Err(); err != nil {
		return nil, newPhoneError(failureTimeout, requested, "wait for the simulator: %w", err)
	}
	return &fetchedResponse{status: w.Code, header: w.Result().Header, body: w.Body.String(), fromSimulator: true}, nil
}

// dialer opens the connections of phones. It connects only to this machine, to private networks and
// to the allowed hosts. It resolves a name once, and connects to the addresses that it has checked.
// With a second lookup, the name could resolve to an unchecked public address (DNS rebinding).
type dialer struct {
	allowed []string // hosts that may have any address; "*" is every host
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n := net.Dialer{Timeout: 10 * time.Second}
	host = strings.TrimSuffix(lowerASCII(host), ".")
	if slices.Contains(d.allowed, host) || slices.Contains(d.allowed, "*") {
		return n.DialContext(ctx, network, address)
	}
	ips, err := lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, ip := range ips {
		if !isPrivate(ip) {
			return nil, fmt.Errorf("%w (%s has the address %s)", ErrHost, host, ip)
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

// lookup returns the addresses of a host. Loopback names are resolved without a name server,
// because not every system resolves names under .localhost.
func lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	if origin.IsLoopback(host) {
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// isPrivate reports whether an address is loopback or in a private network. Link-local addresses
// and metadataAddresses are excluded: cloud providers serve the metadata of a machine there, with
// its credentials.
func isPrivate(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return ip.IsLoopback() || ip.IsPrivate() && !slices.Contains(metadataAddresses(), ip)
}

// metadataAddresses returns the metadata addresses of Amazon and Google that are in private
// networks.
func metadataAddresses() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd20:ce::254")}
}

// PhoneError is the error of a [Phone] that could not open an address. Address and the text omit
// the query of the address, because the query may contain a code.
type PhoneError struct {
	// Reason is one of these: "host" (see [ErrHost]), "name" (host not found), "refused" (no
	// connection), "timeout", "certificate" (not trusted), "broken" (incomplete response),
	// "redirects" (see [ErrRedirects]), "scheme" (a redirect to an address that is not http or
	// https), "address" (the address to open is not http or https).
	Reason  string
	Address string
	Err     error
}

// Error returns the text of Err.
func (e *PhoneError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *PhoneError) Unwrap() error { return e.Err }

// The values of PhoneError.Reason.
const (
	failureHost        = "host"
	failureName        = "name"
	failureRefused     = "refused"
	failureTimeout     = "timeout"
	failureCertificate = "certificate"
	failureBroken      = "broken"
	failureRedirects   = "redirects"
	failureScheme      = "scheme"
	failureAddress     = "address"
)

func newPhoneError(reason, address, format string, args ...any) *PhoneError {
	return &PhoneError{Reason: reason, Address: address,
		Err: fmt.Errorf("wechattest: open %s: %w", address, fmt.Errorf(format, args...))}
}

// reachError returns the PhoneError for a request that got no complete response. err is the error
// of the transport.
func reachError(u *url.URL, err error) *PhoneError {
	var op *net.OpError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	reason, problem := failureBroken, "no complete response: "
	switch {
	case errors.Is(err, ErrHost):
		reason, problem = failureHost, ""
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		reason, problem = failureTimeout, "no response in time: "
	case errors.As(err, &dns):
		reason, problem = failureName, "host not found: "
	case errors.As(err, &cert):
		reason, problem = failureCertificate, "certificate not trusted: "
	case errors.As(err, &op) && op.Op == "dial":
		reason, problem = failureRefused, "is the app running? "
	}
	return newPhoneError(reason, origin.Of(u), "%s%w", problem, err)
}
