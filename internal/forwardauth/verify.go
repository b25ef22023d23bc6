package forwardauth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/accessrequest"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// The headers of a response of /verify, as net/http spells them. The proxy passes them to
// the site (a host that forward auth protects).
const (
	headerUser      = "X-Weigate-User"
	headerName      = "X-Weigate-Name"
	headerOpenID    = "X-Weigate-Openid"
	headerUnionID   = "X-Weigate-Unionid"
	headerGroups    = "X-Weigate-Groups"
	headerAssertion = "X-Weigate-Assertion"
	headerCookie    = "Cookie" // the client's cookies without the gateway's
)

// storeTimeout limits the operations on the store for one request.
const storeTimeout = 5 * time.Second

// cookiesStripped is the query of /verify with which a proxy declares that it removes the gateway's
// cookies itself. The response then has no Cookie header, so its size does not depend on the
// visitor's cookies: nginx accepts 4 kB of headers by default.
const cookiesStripped = "cookies=stripped"

// verify serves /verify: a reverse proxy sends a subrequest here before it passes a request to a
// site. Every response has every identity header; its value may be empty. If a header were
// missing, a proxy might keep the client's value: the client could forge an identity.
func (h *Handler) verify(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header["Cache-Control"] = h.noStore
	for _, name := range []string{headerUser, headerName, headerOpenID, headerUnionID, headerGroups,
		headerAssertion} {
		header[name] = h.emptyValue
	}
	req, err := h.parseForwarded(r)
	if err != nil {
		h.cfg.Observe(Observation{Endpoint: "verify", Outcome: string(h.rejectProxy(w, r, err))})
		return
	}
	cookie, others := req.site.cookies(r)
	if r.URL.RawQuery != cookiesStripped {
		header[headerCookie] = []string{others}
	}
	observation := Observation{Endpoint: "verify", App: req.site.app.ID, Outcome: "ok"}
	if req.site.app.Preflight && isPreflight(r) {
		observation.Outcome = "preflight"
		h.cfg.Observe(observation)
		w.WriteHeader(http.StatusOK)
		return
	}
	d, err := h.decision(r.Context(), req.site, cookie)
	switch {
	case err != nil:
		delete(header, headerCookie)
		observation.Outcome = string(failureKind(err))
		h.showFailure(w, r, req, err)
	case d.denied == "":
		header[headerUser] = d.subject
		header[headerName] = d.name
		header[headerOpenID] = d.openid
		header[headerUnionID] = d.unionid
		header[headerGroups] = d.groups
		header[headerAssertion] = d.assertion
		w.WriteHeader(http.StatusOK)
	default:
		delete(header, headerCookie)
		observation.Outcome = string(d.denied)
		h.deny(w, r, req, d)
	}
	h.cfg.Observe(observation)
}

// isPreflight reports whether r is for a CORS preflight (Fetch standard): a browser asks the site
// whether a script of another origin may send a request. Browsers send no cookies with a preflight.
//
// All headers with the method must be OPTIONS. A proxy sets only one of them, so a client can add
// the other. If one header with OPTIONS were enough, a client could get any request past /verify
// without a session. A request with a header that overrides the method is not a preflight, because
// some sites read this header.
func isPreflight(r *http.Request) bool {
	for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
		if len(r.Header[name]) > 0 {
			return false
		}
	}
	methods := append(r.Header.Values("X-Forwarded-Method"), r.Header.Values("X-Original-Method")...)
	for _, method := range methods {
		if method != http.MethodOptions {
			return false
		}
	}
	return len(methods) > 0 && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// decision returns the decision for a session cookie on a site. While the cached decision is valid,
// decision returns the cached one.
func (h *Handler) decision(ctx context.Context, s *site, cookie string) (*decision, error) {
	if cookie == "" {
		return &decision{denied: web.NotSignedIn}, nil
	}
	k := cacheKey{s.origin, sha256.Sum256([]byte(cookie))}
	now := h.cfg.Now()
	cached, valid := h.cache.get(k, now)
	if valid {
		return cached, nil
	}
	grant, hash, ok := h.verifyCookie(s, cookie)
	if !ok {
		return &decision{denied: web.NotSignedIn, logReason: "cookie_invalid"}, nil
	}
	// readStore returns the decision, and the time until which it may be cached. If cached is not nil,
	// it has expired, but its assertion (the signed identity) may still be reused.
	readStore := func() (d *decision, until time.Time, err error) {
		d, err = h.readDecision(ctx, s, grant, hash, cached, now)
		if err != nil {
			return nil, now, err
		}
		until = now.Add(h.cfg.Cache)
		if d.denied == "" && d.reuseUntil.Before(until) {
			until = d.reuseUntil
		}
		return d, until, nil
	}
	if h.cfg.Cache > 0 {
		return h.cache.load(ctx, k, now, readStore)
	}
	d, until, err := readStore()
	if err == nil {
		// With Config.Cache 0 this entry expires at once, so every request reads the store. The
		// entry is stored so that the next decision can reuse its assertion.
		h.cache.put(k, entry{d, until}, now)
	}
	return d, err
}

