package wechattest

import "time"

// Quirks selects behaviours of WeChat that are uncertain: WeChat's documents and field reports
// differ, or neither describes the behaviour. The zero value of each field is the behaviour that is
// reported most. "Off" in a comment describes the value false. A client must work with every value.
// [Server.UpdateQuirks] changes quirks.
type Quirks struct {
	// AnyBrowser shows the pages of official accounts to every browser. Off: only to browsers with
	// MicroMessenger in the user agent; others see 请在微信客户端打开链接 (open the link in WeChat).
	AnyBrowser bool
	// ConsentAs is the id of a person who consents automatically: the authorize page and the QR
	// page redirect to the app at once, signed in as this person. A [Phone] has a person of its
	// own, for whom it consents automatically. "" means that pages ask for consent.
	ConsentAs string
	// LegacyDenial redirects to the app, with the state and without a code, when the person
	// refuses. Old documents describe this. Off: the app is not notified of a refusal.
	LegacyDenial bool
	// LaxOrder accepts the parameters of an authorize address with snsapi_userinfo in any order, and
	// appid in any case. Off: the order must be appid, redirect_uri, response_type, scope, state.
	// With appId, WeChat shows a blank page.
	LaxOrder bool
	// StrictState rejects a state with characters outside [A-Za-z0-9]. WeChat's documents require
	// this, but no report confirms it. Off: any characters. More than 128 bytes are always
	// rejected.
	StrictState bool
	// DoubleCallback makes the server request the app's callback address a second time, see
	// [DoubleCallback].
	DoubleCallback DoubleCallback
	// Snapshot opens every authorize page with snsapi_userinfo in snapshot mode (快照页). WeChat shows
	// no consent page. The app receives a virtual account: its openid is not the person's, and the
	// token response has is_snapshotuser. [Server.UseFullService] ends the mode for a person and an
	// app.
	Snapshot bool
	// SnapshotNoProfile answers user info with 48001 (api unauthorized) if the token belongs to a
	// virtual account. This was seen in August 2022. Off: the response is the profile of the
	// virtual account.
	SnapshotNoProfile bool
	// UsedCode is the response to the second use of a code.
	UsedCode UsedCode
	// ExpiredCode42003 answers 42003 for an expired code, as WeChat's table of return codes says.
	// Off: 40029.
	ExpiredCode42003 bool
	// ExpiredRefresh42002 answers 42002 for an expired refresh token, as WeChat's table of return
	// codes says. Off: 40030.
	ExpiredRefresh42002 bool
	// FailureBurnsCode uses up the code in a token request with a wrong secret. Off: the code stays
	// valid.
	FailureBurnsCode bool
	// WrongSecret40001 answers 40001 for a wrong secret, as in early years. Off: 40125.
	WrongSecret40001 bool
	// Suffix is the form of the request id at the end of an errmsg.
	Suffix Suffix
	// KeepOldTokens keeps older tokens of a person and an app valid after a new sign-in. Off: they
	// become invalid (40001 for an access token, 40030 for a refresh token).
	KeepOldTokens bool
	// RotateRefresh returns a new refresh token at each refresh and invalidates the old refresh
	// token. Off: the refresh token stays the same.
	RotateRefresh bool
	// BaseUnionID returns the unionid with snsapi_base too, as in some captures. Off: with
	// snsapi_userinfo only.
	BaseUnionID bool
	// LaxOpenID ignores the parameter openid of user info. Off: a wrong openid is answered with
	// 40003.
	LaxOpenID bool
	// Dirty changes every profile: it puts data into it that apps often process wrongly.
	Dirty Dirty
	// Quota is the number of calls per minute that each app may make to each sns endpoint. Further
	// calls get 45011. 0 means 50,000.
	Quota int
	// DailyQuota is the number of calls in a day that each account may make to each endpoint below
	// /cgi-bin/, if it is less than WeChat's number. Further calls get 45009. 0 means WeChat's
	// numbers: 2,000 for token, 500,000 for stable_token, 100,000 for qrcode/create and 5,000,000 for
	// user/info; less for a test account.
	DailyQuota int
	// ResultHeaders adds the headers RetKey and LogicRet to sns responses, as seen on similar
	// endpoints. Off: no such headers.
	ResultHeaders bool
	// PollWait is how long the QR page's long poll waits for a change, in real time. 0 means 25
	// seconds.
	PollWait time.Duration
	// PushNoOpenID leaves the parameter openid out of the address of a push, as the documents' plain
	// sample does. Off: it is there, as in all captures.
	PushNoOpenID bool
	// PushEscape splits "]]>" in a person's text and drops control bytes. Off: both are sent raw, as
	// reported (silenceper/wechat#750), so a person can inject elements.
	PushEscape bool
	// PushFourPosts sends a push without an answer four times. Off: three times.
	PushFourPosts bool
	// PushFreshRetries signs each retry with a new timestamp and nonce. Off: a retry is the same
	// request.
	PushFreshRetries bool
	// PushHeldRetries sends a retry of a push when [Server.Advance] has moved the clock five seconds,
	// so that a test can restart the receiver in between. Off: retries follow at once.
	PushHeldRetries bool
	// PushRepeat sends each push once more after a good answer, as reported in 2024.
	PushRepeat bool
	// PushDelay holds pushes until [Server.Advance] has moved the clock this far. 0 sends at once.
	PushDelay time.Duration
	// PushReverse sends the newest first of the held pushes that are due at the same time.
	PushReverse bool
	// PushBreaker is the number of consecutive failures after which WeChat sends no pushes for one
	// minute. Those pushes are lost. 0 means never.
	PushBreaker int
	// PushOldMsgID makes MsgIds of the form in use until about 2016. Off: the form since 2019.
	PushOldMsgID bool
	// PushNoEventKey leaves EventKey out of an ordinary subscribe, as the documents' sample does. Off:
	// it is there and empty.
	PushNoEventKey bool
	// PushSecondPlatform simulates a failed third-party platform that also receives the pushes: the
	// person sees the failure line even after a good answer (wechatpy/wechatpy#219).
	PushSecondPlatform bool
}

