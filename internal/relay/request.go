package relay

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/savedrequest"
	"github.com/weigate/weigate/internal/web"
)

// WeChat's scopes.
const (
	scopeBase     = "snsapi_base"     // openid only; WeChat shows no consent page
	scopeUserInfo = "snsapi_userinfo" // also nickname and picture
	scopeLogin    = "snsapi_login"    // also nickname and picture, for website apps
)

// Parameters that the gateway itself adds to the address of an authorize request. The browser
// brings them back when it returns from the sign-in or from a page. They grant nothing, so a link
// in which an attacker sets them is harmless.
const (
	paramLoginRequest = "weigate_login_request" // ID of the sign-in (session.LoginRequest) that this request has required
	paramContinue     = "weigate_continue"      // the user pressed "Continue" on the page that asks to sign in again
)

// maxState is the greatest length of state at oauth2/authorize, in bytes (field report of 2018). No
// limit is known at qrconnect.
const maxState = 128

// request is a validated request at one of the two authorize addresses.
type request struct {
	app            *App
	website        bool   // the request is at qrconnect, not at oauth2/authorize
	redirectURI    string // byte for byte as it was sent
	state          string
	scopes         []string
	forcePopup     bool   // WeChat's parameter: show the consent page also to a user whom WeChat remembers
	lang           string // WeChat's parameter: language of the page with the QR code
	loginRequestID string // paramLoginRequest; "" = the browser does not return from a sign-in
	confirmed      bool   // paramContinue: the user has agreed to sign in again
	savedAs        string // the short address of this request; "" = it was not saved, see shorten
}

// parse validates a request at an authorize address. Its errors are shown to the user, as at
// WeChat.
func (h *Handler) parse(r *http.Request, website bool) (*request, error) {
	if savedrequest.TooLong(r) {
		return nil, &pageError{kind: web.AddressTooLong}
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &pageError{kind: web.BadRequest}
	}
	for _, name := range []string{"appid", "redirect_uri", "response_type", "scope", "state", paramLoginRequest} {
		if len(q[name]) > 1 {
			// it is not clear which of the values counts
			return nil, &pageError{kind: web.BadRequest, logAttrs: []slog.Attr{slog.String("given_twice", name)}}
		}
	}
	appID, spelling := readAppID(q)
	app := h.byAppID[appID]
	if app == nil {
		return nil, &pageError{kind: web.UnknownApp, logAttrs: []slog.Attr{slog.String("appid", web.LoggedText(appID))}}
	}
	req := &request{app: app, website: website, redirectURI: q.Get("redirect_uri"), state: q.Get("state"),
		lang:           q.Get("lang"),
		loginRequestID: q.Get(paramLoginRequest), confirmed: q.Has(paramContinue)}
	refuse := func(page web.Kind, logAttrs ...slog.Attr) (*request, error) {
		return nil, &pageError{kind: page, app: app, logAttrs: logAttrs}
	}
	switch {
	case !app.redirectAllowed(req.redirectURI):
		return refuse(web.RedirectURI, slog.String("redirect_uri", web.LoggedURL(req.redirectURI)),
			slog.Any("return_urls", app.ReturnURLs))
	case q.Get("response_type") != "code":
		return refuse(web.BadRequest, slog.String("response_type", web.LoggedText(q.Get("response_type"))))
	case !req.readScope(q.Get("scope")) || req.connector() == "":
		return refuse(web.Scope, slog.String("scope", web.LoggedText(q.Get("scope"))),
			slog.String("connector", req.connector()))
	case spelling != "appid" && !slices.Equal(req.scopes, []string{scopeBase}): // as at WeChat, see readAppID
		return refuse(web.ParameterName, slog.String("sent", spelling), slog.String("want", "appid"))
	case !website && len(req.state) > maxState:
		return refuse(web.State, slog.Int("length", len(req.state)), slog.Int("longest", maxState))
	}
	popup := q.Get("forcePopup") // only snsapi_userinfo has a consent page
	req.forcePopup = (popup == "true" || popup == "1") && slices.Contains(req.scopes, scopeUserInfo)
	return req, nil
}