// decideNow returns the decision from the store, not from the cache. It is for the gateway's own
// pages on the host of a site (/.weigate/). Another process may have returned a decision at /verify
// that is newer than the decision in this process's cache. The pages must not contradict the newer
// decision.
func (h *Handler) decideNow(r *http.Request, s *site) (*decision, error) {
	cookie, _ := s.cookies(r)
	grant, hash, ok := h.verifyCookie(s, cookie)
	if !ok {
		return &decision{denied: web.NotSignedIn}, nil
	}
	return h.readDecision(r.Context(), s, grant, hash, nil, h.cfg.Now())
}

// rejectProxy responds to a request whose site parseForwarded could not determine: the peer is not
// a trusted proxy, the host is unknown, or the headers are contradictory. The response contains
// nothing about any user. rejectProxy returns the kind of its page.
func (h *Handler) rejectProxy(w http.ResponseWriter, r *http.Request, err error) web.Kind {
	kind, reason := web.UnknownHost, "unknown_host"
	switch {
	case errors.Is(err, errUntrusted):
		reason = "untrusted_peer"
	case errors.Is(err, errHeaders):
		kind, reason = web.BadRequest, "forwarded_headers"
	}
	h.cfg.Site.LogRejection(r, web.Rejection{Request: "verify", Reason: reason, Attrs: []slog.Attr{
		slog.Any("error", err), slog.String("peer", r.RemoteAddr), slog.Any("trusted_proxies", h.cfg.TrustedProxies),
		slog.String("forwarded_host", web.LoggedText(strings.Join(r.Header["X-Forwarded-Host"], ", "))),
		slog.String("original_url", web.LoggedURL(strings.Join(r.Header["X-Original-Url"], ", "))),
	}})
	if isPage(r) {
		h.cfg.Site.Show(w, r, web.Page{Kind: kind, Status: http.StatusForbidden, AlreadyLogged: true})
		return kind
	}
	writeError(w, http.StatusForbidden, kind)
	return kind
}

// logDenied writes the log line of a request that is denied. A request without a session cookie is
// ordinary: the visitor has not signed in yet. It is logged at the level debug only.
func (h *Handler) logDenied(r *http.Request, s *site, d *decision) {
	if d.denied == web.NotSignedIn && d.logReason == "" {
		h.cfg.Logger.DebugContext(r.Context(), "verify request without a session", "app", s.app.ID, "request_id",
			h.cfg.RequestID(r.Context()))
		return
	}
	h.cfg.Site.LogRejection(r, web.Rejection{Request: "verify", App: s.app.ID,
		Reason: cmp.Or(d.logReason, string(d.denied)), Attrs: append([]slog.Attr{slog.String("host", s.origin)},
			d.logAttrs...)})
}

// deny responds to a request that is denied:
//
//   - to a program or script, with JSON;
//   - to a browser whose user is known and denied, with a page that shows the reason;
//   - to nginx for a browser without a session, with the status 401: nginx then requests
//     pathDenied, and serveDenied gives one of the following responses;
//   - to a browser without a session that sent a form, with a page that asks the user to sign in;
//   - to a browser without a session at an address that is too long to return to after sign-in,
//     with a page that explains this;
//   - to any other browser without a session, with a redirect to sign in.
func (h *Handler) deny(w http.ResponseWriter, r *http.Request, req forwardedRequest, d *decision) {
	h.logDenied(r, req.site, d)
	w.Header().Del("Strict-Transport-Security") // this response is for a host that is not the gateway's
	here := req.site.origin + cleanReturn(req.target)
	// A proxy that sends no method counts as GET.
	navigates := req.method == "" || req.method == http.MethodGet || req.method == http.MethodHead
	switch {
	case !isPage(r):
		status := http.StatusForbidden
		if d.denied == web.NotSignedIn {
			status = http.StatusUnauthorized
			w.Header().Set("WWW-Authenticate", "Weigate")
		}
		writeError(w, status, d.denied)
	case d.denied != web.NotSignedIn:
		h.showDenied(w, r, req, d, here)
	case req.nginx:
		writeError(w, http.StatusUnauthorized, web.NotSignedIn)
	case !navigates:
		h.showPleaseSignIn(w, r, req.site)
	case tooLongToReturn(req.target):
		h.cfg.Site.Show(w, r, web.Page{Kind: web.AddressTooLong, Rejection: web.Rejection{Request: "verify",
			App: req.site.app.ID}})
	default:
		h.redirect(w, r, req.site, req.site.startURL(cleanReturn(req.target)))
	}
}

