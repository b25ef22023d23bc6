package web

import "net/http"

// Kind is a kind of page. Its texts are in the catalogues (one file of texts per language), under
// the keys KIND.title, KIND.text and KIND.button.
type Kind string

// The pages of sign-in. Package login uses the same values.
const (
	OpenInWeChat  Kind = "open_in_wechat" // sign-in works inside WeChat only: shows a link to open there
	OpenElsewhere Kind = "open_elsewhere" // sign-in does not work inside WeChat: shows a link for a browser
	MiniProgram   Kind = "mini_program"   // in a mini-program: shows a link to open in a chat of WeChat
	Choose        Kind = "choose"         // several sign-in methods to choose from
	NoMethod      Kind = "no_method"      // no sign-in method that the app accepts is available
	Profile       Kind = "profile"        // asks for nickname and picture (头像昵称)
	Snapshot      Kind = "snapshot"       // explains 使用完整服务 on a snapshot page (快照页)
	Denied        Kind = "denied"         // the user declined at WeChat
	SignOut       Kind = "sign_out"       // asks whether to sign out
	PleaseSignIn  Kind = "please_sign_in" // a form was sent without a session
	Lost          Kind = "lost"           // this browser did not start the sign-in, or the sign-in has expired
	NoCookies     Kind = "no_cookies"     // the browser keeps no cookies
	Loop          Kind = "loop"           // sign-ins succeed repeatedly, but the browser does not keep the session
	Again         Kind = "again"          // WeChat rejected several codes in a row
	Suspect       Kind = "suspect"        // too many sign-ins from the user's network failed
	WeChatConsent Kind = "wechat_consent" // the user has to agree in WeChat, and has not
	Restricted    Kind = "restricted"     // WeChat has restricted the user
	Blocked       Kind = "blocked"        // an administrator has blocked the user
	BadReturn     Kind = "bad_return"     // the return address was rejected
)

// The gateway's own pages before, between and after sign-ins.
const (
	Agreement Kind = "agreement" // a box to tick before signing in: consent to the privacy policy
	// AgreementChanged asks a signed-in user to agree again: the documents have changed.
	AgreementChanged Kind = "agreement_changed"
	Welcome          Kind = "welcome"        // the home page, without a session
	SignedOut        Kind = "signed_out"     // signed out in this browser
	EndedAll         Kind = "ended_all"      // signed out in all browsers
	Continue         Kind = "continue"       // continues automatically after a moment; used instead of a redirect
	AppSignOut       Kind = "app_sign_out"   // an app requested the sign-out: asks whether to sign out
	AppSignedOut     Kind = "app_signed_out" // signed out at the request of an app
	Waiting          Kind = "waiting"        // the user waits for an administrator's approval
	ConfirmSignIn    Kind = "confirm"        // an app requires the user to sign in again
	Consent          Kind = "consent"        // asks whether a native app may sign in as the user
	FormPost         Kind = "form_post"      // sends the response of a sign-in to an app as a form (Page.Post)
)

// The desktop's pages in a sign-in by scan. The desktop shows a QR code, and the user scans it with
// a phone (ScanAsk). Then the desktop shows a number, and the user types it on the phone
// (ScanNumber).
const (
	ScanCode      Kind = "scan_code"      // shows the QR code to scan
	ScanCopy      Kind = "scan_copy"      // the browser itself is on a phone: shows a link to copy, and the number
	ScanOpened    Kind = "scan_opened"    // a phone has scanned the QR code and shows ScanAsk
	ScanScanned   Kind = "scan_scanned"   // the user has continued on the phone: shows the number for ScanNumber
	ScanExpired   Kind = "scan_expired"   // the QR code has expired; it is renewed automatically or by a button
	ScanInactive  Kind = "scan_inactive"  // the QR code has expired without activity; only the button renews it
	ScanRefused   Kind = "scan_refused"   // the user declined on the phone
	ScanWrong     Kind = "scan_wrong"     // another number was typed on the phone
	ScanCancelled Kind = "scan_cancelled" // cancelled on the desktop
	ScanSignedIn  Kind = "scan_signed_in" // shows the name of the signed-in user; continues automatically
	ScanUndone    Kind = "scan_undone"    // the session was ended: "not me" was pressed on the desktop or the phone
)

