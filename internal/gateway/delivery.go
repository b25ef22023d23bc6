package gateway

import (
	"context"
	"time"
)

// DeliveryKind is what a delivery sends.
type DeliveryKind string

// The kinds of deliveries.
const (
	DeliverLogout       DeliveryKind = "logout"       // a logout token (OpenID Connect Back-Channel Logout) to an app
	DeliverNotification DeliveryKind = "notification" // a message to administrators, by a webhook
)

// DeliveryState is the state of a delivery.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryWaiting DeliveryState = "waiting" // will be sent at NextAt
	DeliverySent    DeliveryState = "sent"
	DeliveryFailed  DeliveryState = "failed" // given up; an administrator can send it again
)

// Delivery is something that the gateway has to send to another server. It is stored in the
// transaction that causes it, so that a crash loses no delivery. A delivery may be sent more than
// once.
type Delivery struct {
	ID        int64 // assigned by the store, ascending
	Kind      DeliveryKind
	Target    string // DeliverLogout: id of the app; DeliverNotification: name of the notify entry
	UserID    string // whom it is about; "" = nobody
	SessionID string // DeliverLogout: the claim sid
	Subject   string // DeliverLogout: the claim sub
	Payload   []byte // DeliverNotification: owned by package notify, without secrets
	State     DeliveryState
	CreatedAt time.Time
	NextAt    time.Time // when to send it
	Attempts  int
	LastError string // of the last attempt, for administrators; without URLs and what the server sent
}

// AppSession records that an app which supports back-channel logout was signed in from a session.
// It outlives the app's tokens.
type AppSession struct {
	Session   [32]byte // hash of the gateway's session; after renewals, of the first one (Session.First)
	App       string
	SessionID string // the claim sid in the app's ID tokens
	UserID    string
	Subject   string // the claim sub in the app's ID tokens
	CreatedAt time.Time
}

// DeliveryQuery selects deliveries, newest first. The zero value selects the newest 50.
type DeliveryQuery struct {
	Kind   DeliveryKind  // "" = any
	Target string        // "" = any
	UserID string        // "" = any
	State  DeliveryState // "" = any
	Before int64         // id of the last delivery of the previous page; 0 = start with the newest
	Limit  int           // 0 = 50; more than 500 counts as 500
}

// Page returns the number of rows that q selects at most.
func (q DeliveryQuery) Page() int { return pageSize(q.Limit) }

// Deliveries stores what has to be sent.
//
// Stores add deliveries of kind DeliverLogout themselves. Whenever a session ends, for whatever
// reason (sign-out, block, deletion, join, move, expiry found by a sweep), each of its app sessions
// becomes a delivery, and is deleted in the same transaction. There is one exception: if another
// session has the same Session.First, the user has only signed in again, and the app sessions stay.
//
// The app sessions of a user at one app also become deliveries when the user loses access to this
// app: by DecideAccess, by a change of AllowedApps or RefusedApps, or by a replay of a refresh
// token. When the user loses a group or is no longer Active, the store does not know which apps the
// user can no longer use. Then all apps are notified except those in AllowedApps.
type Deliveries interface {
	// AddDeliveries stores deliveries, all or none. It ignores their ids, and sets State to
	// DeliveryWaiting.
	AddDeliveries(ctx context.Context, deliveries ...Delivery) error

	// ClaimDeliveries returns waiting deliveries of a kind whose NextAt is not after now, the earliest
	// first, at most limit (1 to 100). It sets their NextAt to now + lease and increments Attempts:
	// only one of several concurrent callers, in any number of processes, gets a delivery. If this
	// caller does not finish the delivery, another call returns it after the lease.
	ClaimDeliveries(
		ctx context.Context, kind DeliveryKind, now time.Time, lease time.Duration, limit int,
	) ([]Delivery, error)

	// FinishDelivery writes State, NextAt and LastError of a claimed delivery, and appends events in
	// the same transaction. It changes nothing and returns ErrConflict when Attempts differs from the
	// stored value: another caller has claimed the delivery since. A delivery that is sent loses
	// SessionID and Subject. A sent or failed delivery of a deleted user is deleted.
	FinishDelivery(ctx context.Context, d Delivery, events ...Event) error

	// RetryDelivery makes a failed delivery wait again, due at now, with Attempts 0, and appends e in
	// the same transaction. ErrNotFound if no failed delivery has this id.
	RetryDelivery(ctx context.Context, id int64, now time.Time, e Event) error

	// HastenDeliveries makes the waiting deliveries of a kind about a user due at now, if they have
	// not been tried yet and are due later, and returns their number.
	HastenDeliveries(ctx context.Context, kind DeliveryKind, userID string, now time.Time) (int, error)

	// Deliveries returns deliveries, newest first. A sweep deletes them 30 days after CreatedAt.
	Deliveries(ctx context.Context, q DeliveryQuery) ([]Delivery, error)

	// UserAppSessions returns the app sessions of a user. userID may be the id of a user who was
	// joined into this user. An unknown user has none.
	UserAppSessions(ctx context.Context, userID string) ([]AppSession, error)
}

// NoticeKind is what administrators are notified of.
type NoticeKind string

// The kinds of notices.
const (
	NoticeWaiting    NoticeKind = "waiting"     // a user waits for approval
	NoticeFault      NoticeKind = "fault"       // a Problem, such as a wrong secret or an error of WeChat
	NoticeKeyRotated NoticeKind = "key_rotated" // a signing key was replaced
	NoticeAdminLink  NoticeKind = "admin_link"  // an administrator signed in by a link, without WeChat
)

// NoticeKinds returns all kinds of notices.
func NoticeKinds() []NoticeKind {
	return []NoticeKind{NoticeWaiting, NoticeFault, NoticeKeyRotated, NoticeAdminLink}
}

// Notice is something that administrators are notified of. It has no openid, no IP address and no
// secret: notices go to chat groups.
type Notice struct {
	Kind   NoticeKind
	At     time.Time
	User   string // nickname or real name, chosen by the user; "" = unknown
	UserID string // "" = nobody
	App    string // name of the app; "" = none
	Source string // Problem.Source
	Code   string // Problem.Code

	// NameFollows is set if a page asks the user for a name now. The notice then waits for the name,
	// for a limited time.
	NameFollows bool
}
