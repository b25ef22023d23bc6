package session

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
)

// Browser is a signed-in browser, with its user.
type Browser struct {
	gateway.Session
	User            gateway.User // the user that Session.UserID belongs to now, after any join
	LoginRequestID  string       // ID of the LoginRequest that the last sign-in answered; "" = none
	ProfileDeclined bool         // the user continued without nickname and avatar; not asked again in this session
	Scopes          []string     // that WeChat granted at the sign-in
}

// Data is what signin stores in gateway.Session.Data.
type Data struct {
	LoginRequestID  string   `json:"login_request,omitempty"`
	ProfileDeclined bool     `json:"declined,omitempty"`
	Scopes          []string `json:"scopes,omitempty"`
}

// Bytes returns the form in which a session stores the data.
func (d Data) Bytes() []byte {
	b, err := json.Marshal(d)
	if err != nil {
		panic("session: " + err.Error()) // strings and a bool: cannot happen
	}
	return b
}

// ReadData reads what Bytes returned. Data that cannot be read (another version wrote it) counts as
// empty: at worst the user is asked once more.
func ReadData(b []byte) (d Data) {
	if json.Unmarshal(b, &d) != nil {
		return Data{}
	}
	return d
}

// LoginRequest is what a feature requires of a sign-in. It is kept in a sealed cookie of the browser,
// so the store has nothing of it.
type LoginRequest struct {
	ID             string      // random; the session that answers the request has it as Browser.LoginRequestID
	ReturnURL      string      // where the browser continues: a path and query, at most MaxReturn bytes
	App            gateway.App // its ID, Name and Methods are read; zero = the gateway itself
	Connector      string      // users must sign in through it, since the app knows them by its openid; "" = any
	Reauthenticate bool        // an existing session is not enough, not even that of a phone that scans
	Consent        bool        // WeChat's consent page must be shown even to a user whom WeChat remembers (forcePopup)
	Profile        bool        // the app wants nickname and avatar, and the user may be asked for them
	CancelURL      string      // where a user continues who cancels: a path of this origin; "" = nowhere
	RestartURL     string      // where the same request starts from the beginning; "" = at /sign-in
	UILocales      string      // the app's ui_locales for the language of pages; "" = none
}

// MaxReturn is the greatest length of LoginRequest.ReturnURL, in bytes: it is kept in a cookie.
const MaxReturn = flow.MaxReturn

// CompactRestart returns LoginRequest.RestartURL in a short form for a cookie that also has
// ReturnURL: the lengths of their common beginning and end, and what is between them.
// [ExpandRestart] is the reverse. The two addresses differ by a few parameters only.
func CompactRestart(returnURL, restartURL string) string {
	if restartURL == "" {
		return ""
	}
	head := 0
	for head < min(len(returnURL), len(restartURL)) && returnURL[head] == restartURL[head] {
		head++
	}
	tail := 0
	most := min(len(returnURL), len(restartURL)) - head
	for tail < most && returnURL[len(returnURL)-1-tail] == restartURL[len(restartURL)-1-tail] {
		tail++
	}
	return fmt.Sprintf("%d.%d.%s", head, tail, restartURL[head:len(restartURL)-tail])
}

// ExpandRestart returns the RestartURL for which CompactRestart returned compact, or "".
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

// Authenticator finds the session of a browser, and signs users in. signin.Handler implements it. Its
// methods are safe for concurrent use.
type Authenticator interface {
	// Session returns the browser that sent r. ok is false when no user is signed in; err means
	// that the store could not answer.
	Session(r *http.Request) (b Browser, ok bool, err error)

	// Begin answers the request by sending the browser to sign in, and afterwards to d.ReturnURL.
	// An error means that nothing was written to w.
	Begin(w http.ResponseWriter, r *http.Request, d LoginRequest) error

	// AskProfile redirects the browser to the page that asks for nickname and avatar, if there is a
	// reason to ask, and reports whether it did. The browser continues at returnTo.
	AskProfile(w http.ResponseWriter, r *http.Request, b Browser, returnTo string) bool
}

// Authentication is a sign-in of this browser that was confirmed by other means than WeChat's
// callback, such as a scan.
type Authentication struct {
	UserID         string    // an id that was joined into another stands for that user
	Connector      string    // the connector and the identity with which WeChat confirmed the user
	AppID          string    //
	OpenID         string    //
	Method         string    // the sign-in method
	AuthTime       time.Time // when WeChat confirmed the user
	App            string    // id of the app that required the sign-in, for the event; "" = none
	LoginRequestID string    // ID of the LoginRequest that this answers; "" = none
	Seed           []byte    // the session id is derived from it: the same seed is the same session
	Repeat         bool      // a session was created before: return it while it lives, and create none
}
