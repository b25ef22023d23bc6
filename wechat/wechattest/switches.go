package wechattest

import "time"

// Switches are the points where WeChat's documents and the field reports differ, or where both are silent. The zero value of each is what
// is reported most; a client must be right in every position. Change them with [Server.Switch].
type Switches struct {
	// AnyBrowser lets every browser see the official-account page. Off: only a browser whose user agent has MicroMessenger, the others get
	// 请在微信客户端打开链接.
	AnyBrowser bool
	// ConsentAs is the id of a person. When set, the authorize and the QR page redirect at once as that person, with every scope granted. A phone of
	// the simulator stays its own person.
	ConsentAs string
	// LegacyDenial redirects a refusal to the app with the state and no code, as old documents say. Off: the app hears nothing.
	LegacyDenial bool
	// LaxOrder accepts the parameters of a snsapi_userinfo authorize address in any order. Off: appid, redirect_uri, response_type, scope, state.
	LaxOrder bool
	// StrictState refuses a state outside [A-Za-z0-9], which the documents demand and the field does not see. More than 128 bytes are always refused.
	StrictState bool
	// DoubleCallback fetches the callback address a second time. Off by default.
	DoubleCallback DoubleCallback
	// Snapshot opens every snsapi_userinfo page in snapshot mode: no consent page, a virtual identity that is the same each time, is_snapshotuser in the
	// token answer. It ends for a person and an app when the person presses 使用完整服务; see [Server.UseFullService].
	Snapshot bool
	// SnapshotNoProfile answers 48001 to user info with a snapshot token, as was seen in August 2022. Off: the virtual profile.
	SnapshotNoProfile bool
	// UsedCode says what a second use of a code is answered.
	UsedCode UsedCode
	// ExpiredCode42003 answers 42003 for an expired code, as the table says. Off: 40029.
	ExpiredCode42003 bool
	// ExpiredRefresh42002 answers 42002 for an expired refresh token, as the table says. Off: 40030.
	ExpiredRefresh42002 bool
	// FailureBurnsCode makes an exchange with a wrong secret use up the code. Off: the code stays good.
	FailureBurnsCode bool
	// WrongSecret40001 answers 40001 for a wrong secret, as in old days. Off: 40125.
	WrongSecret40001 bool
	// Suffix is what follows an errmsg.
	Suffix Suffix
	// KeepOldTokens leaves older tokens of a person and an app alive at a new sign-in. Off: they die (40001, 40030).
	KeepOldTokens bool
	// RotateRefresh gives a new refresh token at each refresh and kills the one used. Off: the same one.
	RotateRefresh bool
	// BaseUnionID returns the unionid with snsapi_base too, as some captures have it. Off: with snsapi_userinfo only.
	BaseUnionID bool
	// LaxOpenID makes user info ignore which openid is sent. Off: a foreign one is 40003.
	LaxOpenID bool
	// Dirty puts an unkind value in everybody's profile.
	Dirty Dirty
	// Quota is the number of calls a minute for each app and sns endpoint before 45011. 0 means 50 000.
	Quota int
	// ResultHeaders adds RetKey and LogicRet to sns answers, which were seen on sibling endpoints.
	ResultHeaders bool
	// PollWait is how long the QR page's poll is held, in real time. 0 means 25 seconds.
	PollWait time.Duration
}

// DoubleCallback is when the callback address is fetched once more, by the server itself: from elsewhere, without the person's cookies, as Tencent's own
// machines do. See [Server.Advance] for the late one.
type DoubleCallback int

const (
	// DoubleOff: the callback is fetched by the person's browser only.
	DoubleOff DoubleCallback = iota
	// DoubleFirst: the stranger's fetch is over before the person's browser gets its redirect.
	DoubleFirst
	// DoubleTogether: the stranger's fetch and the person's redirect happen at the same time.
	DoubleTogether
	// DoubleLate: the stranger comes three to four hours later, by the server's clock.
	DoubleLate
	// DoubleOtherCode: as DoubleFirst, with the same state and another code, which is good as well.
	DoubleOtherCode
)

// UsedCode is the answer to a second use of a code.
type UsedCode int

const (
	// UsedThenInvalid: 40163 while the code would have lived, 40029 afterwards.
	UsedThenInvalid UsedCode = iota
	// UsedIsInvalid: 40029 at once.
	UsedIsInvalid
)

// Suffix is the form of the request id behind an errmsg.
type Suffix int

const (
	// SuffixRID: ", rid: 65a33cd8-023106e1-2dc7e2f6", since 2021. The first group is the server's Unix time.
	SuffixRID Suffix = iota
	// SuffixHints: ", hints: [ req_id: 5P_i5a0393th31 ]", before.
	SuffixHints
	// SuffixNone: nothing, as in the documents.
	SuffixNone
)

// Dirty is an unkind value in the profiles of user info.
type Dirty int

const (
	// DirtyOff: profiles are as the people have them.
	DirtyOff Dirty = iota
	// DirtyControl: raw control bytes in the nickname, which make the JSON invalid.
	DirtyControl
	// DirtyUTF8: bytes in the nickname that are not UTF-8.
	DirtyUTF8
	// DirtyEmoji: joined emoji and private-use characters in the nickname.
	DirtyEmoji
	// DirtyNoAvatar: headimgurl is empty.
	DirtyNoAvatar
)
