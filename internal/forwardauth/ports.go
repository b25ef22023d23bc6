package forwardauth

import (
	"context"
	"net/http"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Sessions finds sessions of the gateway by their hash. Its method is safe for concurrent use.
type Sessions interface {
	// Find returns a session that lives at now, with its account, and records that it was used. gateway.ErrNotFound: it is over, or its account is
	// gone or blocked. Any other error is the store's.
	Find(ctx context.Context, hash [32]byte, now time.Time) (gateway.Session, gateway.User, error)
}

// Reason says what a page is about. Each has words in the catalogues of the pages, and is its word in answers to programs.
type Reason string

// The reasons.
const (
	ReasonUnknownHost   Reason = "unknown_host"    // no app has this host
	ReasonRequest       Reason = "bad_request"     // the request cannot be read
	ReasonNotSignedIn   Reason = "not_signed_in"   // back from sign-in without a session; for programs: nobody is signed in
	ReasonPleaseSignIn  Reason = "please_sign_in"  // a form was sent without a session
	ReasonRefused       Reason = "refused"         // the access rule says no
	ReasonBlocked       Reason = "blocked"         // an administrator has blocked the account
	ReasonWaiting       Reason = "waiting"         // for approval
	ReasonMethod        Reason = "wrong_method"    // the app does not take people who came in this way
	ReasonNoOpenID      Reason = "no_openid"       // the app knows people by an entry that this person never used
	ReasonNoUnionID     Reason = "no_unionid"      // the app knows people by unionid, and WeChat sent none
	ReasonSubjectTaken  Reason = "subject_taken"   // the app knows another account by this person's id
	ReasonLost          Reason = "lost"            // a hand-over that this browser did not begin, or that is over
	ReasonLoop          Reason = "loop"            // the session is there, but the proxy does not show it to /verify
	ReasonSignOut       Reason = "host_sign_out"   // asks whether to sign out of the app
	ReasonSignedOut     Reason = "host_signed_out" // signed out of the app, and perhaps not of the gateway
	ReasonGoingOn       Reason = "going_on"        // it has turned out well meanwhile
	ReasonUnavailable   Reason = "busy"            // the store is away; try again soon
	ReasonInternal      Reason = "fault"           // our own fault
	ReasonNoSuchAddress Reason = "not_found"
)

// Page is one page to show.
type Page struct {
	Reason  Reason
	Status  int           // 0 = as the reason has it
	App     string        // the app's name; "" = not known
	User    *gateway.User // whom the page is about; nil = nobody
	Go      string        // where the main button leads; "" = no button
	Refresh bool          // the page goes to Go by itself, again and again
	Back    string        // where the way back to the app leads; "" = none
	Home    string        // the gateway's first page
	Post    string        // a button of its own that posts to this path; "" = none
}

// Pages shows pages. The implementation sets all headers and the status.
type Pages interface {
	Show(w http.ResponseWriter, r *http.Request, p Page)
}
