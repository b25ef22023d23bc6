package relay

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
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

// Parameters that the gateway itself adds to the address of an authorize request, before the browser
// leaves for the sign-in or a page and returns. They only restrict the request, so a link in which an
// attacker sets them is harmless.
const (
	paramLoginRequest = "weigate_login_request" // ID of the session.LoginRequest that was made for this request
	paramContinue     = "weigate_continue"      // the user pressed "Continue" on the page that asks to sign in again
)

const (
	maxQuery = 8 << 10
	maxState = 128 // bytes, at oauth2/authorize (field report of 2018); no limit is known at qrconnect
)

// request is a validated request at one of the two authorize addresses.
type request struct {
	app            *App
	website        bool   // the request is at qrconnect, not at oauth2/authorize
	redirectURI    string // byte for byte as it was sent
	state          string
	scopes         []string
	forcePopup     bool   // WeChat's parameter: show the consent page also to a user whom WeChat remembers
	lang           string // WeChat's parameter: language of the QR page
	loginRequestID string // paramLoginRequest; "" = the browser does not return from a sign-in
	proceed        bool   // paramContinue
}

// parse validates a request at an authorize address. Its errors are shown to the user, as at WeChat.
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

// requestURL returns the address (path and query) at which the browser makes this request again,
// after a sign-in or a page. pairs are names and values of parameters of the gateway to add. Unknown
// parameters of the original request are dropped, because the address has to fit into a cookie.
func (h *Handler) requestURL(req *request, pairs ...string) string {
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
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			add(pairs[i], pairs[i+1])
		}
	}
	return b.String()
}

// authority matches the part between "://" and the path: a host of letters, digits, dots and
// hyphens, or an IPv6 address, and a port. It excludes user names, percent-encoding, and all
// characters that browsers parse differently.
var authority = regexp.MustCompile(
	`^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$`)

var errRedirectURI = errors.New("relay: redirect_uri rejected")

// checkRedirectURI returns an error unless a code may be sent to address: an http or https address
// at one of the app's hosts. WeChat's rule is the same, an exact host and any path ("网页授权域名",
// WeChat's guide to web authorization). WeChat is reported to accept any port as well; here a port
// must be listed.
//
// The address is parsed here and not by package url: an address from which some browser may read
// another host is rejected.
func (a *App) checkRedirectURI(address string) error {
	for i := range len(address) {
		// Browsers drop tabs and line breaks, and take a backslash for a slash.
		if c := address[i]; c < ' ' || c == 0x7f || c == '\\' {
			return errRedirectURI
		}
	}
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		return errRedirectURI
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host := rest[:end]
	if !authority.MatchString(host) {
		return errRedirectURI
	}
	host = strings.ToLower(host)
	usual := host
	switch strings.ToLower(scheme) {
	case "http":
		usual = strings.TrimSuffix(host, ":80")
	case "https":
		usual = strings.TrimSuffix(host, ":443")
	default:
		return errRedirectURI
	}
	if !slices.Contains(a.ReturnHosts, host) && !slices.Contains(a.ReturnHosts, usual) {
		return errRedirectURI
	}
	return nil
}

// withCode adds code and state to the query of an app's address as WeChat does: before the fragment
// (field reports since 2019), without merging parameters. WeChat's QR page for website apps appends
// them to the whole address, even after a fragment (seen in its script), where code written for
// that page looks for them.
func withCode(address, code, state string, website bool) string {
	fragment := ""
	if !website {
		if i := strings.IndexByte(address, '#'); i >= 0 {
			address, fragment = address[:i], address[i:]
		}
	}
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	return headerSafe(address + separator + "code=" + code + "&state=" + encodeState(state) + fragment)
}

// withEmptyFragment adds an empty fragment to an address without a fragment. Apps written for WeChat
// append "#wechat_redirect" to the authorize address, which WeChat's own browser removes. Other
// browsers keep a fragment when they follow a redirect to an address without one (RFC 9110, section
// 10.2.2). So it would reach the app, and an app that routes by the fragment would fail.
func withEmptyFragment(address string) string {
	if strings.Contains(address, "#") {
		return address
	}
	return address + "#"
}

// encodeState returns the state for the callback of the app. WeChat decodes the state of the request
// once and does not encode it again, and apps depend on this. Here only the characters that would end
// the parameter are encoded: at WeChat, the author of a link can use "&" to add parameters to the
// app's callback, for example a second code.
func encodeState(state string) string {
	return strings.NewReplacer("&", "%26", "#", "%23", "+", "%2B", ";", "%3B").Replace(state)
}

// headerSafe percent-encodes the bytes that must not be in a header or in an address, and leaves
// all others unchanged.
func headerSafe(address string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(address) {
		if c := address[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' || c == '\\' {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
