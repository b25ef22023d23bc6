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

	Press         string
	Localhost     string
	Besides       string
	CardOIDC      string
	CardOIDCNote  string
	CardOIDCSteps string // a line each, as in the others
	CardWiki      string
	CardWikiNote  string
	CardWikiSteps string
	CardShop      string
	CardShopNote  string
	CardShopSteps string
	CardScan      string
	CardScanNote  string
	CardScanSteps string
	Notes         string
	Photos        string
	Board         string
	OpenNotes     string
	OpenPhotos    string
	OpenWiki      string
	OpenShop      string
	OpenBoard     string
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

	BoardHint       string
	Wiki            string
	WikiWelcome     string
	WikiInner       string
	WikiNote        string
	WikiPage        string
	WikiPageNote    string
	WikiBack        string
	WikiSignOut     string
	WikiSignOutNote string
	Shop            string
	ShopWelcome     string
	ShopNote        string
	ShopSame        string
	ShopChanged     string
	ShopOwnSecret   string

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
	FactSecret   string
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
		Title:       "Weigate demo",
		Welcome:     "Sign in with WeChat, four ways",
		WhatIsThis:  "Each card is an app of another kind, and all sign people in through one gateway: “weigate serve”, which runs here as well.",
		NotReal:     "The WeChat behind it is simulated, in this program, on this machine. No account, no phone and no network are needed.",
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

		Press:         "What to press",
		Localhost:     "The wiki and the shop are at wiki.localhost and shop.localhost. Chrome, Edge and Firefox know that such names are this machine; for other browsers, add them to the hosts file beside 127.0.0.1.",
		Besides:       "Also here",
		CardOIDC:      "An app that speaks OpenID Connect",
		CardOIDCNote:  "Notes knows nothing of WeChat: it has an issuer, a client id and a secret. So does Photos. People sign in once for both.",
		CardOIDCSteps: "Open Notes and sign in there.\nReal WeChat knows whose phone it is on; here you are asked. Choose Alice, then use her name and picture, and allow.\nPress Open Photos, in Notes or here: you are in without another screen.",
		CardWiki:      "A page behind a reverse proxy",
		CardWikiNote:  "The wiki has no sign-in at all. The proxy in front of it asks Weigate about every request, as nginx, Traefik and Caddy can, and tells the wiki who is there.",
		CardWikiSteps: "Open the wiki: you are sent to sign in, unless Weigate knows you from another card.\nRead what the proxy tells the wiki about you.\nSign out of the wiki: the other apps keep you.",
		CardShop:      "An old app with WeChat code in it",
		CardShopNote:  "The shop makes WeChat’s own calls, as it always did. Two host names, the appid and the secret were changed. WeChat’s real secret stays with Weigate.",
		CardShopSteps: "Open the shop and sign in there.\nCompare the openid with the one in Notes: it is the same, so the shop’s database stays valid.\nBelow that, see what was changed.",
		CardScan:      "A desktop, and a phone beside it",
		CardScanNote:  "Outside WeChat, Board shows a QR code. An official account is enough for it, and the phone has to choose the number on the screen.",
		CardScanSteps: "Open Board and sign in there: a QR code appears.\nUnder the code, press “Scan it with a simulated phone”. A phone opens in a new tab, with the link in its address line: press Open.\nGo on there, and choose the number that this tab shows. Then come back.",
		Notes:         "Notes",
		Photos:        "Photos",
		Board:         "Board",
		OpenNotes:     "Open Notes",
		OpenPhotos:    "Open Photos",
		OpenWiki:      "Open the wiki",
		OpenShop:      "Open the shop",
		OpenBoard:     "Open Board",
		OwnPage:       "Your own page at Weigate",
		OwnPageNote:   "Where the person sees their sessions and signs out everywhere: out of Weigate and of all apps.",
		ByLibrary:     "Through the Go package “login”",
		ByLibraryNote: "For an app of your own in Go: no gateway, a few lines in the program.",

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

		BoardHint:       "It takes desktop sign-ins only: its list of doors has scan only.",
		Wiki:            "Wiki",
		WikiWelcome:     "Welcome to the wiki",
		WikiInner:       "Another page of the wiki",
		WikiNote:        "This site has no sign-in, no session and no WeChat in it. All that it knows of you stands in the headers of your request, put there by the proxy.",
		WikiPage:        "Another page",
		WikiPageNote:    "The proxy asks Weigate again. The answer is kept for a few seconds.",
		WikiBack:        "The first page",
		WikiSignOut:     "Sign out of the wiki",
		WikiSignOutNote: "Ends the session of this host only. Weigate still knows you.",
		Shop:            "Shop",
		ShopWelcome:     "Welcome to the shop",
		ShopNote:        "This app signs people in with WeChat’s own three calls. It was written years ago and has never heard of OpenID Connect.",
		ShopSame:        "The openid is the one that WeChat has for the real appid. Code and tokens are Weigate’s own, for this app only.",
		ShopChanged:     "What was changed in it",
		ShopOwnSecret:   "one of the shop’s own",

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
		FactSecret:   "secret",
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
		Title:       "Weigate 演示",
		Welcome:     "微信登录的四种方式",
		WhatIsThis:  "每张卡片是一种应用，全部通过同一个网关登录：“weigate serve”，它也在本机运行。",
		NotReal:     "背后的微信是模拟的，就在本机的这个程序里。不需要账号、手机和网络。",
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

		Press:         "操作步骤",
		Localhost:     "维基和商店的地址是 wiki.localhost 和 shop.localhost。Chrome、Edge 和 Firefox 知道这样的域名就是本机；其他浏览器请在 hosts 文件里把它们指向 127.0.0.1。",
		Besides:       "另外",
		CardOIDC:      "使用 OpenID Connect 的应用",
		CardOIDCNote:  "“笔记”完全不了解微信，它只有 issuer、client_id 和密钥。“相册”也一样。用户登录一次，两个应用都能用。",
		CardOIDCSteps: "打开笔记，在那里登录。\n真正的微信知道这是谁的手机，这里会先问你：选 Alice，使用她的头像昵称，再点“允许”。\n在笔记里或这里点“打开相册”：不再出现任何页面，直接进入。",
		CardWiki:      "反向代理后面的网页",
		CardWikiNote:  "“维基”自己没有登录功能。它前面的代理就每个请求询问 Weigate（nginx、Traefik、Caddy 都可以这样做），再告诉维基来的是谁。",
		CardWikiSteps: "打开维基：如果 Weigate 还不认识你，会先去登录。\n看看代理告诉了维基哪些信息。\n退出维基：其他应用里你仍然登录着。",
		CardShop:      "带有微信代码的旧应用",
		CardShopNote:  "“商店”一直直接调用微信的接口，现在也一样。只改了两个域名、appid 和密钥。真正的 AppSecret 留在 Weigate。",
		CardShopSteps: "打开商店，在那里登录。\n与笔记里的 openid 比较：完全相同，商店原有的数据继续有效。\n再往下看：改动了哪些地方。",
		CardScan:      "电脑，和旁边的一部手机",
		CardScanNote:  "在微信之外，“看板”会显示二维码（公众号扫码）。只需要一个服务号；手机上要选中屏幕上的数字。",
		CardScanSteps: "打开看板，在那里登录：出现二维码。\n点二维码下面的“用模拟的手机扫码”。手机在新标签页打开，地址栏里已经有链接：点“打开”。\n在手机上继续，选中这个标签页显示的数字，然后回来。",
		Notes:         "笔记",
		Photos:        "相册",
		Board:         "看板",
		OpenNotes:     "打开笔记",
		OpenPhotos:    "打开相册",
		OpenWiki:      "打开维基",
		OpenShop:      "打开商店",
		OpenBoard:     "打开看板",
		OwnPage:       "你在 Weigate 的页面",
		OwnPageNote:   "用户在这里查看自己的会话，并可在所有设备上退出登录：退出 Weigate 和全部应用。",
		ByLibrary:     "通过 Go 包 login",
		ByLibraryNote: "用于你自己的 Go 应用：不需要网关，程序里只有几行代码。",

		ClientNote:         "这个应用没有自己的登录。它通过 OpenID Connect 把用户送到 Weigate，并从那里得知用户是谁。",
		ClientSignIn:       "微信登录",
		ClientHint:         "以上内容来自 ID token 和 userinfo。应用每次显示页面都会询问 userinfo，因此在所有设备上退出登录会立即生效。",
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

		BoardHint:       "它只接受扫码登录：它的登录方式（doors）只有 scan。",
		Wiki:            "维基",
		WikiWelcome:     "欢迎来到维基",
		WikiInner:       "维基的另一页",
		WikiNote:        "这个网站没有登录、没有会话，也没有微信代码。它对你的全部了解，就是代理写在请求头里的这些内容。",
		WikiPage:        "另一页",
		WikiPageNote:    "代理会再次询问 Weigate，回答会保留几秒钟。",
		WikiBack:        "第一页",
		WikiSignOut:     "退出维基",
		WikiSignOutNote: "只结束这个域名的会话，Weigate 仍然认识你。",
		Shop:            "商店",
		ShopWelcome:     "欢迎光临商店",
		ShopNote:        "这个应用用微信自己的三个接口登录。它是多年前写的，从没听说过 OpenID Connect。",
		ShopSame:        "openid 就是微信给真实 appid 的那一个。code 和 token 是 Weigate 自己的，只对这个应用有效。",
		ShopChanged:     "改动的地方",
		ShopOwnSecret:   "商店专用的一个",

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
		FactSecret:   "secret",
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
