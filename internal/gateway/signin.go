package gateway

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Attempt is the exclusive right of one request to exchange one code at WeChat. A sign-in is stored
// in two steps. BeginAttempt comes before the code is exchanged. CompleteSignIn (see Users) comes
// afterwards, or FinishAttempt if the sign-in has failed.
type Attempt struct {
	Key     string    // hash of the state of the sign-in
	Code    string    // hash of WeChat's code
	Owner   string    // random; identifies this attempt
	Lease   time.Time // the attempt must be finished before this time
	Expires time.Time // a sweep may delete the row from this time on; the sign-in's cookie expires earlier

	// SecondCodeUntil is a deadline. When WeChat has refused Code, another code may replace it
	// before this time. A second code has a zero SecondCodeUntil, because there is no third code.
	SecondCodeUntil time.Time

	Outcome Outcome // zero while the exchange is in progress
}

// Outcome is the result of an exchange, for the requests that repeat it.
type Outcome struct {
	Kind string    // "" = not finished; stores interpret the two constants below only
	At   time.Time // when the attempt was finished
	Text string    // message for the user; "" = none
}

// The kinds of outcomes that stores interpret. Package flow, which runs the exchange, uses the same
// texts.
const (
	OutcomeSignedIn    = "signed_in"    // the user got a session
	OutcomeCodeRefused = "code_refused" // WeChat refused the code; another one may be tried, see SecondCodeUntil
)

// FailedAttemptLife is how long an attempt that ended without a session is kept. The time is short,
// because anybody can cause these attempts with invented codes. After the attempt was deleted, a
// repeated callback sends its code to WeChat again. That does no harm: WeChat refuses the code,
// which is invalid or used.
const FailedAttemptLife = 2 * time.Minute

// Attempts makes it safe to request the callback of a sign-in twice, as browsers do (reload, back
// button) and WeChat itself does. One request exchanges the code, and the others get its outcome.
// An attempt whose Expires is not after now counts as missing.
type Attempts interface {
	// BeginAttempt begins the attempt with the key want.Key, in one atomic step:
	//
	//   - No attempt is stored: want is stored, and BeginAttempt returns it and true.
	//   - The stored outcome is OutcomeCodeRefused, want has another Code, and the stored
	//     SecondCodeUntil is after now: want replaces it, with a zero SecondCodeUntil, and
	//     BeginAttempt returns want and true. (WeChat sometimes calls twice with two codes for one
	//     state.)
	//   - Otherwise BeginAttempt returns the stored attempt and false, also when the Lease has
	//     passed without an outcome. The code may have been sent to WeChat, so it must not be sent
	//     again.
	//
	// Of any number of concurrent callers, in any number of processes, exactly one gets true.
	// want.Outcome is ignored.
	BeginAttempt(ctx context.Context, want Attempt, now time.Time) (have Attempt, won bool, err error)

	// FinishAttempt writes the outcome of an attempt, once. It changes nothing and returns
	// ErrConflict in these cases:
	//
	//   - The attempt is missing, or has another owner.
	//   - The attempt has an outcome already.
	//   - Its Lease is not after now. Requests that waited for the attempt may have told their
	//     users to start again.
	//
	// An outcome without Kind is an error. After any other outcome than OutcomeSignedIn, the
	// attempt expires at the latest FailedAttemptLife after now.
	FinishAttempt(ctx context.Context, key, owner string, out Outcome, now time.Time) error

	// DropFailedAttempts deletes attempts that expire within FailedAttemptLife, the earliest first,
	// until about keep of these attempts are left. One call deletes at most 1,000. Most of these
	// attempts ended without a session. The others belong to sign-ins whose cookie has
	// expired (see Attempt.Expires). It returns the number of deleted attempts.
	DropFailedAttempts(ctx context.Context, keep int, now time.Time) (int, error)
}

// SignIn is a sign-in that WeChat has confirmed. The caller rejects snapshot users
// (is_snapshotuser) first. WeChat invents them for pages that are opened without consent, so their
// openid and unionid belong to nobody.
type SignIn struct {
	Connector     string // name of the connector in the configuration
	AppID         string
	OpenID        string
	UnionID       string    // "" = WeChat sent none
	OpenPlatform  string    // name of the connector's open_platform group (see Join); "" = none, so nothing is joined
	GroupAppIDs   []string  // appids of all connectors of that group, including AppID
	Profile       *Profile  // nil = not requested, or not available
	At            time.Time // time of the sign-in
	InitialStatus Status    // of the user, if one is created

	// UnionIDRequired refuses the sign-in of an identity whose unionid is not known, with
	// ErrUnionIDRequired. The caller sets it when other connectors are in the same open_platform
	// group. Without the unionid, a blocked user of another connector could not be recognized.
	UnionIDRequired bool

	// Agreement is what the user must have agreed to, and what the user has agreed to now.
	Agreement AgreementRule

	// KnownOnly refuses, with ErrFull, a sign-in that would create a user. The caller sets it when
	// one network has created too many users.
	KnownOnly bool
}

