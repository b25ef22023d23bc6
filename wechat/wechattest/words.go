package wechattest

import (
	"net/http"
	"strconv"
	"strings"
)

// textKey names a sentence that WeChat shows, hintKey one that the simulator adds for the developer.
type (
	textKey int
	hintKey int
)

const (
	textNone textKey = iota
	textNotInWeChat
	textNoSuchLink
	textBadDomain
	textBadRedirect
	textBanned
	textBadScope
	textNoParam
	textFollowFirst
	textNoScope
	textNoRedirect
	textNoAppID
	textNoState
	textNoComponent
	textWrongKind
	textBadResponseType
	textLongState
	textBadState
	textRefused
	textQRExpired
	textLoggedIn
	textCancelled
	textEnd
)

const (
	hintNone hintKey = iota
	hintNotInWeChat
	hintMissing
	hintResponseType
	hintNoApp
	hintBanned
	hintWrongKind
	hintNotWebsite
	hintComponent
	hintScope
	hintOrder
	hintDomain
	hintLongState
	hintBadState
	hintFollow
	hintOldPage
	hintRefused
	hintQRExpired
	hintLoggedIn
	hintCancelled
	hintNoPerson
	hintEnd
)

// words is one language of the pages. Both languages have the same fields; the tables have the same keys, as a test proves.
type words struct {
	Lang                                       string // of the html element
	Chrome                                     string // the line that says what this is
	ErrorTitle, ErrorCode, OK                  string
	ConsentTitle, ConsentAsks, ConsentProfile  string
	Allow, Deny, UsesAs                        string
	ChooseTitle, ChooseText, ChooseAgain       string
	QRTitle, QRHint, QRAfterScan, QRConfirmIt  string
	QRAfterCancel, QRRetry, QRSays, QROpenHere string
	QRPhone                                    string
	QRNoScript                                 string
	ConfirmTitle, ConfirmAsks, ConfirmLogin    string
	ConfirmCancel, LoginTitle                  string
	HomeTitle, HomeText                        string
	texts                                      map[textKey]string
	hints                                      map[hintKey]string
}

// language is that of the page's own parameter, else that of the browser. WeChat's pages are Chinese unless English is asked for.
func language(lang string, r *http.Request) words {
	switch strings.ToLower(lang) {
	case "en":
		return english()
	case "cn", "zh_cn", "zh-cn":
		return chinese()
	}
	if prefersEnglish(r.Header.Get("Accept-Language")) {
		return english()
	}
	return chinese()
}

// prefersEnglish compares the weights of the first English and the first Chinese entry.
func prefersEnglish(header string) bool {
	en, zh := 0.0, 0.0
	for item := range strings.SplitSeq(header, ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(item), ";")
		weight := 1.0
		if q, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			if v, err := strconv.ParseFloat(q, 64); err == nil {
				weight = v
			}
		}
		switch base, _, _ := strings.Cut(strings.ToLower(tag), "-"); base {
		case "en":
			en = max(en, weight)
		case "zh":
			zh = max(zh, weight)
		}
	}
	return en > zh
}