// DoubleCallback is whether, and when, the server itself requests the app's callback address. The
// request has the code and state of the person's browser, but no cookies. Field reports describe
// this behaviour of machines of Tencent (WeChat's company). The sign-in in the browser must work
// even if the server's request has used the code.
type DoubleCallback int

const (
	// DoubleOff: only the person's browser requests the callback.
	DoubleOff DoubleCallback = iota
	// DoubleFirst: the server's request is complete before the person's browser receives the
	// redirect.
	DoubleFirst
	// DoubleTogether: the server and the browser send their requests at the same time.
	DoubleTogether
	// DoubleLate: the server sends its request three and a half hours later, by the server's clock
	// (see [Server.Advance]).
	DoubleLate
	// DoubleOtherCode: like DoubleFirst, with the same state and another valid code.
	DoubleOtherCode
)

// UsedCode is the errcode in the response to a second use of a code.
type UsedCode int

const (
	// UsedThenInvalid: 40163 (code been used) during the lifetime of the code, 40029 (invalid code)
	// afterwards.
	UsedThenInvalid UsedCode = iota
	// UsedIsInvalid: 40029 (invalid code) immediately.
	UsedIsInvalid
)

// Suffix is the form of the request id at the end of an errmsg.
type Suffix int

const (
	// SuffixRID: ", rid: 65a33cd8-023106e1-2dc7e2f6", since 2021. The first group is the server's
	// Unix time in hexadecimal.
	SuffixRID Suffix = iota
	// SuffixHints: ", hints: [ req_id: 5P_i5a0393th31 ]", before 2021.
	SuffixHints
	// SuffixNone: nothing, as in the documents.
	SuffixNone
)

// Dirty is a kind of profile data that apps often process wrongly.
type Dirty int

const (
	// DirtyOff: profiles are unchanged.
	DirtyOff Dirty = iota
	// DirtyControl: control bytes in the nickname. They make the JSON invalid.
	DirtyControl
	// DirtyUTF8: bytes in the nickname that are not UTF-8.
	DirtyUTF8
	// DirtyEmoji: emoji sequences and private-use characters (Unicode category Co) in the nickname.
	DirtyEmoji
	// DirtyNoAvatar: headimgurl is empty.
	DirtyNoAvatar
)
