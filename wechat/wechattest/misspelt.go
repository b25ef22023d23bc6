package wechattest

import "strings"

// fixAppID accepts a parameter whose name differs from appid only in upper and lower case, such as
// appId. It does so if the request has no appid, and reports whether it found such a parameter.
// With such an address, WeChat completes a sign-in with snsapi_base, and shows a blank page for
// snsapi_userinfo (w7corp/easywechat#773). The caller distinguishes the two scopes.
func (r *request) fixAppID() bool {
	if r.params.Has("appid") {
		return false
	}
	for _, p := range r.call.Params {
		if strings.EqualFold(p.Name, "appid") {
			r.params.Set("appid", p.Value)
			r.call.AppID = p.Value
			return true
		}
	}
	return false
}

// missing returns the problem of a missing parameter, with the code and text of p and with a hint.
// If the request has a parameter that was probably meant, such as redirect_url for redirect_uri,
// the hint names this parameter.
func (r *request) missing(p problem, name string) *problem {
	for _, sent := range r.call.Params {
		if sent.Name != name && means(sent.Name, name) {
			return &problem{code: p.code, text: p.text, hint: "hint-misspelt", args: []any{"name", name, "sent", sent.Name}}
		}
	}
	return &problem{code: p.code, text: p.text, hint: "hint-missing", args: []any{"name", name}}
}

// means reports whether sent is probably a misspelling of name, a parameter of WeChat.
func means(sent, name string) bool {
	simple := strings.NewReplacer("_", "", "-", "")
	a, b := simple.Replace(strings.ToLower(sent)), simple.Replace(name)
	if a == b || a == b+"s" {
		return true
	}
	switch name {
	case "appid":
		return a == "clientid" || a == "appkey" || a == "corpid"
	case "redirect_uri":
		return a == "redirecturl" || a == "redirect" || a == "callback" || a == "callbackurl"
	case "response_type":
		return a == "type"
	}
	return false
}
