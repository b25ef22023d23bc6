package flow

import (
	"net/http"
	"strings"
)

// UserAgentClass is the kind of browser, by its User-Agent header. It decides which page a visitor
// sees, never what the visitor may do: every client can send any user agent.
type UserAgentClass int

// The classes.
const (
	InWeChat  UserAgentClass = iota // WeChat's own browser, on a phone or a desktop
	OnPhone                         // another browser on a phone or tablet, also WeCom and mini-programs
	OnDesktop                       // any other browser
)

// ClassOf returns the class of a request's User-Agent. WeChat's contains "MicroMessenger" in all captured
// examples (phones and Windows); WeCom adds "wxwork" and the web view of a mini-program
// "miniProgram", and in neither does the sign-in of an official account work.
func ClassOf(r *http.Request) UserAgentClass {
	agent := strings.ToLower(r.UserAgent())
	has := func(part string) bool { return strings.Contains(agent, part) }
	switch {
	case has("wxwork") || has("miniprogram"):
		return OnPhone
	case has("micromessenger"):
		return InWeChat
	case has("mobile") || has("android") || has("iphone") || has("ipad"):
		return OnPhone
	}
	return OnDesktop
}

// FromWeChat reports whether a request comes from WeChat's own browser, where an official account
// can sign users in.
func FromWeChat(r *http.Request) bool { return ClassOf(r) == InWeChat }
