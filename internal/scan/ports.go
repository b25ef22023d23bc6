package scan

import (
	"context"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Session is a signed-in browser, with its account.
type Session struct {
	gateway.Session
	Account gateway.Account // as AccountID resolves now
	Demand  string          // ID of the Demand that the newest exchange with WeChat answered; "" = none
}

// Demand is what is wanted of a sign-in.
type Demand struct {
	ID        string      // random; the session that answers the demand carries it
	Return    string      // where to come back to: a path of this origin, with its query, at most 1500 bytes
	App       gateway.App // who asks; the zero value is the gateway itself
	Entry     string      // the entry through which the person has to come in; "" = any
	Fresh     bool        // an existing session is not enough, the phone's neither
	Consent   bool        // WeChat's consent page must be shown, on the phone
	Profile   bool        // the app wants nickname and picture (头像昵称): the phone is asked before it confirms
	Cancel    string      // where a person goes who would rather not: a path of this origin; "" = nowhere
	UILocales string      // the app's wish for the language of pages; "" = none
}

// Established is a session to make for the browser that asks, after the phone has confirmed.
type Established struct {
	AccountID, Entry, AppID, OpenID string    // the phone's
	AuthTime                        time.Time // when WeChat vouched for the phone's person
	App                             string    // id of the app that asked, for the event; "" = none
	Demand                          string    // ID of the demand that the session answers
	Seed                            []byte    // the session id is derived from it: the same seed is the same session
	Repeat                          bool      // it was established before: only a session that still lives is given again
}

// SignIn knows who a browser is, and how to find out. Its methods are safe for concurrent use.
type SignIn interface {
	// Session tells who this browser is. ok is false when it is nobody; err is for a store that could not answer.
	Session(r *http.Request) (s Session, ok bool, err error)

	// Begin answers the request by sending the browser, a phone in WeChat, to sign in, and afterwards to d.Return. An error means that nothing was
	// written to w.
	Begin(w http.ResponseWriter, r *http.Request, d Demand) error

	// AskProfile sends the person to the page that asks for nickname and picture, if there is anything to ask, and says whether it answered.
	AskProfile(w http.ResponseWriter, r *http.Request, s Session, returnTo string) bool

	// Establish makes this browser's session, or finds it made already, and sets its cookie with headers on w; it writes no status. The event of the
	// sign-in is written with it. gateway.ErrBlocked; gateway.ErrNotFound when there is no such account or, with Repeat, when that session is over.
	Establish(w http.ResponseWriter, r *http.Request, e Established) error

	// SessionHash is the hash under which Establish stores the session of a seed.
	SessionHash(seed []byte) ([32]byte, error)

	// End signs this browser out and clears its cookies with headers on w; it writes no status. Being signed out already is no error.
	End(w http.ResponseWriter, r *http.Request) error
}

// Sessions ends sessions that are not this browser's own.
type Sessions interface {
	// End ends the session, and what apps were given through it. One that is gone is no error.
	End(ctx context.Context, hash [32]byte) error
}

// People finds accounts. gateway.Accounts is one.
type People interface {
	// Account is gateway.Accounts.Account.
	Account(ctx context.Context, id string) (gateway.Account, error)
}

// Events keeps what happened. gateway.Events is one.
type Events interface {
	// AppendEvents is gateway.Events.AppendEvents.
	AppendEvents(ctx context.Context, events ...gateway.Event) error
}
