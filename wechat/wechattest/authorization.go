package wechattest

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/weigate/weigate/internal/lang"
	"github.com/weigate/weigate/internal/simulator/link"
)

// Code returns a code as if the person had consented in a browser. It is for tests without a
// browser. The scope is snsapi_base or snsapi_userinfo for an official or test account, and
// snsapi_login for a website app. Code returns an error for an unknown app, an unknown person, or a
// scope that the app does not have. In snapshot mode (快照页) the code belongs to a virtual account
// instead of the person, see [Quirks.Snapshot]. Code does not check a redirect URI;
// [Server.Authorize] does.
func (s *Server) Code(appID, person, scope string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, p := s.app(appID), s.person(person)
	if app == nil {
		return "", s.unknownApp(appID)
	}
	if p == nil {
		return "", s.unknownPerson(person)
	}
	if !app.hasScope(scope) {
		return "", fmt.Errorf("wechattest: app %s (%v) does not have the scope %q", appID, app.Kind, scope)
	}
	const forced = false // there is no authorize request with the parameter forceSnapShot
	virtual := scope == scopeUserInfo && s.snapshotMode(app, p, forced)
	return s.issueCode(appUser{appID: appID, person: person, virtual: virtual}, scope), nil
}

// AuthorizationRequest is a request to [Server.Authorize]. Set either URL, or AppID, RedirectURI,
// Scope and State.
type AuthorizationRequest struct {
	Person string // the id of the person who consents
	// URL is the address that the app redirects to: /connect/oauth2/authorize or
	// /connect/qrconnect, on any host.
	URL string

	AppID       string
	RedirectURI string
	Scope       string // "" means snsapi_login for a website app, else snsapi_userinfo
	State       string
	// Refuse is true if the person refuses instead of consenting.
	Refuse bool
}

// Authorization is the result of [Server.Authorize].
type Authorization struct {
	// CallbackURL is the address that WeChat redirects to, with the code and the state. It is "" after
	// a refusal, because WeChat does not notify the app; see [Quirks.LegacyDenial].
	CallbackURL string
	Code        string    // "" after a refusal
	Expires     time.Time // when the code expires
	AppID       string
	Scope       string
	OpenID      string // in snapshot mode, the openid of the virtual account
	Snapshot    bool   // the code belongs to a virtual account, see Quirks.Snapshot
}

// AuthorizeError is the error of [Server.Authorize] when WeChat would show an error page.
type AuthorizeError struct {
	Code int    // WeChat's error code, 0 for none
	Text string // WeChat's sentence in Chinese; "" for a blank page
	Hint string // an explanation in English
}

// Error returns the sentence, the code and the explanation.
func (e *AuthorizeError) Error() string {
	text := cmp.Or(e.Text, "a blank page")
	if e.Code != 0 {
		text += fmt.Sprintf(" (%d)", e.Code)
	}
	return "wechattest: WeChat shows an error page: " + text + ": " + e.Hint
}

// Authorize returns the authorization that an app receives after a person has consented on WeChat's
// page. It is for tests without a browser. It checks the request as WeChat's pages do. If such a
// page would be an error page, Authorize returns an [AuthorizeError]. It does not record the
// consent, so the next page asks again. It does not send the extra callback of
// [Quirks.DoubleCallback].
func (s *Server) Authorize(req AuthorizationRequest) (Authorization, error) {
	r, website, err := s.authorizePageRequest(&req)
	if err != nil {
		return Authorization{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	person := s.person(req.Person)
	if person == nil {
		return Authorization{}, s.unknownPerson(req.Person)
	}
	if website {
		return s.authorizeWebsite(r, person, req.Refuse)
	}
	return s.authorizeAccount(r, person, req)
}

// authorizePageRequest returns the request for WeChat's page, and whether it is the page of website
// apps. If req has neither URL nor Scope, it sets Scope to the default.
func (s *Server) authorizePageRequest(req *AuthorizationRequest) (r *request, website bool, err error) {
	address := req.URL
	if address == "" {
		if address, err = s.pageAddress(req); err != nil {
			return nil, false, err
		}
	}
	u, ok := link.Resolve(nil, address)
	if !ok || u.Path != "/connect/oauth2/authorize" && u.Path != "/connect/qrconnect" {
		return nil, false, errors.New("wechattest: the URL is not the address of /connect/oauth2/authorize " +
			"or /connect/qrconnect")
	}
	r = s.newRequest(&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{}})
	return r, u.Path == "/connect/qrconnect", nil
}

// pageAddress returns the address of WeChat's page for a request without URL. If req has no Scope,
// it sets Scope to the default.
func (s *Server) pageAddress(req *AuthorizationRequest) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app := s.app(req.AppID)
	if app == nil {
		return "", s.unknownApp(req.AppID)
	}
	path, scope := "/connect/oauth2/authorize", scopeUserInfo
	if app.Kind == WebsiteApp {
		path, scope = "/connect/qrconnect", scopeLogin
	}
	req.Scope = cmp.Or(req.Scope, scope)
	return "https://open.weixin.qq.com" + path + "?appid=" + url.QueryEscape(req.AppID) +
		"&redirect_uri=" + url.QueryEscape(req.RedirectURI) + "&response_type=code&scope=" +
		url.QueryEscape(req.Scope) + "&state=" + url.QueryEscape(req.State), nil
}

