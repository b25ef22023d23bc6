package gateway

import (
	"context"
	"errors"
	"time"
)

// Attempt is the exclusive right of one request to exchange one code of WeChat. It mirrors the
// attempt of package login.
type Attempt struct {
	Key     string    // hash of the state of the sign-in
	Code    string    // hash of WeChat's code
	Owner   string    // random; identifies this attempt
	Lease   time.Time // the attempt is void from this time on
	Expires time.Time // the row may be deleted from this time on; later than the cookie of the sign-in
	Outcome Outcome   // zero while the exchange is in progress
}

// Outcome is the result of an exchange, for the requests that repeat it.
type Outcome struct {
	Kind string    // "" = not finished; stores interpret OutcomeCodeRefused only
	At   time.Time // when the attempt was finished
	Text string    // message for the user; "" = none
}

// OutcomeCodeRefused is the kind of outcome after which another code may be tried: WeChat refused
// the code. Package login defines the text.
const OutcomeCodeRefused = "code_refused"

// Attempts makes the callback safe to repeat. A callback may come twice (reload, back button,
// WeChat's own second call, another replica): one request exchanges the code, and the others get
// its outcome. An attempt whose Expires is not after now counts as missing.
type Attempts interface {
	// BeginAttempt begins the attempt want.Key in one atomic step:
	//
	//   - No attempt is stored: want is stored, and BeginAttempt returns it and true.
	//   - The stored outcome is OutcomeCodeRefused, and want has another Code: want replaces it, and
	//     BeginAttempt returns it and true. (WeChat sometimes calls twice with two codes for one state.)
	//   - Otherwise BeginAttempt returns the stored attempt and false, even when it has no outcome and
	//     its Lease has passed: the code may have been sent, so it must not be sent again.
	//
	// Of any number of concurrent callers, in any number of processes, one wins. want.Outcome is
	// ignored.
	BeginAttempt(ctx context.Context, want Attempt, now time.Time) (have Attempt, won bool, err error)

	// FinishAttempt writes the outcome of an attempt, once. It returns ErrConflict, and changes
	// nothing, when the attempt is missing, has another owner or an outcome, or its Lease is not
	// after now: waiting requests may have acted on that. An outcome without Kind is an error.
	FinishAttempt(ctx context.Context, key, owner string, out Outcome, now time.Time) error
}

// SignIn is a sign-in that WeChat has confirmed. Snapshot users of WeChat (is_snapshotuser) must
// not be recorded, since their openid and unionid belong to nobody: the caller rejects them before.
type SignIn struct {
	Connector     string // name of the connector in the configuration
	AppID         string
	OpenID        string
	UnionID       string    // "" = WeChat sent none
	OpenPlatform  string    // name of the open_platform group that shares unionids; "" = none, so nothing is joined
	Group         []string  // appids of that group, including this one
	Profile       *Profile  // nil = not requested, or not available
	At            time.Time // now
	InitialStatus Status    // of the user, if one is created
}

// Profile is what WeChat returns about a user who agreed to share it.
type Profile struct {
	Nickname  string
	AvatarURL string
	Locale    string // "" keeps the stored one
}

// Check returns an error for a sign-in without identity, time or status, which stores reject.
func (a SignIn) Check() error {
	switch {
	case a.Connector == "" || a.AppID == "" || a.OpenID == "":
		return errors.New("sign-in without connector, appid or openid")
	case a.OpenID != Clean(a.OpenID) || a.UnionID != Clean(a.UnionID):
		return errors.New("sign-in with an openid or unionid that is not valid text")
	case a.At.IsZero():
		return errors.New("sign-in without a time")
	case !a.InitialStatus.Valid():
		return errors.New("sign-in without a valid initial status")
	}
	return nil
}

// sharesUnionID reports whether unionids of appID may be compared with that of this sign-in.
func (a SignIn) sharesUnionID(appID string) bool {
	if a.OpenPlatform == "" || a.UnionID == "" {
		return false
	}
	for _, id := range a.Group {
		if id == appID {
			return true
		}
	}
	return appID == a.AppID
}

// SharedAppIDs returns the appids among which a store looks for users with the unionid of the
// sign-in; nil when the sign-in must not join by unionid.
func (a SignIn) SharedAppIDs() []string {
	if a.OpenPlatform == "" || a.UnionID == "" {
		return nil
	}
	ids := []string{a.AppID}
	for _, id := range a.Group {
		if id != a.AppID {
			ids = append(ids, id)
		}
	}
	return ids
}

// Completion is everything that a store writes when WeChat has confirmed a sign-in.
type Completion struct {
	SignIn     SignIn
	Session    Session  // UserID is filled in by the store
	Previous   [32]byte // hash of the session that this browser had until now; zero = none
	AttemptKey string
	Owner      string  // owner of the attempt
	Outcome    Outcome // written when the user gets the session
	Refused    Outcome // written instead when the user is blocked
	Event      Event   // At, UserID, Outcome and Detail are filled in by the store
	Now        time.Time
}

// Check returns an error for a completion that no store may write.
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

// Decide returns what c writes for user, who has just been recorded: whether the session is
// stored, the outcome of the attempt, and the event.
func (c Completion) Decide(user User) (signedIn bool, out Outcome, event Event) {
	event = c.Event
	event.At, event.UserID, event.Outcome, event.Detail = c.Now, user.ID, "ok", ""
	if user.Status == Blocked {
		event.Outcome, event.Detail = "refused", "the user is blocked"
		return false, c.Refused, event
	}
	return true, c.Outcome, event
}