// The pages of a sign-in in the chat of an official account. Its last page may also be
// ScanSignedIn, ScanCancelled or ScanUndone.
const (
	ChatNumber      Kind = "chat_number"       // the number to send to the account, and a field for its answer
	ChatFollow      Kind = "chat_follow"       // the QR code by which users follow the account, and the field
	ChatFollowPhone Kind = "chat_follow_phone" // ChatFollow on a phone: a picture of the QR code to save

	// ChatNumber and ChatFollow inside WeChat, whose browser closes the page when the user opens a
	// chat.
	ChatNumberWeChat Kind = "chat_number_wechat"
	ChatFollowWeChat Kind = "chat_follow_wechat"

	ChatAnswered  Kind = "chat_answered"   // the account has answered: asks for the confirmation code
	ChatExpired   Kind = "chat_expired"    // the number or code has expired
	ChatWrong     Kind = "chat_wrong"      // another code was typed
	ChatRefused   Kind = "chat_refused"    // the user declined in the chat
	ChatNoUnionID Kind = "chat_no_unionid" // the account got no unionid: the user must sign in in WeChat once
)

// The pages of the phone in a sign-in by scan.
const (
	ScanHere     Kind = "scan_here"     // the link in the QR code was opened outside WeChat
	ScanAsk      Kind = "scan_ask"      // shows which app and which desktop request the sign-in
	ScanNumber   Kind = "scan_number"   // asks for the number that the desktop shows
	ScanDone     Kind = "scan_done"     // shows where the user was signed in, and how to undo it
	ScanDeclined Kind = "scan_declined" // the user declined
	ScanMismatch Kind = "scan_mismatch" // the user typed another number than the desktop's
	ScanPaused   Kind = "scan_paused"   // the user has typed too many wrong numbers
	ScanTaken    Kind = "scan_taken"    // another phone scanned the QR code first
	ScanUsed     Kind = "scan_used"     // another user has completed or declined this sign-in
	ScanOver     Kind = "scan_over"     // the QR code has expired, was cancelled, or never existed
	ScanNone     Kind = "scan_none"     // this phone has not scanned a QR code
)

// The pages that explain why a user cannot enter an app.
const (
	UnknownApp     Kind = "unknown_app"     // no app with this id is configured
	RedirectURI    Kind = "redirect_uri"    // the redirect_uri is not registered for the app
	NotSignedIn    Kind = "not_signed_in"   // the user returned from sign-in without a session
	Refused        Kind = "refused"         // the app's access policy denies the user
	AccessRefused  Kind = "access_refused"  // an administrator has refused the app to the user
	YourName       Kind = "your_name"       // asks for the user's name, while the user waits for approval
	NameInApps     Kind = "name_in_apps"    // asks for a name that apps get, if WeChat sends no nickname
	WrongMethod    Kind = "wrong_method"    // the app does not accept the method of this session
	NoOpenID       Kind = "no_openid"       // no openid at the connector (app at WeChat) that the app requires
	NoUnionID      Kind = "no_unionid"      // the app identifies users by unionid, and the user has none
	SubjectTaken   Kind = "subject_taken"   // the app knows another user by this user's subject (sub)
	RequestExpired Kind = "request_expired" // a saved request has expired, or belongs to another browser

	// Pages of package relay, which serves WeChat's own protocol to apps.
	Scope         Kind = "scope"          // WeChat does not have this scope at the endpoint
	State         Kind = "state"          // the state is longer than WeChat accepts
	ParameterName Kind = "parameter_name" // the parameter appid has another case, such as appId
)

