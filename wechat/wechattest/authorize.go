package wechattest

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// authorizeRequest is a valid request to the authorize page of an official account.
type authorizeRequest struct {
	app                *App
	scope              string
	redirectURI, state string
	forcePopup         bool // show the consent page although the person has consented
	forceSnapshot      bool // open the page in snapshot mode
	misspeltAppID      bool // the parameter appid is written in another case, such as appId
}

// snapshotHeader is a response header of the simulator only. A redirect in snapshot mode has it,
// and a [Phone] then offers the button 使用完整服务 (use full service).
const (
	snapshotHeader = "X-Wechattest-Mode"
	modeSnapshot   = "snapshot"
)

// authorizePage serves GET /connect/oauth2/authorize. The response is a redirect to the app with a
// code, the consent page, or an error page. The app is not notified of errors.
//
// In snapshot mode (快照页, since 2022) WeChat shows no consent page. The app receives a code for a
// virtual account, not for the person.
func (s *Server) authorizePage(r *request) response {
	if !s.quirks.AnyBrowser && !inWeChat(r.Request) {
		return s.notInWeChat(r)
	}
	req, bad := s.readAuthorize(r)
	if bad != nil {
		return s.errorPage(r, *bad)
	}
	person, autoConsent := s.identify(r)
	if person == nil && autoConsent { // Quirks.ConsentAs names an unknown person
		return s.errorPage(r, problem{text: "text-no-such-link", hint: "hint-no-person",
			args: []any{"person", strconv.Quote(s.quirks.ConsentAs)}})
	}
	if person == nil {
		return s.choosePage(r, r.URL.RequestURI())
	}
	r.call.Person = person.ID
	if bad := s.checkFollower(req.app, person); bad != nil {
		return s.errorPage(r, *bad)
	}
	user := appUser{appID: req.app.AppID, person: person.ID}
	switch {
	case !hasScope(req.scope, scopeUserInfo): // snsapi_base needs no consent
		return s.redirectWithCode(user, req)
	case s.snapshotMode(req.app, person, req.forceSnapshot): // forcePopup changes nothing (a field report)
		user.virtual = true
		resp := s.redirectWithCode(user, req)
		resp.header.Set(snapshotHeader, modeSnapshot)
		return resp
	case autoConsent:
		s.recordConsent(user)
		return s.redirectWithCode(user, req)
	case s.consented(user) && !req.forcePopup:
		return s.redirectWithCode(user, req)
	}
	uuid := s.ids.uuid()
	s.state.deleteExpired(s.now())
	s.state.consentPages[uuid] = &consentPage{
		appUser: user, scope: req.scope, redirectURI: req.redirectURI, state: req.state,
		expires: s.now().Add(pageLife),
	}
	return s.consentView(r, req.app, person, uuid)
}

// readAuthorize parses and validates the parameters. The error codes are from WeChat's error pages.
// WeChat does not document the order of the checks.
func (s *Server) readAuthorize(r *request) (authorizeRequest, *problem) {
	get := r.params.Get
	req := authorizeRequest{scope: get("scope"), redirectURI: get("redirect_uri"), state: get("state"),
		forcePopup: isTrue(get("forcePopup")), forceSnapshot: isTrue(get("forceSnapShot")),
		misspeltAppID: r.fixAppID()}
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
			return req, r.missing(problem{code: p.code, text: p.text}, p.name)
		}
	}
	if get("response_type") == "" {
		return req, r.missing(problem{text: "text-bad-response-type"}, "response_type")
	}
	// connect_redirect may be missing, but not empty.
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

