// Package admission decides what happens next when a browser requests an app: sign in, confirm,
// wait for approval, show why access is denied, or admit.
//
// [Facts] are what is known of the browser and of the app's request. [Decide] is a pure function:
// it returns the [Next] step for the facts. Some facts must be read from the store. [Check] reads
// them when Decide needs them, and calls Decide again. [CheckGrant] decides whether a grant (an
// app's authorization by a user) is still valid. [NewLoginRequestID] returns an id for a sign-in.
// The id connects the sign-in to the app's request.
//
// The package implements no protocol. The packages oidc, relay and forwardauth convert their
// requests into facts, and the steps into responses.
package admission

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/web"
)

// Facts is the input of [Decide]. Access and Subject come from the store, and many decisions do not
// need them. Their zero values mean "not read yet". Decide returns LookUpAccess or LookUpSubject
// when it needs the value.
type Facts struct {
	// The browser's session. The other four fields are meaningful only with SignedIn.
	SignedIn      bool
	Answered      bool // the sign-in of this session was for the app's present request
	MethodAllowed bool // the app accepts the sign-in method
	TooOld        bool // the authentication is older than the app accepts
	MustAgree     bool // the user has not agreed to the administrator's present documents

	// The request.
	Returned       bool // the browser was sent to sign in for this request, and has returned
	Confirmed      bool // the user has agreed to sign in again, on the page web.ConfirmSignIn or web.WrongMethod
	Cancelled      bool // the user has chosen not to sign in
	Reauthenticate bool // the app requires a new authentication of signed-in users too: prompt=login, forcePopup
	LimitsAge      bool // the app limits the age of the authentication
	NoPages        bool // no page may be shown: prompt=none
	WantsProfile   bool // the app wants nickname and avatar

	Access  access.Decision
	Subject Subject
}

// Subject is whether the app can identify the user by a sub or openid, and if not, why.
type Subject int

// The values of Subject.
const (
	SubjectNotLookedUp Subject = iota
	SubjectKnown
	SubjectOther     // another user than the app expects (OpenID Connect: id_token_hint)
	SubjectNoOpenID  // the user has no openid at the connector (app at WeChat) by which the app knows users
	SubjectNoUnionID // the app knows users by unionid, and WeChat sent none
	SubjectTaken     // the app already knows another user by the id that it would get for this user
	SubjectGone      // the user has been deleted since the sign-in
)

// Step is what happens next.
type Step int

// The steps.
const (
	passed Step = iota // only inside Decide: this check passed

	LookUpAccess  // look up Facts.Access, then decide again
	LookUpSubject // look up Facts.Subject, then decide again

	Admit

	// SignIn and Reauthenticate send the browser to sign in. They differ for a phone that scans the
	// QR code of a sign-in, and is signed in already. With SignIn, this phone need not authenticate
	// again. With Reauthenticate, WeChat must authenticate the user of the phone again.
	SignIn
	Reauthenticate
	AskAgreement // ask the user to agree to the administrator's documents, before the access rule is looked at
	Confirm      // ask the user whether to sign in again
	Wait         // the user waits for an administrator's approval
	AskProfile   // ask for nickname and avatar if they are unknown or old, else admit
	Deny         // show the page Next.Page
	Cancelled    // the user has chosen not to sign in

	// LoginRequired means the error login_required of OpenID Connect. It has two causes. The user
	// would have to sign in, but NoPages forbids pages. Or the app expects a certain user, and
	// another user has signed in for this request.
	LoginRequired
	InteractionRequired // only with Facts.NoPages: the page Next.Page would have to be shown
)

// Next is a decision.
type Next struct {
	Step Step
	Page web.Kind // of Confirm, Wait, Deny and InteractionRequired
}

// Decide returns what happens next. It is a pure function.
func Decide(f Facts) Next {
	for _, check := range []func(Facts) Next{checkBrowser, checkSession, checkAgreement, checkAccess, checkSubject} {
		if n := check(f); n.Step != passed {
			return n
		}
	}
	if f.WantsProfile && !f.NoPages {
		return Next{Step: AskProfile}
	}
	return Next{Step: Admit}
}