// readAppID returns the parameter appid, and the name under which it was sent. Some apps send appid
// in another case, such as appId (w7corp/easywechat#773). WeChat accepts this with snsapi_base, and
// shows a blank page with snsapi_userinfo. Here a page names the mistake instead.
func readAppID(q url.Values) (appID, name string) {
	if q.Has("appid") {
		return q.Get("appid"), "appid"
	}
	for sent, values := range q {
		if !strings.EqualFold(sent, "appid") {
			continue
		}
		if name != "" || len(values) > 1 {
			return "", "" // it is not clear which of the values counts
		}
		appID, name = values[0], sent
	}
	return appID, name
}

// readScope parses scope as WeChat does: a comma-separated list, whose empty elements are ignored.
// It reports whether the list has a scope of this endpoint, and no unknown scopes. At qrconnect,
// snsapi_login decides: WeChat accepts the scopes of official accounts beside it, and ignores them
// (aspnet-contrib/AspNet.Security.OAuth.Providers#457, w7corp/easywechat#447).
func (req *request) readScope(list string) bool {
	known, ignored := []string{scopeBase, scopeUserInfo}, []string(nil)
	if req.website {
		known, ignored = []string{scopeLogin}, known
	}
	for s := range strings.SplitSeq(list, ",") {
		switch {
		case s == "", slices.Contains(ignored, s):
		case !slices.Contains(known, s):
			return false
		case !slices.Contains(req.scopes, s):
			req.scopes = append(req.scopes, s)
		}
	}
	return len(req.scopes) > 0
}

// connector returns the connector (an official account or website app at WeChat) whose openids the
// app receives. Connector serves both endpoints, unless the app has a WebsiteConnector for
// qrconnect. The result is "" if the app has neither.
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

// endpoint returns the name of the endpoint for logs and metrics.
func (req *request) endpoint() string {
	if req.website {
		return "qrconnect"
	}
	return "authorize"
}

// language returns the language tag for the parameter lang; "" = none or unknown.
func (req *request) language() string {
	switch req.lang {
	case "cn", "zh_CN":
		return "zh-CN"
	case "en":
		return "en"
	}
	return ""
}

// requestURL returns the path and query at which the browser makes this request again, after a
// sign-in or a page. pairs are the names and values of parameters that the gateway adds. Unknown
// parameters of the original request are dropped, so that the address often fits into a cookie.
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

// shorten saves a request that is too long for a cookie, so that continueURL returns short
// addresses. When it returns false, it has written the response.
func (h *Handler) shorten(w http.ResponseWriter, r *http.Request, req *request) bool {
	address := h.requestURL(req)
	short, ok := h.cfg.Saved.Shorten(w, r, address)
	if ok && short != address {
		req.savedAs = short
	}
	return ok
}

// continueURL returns the address of requestURL, or the short address of a saved request.
func (h *Handler) continueURL(req *request, pairs ...string) string {
	if req.savedAs == "" {
		return h.requestURL(req, pairs...)
	}
	return savedrequest.Join(req.savedAs, pairs...)
}

// authority matches the part of a URL between "://" and the path: a host and an optional port. The
// host is an IPv6 address, or consists of letters, digits, dots, hyphens and underscores. The
// expression excludes user names, percent-encoding, and all characters that browsers parse
// differently.
var authority = regexp.MustCompile(
	`^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$`)

// returnURL is an address, or a prefix of addresses, to which codes may be sent.
type returnURL struct {
	scheme string // http or https
	host   string // with the port, unless it is the default one
	path   string // begins with a slash, as it was sent
}