// authorizeAccount is Authorize for an official or test account. The caller holds the lock.
func (s *Server) authorizeAccount(r *request, person *Person, req AuthorizationRequest) (Authorization, error) {
	var bad *problem
	page := authorizeRequest{app: s.app(req.AppID), scope: req.Scope, redirectURI: req.RedirectURI, state: req.State}
	switch {
	case req.URL == "" && page.app == nil: // removed since authorizePageRequest
		return Authorization{}, s.unknownApp(req.AppID)
	case req.URL == "":
		bad = s.checkAuthorize(r, &page) // unlike readAuthorize, it accepts an empty state
	default:
		page, bad = s.readAuthorize(r)
	}
	if bad == nil {
		bad = s.checkFollower(page.app, person)
	}
	if bad != nil {
		return Authorization{}, newAuthorizeError(bad)
	}
	user := appUser{appID: page.app.AppID, person: person.ID}
	asks := hasScope(page.scope, scopeUserInfo)
	user.virtual = asks && s.snapshotMode(page.app, person, page.forceSnapshot)
	switch {
	case !req.Refuse:
		out := s.authorization(user, page.scope)
		out.CallbackURL = headerSafe(appendQuery(page.redirectURI, "code="+out.Code+"&state="+page.state))
		return out, nil
	case !asks || user.virtual:
		return Authorization{}, errors.New("wechattest: nothing to refuse: WeChat shows no consent page for " +
			"snsapi_base and in snapshot mode")
	case s.quirks.LegacyDenial:
		return Authorization{AppID: user.appID, Scope: page.scope,
			CallbackURL: headerSafe(appendQuery(page.redirectURI, "state="+page.state))}, nil
	}
	return Authorization{AppID: user.appID, Scope: page.scope}, nil
}

// authorizeWebsite is Authorize for a website app. The caller holds the lock.
func (s *Server) authorizeWebsite(r *request, person *Person, refuse bool) (Authorization, error) {
	app, bad := s.readQRConnect(r)
	if bad != nil {
		return Authorization{}, newAuthorizeError(bad)
	}
	if refuse {
		return Authorization{AppID: app.AppID, Scope: scopeLogin}, nil
	}
	out := s.authorization(appUser{appID: app.AppID, person: person.ID}, scopeLogin)
	out.CallbackURL = headerSafe(callbackAddress(r.params.Get("redirect_uri"), out.Code, r.params.Get("state")))
	return out, nil
}

// authorization issues a code for a user, and returns it without a callback address. The caller
// holds the lock.
func (s *Server) authorization(user appUser, scope string) Authorization {
	code := s.issueCode(user, scope)
	return Authorization{
		Code: code, Expires: s.state.codes[code].expires, AppID: user.appID, Scope: scope,
		OpenID: s.ids.openID(user.appID, user.person, user.virtual), Snapshot: user.virtual,
	}
}

func newAuthorizeError(p *problem) *AuthorizeError {
	e := &AuthorizeError{Code: p.code, Hint: catalogue().In(lang.English).MustText(p.hint, p.args...)}
	if !p.blank {
		e.Text = catalogue().In(lang.Chinese).MustText(p.text)
	}
	return e
}
