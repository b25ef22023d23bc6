package wechat

import (
	"crypto/tls"
	"errors"
	"net/http"
	"strconv"
)

// Classes of an [Error]: what the caller should do. Test with errors.Is. An Error has one class at most; an errcode that this
// package does not know has none.
var (
	// ErrReauthorize: the code or the tokens are of no use any more. Send the person to AuthorizeURL again. For Exchange this
	// also covers every failure after which the code may have been spent.
	ErrReauthorize = errors.New("start sign-in again")
	// ErrTokenExpired: the access token is of no use. Call Refresh once; if that fails too, start again.
	ErrTokenExpired = errors.New("refresh the token")
	// ErrRateLimited: WeChat counts calls, and there were too many. Wait a minute.
	ErrRateLimited = errors.New("slow down")
	// ErrTemporary: WeChat or the network failed; the same call may be made again, later. An Exchange of this class was not
	// sent, or WeChat answered errcode -1, which is taken to leave the code good.
	ErrTemporary = errors.New("try again")
	// ErrConfiguration: no person can repair this. Somebody must correct the AppID, the Secret, the IP allow-list, the account's
	// permissions or this program.
	ErrConfiguration = errors.New("the configuration is at fault")
	// ErrUserRestricted: WeChat refuses this person (frozen, deregistered, high risk).
	ErrUserRestricted = errors.New("WeChat refuses this person")
)

// Shapes of an [Error] that came without an errcode: what was wrong with the answer. Test with errors.Is.
var (
	// ErrTransport: no answer came back. The cause is wrapped too, so errors.Is finds context.DeadlineExceeded.
	ErrTransport = errors.New("no answer came back")
	// ErrHTTPStatus: an answer with a status other than 2xx and without an errcode. A redirect is one: it is not followed.
	ErrHTTPStatus = errors.New("the HTTP status is not a success")
	// ErrNotJSON: the answer is something else than a JSON object, such as the HTML page of a proxy.
	ErrNotJSON = errors.New("the answer is not a JSON object")
	// ErrTruncated: the answer stops in the middle.
	ErrTruncated = errors.New("the answer is cut off")
	// ErrEmpty: the answer has no body, or is {}, or says neither yes nor no.
	ErrEmpty = errors.New("the answer is empty")
	// ErrNoOpenID: the answer has no openid, or one that is not printable ASCII. From UserInfo and CheckToken: they were called
	// without one.
	ErrNoOpenID = errors.New("there is no usable openid")
	// ErrOtherOpenID: the user info is about somebody else than was asked for.
	ErrOtherOpenID = errors.New("the answer is about another openid")
	// ErrNoToken: the answer has no access token. From UserInfo, CheckToken and Refresh: they were called without a token.
	ErrNoToken = errors.New("there is no token")
	// ErrTooLarge: the answer is longer than 1 MiB.
	ErrTooLarge = errors.New("the answer is longer than 1 MiB")
)

// Errcodes that a caller decides on. Test with errors.Is. Both are of class [ErrReauthorize].
var (
	// ErrCodeUsed is errcode 40163. In a callback it usually means that the same request came twice; look for a session before
	// sending the person round again.
	ErrCodeUsed = errors.New("the code was already used")
	// ErrInvalidCode is errcode 40029: the code is unknown, expired, of another app, or was used long ago. It is also the error
	// for a code that is not sent at all, because it is empty or longer than 512 bytes.
	ErrInvalidCode = errors.New("the code is not valid")
)

// errNoSecret stands in Error.Err of an exchange that was not sent.
var errNoSecret = errors.New("the Client has no Secret")

// Error is every failure of Exchange, Refresh, UserInfo and CheckToken. It holds no secret, code or token; Message is WeChat's own
// text, shortened to 256 bytes. Show it to operators, not to browsers.
type Error struct {
	Endpoint   string // "access_token", "refresh_token", "userinfo" or "auth"
	Code       int    // WeChat's errcode; 0 when there was none
	Message    string // WeChat's errmsg without its suffix, cleaned
	RequestID  string // from the suffix: the rid, or the older hint; quote it to WeChat's support
	HTTPStatus int    // 0 when no answer came back
	Err        error  // the shape and its cause; beside an errcode nil, or why there was no second attempt

	unsent bool // no byte of the request can have left
}

// Error says what happened, whose side it was on, and what to do next.
func (e *Error) Error() string {
	what, todo := "", ""
	if e.Code != 0 || e.Err == nil {
		m := meaningOf(e.Endpoint, e.Code)
		what, todo = m.what+e.quoted(), m.todo
		if e.Err != nil {
			what += ", not tried again: " + e.Err.Error()
		}
	} else {
		what = e.Err.Error()
		if e.HTTPStatus != 0 && e.HTTPStatus != http.StatusOK {
			what += " (HTTP " + strconv.Itoa(e.HTTPStatus) + ")"
		}
	}
	if todo == "" {
		todo = e.advice()
	}
	return "wechat: " + e.Endpoint + ": " + what + ": " + todo
}

// quoted is what WeChat said, in brackets.
func (e *Error) quoted() string {
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

// Is reports whether target is the class of e, or ErrCodeUsed or ErrInvalidCode for their errcodes. The shapes are found by
// Unwrap.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrCodeUsed:
		return e.Code == 40163
	case ErrInvalidCode:
		return e.Code == 40029
	}
	return target != nil && target == e.class()
}

// class returns the class of e, or nil for an errcode without one.
func (e *Error) class() error {
	if e.Code != 0 {
		return meaningOf(e.Endpoint, e.Code).class
	}
	return e.classOfShape()
}

func (e *Error) classOfShape() error {
	var untrusted *tls.CertificateVerificationError
	switch {
	case e.Err == nil:
		return nil
	case errors.Is(e.Err, ErrInvalidCode):
		return ErrReauthorize
	case errors.Is(e.Err, errNoSecret), errors.Is(e.Err, ErrAppID), errors.Is(e.Err, ErrLang), errors.Is(e.Err, ErrConfiguration),
		errors.As(e.Err, &untrusted):
		return ErrConfiguration
	case e.unsent && (errors.Is(e.Err, ErrNoToken) || errors.Is(e.Err, ErrNoOpenID)):
		return ErrConfiguration
	case e.HTTPStatus == http.StatusTooManyRequests:
		return ErrRateLimited
	case errors.Is(e.Err, ErrHTTPStatus) && e.HTTPStatus < 500 && e.HTTPStatus != http.StatusRequestTimeout:
		// A redirect or "not found" says that this is not WeChat: a wrong APIURL, or something in between.
		return ErrConfiguration
	case e.Endpoint == endpointToken && !e.unsent:
		return ErrReauthorize
	}
	return ErrTemporary
}

// advice is what to do next, by class and, for a failure without an errcode, by what may have been sent.
func (e *Error) advice() string {
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
			return "nothing was sent, correct the call"
		}
		return "check the app's settings, APIURL and the network in between"
	case ErrUserRestricted:
		return "tell the person that WeChat refuses them"
	}
	return "look the errcode up in WeChat's table of global return codes (全局返回码)"
}
