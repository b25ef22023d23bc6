package gateway

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"
)

// ChatState is the state of a chat sign-in. It only moves forward.
type ChatState string

// The states of a chat sign-in. It is waiting, then answered, then completed. All states after
// ChatAnswered are final.
const (
	ChatWaiting   ChatState = "waiting"    // the desktop shows the number or the QR code
	ChatAnswered  ChatState = "answered"   // a person has sent the number or scanned, and got the confirmation code
	ChatCompleted ChatState = "completed"  // the desktop is signed in
	ChatWrongCode ChatState = "wrong_code" // another code than the confirmation code was typed on the desktop
	ChatRefused   ChatState = "refused"    // the person declined in the chat, stopped following, or is blocked
	ChatCancelled ChatState = "cancelled"  // the desktop gave it up, or requested a new number
)

// ChatMinimum is the minimum remaining life of a chat sign-in after a person has answered. The
// person needs time to read the confirmation code and to type it.
const ChatMinimum = 2 * time.Minute

// ChatSignIn is one sign-in on a desktop through the chat of an official account. The desktop shows
// a number, or a QR code with a scene (参数二维码). A person sends the number to the account as a
// message, or scans the code. WeChat pushes the openid of the person to the gateway, and the
// account answers in the chat with a confirmation code. The person types this code on the desktop,
// which is then signed in.
//
// The number and the scene are not secrets. They only find the row. The desktop must have the
// secret of its cookie, and the confirmation code, which only the person's chat shows.
type ChatSignIn struct {
	// Key is a SHA-256 of the connector, the method, and the number or the scene. It finds the row,
	// and is unique among the chat sign-ins that have not expired.
	Key       [32]byte
	Desktop   [32]byte // SHA-256 of the secret in the desktop's cookie
	Connector string   // name of the connector whose account is used
	Method    string   // MethodMessage or MethodFollow
	App       string   // the requesting app; "" = the gateway's own page
	Browser   string   // name of the desktop's browser, shown in the chat
	MaskedIP  string   // IP address of the desktop without its last part, shown in the chat; "" = unknown
	Network   string   // keyed hash of the desktop's network, for ChatLimits; "" = unknown
	State     ChatState
	OpenID    string    // of the person who answered; "" = nobody yet
	Code      string    // the confirmation code; "" = nobody has answered yet
	CreatedAt time.Time // when the desktop showed the number; an older message does not answer it
	ExpiresAt time.Time
	Data      []byte // owned by the caller, without secrets; nil = none
}

// ChatAnswer is a person's answer in the chat.
type ChatAnswer struct {
	Key    [32]byte
	OpenID string
	Code   string    // the confirmation code to store, if this is the first answer
	SentAt time.Time // when WeChat received the message, to the second (CreateTime)
}

// ChatLimits limit the number of chat sign-ins. A chat sign-in above a limit replaces older ones
// that nobody has answered. So a flood of desktops does not prevent other users from signing in.
type ChatLimits struct {
	// Total is the maximum number per connector and method of chat sign-ins that have not expired,
	// except completed ones. It bounds the chance that a guessed number belongs to somebody.
	Total int
	// PerNetwork is the maximum number of such chat sign-ins with the same ChatSignIn.Network.
	PerNetwork int
}

// ChatCompletion is the sign-in of a desktop by a typed confirmation code.
type ChatCompletion struct {
	Key     [32]byte
	Desktop [32]byte // must equal ChatSignIn.Desktop
	Code    string   // as typed
	SignIn  SignIn   // its OpenID must equal ChatSignIn.OpenID
	Session Session  // is stored when the user is not blocked; UserID is ignored
	Event   Event    // is stored with the session; UserID is ignored
	// Previous is the hash of the session that the browser had before; it is ended. Zero = none.
	Previous [32]byte
	Now      time.Time
}