// checkAuthorize checks the request against the registration of the app.
func (s *Server) checkAuthorize(r *request, req *authorizeRequest) *problem {
	app := req.app
	switch {
	case app.Banned:
		return &problem{code: 10004, text: "text-banned", hint: "hint-banned", args: []any{"appid", app.AppID}}
	case app.Kind == WebsiteApp:
		return &problem{code: 10016, text: "text-wrong-kind", hint: "hint-wrong-kind", args: []any{"appid", app.AppID}}
	case r.params.Get("component_appid") != "": // sign-in through a third-party platform (第三方平台)
		return &problem{code: 10015, text: "text-no-component", hint: "hint-component"}
	}
	for scope := range strings.SplitSeq(req.scope, ",") {
		if scope != "" && !app.hasScope(scope) {
			return &problem{code: 10005, text: "text-bad-scope", hint: "hint-scope",
				args: []any{"appid", app.AppID, "scope", strconv.Quote(scope)}}
		}
	}
	strict := hasScope(req.scope, scopeUserInfo) && !s.quirks.LaxOrder // the order and case of parameters matter
	switch {
	case strict && req.misspeltAppID:
		return &problem{blank: true, hint: "hint-blank"}
	case strict && !inOrder(r.URL.RawQuery):
		return &problem{code: 10005, text: "text-bad-scope", hint: "hint-order"}
	case !app.allowsRedirect(req.redirectURI):
		return &problem{code: 10003, text: "text-bad-domain", hint: "hint-domain",
			args: []any{"redirect_uri", strconv.Quote(req.redirectURI), "domains", strings.Join(app.Domains, ", ")}}
	case len(req.state) > 128: // the documented maximum
		return &problem{text: "text-long-state", hint: "hint-long-state", args: []any{"bytes", len(req.state)}}
	case s.quirks.StrictState && strings.Trim(req.state, alnum) != "":
		return &problem{text: "text-bad-state", hint: "hint-bad-state"}
	}
	return nil
}

// checkFollower returns the problem of a person who does not follow a test account.
func (s *Server) checkFollower(app *App, person *Person) *problem {
	if app.Kind != TestAccount || person.follows(app.AppID) {
		return nil
	}
	return &problem{code: 10006, text: "text-follow-first", hint: "hint-follow",
		args: []any{"person", person.ID, "appid", app.AppID}}
}

// inOrder reports whether the parameters have the documented order and case. Parameters after state
// are ignored, because WeChat's client appends its own parameters.
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

// snapshotMode reports whether the authorize page of an app opens in snapshot mode for a person. It
// returns false for a person who has consented to the app, or has pressed 使用完整服务 (WeChat's
// announcement of 2022-05-09). forced is the request's parameter forceSnapShot.
func (s *Server) snapshotMode(app *App, p *Person, forced bool) bool {
	user := appUser{appID: app.AppID, person: p.ID}
	if s.state.fullService[user] || s.consented(user) {
		return false
	}
	return forced || s.quirks.Snapshot || app.Snapshot || p.Snapshot
}

// consented reports whether the person has consented to snsapi_userinfo. An expired consent does
// not count.
func (s *Server) consented(user appUser) bool {
	until, ok := s.state.consents[user]
	return ok && s.now().Before(until)
}

// authorizeReply handles the buttons of the consent page. A refusal closes the page and does not
// notify the app (many reports from 2019 to 2024, and WeChat's staff).
func (s *Server) authorizeReply(r *request) response {
	page := s.state.consentPages[r.params.Get("uuid")]
	// WeChat's client sends uin and key with every page: who the person is, and the proof.
	person := s.ids.person(r.params.Get("uin"), r.params.Get("key"))
	if page == nil || !s.now().Before(page.expires) || person != page.person {
		return s.errorPage(r, problem{text: "text-no-such-link", hint: "hint-old-page"})
	}
	r.call.AppID, r.call.Person = page.appID, page.person
	req := authorizeRequest{app: s.app(page.appID), scope: page.scope, redirectURI: page.redirectURI, state: page.state}
	// The form sends the granted scope in a hidden field: snsapi_userinfo=on.
	if r.params.Get("allow") == "1" && r.params.Get(scopeUserInfo) == "on" {
		s.recordConsent(page.appUser)
		return s.redirectWithCode(page.appUser, req)
	}
	if s.quirks.LegacyDenial {
		return redirect(appendQuery(page.redirectURI, "state="+page.state))
	}
	r.call.Answer = "refused; the app is not notified"
	return s.messageView(r, "text-refused", "hint-refused")
}

