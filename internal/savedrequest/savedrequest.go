// Package savedrequest keeps requests whose addresses are too long for a cookie, while their users
// sign in. Such a saved request has a short address at the gateway, /continue/KEY.
//
// A browser leaves for WeChat during a sign-in, and continues afterwards at the app's request.
// Usually a cookie keeps the address of this request. But an address may have up to 8 kB: some apps
// put much data into state. Neither a cookie (4 kB in browsers) nor a header of a response (4 kB in
// nginx) can carry such an address, and encrypted data cannot be compressed. So the store keeps the
// address.
//
// [New] makes [Requests]. A feature (a package that serves apps, such as oidc) calls
// [Requests.Shorten] before it shows a page or begins a sign-in, and builds all its addresses with
// [Join] on the result:
//
//	address, ok := h.cfg.Saved.Shorten(w, r, h.requestURL(req))
//	if !ok {
//		return // Shorten has written the response
//	}
//	login.ReturnURL = savedrequest.Join(address, "login_request", id)
//
// When the browser opens the short address, package savedrequest adds the parameters of the short
// address to the saved request, and serves the route of the feature. The feature sees its own
// request, as if the browser had sent the long address.
//
// What the package guarantees:
//
//   - Only the browser that saved a request can continue it. A sealed cookie contains a secret of
//     the browser. The key of a request is a MAC of its address under this secret. So a key in an
//     address is of no use to others.
//   - A client that does not keep the cookie stores nothing. Pictures and scripts on other sites
//     store nothing either: with SameSite=Lax, browsers do not send the cookie for them.
//   - The number of saved requests is bounded in total, for each network and for each browser. A
//     repeated request is stored once.
package savedrequest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/seal"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// Config holds the settings of [Requests]. Every field is required unless it says otherwise.
type Config struct {
	URL   string   // of the gateway; may have a path
	Keys  [][]byte // seal the cookie: the first key seals, all keys open; at least 32 bytes each
	Store gateway.SavedRequests
	Site  *web.Site

	Rows    gateway.SavedRequestLimits     // optional: zero = the limits of package limit
	Limits  *limit.Limiter                 // optional: counts new requests by network
	Address func(*http.Request) netip.Addr // optional: the client's IP address; nil = route.Address
	Now     func() time.Time               // optional
}

// Requests saves requests. Make it with [New]; it is safe for concurrent use.
type Requests struct {
	cfg     Config
	path    string // of Config.URL; "" at the root
	cookies *browserCookies
	hashKey []byte // key of networkHash
}

// New validates the configuration and makes Requests.
func New(cfg Config) (*Requests, error) {
	if cfg.Store == nil || cfg.Site == nil || len(cfg.Keys) == 0 {
		return nil, errors.New("savedrequest: Config.Store, Site and Keys are required")
	}
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" {
		return nil, errors.New("savedrequest: Config.URL is not an address")
	}
	if cfg.Rows == (gateway.SavedRequestLimits{}) {
		cfg.Rows = gateway.SavedRequestLimits{Total: limit.SavedRequests.Max,
			PerNetwork: limit.SavedRequestsPerNetwork.Max, PerBrowser: limit.SavedRequestsPerBrowser.Max}
	}
	if cfg.Address == nil {
		cfg.Address = route.Address
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Requests{cfg: cfg, path: u.EscapedPath()}
	if s.cookies, err = newBrowserCookies(u, cfg.Keys); err != nil {
		return nil, fmt.Errorf("savedrequest: %w", err)
	}
	if s.hashKey, err = seal.Derive(cfg.Keys[0], "weigate saved request network", sha256.Size); err != nil {
		return nil, fmt.Errorf("savedrequest: %w", err)
	}
	return s, nil
}

const (
	pathContinue = "/continue/" // the key of a saved request follows

	// paramRetry marks a request that the browser repeats after it got the cookie. Without the
	// mark, a browser without cookies would repeat the request endlessly.
	paramRetry = "weigate_retry"

	// maxShort is the greatest length of an address that is not saved. A feature adds parameters of
	// less than 200 bytes, and the result must fit into the cookie of a sign-in.
	maxShort = session.MaxReturn - 200

	keySize = 16 // bytes of a key: 128 bits
)

