package forwardauth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/web"
)

// The headers with the identity for a site, as net/http spells them.
const (
	headerUser      = "X-Weigate-User"
	headerName      = "X-Weigate-Name"
	headerOpenID    = "X-Weigate-Openid"
	headerUnionID   = "X-Weigate-Unionid"
	headerGroups    = "X-Weigate-Groups"
	headerAssertion = "X-Weigate-Assertion"
	headerCookie    = "Cookie" // the client's cookies without the gateway's
	headerRedirect  = "X-Weigate-Redirect"
)

// storeTimeout limits the operations on the store for one request.
const storeTimeout = 5 * time.Second

// verify serves proxies. Every response has every identity header, since a proxy that copies a
// missing header may keep the value that the client sent.
func (h *Handler) verify(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	none := h.none
	header["Cache-Control"] = h.noStore
	header[headerUser], header[headerName], header[headerOpenID] = none, none, none
	header[headerUnionID], header[headerGroups], header[headerAssertion] = none, none, none
	q, err := h.parseForwarded(r)
	if err != nil {
		h.rejectProxy(w, r, err)
		return
	}
	cookie, others := q.site.cookies(r)
	v, err := h.decision(r.Context(), q.site, cookie)
	switch {
	case err != nil:
		h.failed(w, r, q, err)
	case v.denied == "":
		header[headerUser], header[headerName], header[headerOpenID] = v.subject, v.name, v.openid
		header[headerUnionID], header[headerGroups], header[headerAssertion] = v.unionid, v.groups, v.assertion
		header[headerCookie] = []string{others}
		w.WriteHeader(http.StatusOK)
	default:
		h.deny(w, r, q, v)
	}
}

// decision returns the decision for a cookie on a site, from the cache while it is valid.
func (h *Handler) decision(ctx context.Context, s *site, cookie string) (*decision, error) {
	if cookie == "" {
		return &decision{denied: web.NotSignedIn}, nil
	}
	k := key{s, sha256.Sum256([]byte(cookie))}
	now := h.cfg.Now()
	before, valid := h.cache.get(k, now)
	if valid {
		return before, nil
	}
	grant, hash, ok := h.verifyCookie(s, cookie)
	if !ok {
		return &decision{denied: web.NotSignedIn}, nil
	}
	read := func() (*decision, time.Time, error) {
		v, err := h.revalidate(ctx, s, grant, hash, before, now)
		if err != nil {
			return nil, now, err
		}
		until := now.Add(h.cfg.Cache)
		if v.denied == "" && v.renew.Before(until) {
			until = v.renew
		}
		return v, until, nil
	}
	if h.cfg.Cache > 0 {
		return h.cache.load(ctx, k, now, read)
	}
	v, until, err := read()
	if err == nil {
		h.cache.put(k, entry{v, until}, now) // only its assertion is reused: without a cache every request reads the store
	}
	return v, err
}

// decideNow decides by the store and not by the cache: the pages on a host must not contradict the
// decision that another process has just returned at /verify.
func (h *Handler) decideNow(r *http.Request, s *site) (*decision, error) {
	cookie, _ := s.cookies(r)
	grant, hash, ok := h.verifyCookie(s, cookie)
	if !ok {
		return &decision{denied: web.NotSignedIn}, nil
	}
	return h.revalidate(r.Context(), s, grant, hash, nil, h.cfg.Now())
}

// rejectProxy responds to a peer that is not a trusted proxy, and to a request for an unknown host.
// The response contains nothing about any user.
func (h *Handler) rejectProxy(w http.ResponseWriter, r *http.Request, err error) {
	warned := &h.warnedHost
	if errors.Is(err, errUntrusted) {
		warned = &h.warnedPeer
	}
	if warned.CompareAndSwap(false, true) {
		host, _ := single(r, "X-Forwarded-Host")
		h.cfg.Logger.WarnContext(r.Context(), "verify request rejected, logged once", "error", err, "peer",
			r.RemoteAddr, "forwarded_host", host)
	}
	kind := web.UnknownHost
	if errors.Is(err, errForm) {
		kind = web.BadRequest
	}
	if isPage(r) {
		h.cfg.Site.Show(w, r, web.Page{Kind: kind, Status: http.StatusForbidden})
		return
	}
	writeError(w, http.StatusForbidden, kind)
}

