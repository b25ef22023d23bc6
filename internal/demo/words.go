package demo

import (
	"net/http"
	"strconv"
	"strings"
)

// words is all text of the pages in one language. The fields are the keys: a text that one
// language lacks is an empty field, which a test refuses.
type words struct {
	Lang string // for <html lang>

	Title       string
	Welcome     string
	WhatIsThis  string
	NotReal     string
	PressOne    string
	Base        string
	BaseNote    string
	Profile     string
	ProfileNote string
	QR          string
	QRNote      string
	NextStep    string
	Behind      string
	BehindNote  string
	Control     string

	SignedIn     string
	NoName       string
	AddProfile   string
	AddNote      string
	FactOpenID   string
	FactUnionID  string
	FactNone     string
	FactScope    string
	FactDoor     string
	FactAppID    string
	FactAt       string
	SignOut      string
	AsJSON       string
	Again        string
	AgainNote    string
	UnionNote    string
	PictureOf    string
	NotFound     string
	NotFoundNote string
	Trouble      string
	TroubleNote  string
	Home         string
}

func english() *words {
	return &words{
		Lang:        "en",
		Title:       "Weigate sample app",
		Welcome:     "Sign in with WeChat",
		WhatIsThis:  "This is a small web app. It signs people in with WeChat, through the Go package “login”.",
		NotReal:     "The WeChat behind it is simulated: it runs in the same program on this machine. No account, no phone and no network are needed.",
		PressOne:    "Press one of these.",
		Base:        "Sign in",
		BaseNote:    "Scope snsapi_base. WeChat asks nothing and the app gets the openid only.",
		Profile:     "Sign in with name and picture",
		ProfileNote: "Scope snsapi_userinfo. WeChat asks the person, and the app gets nickname and picture too.",
		QR:          "Sign in with a QR code",
		QRNote:      "For desktop browsers, by a website app. Scan the code with one of the simulated phones.",
		NextStep:    "WeChat would know whose phone this is. The simulator asks you first: choose Alice, or anybody.",
		Behind:      "Behind the scenes",
		BehindNote:  "The simulator’s own page has the people and their phones, the switches of WeChat’s moods, faults to inject, and a log of what the app asked and what WeChat answered.",
		Control:     "Open the simulator",

		SignedIn:     "You are signed in",
		NoName:       "Somebody with an openid",
		AddProfile:   "Use my WeChat name and picture",
		AddNote:      "So far the app knows only the openid. Name and picture need the person’s consent.",
		FactOpenID:   "openid",
		FactUnionID:  "unionid",
		FactNone:     "none",
		FactScope:    "Scope",
		FactDoor:     "Way in",
		FactAppID:    "appid",
		FactAt:       "Signed in at",
		SignOut:      "Sign out",
		AsJSON:       "The same as JSON",
		Again:        "Try to break it",
		AgainNote:    "Reload, press Back, open the app in a second tab, or switch on “double callback” in the simulator: you stay signed in, once.",
		UnionNote:    "The unionid is the same at all apps of one owner. WeChat gives it with snsapi_userinfo and to website apps.",
		PictureOf:    "Picture of",
		NotFound:     "There is no such page",
		NotFoundNote: "The sample app has only one page.",
		Trouble:      "Something went wrong here",
		TroubleNote:  "The app could not find out who you are. Its log, in the terminal, tells more.",
		Home:         "To the first page",
	}
}

func chinese() *words {
	return &words{
		Lang:        "zh-CN",
		Title:       "Weigate 示例应用",
		Welcome:     "微信登录",
		WhatIsThis:  "这是一个小小的网页应用，通过 Go 包 login 实现微信登录。",
		NotReal:     "背后的微信是模拟的，与本应用在同一个程序里，运行在这台电脑上。不需要账号、手机和网络。",
		PressOne:    "请点下面任意一个。",
		Base:        "登录",
		BaseNote:    "作用域 snsapi_base。微信不询问，应用只得到 openid。",
		Profile:     "用头像昵称登录",
		ProfileNote: "作用域 snsapi_userinfo。微信会征求同意，应用还会得到昵称和头像。",
		QR:          "扫码登录",
		QRNote:      "用于桌面浏览器，通过网站应用。请用一部模拟的手机扫码。",
		NextStep:    "真正的微信知道这是谁的手机，模拟器会先问你：选 Alice 或任何人。",
		Behind:      "幕后",
		BehindNote:  "模拟器有自己的页面：用户和他们的手机、微信各种行为的开关、可以注入的故障，以及应用问了什么、微信答了什么的记录。",
		Control:     "打开模拟器",

		SignedIn:     "你已登录",
		NoName:       "一位有 openid 的用户",
		AddProfile:   "使用我的微信头像昵称",
		AddNote:      "目前应用只知道 openid。头像昵称需要本人同意。",
		FactOpenID:   "openid",
		FactUnionID:  "unionid",
		FactNone:     "无",
		FactScope:    "授权作用域",
		FactDoor:     "登录方式",
		FactAppID:    "appid",
		FactAt:       "登录时间",
		SignOut:      "退出登录",
		AsJSON:       "以 JSON 查看",
		Again:        "试着弄坏它",
		AgainNote:    "刷新、后退、再开一个标签页，或在模拟器里打开“回调两次”：你仍然登录着，而且只登录了一次。",
		UnionNote:    "同一主体的所有应用里 unionid 相同。微信在 snsapi_userinfo 时提供，也提供给网站应用。",
		PictureOf:    "头像：",
		NotFound:     "没有这个页面",
		NotFoundNote: "示例应用只有一个页面。",
		Trouble:      "这里出了问题",
		TroubleNote:  "应用没能查明你是谁。终端里的日志会说明更多。",
		Home:         "回到首页",
	}
}

// wordsFor chooses the language that the browser prefers; English when it likes neither.
func wordsFor(r *http.Request) *words {
	best, quality := english(), 0.0
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, params, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			var err error
			if q, err = strconv.ParseFloat(v, 64); err != nil {
				continue
			}
		}
		primary, _, _ := strings.Cut(tag, "-")
		switch {
		case q <= quality: // the first of equals wins
		case primary == "zh":
			best, quality = chinese(), q
		case primary == "en" || primary == "*":
			best, quality = english(), q
		}
	}
	return best
}
