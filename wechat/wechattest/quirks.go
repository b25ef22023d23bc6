package wechattest

import "time"

// Quirks are the points on which WeChat's documents and field reports differ, or both are silent.
// The zero value of each is what is reported most. A client must be correct with every value.
// [Server.UpdateQuirks] changes them.
type Quirks struct {
	// AnyBrowser shows the pages of official accounts to every browser. Off: only to those with
	// MicroMessenger in the user agent; others see 请在微信客户端打开链接.
	AnyBrowser bool
	// ConsentAs is the id of a person who consents automatically: the authorize page and the QR
	// page redirect at once. On a phone of the simulator it is the phone's person instead. "" means
	// that the page asks.
	ConsentAs string
	// LegacyDenial redirects to the app with the state and no code after a refusal, as old
	// documents say. Off: the app is not notified.
	LegacyDenial bool
	// LaxOrder accepts the parameters of a snsapi_userinfo address in any order. Off: appid,
	// redirect_uri, response_type, scope, state.
	LaxOrder bool
	// StrictState rejects a state outside [A-Za-z0-9], as the documents demand and nobody has
	// observed. More than 128 bytes are always rejected.
	StrictState bool
	// DoubleCallback requests the callback address a second time.
	DoubleCallback DoubleCallback
	// Snapshot opens every snsapi_userinfo page in snapshot mode: no consent page, a virtual
	// identity that stays the same, is_snapshotuser in the token answer. It ends for a person and
	// an app with 使用完整服务; see [Server.UseFullService].
	Snapshot bool
	// SnapshotNoProfile answers user info with a snapshot token with 48001, as seen in August 2022.
	// Off: a virtual profile.
	SnapshotNoProfile bool
	// UsedCode is the answer to the second use of a code.
	UsedCode UsedCode
	// ExpiredCode42003 answers 42003 for an expired code, as WeChat's table of return codes says.
	// Off: 40029.
	ExpiredCode42003 bool
	// ExpiredRefresh42002 answers 42002 for an expired refresh token, as that table says. Off:
	// 40030.
	ExpiredRefresh42002 bool
	// FailureBurnsCode uses up the code in an exchange with a wrong secret. Off: the code stays
	// valid.
	FailureBurnsCode bool
	// WrongSecret40001 answers 40001 for a wrong secret, as in early years. Off: 40125.
	WrongSecret40001 bool
	// Suffix is the request id behind an errmsg.
	Suffix Suffix
	// KeepOldTokens keeps older tokens of a person and an app valid after a new sign-in. Off: they
	// become invalid (40001, 40030).
	KeepOldTokens bool
	// RotateRefresh returns a new refresh token at each refresh and invalidates the old one. Off:
	// the same one.
	RotateRefresh bool
	// BaseUnionID returns the unionid with snsapi_base too, as in some captures. Off: with
	// snsapi_userinfo only.
	BaseUnionID bool
	// LaxOpenID ignores the openid in user info. Off: a wrong one is answered with 40003.
	LaxOpenID bool
	// Dirty puts data that is hard to process into every profile.
	Dirty Dirty
	// Quota is the number of calls per minute for each app and sns endpoint before 45011. 0 means
	// 50,000.
	Quota int
	// ResultHeaders adds the headers RetKey and LogicRet to sns answers, as seen on similar
	// endpoints.
	ResultHeaders bool
	// PollWait is how long the QR page's long poll is held, in real time. 0 means 25 seconds.
	PollWait time.Duration
}

// DoubleCallback is when the server requests the callback address itself, from another address and
// without the person's cookies, as reported of Tencent's machines.
type DoubleCallback int

const (
	// DoubleOff: only the person's browser requests the callback.
	DoubleOff DoubleCallback = iota
	// DoubleFirst: the second request is complete before the person's browser receives its
	// redirect.
	DoubleFirst
	// DoubleTogether: both happen at the same time.
	DoubleTogether
	// DoubleLate: the second request follows three to four hours later by the server's clock, see
	// [Server.Advance].
	DoubleLate
	// DoubleOtherCode: like DoubleFirst, with the same state and another code, which is valid too.
	DoubleOtherCode
)

// UsedCode is the answer to a second use of a code.
type UsedCode int

const (
	// UsedThenInvalid: 40163 during the lifetime of the code, 40029 afterwards.
	UsedThenInvalid UsedCode = iota
	// UsedIsInvalid: 40029 immediately.
	UsedIsInvalid
)

// Suffix is the form of the request id behind an errmsg.
type Suffix int

const (
	// SuffixRID: ", rid: 65a33cd8-023106e1-2dc7e2f6", since 2021. The first group is the server's
	// Unix time.
	SuffixRID Suffix = iota
	// SuffixHints: ", hints: [ req_id: 5P_i5a0393th31 ]", before 2021.
	SuffixHints
	// SuffixNone: nothing, as in the documents.
	SuffixNone
)

// Dirty is a kind of data in profiles that is hard to process.
type Dirty int

const (
	// DirtyOff: profiles are unchanged.
	DirtyOff Dirty = iota
	// DirtyControl: control bytes in the nickname, which make the JSON invalid.
	DirtyControl
	// DirtyUTF8: bytes in the nickname that are not UTF-8.
	DirtyUTF8
	// DirtyEmoji: emoji sequences and private-use characters in the nickname.
	DirtyEmoji
	// DirtyNoAvatar: headimgurl is empty.
	DirtyNoAvatar
)