// checkBrowser decides the step for a cancelled request, and for a browser that is not signed in.
func checkBrowser(f Facts) Next {
	switch {
	case f.Cancelled:
		return Next{Step: Cancelled}
	case f.SignedIn:
		return Next{}
	case f.NoPages:
		return Next{Step: LoginRequired}
	case f.Returned:
		// The session was not found after the sign-in. Another redirect could loop forever.
		return f.deny(web.NotSignedIn)
	case f.Reauthenticate || f.LimitsAge:
		// With SignIn, a phone could sign the browser in by an older authentication of the phone.
		return Next{Step: Reauthenticate}
	}
	return Next{Step: SignIn}
}

// checkSession decides whether the app accepts the session of a signed-in browser.
func checkSession(f Facts) Next {
	switch {
	case f.Answered && f.MethodAllowed:
		return Next{} // the user has just signed in for this request, so the session is new enough
	case f.Answered:
		return f.deny(web.WrongMethod)
	case f.MethodAllowed && !f.TooOld && !f.Reauthenticate:
		return Next{}
	}
	// The user must sign in again.
	switch {
	case f.NoPages:
		return Next{Step: LoginRequired}
	case f.Confirmed:
		return Next{Step: Reauthenticate}
	case !f.MethodAllowed:
		// The page explains why another sign-in is needed, and offers it. A user who accepts comes
		// back with Confirmed.
		return f.deny(web.WrongMethod)
	case f.Reauthenticate:
		// WeChat shows its consent page only after a tap of the user. Without a tap, WeChat shows a
		// snapshot page (快照页): a preview with a virtual user. On the page of Confirm, the user
		// taps.
		return Next{Step: Confirm, Page: web.ConfirmSignIn}
	}
	// The session is only too old, and the app does not ask for WeChat's consent page. WeChat then
	// authenticates the user without a page, so no tap is needed.
	return Next{Step: Reauthenticate}
}

// checkAgreement decides whether the user has to agree first. It comes after checkSession: a
// user who must sign in again is asked during that sign-in, and would otherwise be asked twice.
func checkAgreement(f Facts) Next {
	switch {
	case !f.MustAgree:
		return Next{}
	case f.NoPages:
		return Next{Step: InteractionRequired, Page: web.AgreementChanged}
	}
	return Next{Step: AskAgreement}
}

// checkAccess decides by the access rule of the app.
func checkAccess(f Facts) Next {
	switch f.Access {
	case access.Undecided:
		return Next{Step: LookUpAccess}
	case access.Allowed:
		return Next{}
	case access.Pending:
		if f.NoPages {
			return f.deny(web.Waiting)
		}
		return Next{Step: Wait, Page: web.Waiting}
	}
	return f.deny(web.Refused) // access.Denied
}

// checkSubject decides whether the app can identify the user.
func checkSubject(f Facts) Next {
	switch f.Subject {
	case SubjectNotLookedUp:
		return Next{Step: LookUpSubject}
	case SubjectKnown:
		return Next{}
	case SubjectOther:
		switch {
		case f.NoPages || f.Answered:
			return Next{Step: LoginRequired}
		case !f.Confirmed:
			return Next{Step: Confirm, Page: web.ConfirmSignIn}
		}
		return Next{Step: Reauthenticate}
	case SubjectNoOpenID:
		if !f.Returned && !f.NoPages {
			// The user signed in through another connector than the app's. The next sign-in uses
			// the app's connector.
			return Next{Step: Reauthenticate}
		}
		return f.deny(web.NoOpenID)
	case SubjectNoUnionID:
		return f.deny(web.NoUnionID)
	case SubjectTaken:
		return f.deny(web.SubjectTaken)
	}
	return f.deny(web.NotSignedIn) // SubjectGone
}

// deny returns the step that shows a page, or InteractionRequired if no page may be shown.
func (f Facts) deny(page web.Kind) Next {
	if f.NoPages {
		return Next{Step: InteractionRequired, Page: page}
	}
	return Next{Step: Deny, Page: page}
}

// Lookups read facts from the store. Their errors come from the store.
type Lookups struct {
	Access  func() (access.Decision, error)
	Subject func() (Subject, error)
}