func chinese() words {
	return words{
		Lang: "zh-CN", Chrome: "模拟器，不是微信", ErrorTitle: "抱歉，出错了", ErrorCode: "，错误码：", OK: "确定",
		ConsentTitle: "微信登录", ConsentAsks: "申请获取以下权限", ConsentProfile: "获取你的微信头像、昵称、地区和性别信息",
		Allow: "允许", Deny: "拒绝", UsesAs: "当前微信用户",
		ChooseTitle: "这是谁的手机？", ChooseText: "这个浏览器不是模拟器里的手机。请选择它代表谁的微信。", ChooseAgain: "换一个人",
		QRTitle: "微信登录", QRHint: "请使用微信扫描二维码登录", QRAfterScan: "扫描成功", QRConfirmIt: "在微信中轻触允许即可登录",
		QRAfterCancel: "你已取消此次登录", QRRetry: "你可再次扫描登录，或关闭窗口", QRSays: "二维码的内容", QROpenHere: "在这个浏览器里扮演手机", QRPhone: "用模拟器里的手机扫",
		QRNoScript:   "没有 JavaScript 时，此页每 3 秒刷新一次。",
		ConfirmTitle: "微信登录", ConfirmAsks: "申请使用你的微信头像、昵称登录", ConfirmLogin: "允许", ConfirmCancel: "拒绝", LoginTitle: "应用登录",
		HomeTitle: "微信模拟器", HomeText: "这里模拟微信网页授权的接口。它只在本机运行，退出后什么也不保留。",
		texts: map[textKey]string{
			textNotInWeChat: "请在微信客户端打开链接", textNoSuchLink: "该链接无法访问", textBadDomain: "redirect_uri 参数错误",
			textBadRedirect: "redirect_uri 参数错误", textBanned: "此公众号被封禁", textBadScope: "Scope 参数错误或没有 Scope 权限",
			textNoParam: "参数不存在", textFollowFirst: "必须关注此测试号", textNoScope: "scope 不能为空", textNoRedirect: "redirect_uri 不能为空",
			textNoAppID: "appid 不能为空", textNoState: "state 不能为空", textNoComponent: "公众号未授权第三方平台，请检查授权状态",
			textWrongKind: "不支持微信开放平台的 Appid，请使用公众号 Appid", textBadResponseType: "response_type 参数错误",
			textLongState: "state 参数过长", textBadState: "state 参数错误", textRefused: "你已拒绝",
			textQRExpired: "二维码已过期", textLoggedIn: "登录成功", textCancelled: "已取消登录",
		},
		hints: map[hintKey]string{
			hintNotInWeChat: "浏览器的 User-Agent 里没有 MicroMessenger。可以用控制页里的手机打开，或打开开关 AnyBrowser（weigate sim --any-browser）。",
			hintMissing:     "地址里没有参数 %s。", hintResponseType: "response_type 必须是 code；connect_redirect 不能为空。",
			hintNoApp: "没有 appid %q；已有的是：%s。", hintBanned: "应用 %s 的 Banned 为真。", hintWrongKind: "%s 是网站应用，应使用 /connect/qrconnect。",
			hintNotWebsite: "%s 不是网站应用，应使用 /connect/oauth2/authorize。", hintComponent: "模拟器没有第三方平台。",
			hintScope:  "应用 %s 没有 scope %q。",
			hintOrder:  "snsapi_userinfo 的地址必须按顺序写 appid、redirect_uri、response_type、scope、state（开关 LaxOrder 可放宽）。",
			hintDomain: "%q 的域名不在这个应用的回调域名里：%s。域名必须完全相同，端口和路径不限。", hintLongState: "state 有 %d 字节，最多 128。",
			hintBadState: "state 只能是 a-z A-Z 0-9（开关 StrictState）。", hintFollow: "%s 没有关注 %s；只有关注者能登录测试号。",
			hintOldPage: "这个页面已过期，或不属于这个人。请重新开始。", hintRefused: "微信会关闭这个窗口，应用不会得到通知（开关 LegacyDenial 可改为旧行为）。",
			hintQRExpired: "二维码 5 分钟后过期，确认后不能再用，也只有最后扫描的人能确认。", hintLoggedIn: "电脑上的页面会自动继续。",
			hintCancelled: "电脑上的页面仍在等待，可以再次扫描。", hintNoPerson: "ConsentAs 的人 %q 不存在。",
		},
	}
}

