package wechat

import (
	"crypto/tls"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// Classes of an [Error]. A class tells the caller what to do. Test with errors.Is. An Error has one
// class, or none if this package does not know the errcode.
var (
	// ErrReauthorize means that the code or the tokens cannot be used any more: redirect the user
	// to AuthorizeURL again. Exchange also returns it whenever WeChat may have used up the code.
	ErrReauthorize = errors.New("sign-in must be started again")
	// ErrTokenExpired means that the access token is invalid: call Refresh once, and start sign-in
	// again if that fails too.
	ErrTokenExpired = errors.New("access token expired")
	// ErrRateLimited means that there were too many calls: wait a minute.
	ErrRateLimited = errors.New("rate limited")
	// ErrTemporary means that WeChat or the network failed: make the same call again later. From
	// Exchange it means that the code can be used again: the request was not sent, or WeChat
	// answered errcode -1 (system busy). After errcode -1 the code is assumed to be unused.
	ErrTemporary = errors.New("temporary failure")
	// ErrConfiguration means that no user can fix the failure: correct the AppID, the Secret, the
	// IP allow-list, the permissions of the app, or this program.
	ErrConfiguration = errors.New("configuration error")
	// ErrUserRestricted means that WeChat rejects this user: frozen, deregistered or of high risk.
	ErrUserRestricted = errors.New("user restricted by WeChat")
)

// Problems of an [Error] without an errcode. Test with errors.Is.
var (
	// ErrTransport means that there was no response. The cause is wrapped too, so errors.Is finds
	// context.DeadlineExceeded.
	ErrTransport = errors.New("no response")
	// ErrHTTPStatus means that the status is not 2xx and the response has no errcode. A redirect is
	// also an ErrHTTPStatus, because redirects are not followed.
	ErrHTTPStatus = errors.New("unexpected HTTP status")
	// ErrNotJSON means that the response is not a JSON object: the HTML page of a proxy, for
	// example.
	ErrNotJSON = errors.New("response is not a JSON object")
	// ErrTruncated means that the response ends early.
	ErrTruncated = errors.New("response is truncated")
	// ErrEmpty means that the response has no body, is {}, or lacks a required field: the errcode of
	// /sns/auth, or the ticket or url of a QR code.
	ErrEmpty = errors.New("response is empty")
	// ErrNoOpenID means that the openid of the response is missing, or is not printable ASCII. From
	// UserInfo and CheckToken it can also mean that the argument openID is empty or not printable
	// ASCII.
	ErrNoOpenID = errors.New("no valid openid")
	// ErrOtherOpenID means that WeChat answered UserInfo with the profile of another openid.
	ErrOtherOpenID = errors.New("response is for another openid")
	// ErrNoToken means that the response has no access token. From UserInfo, CheckToken and Refresh
	// it can also mean that the token argument is empty.
	ErrNoToken = errors.New("no token")
	// ErrTooLarge means that the response is longer than 1 MiB.
	ErrTooLarge = errors.New("response is longer than 1 MiB")
)

// Errcodes that callers often handle separately. Test with errors.Is. Both are of class
// [ErrReauthorize].
var (
	// ErrCodeUsed is errcode 40163. It usually means that the callback was requested twice: check
	// for a session before you redirect the user to WeChat again.
	ErrCodeUsed = errors.New("code already used")
	// ErrInvalidCode is errcode 40029: the code is unknown, is expired, belongs to another app, or
	// was used long ago. Exchange also returns ErrInvalidCode, without a request, for an empty code
	// and for a code over 512 bytes.
	ErrInvalidCode = errors.New("invalid code")
)

// errNoSecret is wrapped by the error of an exchange without a Secret.
var errNoSecret = errors.New("the Client has no Secret")

// Error is the error of every call to WeChat. It never contains a secret, code or token. Show it to
// administrators, not to users.
type Error struct {
	Endpoint   string // as in [Call.Endpoint]: "access_token", "userinfo" and so on
	Code       int    // WeChat's errcode; 0 when there was none
	Message    string // WeChat's errmsg without the request id and control characters; at most 256 bytes
	RequestID  string // identifies the request for WeChat's support: the "rid" or "hint" in the errmsg
	HTTPStatus int    // 0 when there was no response

	// Err is the problem and its cause, when WeChat sent no errcode. With an errcode, Err is nil,
	// with one exception: errcode -1 (system busy) calls for a second attempt. If it could not be
	// made, Err is the reason.
	Err error

	unsent bool // no byte of the request was sent, so a code is not redeemed
}

// Error returns the endpoint, the problem and a hint what to do.
func (e *Error) Error() string {
	problem, hint := "", ""
	// e.Err == nil: an Error that a caller made without Code and Err. It is described as an unknown
	// errcode.
	if e.Code != 0 || e.Err == nil {
		m := meaningOf(e.Endpoint, e.Code)
		problem, hint = m.problem+e.details(), m.hint
		if e.Err != nil {
			problem += ", not tried again: " + e.Err.Error()
		}
	} else {
		problem = e.Err.Error()
		if e.HTTPStatus != 0 && e.HTTPStatus != http.StatusOK {
			problem += " (HTTP " + strconv.Itoa(e.HTTPStatus) + ")"
		}
	}
	if hint == "" {
		hint = e.hint()
	}
	return "wechat: " + e.Endpoint + ": " + problem + "; " + hint
}

// details returns the errcode, the message and the request id in parentheses.
func (e *Error) details() string {
	s := " (errcode " + strconv.Itoa(e.Code)
	if e.Message != "" {
		s += ", " + strconv.Quote(e.Message)
	}
	if e.RequestID != "" {
		s += ", rid " + e.RequestID
	}
	return s + ")"
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the class of e. It is also true for ErrCodeUsed and ErrInvalidCode
// if e has their errcode. errors.Is finds the problem, such as ErrTransport, through Unwrap.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrCodeUsed:
		return e.Code == 40163
	case ErrInvalidCode:
		return e.Code == 40029
	}
	return target != nil && target == e.class()
}

