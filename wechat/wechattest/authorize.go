package wechattest

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// authorizeRequest is a request to the authorize page.
type authorizeRequest struct {
	app                   *App
	scope                 string
	redirectURI, state    string
	forcePopup, forceSnap bool
}

// modeHeader marks a redirect in snapshot mode for the phone, which then has the button 使用完整服务.
const (
	modeHeader   = "X-Wechattest-Mode"
	modeSnapshot = "snapshot"
)

// authorize serves GET /connect/oauth2/authorize: a silent redirect, snapshot mode, the consent
// page or an error page. The app is not notified of errors.
func (s *Server) authorize(r *request) answer {
	if !s.quirks.AnyBrowser && !inWeChat(r.Request) {
		return s.notInWeChat(r)
	}
	req, bad := s.readAuthorize(r)
	if bad != nil {
		return s.errorPage(r, *bad)
	}
	who, silent := s.identify(r)
	if who == nil && silent {
		return s.errorPage(r, problem{text: "text-no-such-link", hint: "hint-no-person",
			args: []any{"person", strconv.Quote(s.quirks.ConsentAs)}})
	}
	if who == nil {
		return s.choosePage(r, r.URL.RequestURI())
	}
	r.call.Person = who.ID
	if req.app.Kind == TestAccount && !who.follows(req.app.AppID) {
		return s.errorPage(r, problem{code: 10006, text: "text-follow-first", hint: "hint-follow",
			args: []any{"person", who.ID, "appid", req.app.AppID}})
	}
	me := pair{app: req.app.AppID, person: who.ID}
	switch {
	case !hasScope(req.scope, scopeUserInfo):
		return s.redirectWithCode(r, me, req)
	case s.snapshotMode(req.app, who, req.forceSnap): // even with forcePopup, by a field report
		me.virtual = true
		a := s.redirectWithCode(r, me, req)
		a.header.Set(modeHeader, modeSnapshot)
		return a
	case silent:
		s.consent(me)
		return s.redirectWithCode(r, me, req)
	case s.consented(me) && !req.forcePopup:
		return s.redirectWithCode(r, me, req)
	}
	uuid := s.ids.uuid()
	s.state.sweep(s.now())
	s.state.pages[uuid] = &consentPage{pair: me, scope: req.scope, redirectURI: req.redirectURI, state: req.state,
		expires: s.now().Add(pageLife)}
	return s.consentView(r, req.app, who, uuid)
}

// readAuthorize validates what does not depend on the person. The order of the checks is not
// documented.
func (s *Server) readAuthorize(r *request) (authorizeRequest, *problem) {
	get := r.params.Get
	req := authorizeRequest{scope: get("scope"), redirectURI: get("redirect_uri"), state: get("state"),
		forcePopup: isTrue(get("forcePopup")), forceSnap: isTrue(get("forceSnapShot"))}
	for _, p := range []struct {
		name string
		code int
		text string
	}{
		{"appid", 10012, "text-no-appid"},
		{"redirect_uri", 10011, "text-no-redirect"},
		{"scope", 10010, "text-no-scope"},
		{"state", 10013, "text-no-state"},
	} {
		if get(p.name) == "" {
			return req, &problem{code: p.code, text: p.text, hint: "hint-missing", args: []any{"name", p.name}}
		}
	}
	if cr, sent := r.params["connect_redirect"]; get("response_type") != "code" || sent && cr[0] == "" {
		return req, &problem{text: "text-bad-response-type", hint: "hint-response-type"}
	}
	req.app = s.app(get("appid"))
	if req.app == nil {
		return req, &problem{text: "text-no-such-link", hint: "hint-no-app",
			args: []any{"appid", strconv.Quote(get("appid")), "known", strings.Join(s.appIDs(), ", ")}}
	}
	return req, s.checkAuthorize(r, &req)
}

