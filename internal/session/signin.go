package session

import (
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Browser is a signed-in browser, with its account.
type Browser struct {
	gateway.Session
	User           gateway.User // as AccountID resolves now
	LoginRequestID string       // ID of the Demand that the newest exchange with WeChat answered; "" = none
}

// Demand is what a feature wants of a sign-in. It rides sealed in the browser's own cookie, so nothing is stored for it.
type LoginRequest struct {
	ID             string      // random; the session that answers the demand carries it as Browser.Demand
	ReturnURL      string      // where to come back to: a path of this origin, with its query, at most MaxReturn bytes
	App            gateway.App // who asks: ID, Name and Doors are read; the zero value is the gateway itself
	Connector      string      // the entry by whose openid the app knows people: they have to come in through it; "" = any will do
	Reauthenticate bool        // an existing session, also the phone's behind a scanned code, is not enough: WeChat must vouch for the person anew
	Consent        bool        // WeChat's consent page must be shown even to a person whom WeChat remembers (forcePopup)
	Profile        bool        // the app wants nickname and picture, and the person may be asked for them on the way
	CancelURL      string      // where a person goes who would rather not: a path of this origin; "" = nowhere
	RestartURL     string      // where the same request starts from the beginning: a path of this origin, with its query; "" = ReturnURL
	UILocales      string      // the app's wish for the language of pages, as it sent it; "" = none
}

// MaxReturn is how long Demand.Return may be, in bytes: it rides in a cookie.
const MaxReturn = 1500

// SignIn knows who a browser is, and how to find out. signin.Handler is the one of the gateway; a feature that wants more of it than this adds to it
// in an interface of its own. Its methods are safe for concurrent use.
type Authenticator interface {
	// Session tells who this browser is. ok is false when it is nobody; err is for a store that could not answer.
	Session(r *http.Request) (b Browser, ok bool, err error)

	// Begin answers the request by sending the browser to sign in, and afterwards to d.Return. An error means that nothing was written to w.
	Begin(w http.ResponseWriter, r *http.Request, d LoginRequest) error

	// AskProfile sends the person to the page that asks for nickname and picture, if there is anything to ask, and says whether it answered. returnTo
	// is where to come back to.
	AskProfile(w http.ResponseWriter, r *http.Request, b Browser, returnTo string) bool
}

// Established is a sign-in that another way than WeChat's callback has confirmed for this browser.
type Authentication struct {
	UserID         string    // whose; an id that was joined into another counts as that one
	Connector      string    // through which entry, with which identity WeChat vouched for the person
	AppID          string    //
	OpenID         string    //
	Method         string    // by which door the person came
	AuthTime       time.Time // when WeChat vouched for the person
	App            string    // id of the app that asked, for the event; "" = none
	LoginRequestID string    // ID of the Demand that this answers; "" = none
	Seed           []byte    // the session id is derived from it: the same seed is the same session
	Repeat         bool      // it was established before: only a session that still lives is given again
}
