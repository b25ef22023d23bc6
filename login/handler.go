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

// The paths of the handler, below the path of Config.URL.
const (
	pathStart    = "/sign-in"
	pathProfile  = "/sign-in/profile"
	pathLost     = "/sign-in/lost"
	pathEnded    = "/sign-in/ended"
	pathMe       = "/sign-in/me"
	pathCallback = "/wechat/callback"
	pathSignOut  = "/sign-out"
)

// Handler serves the addresses of the sign-in, and has middleware for the rest of a program. Create
// it with New. It is safe for concurrent use, and keeps no state in memory: everything is in the
// Store and in cookies.
type Handler struct {
	cfg         Config
	returns     flow.ReturnPolicy
	cookies     cookie.Set
	engine      *flow.Engine
	avatars     map[string]bool // allowed origins besides WeChat's
	crossOrigin http.CrossOriginProtection
	pages       *pages
}

// Mount registers the handler on mux: /sign-in and everything below it, /sign-out
// and the callback, each below the path of Config.URL.
func (h *Handler) Mount(mux *http.ServeMux) {
	for _, path := range []string{pathStart, pathStart + "/", pathSignOut, h.cfg.CallbackPath} {
		mux.Handle(h.returns.Prefix+path, h)
	}
}

// ServeHTTP serves the addresses that Mount registers, and answers 404 for others. It also works when
// a proxy or http.StripPrefix has removed the path of Config.URL.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = h.withRequestID(r)
	setHeaders(w)
	path := r.URL.Path
	if below, found := strings.CutPrefix(path, h.returns.Prefix); found && strings.HasPrefix(below, "/") {
		path = below
	}
	switch path {
	case pathStart:
		h.get(w, r, h.serveStart)
	case h.cfg.CallbackPath:
		h.get(w, r, h.serveCallback)
	case pathLost:
		h.get(w, r, h.serveLost)
	case pathEnded:
		h.get(w, r, h.serveEnded)
	case pathMe:
		h.get(w, r, h.serveMe)
	case pathProfile:
		h.getOrPost(w, r, h.askProfile, h.declineProfile)
	case pathSignOut:
		h.getOrPost(w, r, h.askSignOut, h.signOut)
	default:
		h.show(w, r, Page{Kind: PageNotFound})
	}
}

// setHeaders sets the headers of every response. No response may be cached: each is for one visitor
// at one moment. No address may be sent to another site in the Referer header: the callback's
// contains a code.
func setHeaders(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
}

func (h *Handler) get(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	if !isRead(r) {
		w.Header().Set("Allow", "GET, HEAD")
		h.show(w, r, Page{Kind: PageMethod})
		return
	}
	serve(w, r)
}

// getOrPost serves a page and its form. A form that another site sent is rejected.
func (h *Handler) getOrPost(w http.ResponseWriter, r *http.Request, get, post http.HandlerFunc) {
	switch {
	case isRead(r):
		get(w, r)
		return
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, HEAD, POST")
		h.show(w, r, Page{Kind: PageMethod})
		return
	}
	if err := h.crossOrigin.Check(r); err != nil {
		h.cfg.Logger.WarnContext(r.Context(), "form from another site rejected",
			"path", r.URL.Path, "request_id", h.requestID(r))
		h.show(w, r, Page{Kind: PageForeignForm})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil {
		h.show(w, r, Page{Kind: PageBadRequest})
		return
	}
	post(w, r)
}

// address returns the absolute address of a path of the handler.
func (h *Handler) address(path string) string { return h.returns.Origin + h.returns.Prefix + path }

// fail answers a request that failed with an internal error: it logs the cause, and renders a page
// with the request id.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := Page{Kind: PageFault, RequestID: h.requestID(r)}
	if isTemporary(err) {
		p.Kind = PageBusy
	}
	h.cfg.Logger.ErrorContext(r.Context(), "sign-in request failed", "error", err, "request_id", p.RequestID)
	h.show(w, r, p)
}

type requestKey struct{}

// withRequestID adds the request id to the context, once.
func (h *Handler) withRequestID(r *http.Request) *http.Request {
	if _, has := r.Context().Value(requestKey{}).(string); has {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), requestKey{}, h.cfg.RequestID(r)))
}

func (h *Handler) requestID(r *http.Request) string {
	id, _ := r.Context().Value(requestKey{}).(string)
	return id
}

// randomRequestID returns an id that a user can read out on the telephone.
func randomRequestID(*http.Request) string {
	var raw [6]byte
	rand.Read(raw[:])
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw[:])
}