func (s *Server) recordConsent(user appUser) { s.state.consents[user] = s.now().Add(consentLife) }

// redirectWithCode redirects the browser to the app's callback with a code.
//
// WeChat sometimes requests the callback too, besides the browser: see [Quirks.DoubleCallback].
// redirectWithCode sends or schedules this extra callback. The caller holds the lock.
// redirectWithCode releases the lock while it waits for the app's response to the extra callback,
// because the app may call this server before it responds.
func (s *Server) redirectWithCode(user appUser, req authorizeRequest) response {
	newCallback := func() string {
		return appendQuery(req.redirectURI, "code="+s.issueCode(user, req.scope)+"&state="+req.state)
	}
	address := newCallback()
	switch s.quirks.DoubleCallback {
	case DoubleFirst:
		s.unlocked(func() { s.sendExtraCallback(address) })
	case DoubleOtherCode:
		other := newCallback()
		s.unlocked(func() { s.sendExtraCallback(other) })
	case DoubleTogether:
		s.background.Go(func() { s.sendExtraCallback(address) })
	case DoubleLate:
		late := lateCallback{address: address, due: s.now().Add(lateAfter)}
		s.state.lateCallbacks = append(s.state.lateCallbacks, late)
	}
	return redirect(address)
}

// unlocked calls f without the server's lock, which the caller holds.
func (s *Server) unlocked(f func()) {
	s.mu.Unlock()
	defer s.mu.Lock()
	f()
}

// appendQuery appends to the query of an address as WeChat does: after "?" or "&", before a
// fragment, without encoding. Like WeChat, it therefore damages a state that contains "&" or "#".
func appendQuery(address, query string) string {
	rest, fragment, hasFragment := strings.Cut(address, "#")
	sep := "?"
	if strings.Contains(rest, "?") {
		sep = "&"
	}
	rest += sep + query
	if hasFragment {
		rest += "#" + fragment
	}
	return rest
}

func redirect(address string) response {
	return response{status: http.StatusFound, header: http.Header{
		"Location": {headerSafe(address)}, "Cache-Control": {"no-store"}, "Referrer-Policy": {"no-referrer"}}}
}

// headerSafe percent-encodes the bytes of an address that a header must not contain. All other
// bytes stay as the app has sent them.
func headerSafe(address string) string {
	var b strings.Builder
	for i := range len(address) {
		if c := address[i]; c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
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

// lateAfter is the delay of [DoubleLate]. Field reports name three to four hours.
const lateAfter = 3*time.Hour + 30*time.Minute

// The user agent and the IP address of extra callbacks, as captured from machines of Tencent
// (WeChat's company). The address is sent in X-Forwarded-For, where an app behind a reverse proxy
// finds it.
const (
	extraUserAgent = "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) " +
		"Chrome/53.0.2785.116 Safari/537.36 QBCore/4.0.1301.400 QQBrowser/9.0.2524.400"
	extraAddress = "101.226.66.173"
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

// sendExtraCallback requests a callback address and discards the response.
func (s *Server) sendExtraCallback(address string) {
	req, err := http.NewRequestWithContext(s.closing, http.MethodGet, address, nil)
	if err != nil {
		return
	}
	req.Header.Set("User-Agent", extraUserAgent)
	req.Header.Set("X-Forwarded-For", extraAddress)
	if res, err := s.client.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
		_ = res.Body.Close()
	}
}

// sendDueCallbacks sends the callbacks of [DoubleLate] (repeated after hours) that are due.
// ServeHTTP calls it for every request. So the callbacks are also sent when real time passes and
// nobody calls [Server.Advance].
func (s *Server) sendDueCallbacks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.state.lateCallbacks) == 0 {
		return
	}
	for _, address := range s.state.takeDueCallbacks(s.now()) {
		s.background.Go(func() { s.sendExtraCallback(address) })
	}
}
