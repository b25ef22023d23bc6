package relay

import (
	"net/http"

	"github.com/weigate/weigate/internal/gateway"
)

// Reason says why a person cannot go on. Each has words in the catalogues of the pages.
type Reason string

// The reasons.
const (
	ReasonUnknownApp  Reason = "unknown_app"        // no app has this appid
	ReasonRedirect    Reason = "redirect_uri"       // the address to return to is missing, or its host is not listed: WeChat's 10003
	ReasonScope       Reason = "scope"              // not a scope of this address: WeChat's 10005
	ReasonState       Reason = "state"              // longer than WeChat takes
	ReasonRequest     Reason = "bad_request"        // the request cannot be read
	ReasonHTTPMethod  Reason = "method_not_allowed" // only GET
	ReasonNotSignedIn Reason = "not_signed_in"      // back from sign-in without a session: the browser keeps no cookies, or waited too long
	ReasonRefused     Reason = "refused"            // the access rule says no
	ReasonMethod      Reason = "wrong_method"       // the app does not take people who came in this way
	ReasonNoOpenID    Reason = "no_openid"          // the person has never been at the entry whose openids the app knows
	ReasonUnavailable Reason = "unavailable"        // the store is away; try again soon
	ReasonInternal    Reason = "internal"           // our own fault
)

// ProblemPage is a dead end, told to a person. WeChat's own error pages do not lead back to the app either.
type ProblemPage struct {
	Status  int
	Reason  Reason
	AppName string // "" = not known
	Retry   string // an address of this origin that begins again; "" = none
}

// ConfirmPage asks a person who is signed in whether to go to WeChat's consent page, since the app wants that (forcePopup).
type ConfirmPage struct {
	AppName  string
	User     gateway.User // who is signed in
	Continue string       // link: goes on to WeChat
}

// WaitingPage is shown to a person whom an administrator has still to approve.
type WaitingPage struct {
	AppName string
	User    gateway.User
	Retry   string // this same request; the page may load it again by itself
}

// Pages shows pages. The caller has set Cache-Control and Referrer-Policy; the implementation sets the rest, the status included.
type Pages interface {
	Problem(w http.ResponseWriter, r *http.Request, p ProblemPage)
	Confirm(w http.ResponseWriter, r *http.Request, p ConfirmPage)
	Waiting(w http.ResponseWriter, r *http.Request, p WaitingPage)
}