// The pages of invitations (package invitation). An invitation is a link that an administrator
// made.
const (
	Invite          Kind = "invite"            // approves the user
	InviteAdmin     Kind = "invite_admin"      // makes the user an administrator
	InviteAdminOnly Kind = "invite_admin_only" // opens the administration without WeChat
	InviteMove      Kind = "invite_move"       // moves a user to the WeChat account that opens the link
	InviteMethod    Kind = "invite_method"     // the user must sign in by another method to accept
	InviteDone      Kind = "invite_done"       // the user was approved
	InviteKnown     Kind = "invite_known"      // the user has all that the invitation gives; no use was counted
	InvitePartly    Kind = "invite_partly"     // the user was approved, but apps that were refused before stay refused
	InviteRefused   Kind = "invite_refused"    // all apps of the invitation were refused to the user before
	InviteAdminDone Kind = "invite_admin_done" // the user is an administrator now
	InviteMoveDone  Kind = "invite_move_done"  // the user was moved, and must sign in again
	InviteUnknown   Kind = "invite_unknown"    // no invitation has this secret
	InviteExpired   Kind = "invite_expired"
	InviteUsed      Kind = "invite_used"    // used as often as it may be
	InviteRevoked   Kind = "invite_revoked" // by an administrator
	InviteVoid      Kind = "invite_void"    // the administrator who made it is not an administrator any more
)

// The pages of package forwardauth, which protects sites: hosts of apps behind a reverse proxy.
const (
	UnknownHost   Kind = "unknown_host"    // a proxy requests a decision for a host that is not configured
	HostSignOut   Kind = "host_sign_out"   // asks whether to sign out of the site
	HostSignedOut Kind = "host_signed_out" // signed out of the site, not of the gateway
)

// The pages of errors that can occur at any address.
const (
	Busy             Kind = "busy"  // WeChat or the store is unavailable
	Fault            Kind = "fault" // an error of the gateway
	BadRequest       Kind = "bad_request"
	ForeignForm      Kind = "foreign_form" // a form that another site sent
	NotFound         Kind = "not_found"
	MethodNotAllowed Kind = "method_not_allowed" // the address does not accept this HTTP method
	TooMany          Kind = "too_many"           // too many requests
	TooLarge         Kind = "too_large"          // the body of the request exceeds its limit
	AddressTooLong   Kind = "address_too_long"   // the address of the request exceeds its limit
)

// tone selects the color and the symbol of a page.
type tone string

const (
	plain tone = "plain"
	good  tone = "good"
	bad   tone = "bad"
)

// kindInfo has the HTTP status and the tone of a kind of page. A page shows the request id if its
// status is 400 or more and its tone is bad.
type kindInfo struct {
	status int
	tone   tone
}

// Status returns the HTTP status of the pages of a kind.
func (k Kind) Status() int { return kindInfos[k].status }