// Join adds parameters to an address that [Requests.Shorten] returned. pairs are their names and
// values. A parameter with an empty value is omitted.
func Join(address string, pairs ...string) string {
	var out strings.Builder
	out.WriteString(address)
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out.WriteString(separator + pairs[i] + "=" + url.QueryEscape(pairs[i+1]))
			separator = "&"
		}
	}
	return out.String()
}

// Shorten returns an address at which the browser that sent r can make a request later. If a cookie
// can keep address, Shorten returns address itself. Otherwise it returns the short address of the
// saved request. address is the path and query of a route of the gateway that a GET request reads.
//
// If ok is false, Shorten has written one of these responses:
//
//   - a redirect to the same address, with the cookie of the browser
//   - a page: the browser keeps no cookies, the address is too long, or too many requests were
//     saved
//   - the error page for a store that failed
func (s *Requests) Shorten(w http.ResponseWriter, r *http.Request, address string) (short string, ok bool) {
	if len(address) <= maxShort {
		return address, true
	}
	if len(address) > limit.RequestAddress.Bytes {
		s.cfg.Limits.Exceeded(limit.RequestAddress.Name)
		s.cfg.Site.Fail(w, r, web.AddressTooLong)
		return "", false
	}
	now := s.cfg.Now()
	browsers := s.cookies.read(r, now)
	if len(browsers) == 0 {
		s.setCookie(w, r, address, now)
		return "", false
	}
	browser := browsers[0]
	// If the browser is at the short address of this request already, the request keeps the cookie
	// under which it was saved. It is saved again only if it expires soon.
	if opened, ok := r.Context().Value(openedKey{}).(opened); ok && opened.saved.Address == address {
		browser = opened.browser
		if opened.saved.ExpiresAt.Sub(now) > limit.SavedRequestTime.Duration/2 {
			return s.shortAddress(browser, key(browser.secret, address)), true
		}
	}
	saved, err := s.save(r, browser.secret, address)
	switch {
	case errors.Is(err, errTooMany):
		s.cfg.Site.Fail(w, r, web.TooMany)
		return "", false
	case err != nil:
		s.cfg.Site.Error(w, r, err)
		return "", false
	}
	if err := s.cookies.renew(w, browser, now); err != nil {
		s.cfg.Site.Error(w, r, err)
		return "", false
	}
	return s.shortAddress(browser, saved), true
}

// shortAddress returns the address of a saved request. The digit in the cookie's name precedes the
// key, because the request was saved under the secret of this cookie.
func (s *Requests) shortAddress(b browser, key string) string {
	return s.path + pathContinue + strings.TrimPrefix(b.name, cookieName) + key
}

// TooLong reports whether the address of a request exceeds limit.RequestAddress. It returns false
// for a saved request: its address did not exceed the limit when it was saved. The parameters of
// its short address do not count.
func TooLong(r *http.Request) bool {
	_, saved := r.Context().Value(openedKey{}).(opened)
	return !saved && len(r.URL.RequestURI()) > limit.RequestAddress.Bytes
}

// setCookie sets the cookie of a browser that has none, and redirects the browser to the same
// address. If the browser has just been redirected, it keeps no cookies, and gets a page.
func (s *Requests) setCookie(w http.ResponseWriter, r *http.Request, address string, now time.Time) {
	if r.URL.Query().Has(paramRetry) {
		s.cfg.Site.Show(w, r, web.Page{Kind: web.NoCookies, Go: address})
		return
	}
	if err := s.cookies.add(w, now); err != nil {
		s.cfg.Site.Error(w, r, err)
		return
	}
	s.cfg.Site.Redirect(w, r, http.StatusSeeOther, Join(address, paramRetry, "1"))
}

// errTooMany is returned by save when the clients of a network save too many requests.
var errTooMany = errors.New("savedrequest: too many requests of this network were saved")

