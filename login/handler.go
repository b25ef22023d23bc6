package login

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"net/http"
	"strings"

	"github.com/weigate/weigate/internal/seal"
)

// The paths, below the path of Config.URL.
const (
	pathStart    = "/sign-in"
	pathProfile  = "/sign-in/profile"
	pathLost     = "/sign-in/lost"
	pathEnded    = "/sign-in/ended"
	pathMe       = "/sign-in/me"
	pathCallback = "/wechat/callback"
	pathSignOut  = "/sign-out"
)

// Handler is an http.Handler for the addresses of the sign-in, and gives
// middleware for the rest of an app. Make it with New. It is safe for concurrent
// use, and holds no state of its own: everything is in the store and in cookies.
type Handler struct {
	cfg         Config
	returns     returnPolicy
	cookies     cookies
	endings     *seal.Sealer
	avatars     map[string]bool // allowed origins besides WeChat's
	crossOrigin http.CrossOriginProtection
	pages       *pages
}

// ServeHTTP answers /sign-in, everything below /sign-in/, /wechat/callback and
// /sign-out, each below the path of Config.URL; what it does not know is 404. It
// also works where a proxy or http.StripPrefix took that path off.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = h.identified(r)
	guard(w)
	path := r.URL.Path
	if below, found := strings.CutPrefix(path, h.returns.prefix); found && strings.HasPrefix(below, "/") {
		path = below
	}
	get, post := h.onGet, h.onPost
	switch path {
	case pathStart:
		get(w, r, h.serveStart)
	case h.cfg.CallbackPath:
		get(w, r, h.serveCallback)
	case pathLost:
		get(w, r, h.serveLost)
	case pathEnded:
		get(w, r, h.serveEnded)
	case pathMe:
		get(w, r, h.serveMe)
	case pathProfile:
		if r.Method == http.MethodPost {
			post(w, r, h.declineProfile)
			return
		}
		h.only(w, r, "GET, HEAD, POST", h.askProfile, http.MethodGet, http.MethodHead)
	case pathSignOut:
		if r.Method == http.MethodPost {
			post(w, r, h.signOut)
			return
		}
		h.only(w, r, "GET, HEAD, POST", h.askSignOut, http.MethodGet, http.MethodHead)
	default:
		h.show(w, r, Page{Kind: PageNotFound})
	}
}

// guard sets what every answer of ours has. No answer may be cached: each is for
// one visitor at one moment. No address may reach another site as a Referer: the
// callback's holds a code.
func guard(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
}

func (h *Handler) only(w http.ResponseWriter, r *http.Request, allow string, serve http.HandlerFunc, methods ...string) {
	for _, method := range methods {
		if r.Method == method {
			serve(w, r)
			return
		}
	}
	w.Header().Set("Allow", allow)
	h.show(w, r, Page{Kind: PageMethod})
}

func (h *Handler) onGet(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	h.only(w, r, "GET, HEAD", serve, http.MethodGet, http.MethodHead)
}

// onPost serves a form of ours, and refuses one that another site sent.
func (h *Handler) onPost(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	if err := h.crossOrigin.Check(r); err != nil {
		h.cfg.Logger.WarnContext(r.Context(), "sign-in: form from another site refused", "path", r.URL.Path, "request", h.requestID(r))
		h.show(w, r, Page{Kind: PageForeignForm})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil {
		h.show(w, r, Page{Kind: PageBadRequest})
		return
	}
	serve(w, r)
}

// address returns one of our own addresses, absolute.
func (h *Handler) address(path string) string { return h.returns.own + h.returns.prefix + path }

type requestKey struct{}

// identified gives a request its name, once.
func (h *Handler) identified(r *http.Request) *http.Request {
	if _, named := r.Context().Value(requestKey{}).(string); named {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), requestKey{}, h.cfg.RequestID(r)))
}

func (h *Handler) requestID(r *http.Request) string {
	name, _ := r.Context().Value(requestKey{}).(string)
	return name
}

// randomRequestID is short enough to be read out on the telephone.
func randomRequestID(*http.Request) string {
	var raw [6]byte
	rand.Read(raw[:])
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw[:])
}
