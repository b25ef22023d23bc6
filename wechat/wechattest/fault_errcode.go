package wechattest

import (
	"fmt"
	"slices"
	"strings"
)

// loginScript is the path of the script that embeds the QR page.
const loginScript = "/connect/zh_CN/htmledition/js/wxLogin.js"

// FaultEndpoints returns the paths for [Fault.Endpoint]. Not in the list, but possible too, are the
// paths of pictures (/connect/qrcode/UUID, /mmopen/vi_32/NAME/SIZE), and every path below
// /cgi-bin/, /card/, /customservice/, /datacube/, /semantic/, /wxa/ and /wxaapi/.
func FaultEndpoints() []string {
	return []string{
		"/sns/oauth2/access_token", "/sns/oauth2/refresh_token", "/sns/userinfo", "/sns/auth",
		"/connect/oauth2/authorize", "/connect/oauth2/authorize_reply", "/connect/qrconnect", "/connect/l/qrconnect",
		"/connect/confirm", "/connect/confirm_reply", loginScript,
	}
}

// Check returns an error for a fault that cannot apply: the server has no such endpoint.
func (f Fault) Check() error {
	if f.Endpoint == "" || slices.Contains(FaultEndpoints(), f.Endpoint) || isInterfaceCall(f.Endpoint) ||
		strings.HasPrefix(f.Endpoint, "/connect/qrcode/") || strings.HasPrefix(f.Endpoint, "/mmopen/") {
		return nil
	}
	return fmt.Errorf("wechattest: unknown endpoint %q; there are %s, /connect/qrcode/UUID, /mmopen/vi_32/NAME/SIZE "+
		"and every path below /cgi-bin/, /card/, /customservice/, /datacube/, /semantic/, /wxa/ and /wxaapi/",
		f.Endpoint, strings.Join(FaultEndpoints(), ", "))
}

// appIDOf returns the app that a request belongs to: its parameter appid, or the app of its access
// token, consent page or QR code. It returns "" for no app. The caller holds the lock.
func (s *Server) appIDOf(r *request) string {
	if r.call.AppID != "" {
		return r.call.AppID
	}
	if token := s.state.accessTokens[r.params.Get("access_token")]; token != nil {
		return token.appID
	}
	uuid := r.params.Get("uuid")
	if page := s.state.consentPages[uuid]; page != nil {
		return page.appID
	}
	if q := s.state.qrCodes[uuid]; q != nil {
		return q.app.AppID
	}
	return ""
}

// faultErrcode returns the errcode of a fault in the format of the endpoint. The caller holds the
// lock.
func (s *Server) faultErrcode(f *Fault, r *request) response {
	failure := snsFailure{code: f.Errcode, errmsg: f.Errmsg}
	_, isPage := route(r.URL.Path)
	switch {
	case r.URL.Path == "/connect/l/qrconnect":
		r.call.Errcode, r.call.Answer = f.Errcode, fmt.Sprintf("wx_errcode=%d", f.Errcode)
		return pollResponse(QRStatus(f.Errcode), "")
	case isPage:
		return s.errorPage(r, problem{code: f.Errcode, text: pageText(f.Errcode), sentence: f.Errmsg, hint: "hint-fault",
			args: []any{"code", f.Errcode}})
	case isInterfaceCall(r.URL.Path):
		return s.cgiError(r, failure)
	}
	return s.snsError(r, failure)
}

// pageText returns the key of the sentence on the error page for a code. WeChat's pages have a code
// of five digits beginning with 100; the developer tools also show 系统错误 (system error) with the
// code 1.
func pageText(code int) string {
	texts := map[int]string{
		10003: "text-bad-domain", 10004: "text-banned", 10005: "text-bad-scope", 10006: "text-follow-first",
		10009: "text-too-frequent", 10010: "text-no-scope", 10011: "text-no-redirect", 10012: "text-no-appid",
		10013: "text-no-state", 10015: "text-no-component", 10016: "text-wrong-kind",
	}
	if text, ok := texts[code]; ok {
		return text
	}
	return "text-system-error"
}
