package oidc

import (
	"net/http"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

// SignIn is who this browser is, how to find out, and how it is signed out. signin.Handler is one.
type SignIn interface {
	session.Authenticator

	// End signs this browser out and clears its cookies with headers on w; it writes no status and no body. Being signed out already is no error.
	End(w http.ResponseWriter, r *http.Request) error
}

// Reason says why a person cannot go on. Each has words in the catalogues of the pages.
type Reason string

// The reasons.
const (
	ReasonUnknownApp     Reason = "unknown_app"      // no app has this client_id
	ReasonRedirect       Reason = "redirect_uri"     // the app's address to return to is missing or not registered
	ReasonRequest        Reason = "bad_request"      // the request cannot be read
	ReasonNotSignedIn    Reason = "not_signed_in"    // back from sign-in without a session: the browser keeps no cookies, or waited too long
	ReasonRefused        Reason = "refused"          // the access rule says no
	ReasonMethod         Reason = "wrong_method"     // the app does not take people who came in this way
	ReasonNoOpenID       Reason = "no_openid"        // the app knows people by an entry that this person never used
	ReasonNoUnionID      Reason = "no_unionid"       // the app knows people by unionid, and WeChat sent none
	ReasonSubjectTaken   Reason = "subject_taken"    // the app knows another account by this person's id
	ReasonSignOutHint    Reason = "sign_out_hint"    // the id_token_hint is not one of ours
	ReasonSignOutAddress Reason = "sign_out_address" // the address to go to after sign-out is not registered
	ReasonUnavailable    Reason = "unavailable"      // the store is away; try again soon
	ReasonInternal       Reason = "internal"         // our own fault
)

// ProblemPage is a dead end, told to a person.
type ProblemPage struct {
	Status  int
	Reason  Reason
	AppName string   // "" = not known
	Back    string   // an address that leads back to the app, with an error for it; "" = none
	Own     []string // the app's own addresses, one of which Back begins with: it may have a native app's own scheme
	Retry   string   // an address of this origin that begins again; "" = none
}

// ConfirmPage asks a person who is signed in whether to sign in anew, since the app wants that.
type ConfirmPage struct {
	AppName  string
	User     gateway.User // who is signed in
	Continue string       // link: goes on to WeChat
	Cancel   string       // link: back to the app, which hears access_denied
}

// WaitingPage is shown to a person whom an administrator has still to approve.
type WaitingPage struct {
	AppName string
	User    gateway.User
	Retry   string // this same request; the page may load it again by itself
	Cancel  string // link: back to the app
}

// SignOutPage asks whether to sign out. Its form posts Fields to Action, a path of this origin.
type SignOutPage struct {
	AppName string // who asks; "" = nobody known
	Action  string
	Fields  map[string]string
}

// SignedOutPage is the end of a session. Continue is an address of the app, perhaps on another origin: a link, and a refresh, never a redirect, since
// CSP form-action forbids a form that ends on another origin.
type SignedOutPage struct {
	AppName  string
	Continue string   // "" = stay
	Own      []string // the app's own addresses, one of which Continue begins with: it may have a native app's own scheme
}

// Pages shows pages. The caller has set Cache-Control and Referrer-Policy; the implementation sets the rest, the status included.
type Pages interface {
	Problem(w http.ResponseWriter, r *http.Request, p ProblemPage)
	Confirm(w http.ResponseWriter, r *http.Request, p ConfirmPage)
	Waiting(w http.ResponseWriter, r *http.Request, p WaitingPage)
	SignOut(w http.ResponseWriter, r *http.Request, p SignOutPage)
	SignedOut(w http.ResponseWriter, r *http.Request, p SignedOutPage)
}
