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

	ByGateway     string
	ByGatewayNote string
	Notes         string
	Photos        string
	OpenNotes     string
	OpenPhotos    string
	NotesNote     string
	PhotosNote    string
	OwnPage       string
	OwnPageNote   string
	ByLibrary     string
	ByLibraryNote string

	ClientNote         string
	ClientSignIn       string
	ClientHint         string
	Ended              string
	NowTry             string
	OtherNote          string
	SignOutHere        string
	SignOutHereNote    string
	SignOutGateway     string
	SignOutGatewayNote string
	FactSubject        string
	FactUsername       string
	Over               string
	OverNote           string
	NotIn              string
	NotInNote          string

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
		Title:       "Weigate sample apps",
		Welcome:     "Sign in with WeChat",
		WhatIsThis:  "Three small web apps that sign people in with WeChat: two through the gateway, one through the Go package “login”.",
		NotReal:     "The WeChat behind them is simulated: it runs in this program, on this machine. No account, no phone and no network are needed.",
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

		ByGateway:     "Through the gateway: OpenID Connect",
		ByGatewayNote: "“weigate serve” runs beside this app. Its apps know nothing of WeChat: each has an issuer, a client id and a secret. People sign in once.",
		Notes:         "Notes",
		Photos:        "Photos",
		OpenNotes:     "Open Notes",
		OpenPhotos:    "Open Photos",
		NotesNote:     "The first app. Sign in there and choose a person.",
		PhotosNote:    "The second app. Whoever is signed in to Notes is let in without another screen.",
		OwnPage:       "Your own page at Weigate",
		OwnPageNote:   "Where the person sees their sessions and signs out everywhere: out of Weigate and of all apps.",
		ByLibrary:     "Through the Go package “login”",
		ByLibraryNote: "This page itself is such an app: no gateway, a few lines in the program.",

		ClientNote:         "This app has no sign-in of its own. It sends people to Weigate by OpenID Connect, and learns there who they are.",
		ClientSignIn:       "Sign in with WeChat",
		ClientHint:         "All this came from the ID token and from userinfo. The app asks userinfo on every view, so a sign-out everywhere counts at once.",
		Ended:              "You were signed out.",
		NowTry:             "Now try this.",
		OtherNote:          "The other app, with a client id of its own. You see no screen of WeChat or of Weigate.",
		SignOutHere:        "Sign out of this app",
		SignOutHereNote:    "Weigate still knows you: the next sign-in is one press.",
		SignOutGateway:     "Sign out of Weigate too",
		SignOutGatewayNote: "By RP-initiated logout. The next sign-in goes to WeChat again.",
		FactSubject:        "sub",
		FactUsername:       "preferred_username",
		Over:               "This sign-in is over",
		OverNote:           "It did not begin in this browser, or it was used already. Begin again in the app.",
		NotIn:              "You were not signed in",
		NotInNote:          "Weigate says that the sign-in ended without a person.",

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
		NotFoundNote: "The sample apps have no page under this address.",
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
		WhatIsThis:  "三个用微信登录的小应用：两个通过网关，一个通过 Go 包 login。",
		NotReal:     "背后的微信是模拟的，与本应用在同一个程序里，运行在这台电脑上。不需要账号、手机和网络。",
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

		ByGateway:     "通过网关：OpenID Connect",
		ByGatewayNote: "“weigate serve”与本应用一起运行。它背后的应用完全不了解微信，各自只有 issuer、client_id 和密钥。用户只需登录一次。",
		Notes:         "笔记",
		Photos:        "相册",
		OpenNotes:     "打开笔记",
		OpenPhotos:    "打开相册",
		NotesNote:     "第一个应用。在那里登录，选一个人。",
		PhotosNote:    "第二个应用。已登录笔记的人直接进入，不再出现任何页面。",
		OwnPage:       "你在 Weigate 的页面",
		OwnPageNote:   "用户在这里查看自己的会话，并可在所有地方退出：退出 Weigate 和全部应用。",
		ByLibrary:     "通过 Go 包 login",
		ByLibraryNote: "本页面自己就是这样的应用：不需要网关，程序里只有几行代码。",

		ClientNote:         "这个应用没有自己的登录。它通过 OpenID Connect 把用户送到 Weigate，并从那里得知用户是谁。",
		ClientSignIn:       "微信登录",
		ClientHint:         "以上内容来自 ID token 和 userinfo。应用每次显示页面都会询问 userinfo，因此在所有地方退出会立即生效。",
		Ended:              "你已退出登录。",
		NowTry:             "接下来试试这些。",
		OtherNote:          "另一个应用，有自己的 client_id。你不会看到微信或 Weigate 的任何页面。",
		SignOutHere:        "退出这个应用",
		SignOutHereNote:    "Weigate 仍然认识你：下次登录只需点一下。",
		SignOutGateway:     "同时退出 Weigate",
		SignOutGatewayNote: "由应用发起的退出（RP-initiated logout）。下次登录会再去微信。",
		FactSubject:        "sub",
		FactUsername:       "preferred_username",
		Over:               "本次登录已失效",
		OverNote:           "它不是在这个浏览器里开始的，或者已经用过了。请在应用里重新开始。",
		NotIn:              "你没有登录",
		NotInNote:          "Weigate 表示这次登录没有完成。",

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
		NotFoundNote: "示例应用在这个地址没有页面。",
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
