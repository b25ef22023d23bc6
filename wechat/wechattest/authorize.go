package wechattest

import (
	"net/http"
	"strings"
)

// authorizeRequest is what an authorize address asks for.
type authorizeRequest struct {
	app                   *App
	scope                 string
	redirectURI, state    string
	forcePopup, forceSnap bool
}

// authorize is GET /connect/oauth2/authorize: silent redirect, snapshot, consent page or error page. Errors are pages for the person; the app never hears of them.
func (s *Server) authorize(r *request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.switches.AnyBrowser && !inWeChat(r.Request) {
		return s.notInWeChat(r)
	}
	ask, bad := s.readAuthorize(r)
	if bad != nil {
		return s.errorPage(r, *bad)
	}
	who, silent := s.whoIs(r)
	if who == nil && silent {
		return s.errorPage(r, problem{text: textNoSuchLink, hint: hintNoPerson, args: []any{s.switches.ConsentAs}})
	}
	if who == nil {
		return s.choosePage(r, r.URL.RequestURI())
	}
	r.call.Person = who.ID
	if ask.app.Kind == TestAccount && !who.follows(ask.app.AppID) {
		return s.errorPage(r, problem{code: 10006, text: textFollowFirst, hint: hintFollow, args: []any{who.ID, ask.app.AppID}})
	}
	me := pair{app: ask.app.AppID, person: who.ID}
	switch {
	case !hasScope(ask.scope, scopeUserInfo):
		return s.goBack(r, me, ask)
	case s.snapshotMode(ask.app, who, ask.forceSnap): // forcePopup did not prevent it, by a field report
		me.virtual = true
		a := s.goBack(r, me, ask)
		a.header.Set("X-Wechattest-Mode", "snapshot") // for the phone, which draws the button 使用完整服务
		return a
	case silent:
		s.consent(me)
		return s.goBack(r, me, ask)
	case s.consented(me) && !ask.forcePopup:
		return s.goBack(r, me, ask)
	}
	uuid := s.ids.uuid()
	s.state.sweep(s.now())
	s.state.pages[uuid] = &consentPage{pair: me, scope: ask.scope, redirectURI: ask.redirectURI, state: ask.state, expires: s.now().Add(pageLife)}
	return s.consentView(r, ask.app, who, uuid)
}

// readAuthorize checks everything that does not need to know the person. The order of the checks is not documented.
func (s *Server) readAuthorize(r *request) (authorizeRequest, *problem) {
	get := r.params.Get
	ask := authorizeRequest{scope: get("scope"), redirectURI: get("redirect_uri"), state: get("state"),
		forcePopup: isTrue(get("forcePopup")), forceSnap: isTrue(get("forceSnapShot"))}
	for _, p := range []struct {
		name string
		code int
		text textKey
	}{{"appid", 10012, textNoAppID}, {"redirect_uri", 10011, textNoRedirect}, {"scope", 10010, textNoScope}, {"state", 10013, textNoState}} {
		if get(p.name) == "" {
			return ask, &problem{code: p.code, text: p.text, hint: hintMissing, args: []any{p.name}}
		}
	}
	if cr, sent := r.params["connect_redirect"]; get("response_type") != "code" || sent && cr[0] == "" {
		return ask, &problem{text: textBadResponseType, hint: hintResponseType}
	}
	ask.app = s.app(get("appid"))
	if ask.app == nil {
		return ask, &problem{text: textNoSuchLink, hint: hintNoApp, args: []any{get("appid"), strings.Join(s.appIDs(), ", ")}}
	}
	return ask, s.checkAuthorize(r, &ask)
}

func (s *Server) checkAuthorize(r *request, ask *authorizeRequest) *problem {
	app := ask.app
	switch {
	case app.Banned:
		return &problem{code: 10004, text: textBanned, hint: hintBanned, args: []any{app.AppID}}
	case app.Kind == WebsiteApp:
		return &problem{code: 10016, text: textWrongKind, hint: hintWrongKind, args: []any{app.AppID}}
	case r.params.Get("component_appid") != "":
		return &problem{code: 10015, text: textNoComponent, hint: hintComponent}
	}
	for scope := range strings.SplitSeq(ask.scope, ",") {
		if scope != "" && !app.hasScope(scope) {
			return &problem{code: 10005, text: textBadScope, hint: hintScope, args: []any{app.AppID, scope}}
		}
	}
	if hasScope(ask.scope, scopeUserInfo) && !s.switches.LaxOrder && !inOrder(r.URL.RawQuery) {
		return &problem{code: 10005, text: textBadScope, hint: hintOrder}
	}
	if !app.allowsRedirect(ask.redirectURI) {
		return &problem{code: 10003, text: textBadDomain, hint: hintDomain, args: []any{ask.redirectURI, strings.Join(app.Domains, ", ")}}
	}
	if len(ask.state) > 128 {
		return &problem{text: textLongState, hint: hintLongState, args: []any{len(ask.state)}}
	}
	if s.switches.StrictState && strings.Trim(ask.state, alnum) != "" {
		return &problem{text: textBadState, hint: hintBadState}
	}
	return nil
}

// inOrder applies the rule that the documents state: exactly this order, including case. Parameters after state are free, since the client appends its own.
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

// authorizeReply is what the person pressed on the consent page. A refusal closes the page and tells the app nothing: many reports from 2019 to
// 2024, and WeChat's staff.
func (s *Server) authorizeReply(r *request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	page := s.state.pages[r.params.Get("uuid")]
	who := s.ids.person(r.params.Get("uin"), r.params.Get("key"))
	if page == nil || !s.now().Before(page.expires) || who != page.person {
		return s.errorPage(r, problem{text: textNoSuchLink, hint: hintOldPage})
	}
	r.call.AppID, r.call.Person = page.app, page.person
	ask := authorizeRequest{app: s.app(page.app), scope: page.scope, redirectURI: page.redirectURI, state: page.state}
	if r.params.Get("allow") == "1" && r.params.Get(scopeUserInfo) == "on" {
		s.consent(page.pair)
		return s.goBack(r, page.pair, ask)
	}
	if s.switches.LegacyDenial {
		return redirect(appendQuery(page.redirectURI, "state="+page.state))
	}
	r.call.Answer = "refused; the app is not told"
	return s.messageView(r, textRefused, hintRefused)
}

func (s *Server) consent(who pair) { s.state.consents[who] = s.now().Add(consentLife) }

// goBack redirects to the app with a code. It runs under the lock and gives it up while a stranger's fetch comes first.
func (s *Server) goBack(r *request, who pair, ask authorizeRequest) answer {
	target := func(code string) string { return appendQuery(ask.redirectURI, "code="+code+"&state="+ask.state) }
	address := target(s.putCode(who, ask.scope))
	s.doubleCallback(address, func() string { return target(s.putCode(who, ask.scope)) })
	return redirect(address)
}

// appendQuery adds to the query of an address as WeChat does: "?" or "&", before a fragment, nothing merged and nothing encoded. A state with "&" or "#"
// breaks, as it does there.
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
	return answer{status: http.StatusFound, header: http.Header{"Location": {headerSafe(address)}, "Cache-Control": {"no-store"}, "Referrer-Policy": {"no-referrer"}}}
}

// headerSafe encodes what cannot stand in a header; all else of an address stays as it was given.
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