// ChatSignIns stores chat sign-ins. Visitors who are not signed in can create them, so their number
// is limited.
//
// For an expired chat sign-in (ExpiresAt is not after now), every method returns ErrExpired, or
// ErrNotFound once a sweep has deleted it. Each change of state happens once: of any number of
// concurrent callers, in any number of processes, one makes it. With ErrConflict, ErrReplay and
// ErrBlocked, methods return the row in its current state. With every other error, they return the
// zero value.
type ChatSignIns interface {
	// PutChatSignIn stores a chat sign-in in state ChatWaiting without an answer. ErrConflict when
	// another one with this key has not expired: the caller then derives another number. When a
	// limit is reached, PutChatSignIn deletes older chat sign-ins that nobody has answered, first
	// those of the same network. ErrFull when the answered ones alone reach the total.
	PutChatSignIn(ctx context.Context, p ChatSignIn, now time.Time, limits ChatLimits) error

	// ChatSignIn returns the chat sign-in with this key, in any state.
	ChatSignIn(ctx context.Context, key [32]byte, now time.Time) (ChatSignIn, error)

	// ChatSignInStates returns the states of many chat sign-ins by one query. Missing and expired
	// ones are absent from the map. Without an error the map is not nil. Without keys there is no
	// query.
	ChatSignInStates(ctx context.Context, keys [][32]byte, now time.Time) (map[[32]byte]ChatState, error)

	// AnswerChatSignIn binds a waiting chat sign-in to the person, stores the code, and extends its
	// life to ChatMinimum when less is left. A repeated answer of the same person returns the row
	// with the code that was stored first, so WeChat's repeated pushes get equal replies, on any
	// replica. ErrConflict when another person has answered, or the state is final. ErrNotFound
	// also when a.SentAt is before CreatedAt by more than two seconds.
	AnswerChatSignIn(ctx context.Context, a ChatAnswer, now time.Time) (ChatSignIn, error)

	// RefuseChatSignIns moves all chat sign-ins that the person has answered at a connector to
	// ChatRefused, and returns their number. Call it when the person has declined, or has stopped
	// following the account.
	RefuseChatSignIns(ctx context.Context, connector, openID string, now time.Time) (int, error)

	// CompleteChatSignIn completes an answered chat sign-in with the right code: in one transaction
	// it records the user as Users.RecordSignIn does, stores the session and the events, and moves
	// the row to ChatCompleted. With a wrong code it moves the row to ChatWrongCode and returns
	// ErrMismatch. ErrNotFound when c.Desktop differs. ErrReplay when it was completed before,
	// ErrConflict in every other state. ErrBlocked when the user is blocked; the row is then
	// ChatRefused, and c.Event is stored with the outcome "refused". The events of a new or joined
	// user are returned. ErrUnionIDRequired and ErrFull as Users.RecordSignIn; the row then stays
	// answered.
	CompleteChatSignIn(ctx context.Context, c ChatCompletion) (ChatSignIn, User, []Event, error)

	// CancelChatSignIn cancels a waiting or answered chat sign-in, for the desktop that created it.
	// A cancelled one is not an error. ErrNotFound when desktop differs; ErrConflict in every other
	// state.
	CancelChatSignIn(ctx context.Context, key, desktop [32]byte, now time.Time) error
}

// ErrMismatch means that the typed code is not the confirmation code.
var ErrMismatch = errors.New("the code does not match")

// IsCode reports whether the typed code is the confirmation code. It takes the same time for every
// code of one length.
func (s ChatSignIn) IsCode(typed string) bool {
	return s.Code != "" && subtle.ConstantTimeCompare([]byte(s.Code), []byte(typed)) == 1
}

// Check returns an error for limits that are not positive.
func (l ChatLimits) Check() error {
	if l.Total <= 0 || l.PerNetwork <= 0 {
		return errors.New("a chat sign-in needs limits of how many there may be")
	}
	return nil
}

// KeepOfNetwork returns how many chat sign-ins of a network remain when it has reached its limit.
// Several are deleted at once. Otherwise each new chat sign-in of a flood would cause a deletion.
func (l ChatLimits) KeepOfNetwork() int { return l.PerNetwork - max(1, l.PerNetwork/8) }

// Excess returns how many chat sign-ins are deleted when the total is reached.
func (l ChatLimits) Excess() int { return max(1, l.Total/64) }

// Initial returns s as PutChatSignIn stores it.
func (s ChatSignIn) Initial() ChatSignIn {
	s.State, s.OpenID, s.Code = ChatWaiting, "", ""
	s.App, s.Connector, s.Method = CleanText(s.App), CleanText(s.Connector), CleanText(s.Method)
	s.Browser, s.MaskedIP, s.Network = CleanText(s.Browser), CleanText(s.MaskedIP), CleanText(s.Network)
	return s
}

// CheckExpiry returns ErrExpired when s has expired at now.
func (s ChatSignIn) CheckExpiry(now time.Time) error {
	if !now.Before(s.ExpiresAt) {
		return ErrExpired
	}
	return nil
}