// class returns the class of e, or nil for an unknown errcode.
func (e *Error) class() error {
	if e.Code != 0 {
		return meaningOf(e.Endpoint, e.Code).class
	}
	return e.classWithoutErrcode()
}

// classWithoutErrcode returns the class of e if WeChat sent no errcode.
func (e *Error) classWithoutErrcode() error {
	var untrusted *tls.CertificateVerificationError
	switch {
	case e.Err == nil:
		return nil
	case errors.Is(e.Err, ErrInvalidCode):
		return ErrReauthorize
	case errors.Is(e.Err, errNoSecret), errors.Is(e.Err, ErrAppID), errors.Is(e.Err, ErrLang),
		errors.Is(e.Err, ErrScene), errors.Is(e.Err, ErrConfiguration), errors.As(e.Err, &untrusted):
		return ErrConfiguration
	case e.unsent && (errors.Is(e.Err, ErrNoToken) || errors.Is(e.Err, ErrNoOpenID)):
		return ErrConfiguration // the caller passed an empty token or an invalid openid
	case e.HTTPStatus == http.StatusTooManyRequests:
		return ErrRateLimited
	case errors.Is(e.Err, ErrHTTPStatus) && e.HTTPStatus < 500 && e.HTTPStatus != http.StatusRequestTimeout:
		// A redirect or 404 is not from WeChat: APIURL is wrong, or a proxy has answered.
		return ErrConfiguration
	case e.Endpoint == endpointToken && !e.unsent:
		return ErrReauthorize // WeChat may have received the code, and accepts it once
	}
	return ErrTemporary
}

