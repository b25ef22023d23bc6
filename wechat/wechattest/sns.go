package wechattest

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// The error codes of the sns endpoints, from WeChat's global table of return codes and from
// captured answers.
const (
	codeSystem             = -1
	codeBadCredential      = 40001
	codeBadGrantType       = 40002
	codeBadOpenID          = 40003
	codeBadAppID           = 40013
	codeBadAccessToken     = 40014
	codeBadCode            = 40029
	codeBadRefreshToken    = 40030
	codeBadURL             = 40066
	codeBadSecret          = 40125
	codeCodeUsed           = 40163
	codeBadIP              = 40164
	codeNoAccessToken      = 41001
	codeNoAppID            = 41002
	codeNoRefreshToken     = 41003
	codeNoSecret           = 41004
	codeNoCode             = 41008
	codeNoOpenID           = 41009
	codeTokenExpired       = 42001
	codeRefreshExpired     = 42002
	codeCodeExpired        = 42003
	codePasswordChanged    = 42007
	codeRequireGET         = 43001
	codeMinuteQuota        = 45011
	codeUnauthorized       = 48001
	codePersonRestricted   = 50002
	contentTypeSNS         = "text/plain" // without a charset, as captured in 2016, 2021 and 2024
	grantAuthorizationCode = "authorization_code"
)

// errmsg returns WeChat's text for a code, without the suffix.
func errmsg(code int) string {
	switch code {
	case codeSystem:
		return "system error"
	case 0:
		return "ok"
	case codeBadCredential:
		return "invalid credential, access_token is invalid or not latest"
	case codeBadGrantType:
		return "invalid grant_type"
	case codeBadOpenID:
		return "invalid openid"
	case codeBadAppID:
		return "invalid appid"
	case codeBadAccessToken:
		return "invalid access_token"
	case codeBadCode:
		return "invalid code"
	case codeBadRefreshToken:
		return "invalid refresh_token"
	case codeBadURL:
		return "invalid url"
	case codeBadSecret:
		return "invalid appsecret"
	case codeCodeUsed:
		return "code been used"
	case codeNoAccessToken:
		return "access_token missing"
	case codeNoAppID:
		return "appid missing"
	case codeNoRefreshToken:
		return "refresh_token missing"
	case codeNoSecret:
		return "appsecret missing"
	case codeNoCode:
		return "missing code"
	case codeNoOpenID:
		return "missing openid" // the exact English is not known
	case codeTokenExpired:
		return "access_token expired"
	case codeRefreshExpired:
		return "refresh_token expired"
	case codeCodeExpired:
		return "code expired"
	case codePasswordChanged:
		return "user changed password, access_token and refresh_token are invalid" // the exact English is not known
	case codeRequireGET:
		return "require GET method"
	case 45009:
		return "reach max api daily quota limit"
	case codeMinuteQuota:
		return "api minute-quota reach limit, must slower, retry next minute"
	case codeUnauthorized:
		return "api unauthorized"
	case 48004:
		return "api forbidden for irregularities, view detail on mp.weixin.qq.com"
	case 50001:
		return "user unauthorized"
	case codePersonRestricted:
		return "user limited"
	}
	return "error " + strconv.Itoa(code)
}

// snsError returns an error as WeChat sends it: status 200, an errcode and an errmsg with its
// suffix.
func (s *Server) snsError(r *request, code int, text string) answer {
	if text == "" {
		text = errmsg(code)
	}
	s.mu.Lock()
	text += s.ids.suffix(s.quirks.Suffix, s.now())
	s.mu.Unlock()
	var b wire
	b.open()
	b.num("errcode", code)
	b.str("errmsg", text)
	b.close()
	r.call.Errcode, r.call.Answer = code, b.String()
	return s.snsAnswer(b.String(), code)
}

func (s *Server) snsAnswer(body string, code int) answer {
	h := http.Header{"Content-Type": {contentTypeSNS}}
	if s.Quirks().ResultHeaders {
		h["RetKey"], h["LogicRet"] = []string{"11"}, []string{strconv.Itoa(code)}
	}
	return answer{status: http.StatusOK, header: h, body: []byte(body)}
}

// failure is the error of an sns call; the zero value is none.
type failure struct {
	code int
	text string
}

// checkIP applies the IP allow-list of an app, the first of all checks.
func (s *Server) checkIP(a *App, r *request) failure {
	if a == nil || len(a.IPList) == 0 {
		return failure{}
	}
	ip, err := netip.ParseAddr(r.call.Remote)
	if err == nil && a.allowsIP(ip) {
		return failure{}
	}
	seen := ip.Unmap().String()
	v6 := seen
	if ip.Unmap().Is4() {
		v6 = "::ffff:" + seen
	}
	return failure{codeBadIP, "invalid ip " + seen + " ipv6 " + v6 + ", not in whitelist"}
}

// wire writes JSON as WeChat does: without spaces, "/" escaped, all other bytes unchanged. So a
// control byte or malformed UTF-8 in a nickname makes the whole answer invalid, as it does at
// WeChat.
type wire struct{ strings.Builder }

func (b *wire) open()  { b.WriteByte('{') }
func (b *wire) close() { b.WriteByte('}') }

func (b *wire) key(name string) {
	if b.Len() > 1 {
		b.WriteByte(',')
	}
	b.quote(name)
	b.WriteByte(':')
}

func (b *wire) num(name string, v int) {
	b.key(name)
	b.WriteString(strconv.Itoa(v))
}

func (b *wire) str(name, v string) {
	b.key(name)
	b.quote(v)
}

func (b *wire) list(name string, values []string) {
	b.key(name)
	b.WriteByte('[')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.quote(v)
	}
	b.WriteByte(']')
}

func (b *wire) quote(v string) {
	b.WriteByte('"')
	for i := range len(v) {
		switch c := v[i]; c {
		case '"', '\\', '/':
			b.WriteByte('\\')
			fallthrough
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}
