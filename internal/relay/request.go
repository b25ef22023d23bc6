package relay

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/admission"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// WeChat's scopes.
const (
	scopeBase     = "snsapi_base"     // openid, nothing shown
	scopeUserInfo = "snsapi_userinfo" // nickname and picture too
	scopeLogin    = "snsapi_login"    // the same, of a website app
)

// Parameters that the gateway adds to an authorize request. They only restrict the request, so a
// request in which an attacker sets them is harmless.
const (
	paramLoginRequest = "weigate_login_request" // ID of the LoginRequest that was made for this request
	paramContinue     = "weigate_continue"      // the user pressed "Continue"
)

const (
	maxQuery = 8 << 10
	maxState = 128 // bytes, at oauth2/authorize (field report of 2018); no limit is known at qrconnect
)

// request is a validated request at one of the two authorize addresses.
type request struct {
	app            *App
	website        bool   // at qrconnect
	redirectURI    string // byte for byte as it was sent
	state          string
	scopes         []string
	forcePopup     bool
	lang           string
	loginRequestID string
	proceed        bool
}

func (h *Handler) parse(r *http.Request, website bool) (*request, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(r.URL.RawQuery) > maxQuery {
		return nil, &pageError{kind: web.BadRequest}
	}
	for _, name := range []string{"appid", "redirect_uri", "response_type", "scope", "state", paramLoginRequest} {
		if len(q[name]) > 1 {
			return nil, &pageError{kind: web.BadRequest} // the app and the gateway could read different ones
		}
	}
	app := h.byAppID[q.Get("appid")]
	if app == nil {
		return nil, &pageError{kind: web.UnknownApp}
	}
	req := &request{app: app, website: website, redirectURI: q.Get("redirect_uri"), state: q.Get("state"),
		lang:           q.Get("lang"),
		loginRequestID: q.Get(paramLoginRequest), proceed: q.Has(paramContinue)}
	refuse := func(page web.Kind) (*request, error) { return nil, &pageError{kind: page, app: app} }
	switch {
	case app.checkRedirectURI(req.redirectURI) != nil:
		return refuse(web.RedirectURI)
	case q.Get("response_type") != "code":
		return refuse(web.BadRequest)
	case !req.readScope(q.Get("scope")) || req.connector() == "":
		return refuse(web.Scope)
	case !website && len(req.state) > maxState:
		return refuse(web.State)
	}
	popup := q.Get("forcePopup")
	req.forcePopup = (popup == "true" || popup == "1") && slices.Contains(req.scopes, scopeUserInfo)
	if len(h.requestURL(req, paramLoginRequest, admission.NewLoginRequestID(h.requestURL(req)))) > session.MaxReturn {
		return refuse(web.BadRequest)
	}
	return req, nil
}

// readScope parses scope as WeChat does: separated by commas, also at the end. It reports whether
// all scopes exist at this address.
func (req *request) readScope(list string) bool {
	for s := range strings.SplitSeq(list, ",") {
		switch {
		case s == "":
		case req.website != (s == scopeLogin) || s != scopeLogin && s != scopeBase && s != scopeUserInfo:
			return false
		case !slices.Contains(req.scopes, s):
			req.scopes = append(req.scopes, s)
		}
	}
	return len(req.scopes) > 0
}

// connector returns the connector whose openids the app stores.
func (req *request) connector() string {
	if req.website && req.app.WebsiteConnector != "" {
		return req.app.WebsiteConnector
	}
	return req.app.Connector
}

// wantsProfile reports whether the app will read nickname and picture.
func wantsProfile(scopes []string) bool {
	return slices.Contains(scopes, scopeUserInfo) || slices.Contains(scopes, scopeLogin)
}

func (req *request) endpoint() string {
	if req.website {
		return "qrconnect"
	}
	return "authorize"
}

// language returns the language tag for the parameter lang of WeChat's QR page.
func (req *request) language() string {
	switch req.lang {
	case "cn", "zh_CN":
		return "zh-CN"
	case "en":
		return "en"
	}
	return ""
}

// requestURL returns the address of this request, with parameters of the gateway added and unused
// parameters removed: it has to fit into a cookie.
func (h *Handler) requestURL(req *request, own ...string) string {
	path := pathAuthorize
	if req.website {
		path = pathQRConnect
	}
	var b strings.Builder
	b.WriteString(h.path + path)
	separator := "?"
	add := func(name, value string) {
		b.WriteString(separator + name + "=" + url.QueryEscape(value))
		separator = "&"
	}
	add("appid", req.app.AppID)
	add("redirect_uri", req.redirectURI)
	add("response_type", "code")
	add("scope", strings.Join(req.scopes, ","))
	add("state", req.state)
	if req.forcePopup {
		add("forcePopup", "true")
	}
	if req.lang != "" {
		add("lang", req.lang)
	}
	for i := 0; i+1 < len(own); i += 2 {
		if own[i+1] != "" {
			add(own[i], own[i+1])
		}
	}
	return b.String()
}