// hint returns what to do next. The hint depends on the class. Without an errcode, it also depends
// on whether the request may have been sent.
func (e *Error) hint() string {
	switch e.class() {
	case ErrReauthorize:
		if e.Err != nil && !errors.Is(e.Err, ErrInvalidCode) {
			return "the code may be spent, so start sign-in again"
		}
		return "start sign-in again"
	case ErrTokenExpired:
		return "refresh the token once, else start sign-in again"
	case ErrRateLimited:
		return "wait a minute before the next call"
	case ErrTemporary:
		if e.unsent {
			return "nothing was sent, so try the same call again"
		}
		return "try the same call again later"
	case ErrConfiguration:
		if e.unsent {
			return "nothing was sent, so correct the call"
		}
		return "check the app's settings, APIURL and proxies"
	case ErrUserRestricted:
		return "ask the user to check their account in WeChat"
	}
	return "look the errcode up in WeChat's table of global return codes (全局返回码)"
}

// meaning explains an errcode of one endpoint.
type meaning struct {
	class   error  // nil when the errcode is unknown
	problem string // what failed
	hint    string // what to do; "" means the hint of the class
}

// meaningOf returns the meaning of an errcode. Sources: WeChat's documentation (全局返回码 and the
// pages api_snsaccesstoken, api_snsrefreshtoken, api_snsuserinfo and api_snsauth, checked in 2026)
// and, for codes missing there, reports from production.
func meaningOf(endpoint string, code int) meaning {
	switch code {
	case 40001, 40014, 42001:
		// 40001 was formerly the errcode of a wrong AppSecret.
		switch endpoint {
		case endpointToken, endpointStableToken:
			return meaning{
				class: ErrConfiguration, problem: "WeChat rejected the AppSecret",
				hint: "correct the Client's Secret",
			}
		case endpointRefresh:
			return meaning{class: ErrReauthorize, problem: "the refresh token is invalid or expired"}
		}
		return meaning{class: ErrTokenExpired, problem: "the access token is invalid or expired"}
	case -1:
		return meaning{class: ErrTemporary, problem: "WeChat has a system error"}
	case 45009, 45011:
		return meaning{class: ErrRateLimited, problem: "too many calls"}
	case 50002:
		return meaning{class: ErrUserRestricted, problem: "the user's account at WeChat is frozen or deregistered"}
	case 40226:
		return meaning{class: ErrUserRestricted, problem: "WeChat blocked the code of a high-risk user"}
	}
	if m := accountMeaning(endpoint, code); m.class != nil {
		return m
	}
	if m := reauthorize(code); m.class != nil {
		return m
	}
	if m := configuration(code); m.class != nil {
		return m
	}
	return meaning{class: nil, problem: "unknown errcode"}
}

// Some errcodes mean one thing in calls for a signed-in user, and another in calls that an official
// account makes for itself (stable token, QR code, account user). accountMeaning returns the second
// meaning. For all other errcodes and endpoints it returns the zero meaning.
func accountMeaning(endpoint string, code int) meaning {
	switch endpoint {
	case endpointStableToken, endpointQRCode, endpointAccountUser:
	default:
		return meaning{}
	}
	problem, hint := "", ""
	switch code {
	case 48001:
		problem = "the account lacks the permission for this call"
		hint = "use a verified service account (认证服务号): other accounts cannot get this permission"
	case 40003:
		problem, hint = "the openid does not belong to the account", "compare the AppID with the account of the user"
	default:
		return meaning{}
	}
	return meaning{class: ErrConfiguration, problem: problem, hint: hint}
}

// reauthorize returns the meaning of the errcodes of class ErrReauthorize, or the zero meaning.
func reauthorize(code int) meaning {
	problem := ""
	switch code {
	case 40029:
		problem = "the code is unknown, expired, of another app, or used long ago"
	case 40163:
		problem = "the code was already used"
	case 42003, 61010:
		problem = "the code is expired"
	case 40030, 42002:
		problem = "the refresh token is invalid or expired"
	case 42007:
		problem = "the user changed their WeChat password, which revokes all tokens"
	case 40003:
		problem = "the openid does not belong to the token"
	case 50001:
		problem = "the user has not granted this scope, or has revoked it"
	default:
		return meaning{}
	}
	return meaning{class: ErrReauthorize, problem: problem}
}