// kindInfos has an entry for every kind. New returns an error if a catalogue lacks a text of a
// kind. It also returns an error if a catalogue has a text that belongs to no kind, unless the
// function shared lists the key of this text.
var kindInfos = map[Kind]kindInfo{
	OpenInWeChat: {200, plain}, OpenElsewhere: {200, plain}, MiniProgram: {200, plain}, Choose: {200, plain},
	NoMethod: {http.StatusForbidden, bad}, Profile: {200, plain}, Snapshot: {200, plain}, Denied: {200, plain},
	SignOut: {200, plain}, PleaseSignIn: {http.StatusUnauthorized, plain}, Lost: {http.StatusBadRequest, bad},
	NoCookies: {http.StatusBadRequest, bad}, Loop: {http.StatusInternalServerError, bad},
	Again: {http.StatusBadGateway, bad}, Suspect: {http.StatusTooManyRequests, bad}, WeChatConsent: {200, plain},
	Restricted: {http.StatusForbidden, bad}, Blocked: {http.StatusForbidden, bad},
	BadReturn: {http.StatusBadRequest, bad},

	Agreement: {200, plain}, AgreementChanged: {200, plain}, Welcome: {200, plain},
	SignedOut: {200, good}, EndedAll: {200, good},
	Continue:   {200, plain},
	AppSignOut: {200, plain}, AppSignedOut: {200, good}, Waiting: {200, plain}, ConfirmSignIn: {200, plain},
	Consent: {200, plain}, FormPost: {200, plain},

	ScanCode: {200, plain}, ScanCopy: {200, plain}, ScanOpened: {200, good}, ScanScanned: {200, plain},
	ScanExpired: {200, plain}, ScanInactive: {200, plain}, ScanRefused: {200, bad},
	ScanWrong: {200, bad}, ScanCancelled: {200, plain}, ScanSignedIn: {200, good}, ScanUndone: {200, plain},
	ScanHere: {200, plain}, ScanAsk: {200, plain}, ScanNumber: {200, plain}, ScanDone: {200, good},
	ScanDeclined: {200, plain}, ScanMismatch: {200, bad}, ScanPaused: {http.StatusTooManyRequests, bad},
	ScanTaken: {http.StatusConflict, bad}, ScanUsed: {http.StatusGone, bad}, ScanOver: {http.StatusNotFound, bad},
	ScanNone: {http.StatusNotFound, bad},

	ChatNumber: {200, plain}, ChatFollow: {200, plain}, ChatFollowPhone: {200, plain}, ChatAnswered: {200, good},
	ChatNumberWeChat: {200, plain}, ChatFollowWeChat: {200, plain}, ChatExpired: {200, plain},
	ChatWrong: {200, bad}, ChatRefused: {200, bad},
	ChatNoUnionID: {http.StatusForbidden, bad},

	UnknownApp: {http.StatusBadRequest, bad}, RedirectURI: {http.StatusBadRequest, bad},
	NotSignedIn:   {http.StatusForbidden, bad},
	AccessRefused: {http.StatusForbidden, bad}, YourName: {200, plain}, NameInApps: {200, plain},
	Refused: {http.StatusForbidden, bad}, WrongMethod: {http.StatusForbidden, bad},
	NoOpenID:  {http.StatusForbidden, bad},
	NoUnionID: {http.StatusForbidden, bad}, SubjectTaken: {http.StatusConflict, bad},
	Scope: {http.StatusBadRequest, bad},
	State: {http.StatusBadRequest, bad}, ParameterName: {http.StatusBadRequest, bad},

	Invite: {200, plain}, InviteAdmin: {200, plain}, InviteAdminOnly: {200, plain}, InviteMove: {200, plain},
	InviteMethod: {200, plain},
	InviteDone:   {200, good}, InviteKnown: {200, good}, InvitePartly: {200, good}, InviteAdminDone: {200, good},
	InviteMoveDone: {200, good}, InviteRefused: {http.StatusForbidden, bad},
	InviteUnknown: {http.StatusNotFound, bad}, InviteExpired: {http.StatusGone, bad},
	InviteUsed: {http.StatusGone, bad}, InviteRevoked: {http.StatusGone, bad}, InviteVoid: {http.StatusGone, bad},

	UnknownHost: {http.StatusForbidden, bad}, HostSignOut: {200, plain}, HostSignedOut: {200, good},

	Busy: {http.StatusServiceUnavailable, bad}, Fault: {http.StatusInternalServerError, bad},
	BadRequest:  {http.StatusBadRequest, bad},
	ForeignForm: {http.StatusForbidden, bad}, NotFound: {http.StatusNotFound, bad},
	MethodNotAllowed: {http.StatusMethodNotAllowed, bad},
	TooMany:          {http.StatusTooManyRequests, bad}, TooLarge: {http.StatusRequestEntityTooLarge, bad},
	AddressTooLong: {http.StatusRequestURITooLong, bad}, RequestExpired: {http.StatusBadRequest, bad},
}