func english() words {
	return words{
		Lang: "en", Chrome: "simulator – not WeChat", ErrorTitle: "Sorry, something went wrong", ErrorCode: ", error code: ", OK: "OK",
		ConsentTitle: "WeChat login", ConsentAsks: "requests the following permission", ConsentProfile: "Use your WeChat profile photo, nickname, region and gender",
		Allow: "Allow", Deny: "Reject", UsesAs: "WeChat user",
		ChooseTitle: "Whose phone is this?", ChooseText: "This browser is not one of the simulator's phones. Choose whose WeChat it plays.", ChooseAgain: "somebody else",
		QRTitle: "WeChat login", QRHint: "Scan the QR code with WeChat to log in", QRAfterScan: "Scanned", QRConfirmIt: "Tap Allow in WeChat to log in",
		QRAfterCancel: "You cancelled this login", QRRetry: "You can scan again, or close this window", QRSays: "What the QR code says", QROpenHere: "play the phone in this browser", QRPhone: "scan it with a phone of the simulator",
		QRNoScript:   "Without JavaScript this page reloads every 3 seconds.",
		ConfirmTitle: "WeChat login", ConfirmAsks: "asks to log in with your WeChat profile photo and nickname", ConfirmLogin: "Allow", ConfirmCancel: "Reject", LoginTitle: "App login",
		HomeTitle: "WeChat simulator", HomeText: "This imitates the endpoints of WeChat's web login. It runs on this machine only and keeps nothing when it ends.",
		texts: map[textKey]string{
			textNotInWeChat: "Open this link in the WeChat client", textNoSuchLink: "This link cannot be opened", textBadDomain: "Parameter error: redirect_uri",
			textBadRedirect: "Parameter error: redirect_uri", textBanned: "This official account is banned", textBadScope: "Scope parameter error, or no permission for this scope",
			textNoParam: "A parameter does not exist", textFollowFirst: "Follow this test account first", textNoScope: "scope must not be empty", textNoRedirect: "redirect_uri must not be empty",
			textNoAppID: "appid must not be empty", textNoState: "state must not be empty", textNoComponent: "The official account has not authorised the third-party platform",
			textWrongKind: "An open-platform appid is not supported; use that of an official account", textBadResponseType: "Parameter error: response_type",
			textLongState: "The state parameter is too long", textBadState: "Parameter error: state", textRefused: "You refused",
			textQRExpired: "The QR code has expired", textLoggedIn: "Logged in", textCancelled: "Login cancelled",
		},
		hints: map[hintKey]string{
			hintNotInWeChat: "The browser's user agent has no MicroMessenger. Open the link with a phone of the control page, or turn on the switch AnyBrowser (weigate sim --any-browser).",
			hintMissing:     "The address has no parameter %s.", hintResponseType: "response_type must be code; connect_redirect must not be empty.",
			hintNoApp: "There is no appid %q; there are: %s.", hintBanned: "App %s is set to Banned.", hintWrongKind: "%s is a website app: use /connect/qrconnect.",
			hintNotWebsite: "%s is not a website app: use /connect/oauth2/authorize.", hintComponent: "The simulator has no third-party platform.",
			hintScope:  "App %s does not have the scope %q.",
			hintOrder:  "For snsapi_userinfo the address must have appid, redirect_uri, response_type, scope, state in this order (the switch LaxOrder relaxes it).",
			hintDomain: "The host of %q is not a callback domain of this app: %s. The host must be exactly equal; port and path are free.", hintLongState: "The state has %d bytes; 128 is the limit.",
			hintBadState: "A state may have only a-z A-Z 0-9 (the switch StrictState).", hintFollow: "%s does not follow %s; only followers can sign in to a test account.",
			hintOldPage: "This page is too old, or it belongs to somebody else. Begin again.", hintRefused: "WeChat closes this window, and the app is not told (the switch LegacyDenial brings back the old way).",
			hintQRExpired: "A QR code lives 5 minutes, cannot be used after it was confirmed, and only who scanned it last can confirm.", hintLoggedIn: "The page on the computer goes on by itself.",
			hintCancelled: "The page on the computer still waits; it can be scanned again.", hintNoPerson: "The person of ConsentAs, %q, does not exist.",
		},
	}
}