// save stores an address for the browser that sent r, and returns its key. secret is from the
// cookie of this browser. So another browser cannot open the address, and clients without cookies
// store nothing. Saving the same address again extends its lifetime and returns the same key.
func (s *Requests) save(r *http.Request, secret, address string) (string, error) {
	now, from := s.cfg.Now(), s.cfg.Address(r)
	network := ""
	if from.IsValid() && !from.IsLoopback() { // a loopback address belongs to a proxy
		network = limit.Network(from)
		if !s.cfg.Limits.Allow(now, limit.Bucket{Rate: limit.NewSavedRequestsPerNetwork, Key: network}) {
			return "", errTooMany
		}
		network = s.networkHash(network)
	}
	saved := key(secret, address)
	err := s.cfg.Store.SaveRequest(r.Context(), gateway.SavedRequest{
		Hash: keyHash(saved), Browser: browserHash(secret), Network: network, Address: address,
		CreatedAt: now, ExpiresAt: now.Add(limit.SavedRequestTime.Duration),
	}, now, s.cfg.Rows)
	return saved, err
}

// Mount registers the route of the short addresses. mux serves the saved requests.
func (s *Requests) Mount(mux *route.Mux) {
	mux.HandleFunc("GET "+s.path+pathContinue+"{key}", func(w http.ResponseWriter, r *http.Request) {
		s.serve(w, r, mux)
	}, route.LimitedSignedIn, route.Private)
}

// openedKey is the key of the opened request that serve adds to the context of a request.
type openedKey struct{}

// opened is a saved request, and the browser that saved it.
type opened struct {
	saved   gateway.SavedRequest
	browser browser
}

// serve serves a saved request: it adds the parameters of the short address to the saved request,
// and calls the route of the feature. It does not redirect to the long address, because a header
// cannot carry this address.
//
// Anybody can save an address of the gateway, as the return address of a sign-in. So serve calls
// only the routes of sign-in, which browsers open. It does not call a route that a reverse proxy
// may block, such as /verify, and no other saved request.
func (s *Requests) serve(w http.ResponseWriter, r *http.Request, mux *route.Mux) {
	now := s.cfg.Now()
	browsers := s.cookies.read(r, now)
	err, found := gateway.ErrNotFound, opened{}
	for _, b := range browsers {
		if key, ok := strings.CutPrefix(cookieName+r.PathValue("key"), b.name); ok {
			found.browser = b
			found.saved, err = s.cfg.Store.SavedRequest(r.Context(), keyHash(key), browserHash(b.secret), now)
			break
		}
	}
	var target *url.URL
	if err == nil {
		target, err = url.ParseRequestURI(found.saved.Address)
	}
	var inner *http.Request
	if err == nil {
		if r.URL.RawQuery != "" {
			target.RawQuery += "&" + r.URL.RawQuery
		}
		inner = r.Clone(context.WithValue(r.Context(), openedKey{}, found))
		inner.URL, inner.RequestURI = target, target.RequestURI()
		_, nested := r.Context().Value(openedKey{}).(opened)
		if nested || mux.Policy(inner)&(route.Limited|route.LimitedSignedIn) == 0 {
			err = gateway.ErrNotFound
		}
	}
	switch {
	case errors.Is(err, gateway.ErrNotFound):
		s.cfg.Site.Show(w, r, web.Page{Kind: web.RequestExpired, Home: s.path + "/",
			Rejection: web.Rejection{Request: "saved", Attrs: []slog.Attr{slog.Bool("has_cookie", len(browsers) > 0)}}})
		return
	case err != nil:
		s.cfg.Site.Error(w, r, err)
		return
	}
	mux.ServeHTTP(w, inner)
}

// key returns the key of an address for the browser with this secret. It is a MAC, so nobody else
// can compute it. The same request has the same key each time.
func key(secret, address string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("weigate saved request\x00" + address))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:keySize])
}

// keyHash returns the hash of a key, under which the store keeps the request. Malformed keys are
// hashed too, and are not found.
func keyHash(key string) [32]byte {
	return sha256.Sum256([]byte("weigate saved request key\x00" + key))
}

func browserHash(secret string) [32]byte {
	return sha256.Sum256([]byte("weigate saved request browser\x00" + secret))
}

// networkHash returns a keyed hash of a network, so that the store has no IP addresses.
func (s *Requests) networkHash(network string) string {
	mac := hmac.New(sha256.New, s.hashKey)
	mac.Write([]byte(network))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:12])
}