// shared returns the keys of the texts that pages of several kinds use.
func shared() []string {
	return []string{"copy.label", "copy.do", "copy.done", "without", "request", "nameless",
		"skip", "nav", "nav.more", "trail", "pages", "pages.first", "pages.next", "code.copy", "field.optional",
		"field.errors", "chart.table", "back", "back.app", "home", "app", "privacy", "terms", "contact.ask", "user.id",
		"opens",
		"agree", "agree.terms", "agree.and", "agree.privacy", "agree.missing", "method.scan", "method.scan.text",
		"method.website", "method.website.text", "method.message", "method.message.text", "method.follow",
		"method.follow.text",
		LabelByWebsite, LabelOtherMethod, LabelSignOut, LabelWithout, LabelAgree, LabelAgreeAgain,
		LabelNewCode, LabelNewNumber, LabelByMessage,
		"chat.number", "chat.copy", "chat.open", HintScan, HintSave, HintPress,
		"chat.account", "chat.id", "chat.code.label", "chat.code.send", "chat.reload", ProblemCodeEarly,
		ProblemCodeMalformed, LabelNotMe, LabelCancel,
		LabelContinue, LabelRefuse, "scan.phone", "chat.phone", "scan.link", "scan.image",
		"scan.number", "scan.number.label", "scan.number.malformed", "scan.number.send", "scan.app", "scan.browser",
		"scan.browser.unknown", "scan.ip", "scan.network", "scan.network.same", "scan.network.other",
		"scan.ago", "scan.ago.now", "scan.ago.seconds", "scan.ago.minutes", "scan.ago.hours",
		"user.copy", "contact", "refused.reason", "name.label", "name.hint", "name.send", "name.given", "name.change",
		"name.apps.label", "name.apps.hint", "name.apps.send",
		ProblemNoName, ProblemLongName, LabelNotNow, LabelAskAccess, LabelGiveName, LabelShareProfile,
		"invite.apps", "invite.apps.all", "invite.for", "invite.expires", "invite.scan",
		LabelAccept, LabelWithoutWeChat, LabelEnterAdmin, LabelOtherUser, LabelSignInHere}
}

// Labels of the buttons of forms: keys of the catalogues.
const (
	LabelSignOut    = "do.sign_out"
	LabelWithout    = "do.without" // continue without nickname and picture
	LabelAgree      = "do.agree"
	LabelAgreeAgain = "do.agree_again"
	LabelNewCode    = "do.new_code"
	LabelNewNumber  = "do.new_number"
	LabelByMessage  = "do.by_message" // send a number to the account instead of scanning its QR code
	LabelNotMe      = "do.not_me"
	LabelCancel     = "do.cancel"
	LabelContinue   = "do.continue"
	LabelRefuse     = "do.refuse"
	LabelNotNow     = "do.not_now"    // wait for approval without giving a name
	LabelAskAccess  = "do.ask_access" // ask an administrator for access to an app
	LabelAccept     = "do.accept"     // accept an invitation

	LabelWithoutWeChat = "do.without_wechat" // continue as an administrator without WeChat
	LabelEnterAdmin    = "do.enter_admin"    // the same, where it is the only way for administrators
)

// Labels of links: keys of the catalogues.
const (
	LabelByWebsite    = "do.by_website"    // sign in by the QR code of WeChat's own page instead
	LabelShareProfile = "do.share_profile" // share nickname and picture while waiting for approval
	LabelGiveName     = "do.give_name"     // give a name while waiting for approval
	LabelOtherUser    = "do.other_user"    // sign in as another user
	LabelSignInHere   = "do.sign_in_here"  // sign in in this browser, to accept an invitation
	LabelOtherMethod  = "do.other_method"  // choose another sign-in method
)
