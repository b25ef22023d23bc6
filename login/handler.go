package login

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"net/http"
	"strings"

	"github.com/weigate/weigate/internal/cookie"
	"github.com/weigate/weigate/internal/flow"
)

// The paths that a Handler serves, below the path of Config.URL. The package documentation
// describes each.
const (
	pathStart    = "/sign-in"
	pathProfile  = "/sign-in/profile"
	pathLost     = "/sign-in/lost"  // explains a callback that belongs to no sign-in of this browser
	pathEnded    = "/sign-in/ended" // the error page of a callback
	pathMe       = "/sign-in/me"    // the session as JSON
	pathCallback = "/wechat/callback"
	pathSignOut  = "/sign-out"
)

// Handler serves the pages of the sign-in. Its middleware, Require and RequireProfile, protects the
// other pages of your program. Create a Handler with New. It is safe for concurrent use. All its
// state is in the Store and in cookies.
type Handler struct {
	cfg           Config
	returns       flow.ReturnPolicy          // checks return addresses; has the origin and the path of Config.URL
	cookies       cookie.Set                 // the names and attributes of the cookies
	engine        *flow.Engine               // redirects to WeChat and redeems codes
	avatarOrigins map[string]bool            // origins of avatars that are allowed besides WeChat's
	crossOrigin   http.CrossOriginProtection // rejects forms that another site sent
	pages         *pages                     // renders the built-in pages
}

// Mount registers the handler on mux: /sign-in and everything below it, /sign-out and the callback,
// each below the path of Config.URL. For another router, register the handler at each of Paths.
func (h *Handler) Mount(mux *http.ServeMux) {
	for _, path := range []string{pathStart, pathStart + "/", pathSignOut, h.cfg.CallbackPath} {
		mux.Handle(h.returns.Prefix+path, h)
	}
}

// Paths returns the paths that the handler serves, each with the path of Config.URL. A router other
// than http.ServeMux registers the handler at each of them, for all methods:
//
//	for _, path := range h.Paths() {
//		router.Handle(path, h) // chi; the modules login/ginlogin and login/echologin do it for gin and echo
//	}
func (h *Handler) Paths() []string {
	paths := []string{pathStart, pathProfile, pathLost, pathEnded, pathMe, h.cfg.CallbackPath, pathSignOut}
	for i, path := range paths {
		paths[i] = h.returns.Prefix + path
	}
	return paths
}

// ServeHTTP serves the addresses that Mount registers, and answers 404 for others. It also works
// when a proxy or http.StripPrefix has removed the path of Config.URL.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = h.withRequestID(r)
	h.setHeaders(w, r)
	path := r.URL.Path
	if below, found := strings.CutPrefix(path, h.returns.Prefix); found && strings.HasPrefix(below, "/") {
		path = below
	}
	switch path {
	case pathStart:
		h.serveGet(w, r, h.serveStart)
	case h.cfg.CallbackPath:
		h.serveGet(w, r, h.serveCallback)
	case pathLost:
		h.serveGet(w, r, h.serveLost)
	case pathEnded:
		h.serveGet(w, r, h.serveEnded)
	case pathMe:
		h.serveGet(w, r, h.serveMe)
	case pathProfile:
		h.serveGetOrPost(w, r, h.showProfilePage, h.declineProfile)
	case pathSignOut:
		h.serveGetOrPost(w, r, h.showSignOutPage, h.serveSignOutForm)
	default:
		h.showPage(w, r, Page{Kind: PageNotFound})
	}
}

// setHeaders sets the headers of every response. Responses must not be cached: a cached response
// would be wrong for another user, or after a sign-out. Browsers must not send a Referer header:
// the URL of the callback contains the code, which other sites would get. X-Request-Id has the
// request id that is also in the log and on error pages.
func (h *Handler) setHeaders(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	if id := h.requestID(r); id != "" {
		header.Set("X-Request-Id", id)
	}
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
}

// serveGet serves a page, and rejects methods other than GET and HEAD.
func (h *Handler) serveGet(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	if !isGetOrHead(r) {
		w.Header().Set("Allow", "GET, HEAD")
		h.showPage(w, r, Page{Kind: PageMethod})
		return
	}
	serve(w, r)
}

// maxForm is the greatest size of a form, in bytes. The forms have one field, a return address.
const maxForm = 16 << 10

// serveGetOrPost serves a page with get, and the form on the page with post. It rejects a form that
// another site sent (CSRF).
func (h *Handler) serveGetOrPost(w http.ResponseWriter, r *http.Request, get, post http.HandlerFunc) {
	switch {
	case isGetOrHead(r):
		get(w, r)
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, HEAD, POST")
		h.showPage(w, r, Page{Kind: PageMethod})
		return
	}
	if err := h.crossOrigin.Check(r); err != nil {
		h.cfg.Logger.WarnContext(r.Context(), "form from another site rejected",
			"path", r.URL.Path, "request_id", h.requestID(r))
		h.showPage(w, r, Page{Kind: PageForeignForm})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		h.showPage(w, r, Page{Kind: PageBadRequest})
		return
	}
	post(w, r)
}

// address returns the absolute URL of a path of the handler.
func (h *Handler) address(path string) string { return h.returns.Origin + h.returns.Prefix + path }

// showError answers a request that failed with an internal error: it logs the cause, and renders a
// page with the request id.
func (h *Handler) showError(w http.ResponseWriter, r *http.Request, err error) {
	p := Page{Kind: PageFault, RequestID: h.requestID(r)}
	if isTemporary(err) {
		p.Kind = PageBusy
	}
	h.cfg.Logger.ErrorContext(r.Context(), "sign-in request failed", "error", err, "request_id", p.RequestID)
	h.showPage(w, r, p)
}

// requestKey is the key of the request id in a request's context.
type requestKey struct{}

// withRequestID adds a request id to the context. Require and ServeHTTP can handle the same
// request. The request then keeps its first id.
func (h *Handler) withRequestID(r *http.Request) *http.Request {
	if _, has := r.Context().Value(requestKey{}).(string); has {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), requestKey{}, h.cfg.RequestID(r)))
}

// requestID returns the request id that withRequestID added.
func (h *Handler) requestID(r *http.Request) string {
	id, _ := r.Context().Value(requestKey{}).(string)
	return id
}

// newRequestID is the default of Config.RequestID. It returns a random id in base32, which has no
// digits 0 and 1: users who read an id aloud confuse these with letters.
func newRequestID(*http.Request) string {
	var raw [6]byte
	rand.Read(raw[:])
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw[:])
}