// showPleaseSignIn responds to a form that was sent without a session. The content of the form is
// lost. A redirect would hide the loss: the user would believe that the site had accepted the form.
func (h *Handler) showPleaseSignIn(w http.ResponseWriter, r *http.Request, s *site) {
	h.cfg.Site.Show(w, r, web.Page{Kind: web.PleaseSignIn, App: s.app.Name, Go: s.startURL("/"), AlreadyLogged: true})
}

// redirect redirects a browser to address, where a sign-in starts. If address is too long for the
// header Location, redirect shows a page that continues at address. The page has the status 401:
// after a status 2xx, a proxy would let the original request through.
func (h *Handler) redirect(w http.ResponseWriter, r *http.Request, s *site, address string) {
	if len(address) > maxVerifyLocation {
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Continue, Status: http.StatusUnauthorized, App: s.app.Name,
			Go: address, ContinueAfter: time.Millisecond, AlreadyLogged: true})
		return
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Location", address)
	w.WriteHeader(http.StatusFound)
}

// showDenied shows the page with the reason for a denial of a known user. here is the address of
// the original request. The page of a user who waits for approval reloads automatically.
func (h *Handler) showDenied(w http.ResponseWriter, r *http.Request, req forwardedRequest, d *decision, here string) {
	s := req.site
	page := web.Page{Kind: d.denied, App: s.app.Name, User: web.UserOf(*d.user), Go: here}
	start := s.startURL(strings.TrimPrefix(here, s.origin))
	switch d.denied {
	case web.Waiting, web.Refused:
		var err error
		page, err = h.cfg.Requests.Page(r.Context(), d.denied == web.Waiting, accessrequest.Applicant{
			App: s.app.App, Continue: here, AtGateway: start,
			Browser: session.Browser{User: *d.user, Session: gateway.Session{Method: d.method}},
		})
		if err != nil {
			h.showFailure(w, r, req, err)
			return
		}
		page.Status = http.StatusForbidden // with 200 a proxy would let the request through
	case web.WrongMethod:
		page.Go = start
	case web.Blocked:
		page.Go = ""
	}
	page.Home, page.AlreadyLogged = h.cfg.URL+"/", true
	h.cfg.Site.Show(w, r, page)
}

// failureKind returns the kind of page for a failure of the store or of signing.
func failureKind(err error) web.Kind {
	if web.KindOf(err) == web.Busy {
		return web.Busy
	}
	return web.Fault
}

// showFailure responds when the store is unavailable or signing has failed. The status is 503 or
// 500. It is never 401: a proxy would treat the user as not signed in.
func (h *Handler) showFailure(w http.ResponseWriter, r *http.Request, req forwardedRequest, err error) {
	kind := failureKind(err)
	if kind == web.Busy {
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
	if req.site != nil {
		page.App, page.Go = req.site.app.Name, req.site.origin+cleanReturn(req.target)
	}
	h.cfg.Site.Show(w, r, page)
}

// serveDenied serves pathDenied. When /verify has denied a request, nginx requests pathDenied through
// error_page, with the headers of the original request. nginx passes the response on to the browser:
// a redirect to sign in, or a page.
func (h *Handler) serveDenied(w http.ResponseWriter, r *http.Request) {
	setHostHeaders(w)
	req, err := h.parseForwarded(r)
	switch {
	case err != nil && h.siteOf(r) == nil:
		h.cfg.Site.Show(w, r, web.Page{Kind: web.NotFound})
		return
	case err != nil:
		// /verify rejects this proxy too. With a redirect to sign in, the browser would return here after
		// the sign-in, and find that the user is allowed, again and again.
		h.rejectProxy(w, r, err)
		return
	}
	req.nginx = false // nginx passes on any response of this request: deny need not respond with 401
	d, err := h.decideNow(r, req.site)
	switch {
	case err != nil:
		h.showFailure(w, r, req, err)
	case d.denied == "":
		// The user has been allowed since /verify denied the request. Another process may still
		// have the denial in its cache, and /verify denies the next request again. The page waits
		// for a second before it continues, so that the redirects do not repeat at full speed.
		h.cfg.Site.Show(w, r, web.Page{Kind: web.Continue, App: req.site.app.Name, Go: req.site.origin +
			cleanReturn(req.target), ContinueAfter: time.Second})
	default:
		h.deny(w, r, req, d)
	}
}

// isPage reports whether a browser navigates to a page. It returns false for a program, a script,
// an image and a WebSocket. Older browsers (before 2020, on iOS before 2023) do not send
// Sec-Fetch-Mode; the Accept header identifies these browsers. A proxy's subrequest for a WebSocket
// may lack the header Upgrade, but has Sec-WebSocket-Key.
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
