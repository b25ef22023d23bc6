package relay

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

// WeChat's scopes.
const (
	scopeBase     = "snsapi_base"     // openid, nothing shown
	scopeUserInfo = "snsapi_userinfo" // nickname and picture too
	scopeLogin    = "snsapi_login"    // the same, of a website app
)

// Our own parameters of the authorize addresses. They only ever narrow the request that carries them, so it does no harm when somebody else writes them.
const (
	paramLoginRequest = "weigate_login_request" // ID of the Demand that was made for this request
	paramContinue     = "weigate_continue"      // the person pressed "go on"
)

const (
	maxQuery = 8 << 10
	maxState = 128 // bytes, at oauth2/authorize (field report of 2018); none was met at qrconnect
)

// request is a request at one of the two authorize addresses, checked.
type request struct {
	app            *App
	website        bool   // at qrconnect
	redirectURI    string // byte for byte as it came
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
		return nil, &stop{http.StatusBadRequest, ReasonRequest, nil, ""}
	}
	for _, name := range []string{"appid", "redirect_uri", "response_type", "scope", "state", paramLoginRequest} {
		if len(q[name]) > 1 {
			return nil, &stop{http.StatusBadRequest, ReasonRequest, nil, ""} // which of them counts would be for everybody on the way to guess
		}
	}
	app := h.byAppID[q.Get("appid")]
	if app == nil {
		return nil, &stop{http.StatusBadRequest, ReasonUnknownApp, nil, ""}
	}
	req := &request{app: app, website: website, redirectURI: q.Get("redirect_uri"), state: q.Get("state"), lang: q.Get("lang"),
		loginRequestID: q.Get(paramLoginRequest), proceed: q.Has(paramContinue)}
	refuse := func(reason Reason) (*request, error) { return nil, &stop{http.StatusBadRequest, reason, app, ""} }
	switch {
	case app.checkReturn(req.redirectURI) != nil:
		return refuse(ReasonRedirect)
	case q.Get("response_type") != "code":
		return refuse(ReasonRequest)
	case !req.readScope(q.Get("scope")) || req.connector() == "":
		return refuse(ReasonScope)
	case !website && len(req.state) > maxState:
		return refuse(ReasonState)
	}
	popup := q.Get("forcePopup")
	req.forcePopup = (popup == "true" || popup == "1") && slices.Contains(req.scopes, scopeUserInfo)
	if len(h.restartURL(req, paramLoginRequest, h.newLoginRequestID(req))) > session.MaxReturn {
		return refuse(ReasonRequest)
	}
	return req, nil
}

// readScope takes a list as WeChat does: separated by commas, the last of which may have nothing behind it.
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

// entry is where the app's openids are from.
func (req *request) connector() string {
	if req.website && req.app.WebsiteConnector != "" {
		return req.app.WebsiteConnector
	}
	return req.app.Connector
}

// wantsProfile says whether the app will ask for nickname and picture.
func wantsProfile(scopes []string) bool {
	return slices.Contains(scopes, scopeUserInfo) || slices.Contains(scopes, scopeLogin)
}

func (req *request) endpoint() string {
	if req.website {
		return "qrconnect"
	}
	return "authorize"
}

// language is the wish that WeChat's QR page takes as lang, as a language tag.
func (req *request) language() string {
	switch req.lang {
	case "cn", "zh_CN":
		return "zh-CN"
	case "en":
		return "en"
	}
	return ""
}

// again is the address of this same request with our own parameters, less what means nothing to us: it has to fit into a cookie.
func (h *Handler) restartURL(req *request, own ...string) string {
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

// Again is the address at which an authorize request begins anew, given an address of it that was on its way through sign-in; ok is false for any
// other address. What was done for the request so far counts no more.
func (h *Handler) RestartURL(address string) (anew string, ok bool) {
	u, err := url.Parse(address)
	if err != nil || u.IsAbs() || u.Host != "" {
		return "", false
	}
	website := u.EscapedPath() == h.path+pathQRConnect
	if !website && u.EscapedPath() != h.path+pathAuthorize {
		return "", false
	}
	req, err := h.parse(&http.Request{URL: u}, website)
	if err != nil {
		return "", false
	}
	return h.restartURL(req), true
}

// newDemand names a demand. The name holds a hash of the request, so that an answer to it is none to another request.
func (h *Handler) newLoginRequestID(req *request) string { return gateway.NewID() + h.requestHash(req) }

// madeFor says whether the demand that the request carries was made for this very request.
func (h *Handler) loginRequestMatches(req *request) bool {
	return len(req.loginRequestID) > imprintSize && strings.HasSuffix(req.loginRequestID, h.requestHash(req))
}

const imprintSize = 22 // 128 bits in base64url

func (h *Handler) requestHash(req *request) string {
	sum := sha256.Sum256([]byte(h.restartURL(req)))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