// configuration returns the meaning of the errcodes of class ErrConfiguration, or the zero meaning.
func configuration(code int) meaning {
	problem, hint := "", ""
	switch code {
	case 40002:
		problem, hint = "WeChat rejected the grant type", "check for proxies between this program and WeChat"
	case 40013:
		problem, hint = "unknown AppID, or the token belongs to another app", "correct the Client's AppID"
	case 40125:
		problem, hint = "WeChat rejected the AppSecret", "correct the Client's Secret"
	case 40164, 61004:
		problem = "WeChat rejects calls from this server's IP address"
		hint = "add the address to the IP allow-list (IP白名单) of the app"
	case 89503:
		problem = "an administrator of the account must confirm this server's IP address"
		hint = "confirm it in WeChat; after a refusal, WeChat rejects the address for an hour"
	case 40243:
		problem, hint = "the AppSecret is frozen", "unfreeze it at mp.weixin.qq.com"
	case 40066:
		problem, hint = "unknown path at WeChat", "correct APIURL"
	case 41001, 41002, 41003, 41004, 41008, 41009, 41018:
		problem, hint = "a parameter is missing at WeChat", "check for proxies between this program and WeChat"
	case 43001, 43002, 43003:
		problem, hint = "WeChat rejected the request method or scheme", "correct APIURL: it must be https"
	case 48001:
		problem = "the token or the app lacks the permission for this call"
		hint = "request snsapi_userinfo instead of snsapi_base, and check the permissions of the app"
	case 48004:
		problem, hint = "WeChat has withdrawn this permission from the app", "read the notices at mp.weixin.qq.com"
	case 48017:
		problem, hint = "this address of WeChat is retired", "use the host name in APIURL, not an IP address"
	case 61007, 10015:
		problem, hint = "the official account has not granted this to the third-party platform", "grant it"
	default:
		return meaning{}
	}
	return meaning{class: ErrConfiguration, problem: problem, hint: hint}
}

// maxMessage is the longest errmsg that is kept, in bytes.
const maxMessage = 256

// errmsgSuffix matches what WeChat appends to an errmsg. Forms seen between 2015 and 2026: "hints:
// [ req_id: … ]", "hint: […]", "rid: …", and from WeCom "from ip" and "more info". One errmsg may
// have several. For an errmsg without a suffix, errmsgSuffix matches the empty string at the end.
// Group 1 is the content of WeChat's hint, which identifies the request; group 2 is the rid.
var errmsgSuffix = regexp.MustCompile(`(?:,?\s*hints?:\s*\[([^\]]*)\])?(?:,?\s*rid:\s*([0-9a-f-]{10,}))?` +
	`(?:,\s*(?:from ip|more info)\b.*)?\s*$`)

// splitErrmsg splits an errmsg into the message and the request id. The request id is the rid, or
// else the content of WeChat's hint.
func splitErrmsg(errmsg string) (message, requestID string) {
	errmsg = removeControl(errmsg)
	suffix := errmsgSuffix.FindStringSubmatch(errmsg)
	inHint, rid := suffix[1], suffix[2]
	requestID = rid
	if rid == "" {
		requestID = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(inHint), "req_id:"))
	}
	message = errmsg[:len(errmsg)-len(suffix[0])] // the suffix is at the end
	return shorten(message), shorten(requestID)
}

// shorten trims s and cuts it to maxMessage bytes, never inside a character.
func shorten(s string) string {
	if s = strings.TrimSpace(s); len(s) > maxMessage {
		s = strings.TrimSpace(strings.ToValidUTF8(s[:maxMessage], ""))
	}
	return s
}
