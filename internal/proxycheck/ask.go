package proxycheck

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/route"
)

// NoAnswerError means that the response has no answer of the gateway.
type NoAnswerError struct {
	// Status is the HTTP status of the response:
	//   - 404: the gateway has another master key or an older version, its clock differs by minutes,
	//     or a proxy has removed the header of the request.
	//   - 200: a proxy has removed the header of the response.
	//   - Others come from a proxy, such as the firewall of a CDN, or from a gateway that is overloaded
	//     or limits the rate of requests.
	Status int
}

func (e *NoAnswerError) Error() string {
	return fmt.Sprintf("proxycheck: the response has no answer, HTTP status %d", e.Status)
}

// ErrOtherKey means that the gateway has opened the request, but has sealed the answer with a
// master key that the caller does not have. This occurs while the master key is changed: the
// gateway has the new key and the old key, and the caller has only the old key.
var ErrOtherKey = errors.New("proxycheck: the answer is sealed with another master key")

// ErrCached means that the answer is not for this request: a cache has stored the answer to an
// earlier request. Ask returns ErrCached also for an answer that a proxy has damaged.
var ErrCached = errors.New("proxycheck: the answer is not for this request")

// Result is what the gateway saw, and what arrived of its response.
type Result struct {
	Seen
	BodyChanged   bool // the page differs from what the gateway sent
	PolicyChanged bool // the header Content-Security-Policy differs from what the gateway sent
	CookieDropped bool // the cookie of the response did not arrive
	// Direct means that no proxy is in between: the gateway's peer is this program.
	Direct bool
}

// Question is what Ask requests.
type Question struct {
	URL    string // of the gateway
	Sealer *keys.Sealer
	Now    time.Time
	// ForwardedFor is the header X-Forwarded-For of the request; "" = none. A browser can send this
	// header too, with any address. So a proxy must not pass the header on unchanged.
	ForwardedFor string
}

// maxBody limits the part of a response that is read. A proxy may have made the page longer.
const maxBody = 64 << 10

// Ask sends the request to the gateway and returns the result. It follows no redirect. Errors to
// test for: *[NoAnswerError], [ErrOtherKey] and [ErrCached]; others are of the connection.
func Ask(ctx context.Context, transport http.RoundTripper, q Question) (*Result, error) {
	value, nonce, err := newQuestion(q.Sealer, q.Now)
	if err != nil {
		return nil, err
	}
	var local string // this end of the connection
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(c httptrace.GotConnInfo) { local = c.Conn.LocalAddr().String() },
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, q.URL+Path, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set(header, value)
	if q.ForwardedFor != "" {
		r.Header.Set("X-Forwarded-For", q.ForwardedFor)
	}
	r.AddCookie(&http.Cookie{Name: cookieName, Value: nonce})
	res, err := transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return nil, err
	}
	sealed, err := base64.RawURLEncoding.DecodeString(res.Header.Get(header))
	if err != nil || len(sealed) == 0 {
		return nil, &NoAnswerError{Status: res.StatusCode}
	}
	text, err := q.Sealer.Open(purposeAnswer, nonce, sealed)
	switch {
	case errors.Is(err, keys.ErrMasterKey):
		return nil, ErrOtherKey
	case err != nil:
		return nil, ErrCached
	}
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, err
	}
	return &Result{
		Seen: a.Seen, BodyChanged: a.Body != sha256.Sum256(body),
		PolicyChanged: !slices.Equal(res.Header.Values("Content-Security-Policy"), []string{a.CSP}),
		CookieDropped: !slices.ContainsFunc(res.Cookies(), func(c *http.Cookie) bool {
			return c.Name == cookieName && c.Value == nonce
		}),
		Direct: a.Seen.isPeer(local),
	}, nil
}

// isPeer reports whether the gateway's peer has this address and port.
func (s Seen) isPeer(address string) bool {
	local, err := netip.ParseAddrPort(address)
	return err == nil && s.PeerPort == local.Port() && s.Peer == local.Addr().Unmap().WithZone("")
}

// Hides reports whether a reverse proxy hides its clients. The request then has headers that
// proxies add (Proxied), but no trusted proxy has reported the client (Reported). The gateway takes
// the proxy's address for the client's.
func (s Seen) Hides() bool { return s.Proxied && !s.Reported }

// Earlier returns the address to the left of Client in X-Forwarded-For, or "" if there is none.
// Each proxy appends the address from which it has received the request. So if the sender of the
// request sent no such header, the result is the address of the sender, and Client is another
// proxy:
//
//	X-Forwarded-For: 198.51.100.1, 203.0.113.9
//	                 (the result)  (Client)
//
// Client may occur several times: nginx with real_ip_header and $proxy_add_x_forwarded_for sends it
// twice. Earlier skips the repetitions.
func (s Seen) Earlier() string {
	found := false // Client
	for _, text := range slices.Backward(strings.Split(s.ForwardedFor, ",")) {
		text = strings.TrimSpace(text)
		hop, ok := route.ParseHop(text)
		isClient := ok && hop == s.Client
		if found && !isClient {
			return text
		}
		found = found || isClient
	}
	return ""
}
