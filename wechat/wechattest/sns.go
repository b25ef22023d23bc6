package wechattest

import (
	"cmp"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// The error codes of the sns endpoints (/sns/…, the JSON API of WeChat's login), from WeChat's
// global table of return codes and from captured responses.
const (
	codeSystem           = -1
	codeBadCredential    = 40001
	codeBadGrantType     = 40002
	codeBadOpenID        = 40003
	codeBadAppID         = 40013
	codeBadAccessToken   = 40014
	codeBadCode          = 40029
	codeBadRefreshToken  = 40030
	codeBadURL           = 40066
	codeBadSecret        = 40125
	codeCodeUsed         = 40163
	codeBadIP            = 40164
	codeNoAccessToken    = 41001
	codeNoAppID          = 41002
	codeNoRefreshToken   = 41003
	codeNoSecret         = 41004
	codeNoCode           = 41008
	codeNoOpenID         = 41009
	codeTokenExpired     = 42001
	codeRefreshExpired   = 42002
	codeCodeExpired      = 42003
	codePasswordChanged  = 42007
	codeRequireGET       = 43001
	codeMinuteQuota      = 45011
	codeUnauthorized     = 48001
	codePersonRestricted = 50002
)

const (
	contentTypeSNS         = "text/plain" // without a charset, as captured in 2016, 2021 and 2024
	grantAuthorizationCode = "authorization_code"
)

// errmsgs has WeChat's text for each error code, without the request id at the end. The codes that
// have no name above are sent only for a [Fault] (an injected failure). The texts of 41009 and
// 42007 are translated from Chinese, because WeChat's English texts are not known.
var errmsgs = map[int]string{
	codeSystem:           "system error",
	0:                    "ok",
	codeBadCredential:    "invalid credential, access_token is invalid or not latest",
	codeBadGrantType:     "invalid grant_type",
	codeBadOpenID:        "invalid openid",
	codeBadAppID:         "invalid appid",
	codeBadAccessToken:   "invalid access_token",
	codeBadCode:          "invalid code",
	codeBadRefreshToken:  "invalid refresh_token",
	codeBadURL:           "invalid url",
	codeBadSecret:        "invalid appsecret",
	codeCodeUsed:         "code been used",
	codeNoAccessToken:    "access_token missing",
	codeNoAppID:          "appid missing",
	codeNoRefreshToken:   "refresh_token missing",
	codeNoSecret:         "appsecret missing",
	codeNoCode:           "missing code",
	codeNoOpenID:         "missing openid",
	codeTokenExpired:     "access_token expired",
	codeRefreshExpired:   "refresh_token expired",
	codeCodeExpired:      "code expired",
	codePasswordChanged:  "user changed password, access_token and refresh_token are invalid",
	codeRequireGET:       "require GET method",
	45009:                "reach max api daily quota limit",
	codeMinuteQuota:      "api minute-quota reach limit, must slower, retry next minute",
	codeUnauthorized:     "api unauthorized",
	48004:                "api forbidden for irregularities, view detail on mp.weixin.qq.com",
	50001:                "user unauthorized",
	codePersonRestricted: "user limited",
}

// errmsg returns the text for a code. A [Fault] may have a code that is not in errmsgs.
func errmsg(code int) string {
	if text, ok := errmsgs[code]; ok {
		return text
	}
	return "error " + strconv.Itoa(code)
}

// snsError returns an error as WeChat sends it: status 200, an errcode, and an errmsg that ends
// with a request id.
func (s *Server) snsError(r *request, f snsFailure) response {
	code, text := f.code, f.errmsg
	if text == "" {
		text = errmsg(code)
	}
	text += s.ids.suffix(s.quirks.Suffix, s.now())
	var b jsonObject
	b.num("errcode", code)
	b.str("errmsg", text)
	r.call.Errcode, r.call.Answer = code, b.String()
	return s.snsResponse(b.String(), code)
}

// snsResponse returns a response of an sns endpoint; code is its errcode, 0 for a success.
func (s *Server) snsResponse(body string, code int) response {
	h := http.Header{"Content-Type": {contentTypeSNS}}
	if s.quirks.ResultHeaders {
		// Header.Set would write "Retkey" and "Logicret".
		h["RetKey"], h["LogicRet"] = []string{"11"}, []string{strconv.Itoa(code)}
	}
	return response{status: http.StatusOK, header: h, body: []byte(body)}
}

// isInterfaceCall reports whether a path belongs to the calls with the interface token (接口调用凭据), or
// to the calls that return this token. The simulator serves a few of them (see cgiRoute). A [Fault]
// with a Body can replace others.
func isInterfaceCall(path string) bool {
	for _, folder := range []string{"/cgi-bin/", "/card/", "/customservice/", "/datacube/", "/semantic/", "/wxa/",
		"/wxaapi/"} {
		if strings.HasPrefix(path, folder) {
			return true
		}
	}
	return false
}

// unknownCGI serves the calls with the interface token that the simulator lacks. It returns
// WeChat's error for a path that does not exist.
func (s *Server) unknownCGI(r *request) response {
	return s.cgiError(r, snsFailure{code: codeBadURL})
}

// cgiError returns an error of a call with the interface token. The request id follows without a
// comma, and the content type has no charset but an "encoding" (wechatpy/wechatpy#121).
func (s *Server) cgiError(r *request, f snsFailure) response {
	text := cmp.Or(f.errmsg, errmsg(f.code)) + s.ids.cgiSuffix(s.quirks.Suffix, s.now())
	var b jsonObject
	b.num("errcode", f.code)
	b.str("errmsg", text)
	r.call.Errcode, r.call.Answer = f.code, b.String()
	out := s.snsResponse(b.String(), f.code)
	out.header.Set("Content-Type", "application/json; encoding=utf-8")
	return out
}

// snsFailure is the error of a call of an sns endpoint; code 0 means no error.
type snsFailure struct {
	code   int
	errmsg string // "" means WeChat's text for the code
}

// checkIP returns an error if the IP allow-list of an app does not contain the caller. WeChat
// checks the list before everything else.
func (s *Server) checkIP(a *App, r *request) snsFailure {
	if a == nil || len(a.IPList) == 0 {
		return snsFailure{}
	}
	ip, err := netip.ParseAddr(r.call.Remote)
	if err == nil && a.allowsIP(ip) {
		return snsFailure{}
	}
	address := ip.Unmap().String()
	v6 := address // WeChat's text repeats an IPv4 address in IPv6 form
	if ip.Unmap().Is4() {
		v6 = "::ffff:" + address
	}
	return snsFailure{codeBadIP, "invalid ip " + address + " ipv6 " + v6 + ", not in whitelist"}
}

// jsonObject writes a JSON object as WeChat does: without spaces, with '"', "\" and "/" escaped. It
// writes all other bytes unchanged. So a nickname with a control byte or malformed UTF-8 makes the
// response invalid, as at WeChat. Package encoding/json would replace these bytes.
type jsonObject struct{ members strings.Builder }

func (b *jsonObject) String() string { return "{" + b.members.String() + "}" }

func (b *jsonObject) key(name string) {
	if b.members.Len() > 0 {
		b.members.WriteByte(',')
	}
	b.quote(name)
	b.members.WriteByte(':')
}

func (b *jsonObject) num(name string, v int) {
	b.key(name)
	b.members.WriteString(strconv.Itoa(v))
}

func (b *jsonObject) str(name, v string) {
	b.key(name)
	b.quote(v)
}

func (b *jsonObject) list(name string, values []string) {
	b.key(name)
	b.members.WriteByte('[')
	for i, v := range values {
		if i > 0 {
			b.members.WriteByte(',')
		}
		b.quote(v)
	}
	b.members.WriteByte(']')
}

func (b *jsonObject) quote(v string) {
	b.members.WriteByte('"')
	for i := range len(v) {
		switch c := v[i]; c {
		case '"', '\\', '/':
			b.members.WriteByte('\\')
			fallthrough
		default:
			b.members.WriteByte(c)
		}
	}
	b.members.WriteByte('"')
}