// maxEarly is how much earlier than CreatedAt a message may have been sent: WeChat's CreateTime is
// in whole seconds, and WeChat's clock may differ.
const maxEarly = 2 * time.Second

// AfterAnswer decides the result of ChatSignIns.AnswerChatSignIn. write reports whether the store
// must store the row next.
func (s ChatSignIn) AfterAnswer(a ChatAnswer, now time.Time) (next ChatSignIn, write bool, err error) {
	if err := s.CheckExpiry(now); err != nil {
		return ChatSignIn{}, false, err
	}
	switch {
	case a.SentAt.Before(s.CreatedAt.Add(-maxEarly)):
		return ChatSignIn{}, false, ErrNotFound
	case s.State == ChatAnswered && s.OpenID == a.OpenID:
		return s, false, nil
	case s.State != ChatWaiting:
		return s, false, ErrConflict
	}
	s.State, s.OpenID, s.Code = ChatAnswered, a.OpenID, a.Code
	s.ExpiresAt = later(s.ExpiresAt, StoredTime(now.Add(ChatMinimum)))
	return s, true, nil
}

// AfterComplete decides the result of ChatSignIns.CompleteChatSignIn before the user is known. With
// ErrMismatch, the store must store the row next. With any other error, it stores nothing.
func (s ChatSignIn) AfterComplete(c ChatCompletion) (next ChatSignIn, err error) {
	if err := s.checkDesktop(c.Desktop, c.Now); err != nil {
		return ChatSignIn{}, err
	}
	switch {
	case s.State == ChatCompleted:
		return s, ErrReplay
	case s.State != ChatAnswered:
		return s, ErrConflict
	case !s.IsCode(c.Code):
		s.State = ChatWrongCode
		return s, ErrMismatch
	}
	s.State = ChatCompleted
	return s, nil
}

// AfterCancel decides the result of ChatSignIns.CancelChatSignIn. write reports whether the store
// must store the row next.
func (s ChatSignIn) AfterCancel(desktop [32]byte, now time.Time) (next ChatSignIn, write bool, err error) {
	if err := s.checkDesktop(desktop, now); err != nil {
		return ChatSignIn{}, false, err
	}
	switch s.State {
	case ChatWaiting, ChatAnswered:
		s.State = ChatCancelled
		return s, true, nil
	case ChatCancelled:
		return s, false, nil
	}
	return s, false, ErrConflict
}

// checkDesktop returns nil when desktop is the hash of the desktop's secret and s has not expired.
func (s ChatSignIn) checkDesktop(desktop [32]byte, now time.Time) error {
	if subtle.ConstantTimeCompare(s.Desktop[:], desktop[:]) != 1 {
		return ErrNotFound
	}
	return s.CheckExpiry(now)
}

// Check returns an error for an incomplete completion, which stores reject.
func (c ChatCompletion) Check() error {
	if err := c.SignIn.Check(); err != nil {
		return err
	}
	switch {
	case c.Session.Hash == [32]byte{} || c.Session.ExpiresAt.IsZero():
		return errors.New("a completion needs a session with a hash and an expiry")
	case c.Event.Kind == "" || c.Now.IsZero():
		return errors.New("a completion needs the kind of its event and a time")
	}
	return nil
}

// Decide returns the state and the event that a store writes after it has recorded the user.
// signedIn reports whether it stores the session: a blocked user gets no session.
func (c ChatCompletion) Decide(user User) (signedIn bool, state ChatState, event Event) {
	event = c.Event
	event.At, event.UserID, event.Outcome, event.Detail = c.Now, user.ID, "ok", ""
	if user.Status == Blocked {
		event.Outcome, event.Detail = "refused", "the user is blocked"
		return false, ChatRefused, event
	}
	return true, ChatCompleted, event
}

// Check returns an error for an incomplete chat sign-in, which stores reject.
func (s ChatSignIn) Check() error {
	var none [32]byte
	switch {
	case s.Key == none || s.Desktop == none:
		return errors.New("a chat sign-in needs its key and the hash of its desktop's secret")
	case s.Key == s.Desktop:
		return errors.New("the key must not be the desktop's secret: everybody sees the number")
	case s.Connector == "" || s.Method == "":
		return errors.New("a chat sign-in needs its connector and its method")
	case s.CreatedAt.IsZero() || s.ExpiresAt.IsZero():
		return errors.New("a chat sign-in needs its times")
	}
	return nil
}
