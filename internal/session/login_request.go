package session

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
)

// This file defines the types of a sign-in request.

// LoginRequest is what a feature (a package that serves apps) requires of a sign-in. Until the
// sign-in is complete, the browser keeps the LoginRequest in a sealed (encrypted) cookie. So
// anonymous clients cannot fill the store.
type LoginRequest struct {
	ID             string      // random; the session that the sign-in creates has it (Browser.LoginRequestID)
	ReturnURL      string      // where the browser continues: a path and query, at most MaxReturn bytes
	App            gateway.App // the app; zero = the gateway itself. Only ID, Name and Methods are used
	Connector      string      // the connector (a WeChat app) by whose openids the app knows users; "" = any
	Reauthenticate bool        // the user must authenticate again, even with a session (in a scan: on the phone)
	Consent        bool        // WeChat must show its consent page, even after an earlier consent (forcePopup)
	Profile        bool        // the app wants nickname and avatar, and the user may be asked for them
	Deletion       bool        // the user signs in to be deleted: in a chat, the gateway's message says so
	// WithoutAgreement is set if the user signs in to download their data or to delete themselves: they
	// need not agree to documents that have changed (gateway.AgreementRule.Waived).
	WithoutAgreement bool
	CancelURL        string // where the user continues after cancelling: a path of this origin; "" = nowhere
	RestartURL       string // where the same request starts from the beginning; "" = at /sign-in
	CopyURL          string // RestartURL for another browser, for a user to copy; "" = RestartURL
	UILocales        string // the app's ui_locales for the language of pages; "" = none
	Tick             *Tick  // set by package signin, for the methods message and follow; nil = none
}

// Tick is the tick in the box of the agreement page, for one sign-in. The user is not known yet.
type Tick struct {
	Version string `json:"v"` // identifies what the user agreed to
	At      int64  `json:"t"` // when (Unix)
}

// ProfilePath is the path of the page that asks a signed-in user for nickname and avatar, below the
// gateway's URL. Its parameter return is where the browser continues.
const ProfilePath = "/sign-in/profile"

// AgreementPath is the path of the page that asks a signed-in user to agree to the administrator's
// documents, below the gateway's URL. Its parameter return is where the browser continues.
const AgreementPath = "/sign-in/agreement"

// NamePath is the path of the page that asks a signed-in user for a name, below the gateway's URL.
// Its parameter return is where the browser continues. With the parameter profile=1, apps get the
// name. Without it, administrators see it.
const NamePath = "/access/name"

// MaxReturn is the greatest length of LoginRequest.ReturnURL, in bytes: it is kept in a cookie.
const MaxReturn = flow.MaxReturn

// CompactRestart returns a short form of LoginRequest.RestartURL or CancelURL, for a cookie that
// also contains ReturnURL. The short form is "HEAD.TAIL.TEXT", because the URL and ReturnURL differ
// in a few parameters only. HEAD is the length of the beginning that both URLs share. TAIL is the
// length of the end that both share. TEXT is the part of the shortened URL between them.
// [ExpandRestart] is the reverse.
func CompactRestart(returnURL, restartURL string) string {
	if restartURL == "" {
		return ""
	}
	head := 0
	for head < min(len(returnURL), len(restartURL)) && returnURL[head] == restartURL[head] {
		head++
	}
	tail := 0
	limit := min(len(returnURL), len(restartURL)) - head
	for tail < limit && returnURL[len(returnURL)-1-tail] == restartURL[len(restartURL)-1-tail] {
		tail++
	}
	return fmt.Sprintf("%d.%d.%s", head, tail, restartURL[head:len(restartURL)-tail])
}

// ExpandRestart returns the URL for which CompactRestart returned compact. For "" or a malformed
// text it returns "".
func ExpandRestart(returnURL, compact string) string {
	parts := strings.SplitN(compact, ".", 3)
	if len(parts) != 3 {
		return ""
	}
	head, errHead := strconv.Atoi(parts[0])
	tail, errTail := strconv.Atoi(parts[1])
	if errHead != nil || errTail != nil || head < 0 || tail < 0 || head+tail > len(returnURL) {
		return ""
	}
	return returnURL[:head] + parts[2] + returnURL[len(returnURL)-tail:]
}

// SignInPath is the path of package signin that starts a sign-in, below the path of the gateway's
// URL.
const SignInPath = "/sign-in"

// Authenticator finds the session of a browser, and signs users in. signin.Handler implements it.
// Its methods are safe for concurrent use.
type Authenticator interface {
	// Session returns the signed-in browser that sent r. ok is false when no user is signed in. An
	// error is the store's.
	Session(r *http.Request) (b Browser, ok bool, err error)

	// Begin redirects the browser to sign in, or renders a page of the sign-in. Afterwards the
	// browser continues at login.ReturnURL. An error means that nothing was written to w.
	Begin(w http.ResponseWriter, r *http.Request, login LoginRequest) error

	// AskAgreement redirects the browser to the page that asks the user to agree to the
	// administrator's documents, if the user has not agreed to them (Browser.MustAgree). It reports
	// whether it redirected. Afterwards the browser continues at returnTo.
	AskAgreement(w http.ResponseWriter, r *http.Request, b Browser, returnTo string) bool

	// AskProfile redirects the browser to the page that asks for nickname and avatar. It does so
	// only if they are unknown or old, and if the user may be asked. It reports whether it
	// redirected. Afterwards the browser continues at returnTo.
	AskProfile(w http.ResponseWriter, r *http.Request, b Browser, returnTo string) bool
}

// Authentication is a sign-in of this browser that was confirmed by other means than WeChat's
// callback, such as a scan.
type Authentication struct {
	UserID         string    // the user; if it was joined into another user, that other user is signed in
	Connector      string    // the connector at which WeChat confirmed the user
	AppID          string    // the connector's appid
	OpenID         string    // the user's openid there
	Method         string    // the sign-in method
	AuthTime       time.Time // when WeChat confirmed the user
	App            string    // id of the app that required the sign-in, for the event of the sign-in; "" = none
	LoginRequestID string    // ID of the LoginRequest that this answers; "" = none
	Seed           []byte    // the session id is derived from it: the same seed gives the same session
	Scan           *Scan     // of a sign-in by scan; nil = none
	BrowserName    string    // shown to the user on the page of their sessions; "" = unknown, or Scan is set
}
