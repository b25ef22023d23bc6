package outgoing

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/limit"
)

// Config is the configuration of a [Client]. The zero value works.
type Config struct {
	Policy Policy
	CAs    []byte // further certificate authorities in PEM form; nil = those of the system only

	// Proxy returns the proxy for an https request, or nil, as http.ProxyFromEnvironment does. The
	// proxy resolves host names. The policy then checks only IP addresses in the URL. nil = no proxy.
	Proxy func(*http.Request) (*url.URL, error)

	Timeout  time.Duration // of one request; 0 = limit.OutgoingTime
	Resolver *net.Resolver // nil = the default; for tests
}

// Client sends requests. It is safe for concurrent use.
type Client struct {
	config  Config
	secure  *http.Transport // for https
	plain   *http.Transport // for plain http to private addresses
	proxied *http.Transport // for https through Config.Proxy; nil = no proxy
}

// Response is the response to a request.
type Response struct {
	Status int
	Header http.Header
	Body   []byte // its beginning, at most limit.OutgoingResponse
}

// New returns a Client.
func New(c Config) (*Client, error) {
	roots, err := certificateAuthorities(c.CAs)
	if err != nil {
		return nil, err
	}
	out := &Client{config: c, secure: newTransport(c, roots, false), plain: newTransport(c, roots, true)}
	if c.Proxy != nil {
		out.proxied = newTransport(c, roots, false)
		out.proxied.Proxy = c.Proxy
		// The socket connects to the proxy, whose address the operator has chosen.
		out.proxied.DialContext = (&net.Dialer{Resolver: c.Resolver}).DialContext
	}
	return out, nil
}

// certificateAuthorities returns the certificate authorities of the system together with further
// ones in PEM form. It returns nil when further is nil: package tls then uses those of the system.
func certificateAuthorities(further []byte) (*x509.CertPool, error) {
	if further == nil {
		return nil, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("outgoing: certificate authorities of the system: %w", err)
	}
	if !roots.AppendCertsFromPEM(further) {
		return nil, errors.New("outgoing: Config.CAs has no certificate")
	}
	return roots, nil
}

// newTransport returns a transport whose sockets connect only to addresses that the policy allows.
// plain is true for plain http. A transport follows no redirects: only http.Client does.
func newTransport(c Config, roots *x509.CertPool, plain bool) *http.Transport {
	dialer := &net.Dialer{Resolver: c.Resolver}
	// Control is called for each address, after the name was resolved and before the socket connects.
	dialer.Control = func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return &Error{Kind: AddressRefused, detail: lang.Text("not an IP address")}
		}
		return c.Policy.check(at.Addr(), plain)
	}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DisableKeepAlives:      true, // each request has its own connection, so the policy checks its address
		DisableCompression:     true, // a small compressed response can become a huge one
		MaxResponseHeaderBytes: int64(limit.OutgoingResponse.Bytes),
	}
}

// Post sends body to a URL, with the content type and further headers. A response of any status is
// not an error, and a redirect is returned like every other response. Every error is an *[Error],
// except context.Canceled when ctx was cancelled.
func (c *Client) Post(
	ctx context.Context, target, contentType string, body []byte, header http.Header,
) (Response, error) {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.config.Timeout, limit.OutgoingTime.Duration))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return Response{}, errInvalidURL // err contains the URL
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("User-Agent", "Weigate")
	response, err := c.send(r)
	switch {
	case err != nil && errors.Is(parent.Err(), context.Canceled):
		return Response{}, context.Canceled
	case err != nil:
		return Response{}, errorOf(err)
	}
	return response, nil
}

var errInvalidURL = &Error{Kind: InvalidURL, detail: lang.Text("not a valid https or http URL")}

func (c *Client) send(r *http.Request) (Response, error) {
	transport, err := c.transport(r)
	if err != nil {
		return Response{}, err
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return Response{}, err
	}
	defer response.Body.Close()
	// Callers need the status. Many do not need the body, so an incomplete body is not an error.
	body, _ := io.ReadAll(io.LimitReader(response.Body, int64(limit.OutgoingResponse.Bytes)))
	return Response{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

// Reach connects to the server of a URL under the same rules as [Client.Post], and sends no
// request. A server behind a proxy is not contacted: then Reach checks the URL only. Every error is
// an *[Error].
func (c *Client) Reach(ctx context.Context, target string) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.config.Timeout, limit.OutgoingTime.Duration))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, target, nil)
	if err != nil {
		return errInvalidURL // err contains the URL
	}
	transport, err := c.transport(r)
	if err != nil {
		return errorOf(err)
	}
	if transport == c.proxied {
		return nil
	}
	port := cmp.Or(r.URL.Port(), map[string]string{"http": "80", "https": "443"}[r.URL.Scheme])
	conn, err := transport.DialContext(ctx, "tcp", net.JoinHostPort(r.URL.Hostname(), port))
	if err != nil {
		return errorOf(err)
	}
	defer conn.Close()
	if r.URL.Scheme == "http" {
		return nil
	}
	settings := transport.TLSClientConfig.Clone()
	settings.ServerName = r.URL.Hostname()
	if err := tls.Client(conn, settings).HandshakeContext(ctx); err != nil {
		return errorOf(err)
	}
	return nil
}

// transport returns the transport for a request, or an error if the request must not be sent.
func (c *Client) transport(r *http.Request) (*http.Transport, error) {
	switch {
	case r.URL.Host == "" || r.URL.User != nil:
		return nil, errInvalidURL
	case r.URL.Scheme == "http" && c.config.Policy.allowsPrivate():
		return c.plain, nil
	case r.URL.Scheme == "http":
		return nil, &Error{Kind: AddressRefused, detail: lang.Text("plain http is only allowed to listed private addresses")}
	case r.URL.Scheme != "https":
		return nil, errInvalidURL
	case c.proxied == nil:
		return c.secure, nil
	}
	proxy, err := c.config.Proxy(r)
	switch {
	case err != nil:
		return nil, &Error{Kind: Failed, detail: lang.Text("the proxy of the environment is not a valid URL")}
	case proxy == nil:
		return c.secure, nil
	}
	return c.proxied, c.checkHost(r.URL.Hostname())
}

// checkHost applies the policy to the host of a request through a proxy, which resolves the host.
// Many resolvers take a host whose last label is a number, such as 127.1 or 0x7f000001, for an IP
// address (WHATWG URL, "ends in a number"). Such hosts are refused.
func (c *Client) checkHost(host string) error {
	if address, err := netip.ParseAddr(host); err == nil {
		return c.config.Policy.check(address, false)
	}
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" || last[0] >= '0' && last[0] <= '9' {
		return &Error{Kind: AddressRefused, detail: lang.Text("the host is neither a name nor an IP address")}
	}
	return nil
}
