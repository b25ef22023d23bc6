package gateway

import (
	"errors"
	"time"
)

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