// Check calls [Decide]. For the steps [LookUpAccess] and [LookUpSubject] it calls the lookup, and
// decides again. It returns the first other step, or the error of a lookup.
func Check(f Facts, l Lookups) (Next, error) {
	for {
		n := Decide(f)
		var err error
		switch n.Step {
		case LookUpAccess:
			f.Access, err = l.Access()
			if f.Access == access.Undecided {
				f.Access = access.Denied // a policy that does not decide must not cause a loop
			}
		case LookUpSubject:
			f.Subject, err = l.Subject()
			if f.Subject == SubjectNotLookedUp && err == nil {
				err = errors.New("admission: a lookup of the subject returned nothing")
			}
		default:
			return n, nil
		}
		if err != nil {
			return Next{}, err
		}
	}
}

// SubjectOf converts an error into a fact. The error comes from package access, or from the store
// when it reads or saves a pin (the stored id that an app gets for a user).
// SubjectOf returns any other error unchanged.
func SubjectOf(err error) (Subject, error) {
	switch {
	case err == nil:
		return SubjectKnown, nil
	case errors.Is(err, access.ErrNoOpenID):
		return SubjectNoOpenID, nil
	case errors.Is(err, access.ErrNoUnionID):
		return SubjectNoUnionID, nil
	case errors.Is(err, gateway.ErrConflict):
		return SubjectTaken, nil
	case errors.Is(err, gateway.ErrNotFound):
		return SubjectGone, nil
	}
	return SubjectNotLookedUp, err
}

// loginRequestLifetime is how long after the sign-in a login request counts as answered. A login
// request is what package session receives to start a sign-in.
const loginRequestLifetime = 10 * time.Minute

// requestHashSize is the length of a requestHash in characters: 128 bits in base64url.
const requestHashSize = 22

// NewLoginRequestID returns a random id for a sign-in. request is the URL of the app's request. It
// must not have the parameter with the login request id, which the browser brings back from the
// sign-in. The id ends with a hash of the request. So a sign-in for one request does not count for
// another request. This matters when an app requires a new authentication: a sign-in for another
// app must not count.
func NewLoginRequestID(request string) string { return rand.Text() + requestHash(request) }

// requestHash returns the hash of a request at the end of its login request ids.
func requestHash(request string) string {
	sum := sha256.Sum256([]byte(request))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// SetSession sets the facts about the session of a signed-in browser, except TooOld. request is as
// for [NewLoginRequestID]. id is the login request id that the browser has brought back from the
// sign-in ("" = none).
func (f *Facts) SetSession(s session.Browser, app gateway.App, request, id string, now time.Time) {
	f.SignedIn, f.MethodAllowed, f.MustAgree = true, MethodAllowed(app, s.Method), s.MustAgree
	f.Answered = len(id) > requestHashSize && strings.HasSuffix(id, requestHash(request)) && s.LoginRequestID == id &&
		now.Sub(s.AuthTime) < loginRequestLifetime
}

// MethodAllowed reports whether an app accepts a sign-in method. No app accepts a session that a
// link created (gateway.MethodLink), whatever its configuration says.
func MethodAllowed(app gateway.App, method string) bool {
	return method != gateway.MethodLink && (len(app.Methods) == 0 || slices.Contains(app.Methods, method))
}

// CheckGrant decides whether the user of a grant may still use the app. It returns "" if the user
// may. Otherwise it returns the page that explains why not. Every use of a code or token calls
// CheckGrant, and so does forward auth. An error comes from the policy.
//
// Since the grant was made, an administrator can have blocked the user, or taken an approval or a
// group away. The access rule or the sign-in methods of the app can also have become stricter.
func CheckGrant(ctx context.Context, policy access.Policy, app gateway.App, grant gateway.Grant,
	user gateway.User) (denied web.Kind, err error) {
	if user.Status == gateway.Blocked {
		return web.Blocked, nil
	}
	// Answered: the user signed in for this grant, so the age of the sign-in does not matter.
	next, err := Check(Facts{
		SignedIn: true, Answered: true, MethodAllowed: MethodAllowed(app, grant.Method), Subject: SubjectKnown,
	}, Lookups{Access: func() (access.Decision, error) { return policy.Decide(ctx, user, app) }})
	return next.Page, err
}