func (s *Server) checkAuthorize(r *request, req *authorizeRequest) *problem {
	app := req.app
	switch {
	case app.Banned:
		return &problem{code: 10004, text: "text-banned", hint: "hint-banned", args: []any{"appid", app.AppID}}
	case app.Kind == WebsiteApp:
		return &problem{code: 10016, text: "text-wrong-kind", hint: "hint-wrong-kind", args: []any{"appid", app.AppID}}
	case r.params.Get("component_appid") != "":
		return &problem{code: 10015, text: "text-no-component", hint: "hint-component"}
	}
	for scope := range strings.SplitSeq(req.scope, ",") {
		if scope != "" && !app.hasScope(scope) {
			return &problem{code: 10005, text: "text-bad-scope", hint: "hint-scope",
				args: []any{"appid", app.AppID, "scope", strconv.Quote(scope)}}
		}
	}
	if hasScope(req.scope, scopeUserInfo) && !s.quirks.LaxOrder && !inOrder(r.URL.RawQuery) {
		return &problem{code: 10005, text: "text-bad-scope", hint: "hint-order"}
	}
	if !app.allowsRedirect(req.redirectURI) {
		return &problem{code: 10003, text: "text-bad-domain", hint: "hint-domain",
			args: []any{"redirect_uri", strconv.Quote(req.redirectURI), "domains", strings.Join(app.Domains, ", ")}}
	}
	if len(req.state) > 128 {
		return &problem{text: "text-long-state", hint: "hint-long-state", args: []any{"bytes", len(req.state)}}
	}
	if s.quirks.StrictState && strings.Trim(req.state, alnum) != "" {
		return &problem{text: "text-bad-state", hint: "hint-bad-state"}
	}
	return nil
}

// inOrder reports whether the parameters have the documented order and case. Parameters after state
// are ignored, since WeChat's client appends some.
func inOrder(rawQuery string) bool {
	want := []string{"appid", "redirect_uri", "response_type", "scope", "state"}
	parts := strings.Split(rawQuery, "&")
	if len(parts) < len(want) {
		return false
	}
	for i, name := range want {
		if !strings.HasPrefix(parts[i], name+"=") {
			return false
		}
	}
	return true
}

// snapshotMode reports whether the page opens in snapshot mode: for people who have neither
// consented before nor pressed 使用完整服务 (WeChat's announcement of 2022-05-09).
func (s *Server) snapshotMode(app *App, p *Person, forced bool) bool {
	who := pair{app: app.AppID, person: p.ID}
	return (forced || s.quirks.Snapshot || app.Snapshot || p.Snapshot) && !s.state.fullService[who] && !s.consented(who)
}

func (s *Server) consented(who pair) bool {
	until, ok := s.state.consents[who]
	return ok && s.now().Before(until)
}

// authorizeReply handles the buttons of the consent page. A refusal closes the page and does not
// notify the app (many reports from 2019 to 2024, and WeChat's staff).
func (s *Server) authorizeReply(r *request) answer {
	page := s.state.pages[r.params.Get("uuid")]
	who := s.ids.person(r.params.Get("uin"), r.params.Get("key"))
	if page == nil || !s.now().Before(page.expires) || who != page.person {
		return s.errorPage(r, problem{text: "text-no-such-link", hint: "hint-old-page"})
	}
	r.call.AppID, r.call.Person = page.app, page.person
	req := authorizeRequest{app: s.app(page.app), scope: page.scope, redirectURI: page.redirectURI, state: page.state}
	if r.params.Get("allow") == "1" && r.params.Get(scopeUserInfo) == "on" {
		s.consent(page.pair)
		return s.redirectWithCode(r, page.pair, req)
	}
	if s.quirks.LegacyDenial {
		return redirect(appendQuery(page.redirectURI, "state="+page.state))
	}
	r.call.Answer = "refused; the app is not notified"
	return s.messageView(r, "text-refused", "hint-refused")
}

func (s *Server) consent(who pair) { s.state.consents[who] = s.now().Add(consentLife) }