// Profile is what WeChat returns about a user who agreed to share it.
type Profile struct {
	Nickname  string
	AvatarURL string
	Locale    string // "" = unknown: the stored locale stays
}

// Check returns an error for a sign-in that stores reject: without identity, time or status, or
// with an openid or unionid that a database may not be able to store (see CleanText).
func (s SignIn) Check() error {
	switch {
	case s.Connector == "" || s.AppID == "" || s.OpenID == "":
		return errors.New("sign-in without connector, appid or openid")
	case s.OpenID != CleanText(s.OpenID) || s.UnionID != CleanText(s.UnionID):
		return errors.New("sign-in with an openid or unionid that is not valid text")
	case s.At.IsZero():
		return errors.New("sign-in without a time")
	case !s.InitialStatus.Valid():
		return errors.New("sign-in without a valid initial status")
	}
	return nil
}

// CheckPlan returns an error when a plan of Join must not be written.
func (s SignIn) CheckPlan(p Plan) error {
	switch {
	case s.UnionIDRequired && p.Identity.UnionID == "":
		return ErrUnionIDRequired
	case p.User.Status != Blocked && s.Agreement.Required != "" && p.User.Agreement.Hash != s.Agreement.Required &&
		(p.NewUser || !s.Agreement.Waived):
		return ErrAgreementRequired // a blocked user need not agree: the sign-in is refused
	case s.KnownOnly && p.NewUser:
		return ErrFull
	}
	return nil
}

// sharesUnionID reports whether a unionid that was received at appID may be compared with the
// unionid of this sign-in: both must be of one open_platform group.
func (s SignIn) sharesUnionID(appID string) bool {
	if s.OpenPlatform == "" || s.UnionID == "" {
		return false
	}
	return appID == s.AppID || slices.Contains(s.GroupAppIDs, appID)
}

// SharedAppIDs returns the appids of the identities whose unionids may be compared with that of the
// sign-in. It returns nil when the sign-in must not join users by unionid.
func (s SignIn) SharedAppIDs() []string {
	if s.OpenPlatform == "" || s.UnionID == "" {
		return nil
	}
	ids := []string{s.AppID}
	for _, id := range s.GroupAppIDs {
		if id != s.AppID {
			ids = append(ids, id)
		}
	}
	return ids
}

// Completion is everything that CompleteSignIn (see Users) writes when WeChat has confirmed a
// sign-in.
type Completion struct {
	SignIn     SignIn
	Session    Session  // UserID and First are filled in by the store
	Previous   [32]byte // hash of the session that this browser had until now; zero = none
	AttemptKey string   // key of the attempt that exchanged the code
	Owner      string   // and its owner
	Outcome    Outcome  // written into the attempt when the user gets the session
	Refused    Outcome  // written instead when the user is blocked
	Event      Event    // At, UserID, Outcome and Detail are filled in by the store
	Now        time.Time
}

// Check returns an error for an incomplete completion, which stores reject.
func (c Completion) Check() error {
	if err := c.SignIn.Check(); err != nil {
		return err
	}
	switch {
	case c.AttemptKey == "" || c.Owner == "":
		return errors.New("a completion needs the key and the owner of its attempt")
	case c.Session.Hash == [32]byte{} || c.Session.ExpiresAt.IsZero():
		return errors.New("a completion needs a session with a hash and an expiry")
	case c.Outcome.Kind == "" || c.Refused.Kind == "":
		return errors.New("a completion needs both of its outcomes")
	case c.Event.Kind == "":
		return errors.New("a completion needs the kind of its event")
	case c.Now.IsZero():
		return errors.New("a completion needs a time")
	}
	return nil
}

// Decide returns what a store writes after it has recorded the sign-in of a user. signedIn reports
// whether it stores the session: a blocked user gets no session. out is the outcome of the attempt.
func (c Completion) Decide(user User) (signedIn bool, out Outcome, event Event) {
	event = c.Event
	event.At, event.UserID, event.Outcome, event.Detail = c.Now, user.ID, "ok", ""
	if user.Status == Blocked {
		event.Outcome, event.Detail = "refused", "the user is blocked"
		return false, c.Refused, event
	}
	return true, c.Outcome, event
}
