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
	User            gateway.User // as Session.UserID resolves now
	LoginRequestID  string       // ID of the LoginRequest that the newest sign-in answered; "" = none
	ProfileDeclined bool         // the user continued without nickname and avatar; not asked again in this session
	Scopes          []string     // that WeChat granted at the sign-in
}

// Data is gateway.Session.Data: what signin adds to a session.
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

// ReadData reads what Bytes returned. A row that another version wrote differently is a session
// without Data: the worst that follows is one more question to the user.
func ReadData(b []byte) (d Data) {
	if json.Unmarshal(b, &d) != nil {
		return Data{}
	}
	return d
}

// LoginRequest is what a feature requires of a sign-in. It travels sealed in the browser's own
// cookie, so nothing is stored for it.
type LoginRequest struct {
	ID             string      // random; the session that answers the request has it as Browser.LoginRequestID
	ReturnURL      string      // where the browser continues: a path and query, at most MaxReturn bytes
	App            gateway.App // its ID, Name and Methods are read; zero = the gateway itself
	Connector      string      // the connector by whose openid the app knows users: they must sign in through it; "" = any
	Reauthenticate bool        // no existing session is enough, also not a phone's that scans
	Consent        bool        // WeChat's consent page must be shown even to a user whom WeChat remembers (forcePopup)
	Profile        bool        // the app wants nickname and avatar, and the user may be asked for them on the way
	CancelURL      string      // where a user continues who cancels: a path of this origin; "" = nowhere
	RestartURL     string      // where the same request starts from the beginning; "" = at /sign-in
	UILocales      string      // the app's ui_locales for the language of pages; "" = none
}

// MaxReturn is the greatest length of LoginRequest.ReturnURL, in bytes: it travels in a cookie.
const MaxReturn = flow.MaxReturn

// CompactRestart returns LoginRequest.RestartURL in a short form for a cookie that also has
// ReturnURL: the two differ by a few parameters.
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

// ExpandRestart returns the RestartURL of which CompactRestart made compact.
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

// Authenticator returns who a browser is, and signs users in. signin.Handler is the one of the
// gateway; a feature that needs more of it adds that in an interface of its own. Its methods are
// safe for concurrent use.
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

// Authentication is a sign-in that other means than WeChat's callback have confirmed for this
// browser.
type Authentication struct {
	UserID         string    // an id that was joined into another counts as that one
	Connector      string    // the connector and the identity with which WeChat confirmed the user
	AppID          string    //
	OpenID         string    //
	Method         string    // the sign-in method
	AuthTime       time.Time // when WeChat confirmed the user
	App            string    // id of the app that required the sign-in, for the event; "" = none
	LoginRequestID string    // ID of the LoginRequest that this answers; "" = none
	Seed           []byte    // the session id is derived from it: the same seed is the same session
	Repeat         bool      // a session was created before: it is only returned while it lives
}