// deny responds to a request that is denied. Programs get JSON, users without a session are
// redirected to sign in, and other users see a page with the reason.
func (h *Handler) deny(w http.ResponseWriter, r *http.Request, q forwardedRequest, v *decision) {
	w.Header().Del("Strict-Transport-Security") // this response is for a host that is not the gateway's
	here := q.site.origin + cleanReturn(q.target)
	navigates := q.method == "" || q.method == http.MethodGet || q.method == http.MethodHead
	switch {
	case !isPage(r):
		status := http.StatusForbidden
		if v.denied == web.NotSignedIn {
			status = http.StatusUnauthorized
			w.Header().Set("WWW-Authenticate", "Weigate")
		}
		writeError(w, status, v.denied)
	case v.denied == web.NotSignedIn && navigates:
		h.redirect(w, q, q.site.start(cleanReturn(q.target)))
	case v.denied == web.NotSignedIn && q.nginx:
		h.redirect(w, q, q.site.origin+pathRefused+"?form=1")
	case v.denied == web.NotSignedIn:
		h.showPleaseSignIn(w, r, q.site)
	default:
		h.explain(w, r, q.site, v, here)
	}
}

// showPleaseSignIn responds to a form that was sent without a session. With a redirect the form
// would seem to have been accepted.
func (h *Handler) showPleaseSignIn(w http.ResponseWriter, r *http.Request, s *site) {
	h.cfg.Site.Show(w, r, web.Page{Kind: web.PleaseSignIn, App: s.app.Name, Go: s.start("/")})
}

// redirect redirects a browser to sign in. nginx ignores a redirect of /verify, so it gets the
// address in a header and redirects the browser itself.
func (h *Handler) redirect(w http.ResponseWriter, q forwardedRequest, address string) {
	if q.nginx {
		w.Header().Set(headerRedirect, address)
		writeError(w, http.StatusUnauthorized, web.NotSignedIn)
		return
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusFound)
}

// explain shows the user the reason for the denial. The page of a user who waits for approval
// reloads automatically.
func (h *Handler) explain(w http.ResponseWriter, r *http.Request, s *site, v *decision, here string) {
	page := web.Page{Kind: v.denied, App: s.app.Name, User: web.UserOf(*v.user), Go: here}
	switch v.denied {
	case web.Waiting:
		page = web.WaitingPage(s.app.App, *v.user, here)
		page.Status = http.StatusForbidden // with 200 a proxy would let the request through
	case web.WrongMethod:
		page.Go = s.start(strings.TrimPrefix(here, s.origin))
	case web.Blocked:
		page.Go = ""
	}
	page.Home = h.cfg.URL + "/"
	h.cfg.Site.Show(w, r, page)
}

// failed responds when the store or signing has failed. The response never claims that the user is
// signed out.
func (h *Handler) failed(w http.ResponseWriter, r *http.Request, q forwardedRequest, err error) {
	kind := web.Fault
	if web.KindOf(err) == web.Busy {
		kind = web.Busy
		w.Header().Set("Retry-After", "5")
	}
	if r.Context().Err() == nil {
		h.cfg.Logger.ErrorContext(r.Context(), "forward auth failed", "path", r.URL.Path, "error", err, "request_id",
			h.cfg.RequestID(r.Context()))
	}
	if !isPage(r) {
		writeError(w, kind.Status(), kind)
		return
	}
	page := web.Page{Kind: kind, Go: h.cfg.URL + "/"}
	if q.site != nil {
		page.App, page.Go = q.site.app.Name, q.site.origin+cleanReturn(q.target)
	}
	h.cfg.Site.Show(w, r, page)
}

// refused serves the page for a request that /verify has denied. nginx requests it through
// error_page, with the headers of the original request.
func (h *Handler) refused(w http.ResponseWriter, r *http.Request) {
	setPrivate(w)
	q, err := h.parseForwarded(r)
	if err != nil {
		q = forwardedRequest{site: h.hosted(r), target: "/"}
	}
	q.nginx = false
	if q.site == nil {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.NotFound})
		return
	}
	v, err := h.decideNow(r, q.site)
	switch {
	case err != nil:
		h.failed(w, r, q, err)
	case v.denied == "":
		// Allowed meanwhile, or by this process before the others: a redirect could repeat until
		// all of them agree.
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Continue, App: q.site.app.Name, Go: q.site.origin +
			cleanReturn(q.target), ContinueAfter: time.Second})
	case v.denied == web.NotSignedIn && r.URL.Query().Get("form") == "1":
		h.showPleaseSignIn(w, r, q.site)
	default:
		h.deny(w, r, q, v)
	}
}

// isPage reports whether a browser navigates to a page; a program, an image or a WebSocket does
// not. Browsers send Sec-Fetch-Mode since 2020 (iOS since 2023). For a WebSocket, proxies omit the
// header Upgrade in their request to /verify, but not its key.
func isPage(r *http.Request) bool {
	header := r.Header
	if len(header["Upgrade"]) > 0 || len(header["Sec-Websocket-Key"]) > 0 ||
		header.Get("X-Requested-With") == "XMLHttpRequest" {
		return false
	}
	if mode := header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(header.Get("Accept"), "text/html")
}

// writeError responds to a program.
func writeError(w http.ResponseWriter, status int, kind web.Kind) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]web.Kind{"error": kind}) // fails when the client has disconnected
}