// parseReturnURL parses an address. ok is false if browsers or servers could disagree about its
// host or path. Package url accepts more addresses, so it is not used here.
func parseReturnURL(address string) (u returnURL, ok bool) {
	for i := range len(address) {
		// Browsers drop tabs and line breaks, and take a backslash for a slash.
		if c := address[i]; c < ' ' || c == 0x7f || c == '\\' {
			return u, false
		}
	}
	scheme, rest, found := strings.Cut(address, "://")
	u.scheme = strings.ToLower(scheme)
	defaultPort := map[string]string{"http": ":80", "https": ":443"}[u.scheme]
	if !found || defaultPort == "" {
		return u, false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, rest := rest[:end], rest[end:]
	if !authority.MatchString(host) {
		return u, false
	}
	u.host = strings.TrimSuffix(strings.ToLower(host), defaultPort)
	u.path, _, _ = strings.Cut(rest, "#")
	u.path, _, _ = strings.Cut(u.path, "?")
	if u.path == "" {
		u.path = "/"
	}
	return u, true
}

// otherForms replaces the characters that some servers read as a dot or slash: overlong UTF-8 and
// full-width characters.
var otherForms = strings.NewReplacer("\xc0\xae", ".", "\xc0\xaf", "/", "．", ".", "／", "/", "＼", "/")

// hasDotSegment reports whether a server may read a segment of the path as "." or "..". The server
// would then serve another path than the path that was compared with the prefix. Servers differ:
//   - Some decode a path twice.
//   - Some remove the part of a segment after ";" (Tomcat).
//   - Some cut a segment at a zero byte.
//   - Windows ignores spaces at the end of a name.
//
// hasDotSegment also returns true for a path that is encoded more than twice, or has an invalid
// escape.
func hasDotSegment(path string) bool {
	for range 3 {
		segments := strings.FieldsFuncSeq(otherForms.Replace(path), func(r rune) bool { return r == '/' || r == '\\' })
		for segment := range segments {
			name, _, _ := strings.Cut(segment, ";")
			name, _, _ = strings.Cut(name, "\x00")
			name = strings.TrimFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f })
			if name == "." || name == ".." {
				return true
			}
		}
		decoded, err := url.PathUnescape(path)
		if err != nil || decoded == path {
			return err != nil
		}
		path = decoded
	}
	return true // encoded more than twice
}

// contains reports whether the prefix contains an address. Scheme and host must be equal. The path
// must be equal, or continue the prefix after a slash: /shop-admin is not below /shop.
func (prefix returnURL) contains(u returnURL) bool {
	switch {
	case prefix.scheme != u.scheme || prefix.host != u.host:
		return false
	case prefix.path == "/":
		return true
	case hasDotSegment(u.path):
		return false
	}
	below, found := strings.CutPrefix(u.path, prefix.path)
	return found && (below == "" || strings.HasSuffix(prefix.path, "/") || below[0] == '/')
}

// redirectAllowed reports whether a code may be sent to an address. The address must begin with one
// of the app's return URLs, including scheme and path. WeChat compares only the host, and allows
// any path and scheme ("网页授权域名", WeChat's guide to web authorization). This package is stricter for
// two reasons:
//   - A page of the same host may be an open redirect. The redirect would send the code on to the
//     attacker who made the link.
//   - Over plain http, the code could be read on the way.
func (a *App) redirectAllowed(address string) bool {
	u, ok := parseReturnURL(address)
	return ok && slices.ContainsFunc(a.returns, func(prefix returnURL) bool { return prefix.contains(u) })
}

// withCode adds code and state to the query of an app's address, as WeChat does. It adds them even
// if the query already has parameters of these names. They come before the fragment (field reports
// since 2019). For a website app, WeChat's page with the QR code appends the two parameters to the
// whole address, even after a fragment (seen in the page's script). Website apps read the parameters
// there, and withCode does the same.
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

// withEmptyFragment adds an empty fragment to an address without a fragment. Apps written for
// WeChat append "#wechat_redirect" to the authorize address. WeChat's own browser removes this
// fragment. Other browsers keep it when they follow a redirect to an address without a fragment
// (RFC 9110, section 10.2.2). The fragment would reach the app's script, and break an app that
// routes by fragments.
func withEmptyFragment(address string) string {
	if strings.Contains(address, "#") {
		return address
	}
	return address + "#"
}

// encodeState returns the state for the callback of the app. WeChat decodes the state of the
// request once and does not encode it again, and apps depend on this. Unlike WeChat, encodeState
// encodes the characters that would end or change the parameter. Otherwise the author of a link
// could use "&" in state to add parameters to the app's callback, for example a second code.
func encodeState(state string) string {
	return strings.NewReplacer("&", "%26", "#", "%23", "+", "%2B", ";", "%3B").Replace(state)
}

// headerSafe percent-encodes the bytes that must not be in a header or in a URL, and leaves all
// others unchanged.
func headerSafe(address string) string {
	var out strings.Builder
	for _, c := range []byte(address) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' || c == '\\' {
			fmt.Fprintf(&out, "%%%02X", c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}