// redirectWithCode redirects to the app with a code. The caller holds the lock, which is released
// during a second callback that comes first.
func (s *Server) redirectWithCode(r *request, who pair, req authorizeRequest) answer {
	target := func(code string) string { return appendQuery(req.redirectURI, "code="+code+"&state="+req.state) }
	address := target(s.putCode(who, req.scope))
	s.doubleCallback(address, func() string { return target(s.putCode(who, req.scope)) })
	return redirect(address)
}

// appendQuery appends to the query of an address as WeChat does: after "?" or "&", before a
// fragment, without encoding. A state with "&" or "#" is broken, as it is at WeChat.
func appendQuery(address, query string) string {
	rest, fragment, hash := strings.Cut(address, "#")
	sep := "?"
	if strings.Contains(rest, "?") {
		sep = "&"
	}
	rest += sep + query
	if hash {
		rest += "#" + fragment
	}
	return rest
}

func redirect(address string) answer {
	return answer{status: http.StatusFound, header: http.Header{
		"Location": {headerSafe(address)}, "Cache-Control": {"no-store"}, "Referrer-Policy": {"no-referrer"}}}
}

// headerSafe percent-encodes the characters of an address that a header must not contain, and no
// others.
func headerSafe(address string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(address) {
		if c := address[i]; c <= ' ' || c >= 0x7f {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isTrue(v string) bool { return v == "true" || v == "1" }

func inWeChat(r *http.Request) bool {
	return strings.Contains(strings.ToLower(r.UserAgent()), "micromessenger")
}

func (s *Server) appIDs() []string {
	out := make([]string, len(s.apps))
	for i, a := range s.apps {
		out[i] = a.AppID
	}
	return out
}

// lateAfter is the delay of [DoubleLate]. Three to four hours were reported.
const lateAfter = 3*time.Hour + 30*time.Minute

// A second callback came from Tencent's machines: with this user agent and address, and without
// cookies. An app behind a reverse proxy sees the address in X-Forwarded-For.
const (
	secondUserAgent = "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) " +
		"Chrome/53.0.2785.116 Safari/537.36 QBCore/4.0.1301.400 QQBrowser/9.0.2524.400"
	secondAddress = "101.226.66.173"
)

// callbackClient returns a copy of c without cookies and redirects; nil means a default client.
func callbackClient(c *http.Client) *http.Client {
	out := &http.Client{Timeout: 10 * time.Second}
	if c != nil {
		*out = *c
	}
	out.Jar = nil
	out.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return out
}

// doubleCallback arranges the second callback of [Quirks.DoubleCallback]. withOtherCode returns the
// address with another code. The caller holds the lock, which is released during a callback that
// comes first: the app may call this server before it answers.
func (s *Server) doubleCallback(address string, withOtherCode func() string) {
	switch s.quirks.DoubleCallback {
	case DoubleFirst:
		s.unlocked(func() { s.secondCallback(address) })
	case DoubleOtherCode:
		other := withOtherCode()
		s.unlocked(func() { s.secondCallback(other) })
	case DoubleTogether:
		s.background.Go(func() { s.secondCallback(address) })
	case DoubleLate:
		s.state.replays = append(s.state.replays, replay{address: address, due: s.now().Add(lateAfter)})
	}
}

func (s *Server) unlocked(f func()) {
	s.mu.Unlock()
	defer s.mu.Lock()
	f()
}

// secondCallback requests a callback address. The response does not matter.
func (s *Server) secondCallback(address string) {
	req, err := http.NewRequestWithContext(s.closing, http.MethodGet, address, nil)
	if err != nil {
		return
	}
	req.Header.Set("User-Agent", secondUserAgent)
	req.Header.Set("X-Forwarded-For", secondAddress)
	if res, err := s.client.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
		_ = res.Body.Close()
	}
}

// startDueReplays sends late callbacks that are due, at any request, so that they need no
// [Server.Advance].
func (s *Server) startDueReplays() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.state.replays) == 0 {
		return
	}
	for _, address := range s.state.takeDue(s.now()) {
		s.background.Go(func() { s.secondCallback(address) })
	}
}
