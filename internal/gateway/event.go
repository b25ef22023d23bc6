package gateway

import (
	"context"
	"time"
)

// Event is an entry of the audit log. No field contains a secret or a complete openid or unionid.
type Event struct {
	ID        int64 // assigned by the store, ascending
	At        time.Time
	Kind      string // such as "sign_in", or one of the kinds below
	UserID    string // not changed when the user is joined into another later; "" = none
	App       string // id of the app; "" = none
	Connector string // name of the connector; "" = none
	Method    string // sign-in method, such as "scan"; "" = none
	Outcome   string // one word, such as "ok" or "refused"
	RequestID string
	Detail    string // one sentence, for display
	Actor     string // who caused it, if not the user: see ActorCommand; "" = the user, or nobody
	Address   string // IP address of the client, without its last part; "" = unknown
}

// Values of Event.Actor, and of the fields CreatedBy and DecidedBy. An administrator is named by
// the user id.
const (
	ActorCommand   = "command" // the command line, on the server
	ActorKeyPrefix = "key:"    // an API key: its id follows
)

// DetailBrowser precedes the browser in the detail of an event.
const DetailBrowser = "browser: "

// BrowserDetail returns the detail of an event about a browser, such as "browser: Chrome, Windows".
func BrowserDetail(browser string) string {
	if browser == "" {
		return ""
	}
	return DetailBrowser + browser
}

// Kinds of the events that Join and JoinPins return. When WeChat sends one unionid for two users,
// they are one human. Join then joins the younger user into the older. JoinPins decides which
// subject (the user's id in an app) stays in each app.
const (
	EventUserCreated    = "user_created"    // first sign-in
	EventIdentityAdded  = "identity_added"  // sign-in at a new connector by a user who was found by unionid
	EventUsersJoined    = "users_joined"    // two users were joined; Detail names the younger
	EventJoinConflict   = "join_conflict"   // two openids of one appid: not joined; or two User.OldID: one dropped
	EventUnionIDChanged = "unionid_changed" // the unionid differs from the stored one; not joined
	EventSubjectDropped = "subject_dropped" // both users had a subject in an app; the later subject was deleted
)

// EventInvitationRefused is the kind of the event that RedeemInvitation appends when a blocked or
// refused user tries to use an invitation.
const EventInvitationRefused = "invitation_refused"

// EventQuery selects events, newest first. The zero value selects the newest 50.
type EventQuery struct {
	UserID string // "" = any; the id that the user had at the time of the event
	Kind   string // "" = any
	App    string // "" = any
	Actor  string // "" = any
	// Outcome is exact; "!ok" selects every outcome but ok. "" = any
	Outcome   string
	RequestID string    // "" = any
	Since     time.Time // zero = any; at or after
	Until     time.Time // zero = any; before
	Before    int64     // id of the last event of the previous page; 0 = start with the newest
	Limit     int       // 0 = 50; more than 500 counts as 500
	MaxRead   int       // rows that SearchEvents reads at most; 0 = the constant MaxRead
}

// Page returns the number of rows that q selects at most.
func (q EventQuery) Page() int { return pageSize(q.Limit) }

// MaxRead is how many rows one search of events or users reads at most. A search with several
// conditions may have to read all rows that meet one condition to find the rows that meet all. So
// it stops after MaxRead rows, and the next search continues.
const MaxRead = 5_000

// EventPage is the result of a search of events.
type EventPage struct {
	Events []Event
	// Cut is set when the search read as many rows as it may, before the page was full. The search
	// continues with EventQuery.Before = Cut. 0 = not cut.
	Cut int64
}

// Events stores the audit log.
type Events interface {
	// AppendEvents stores events, all or none. It ignores their IDs.
	AppendEvents(ctx context.Context, events ...Event) error

	// SearchEvents returns events, newest first. It reads at most q.MaxRead events.
	SearchEvents(ctx context.Context, q EventQuery) (EventPage, error)

	// Events returns events, newest first. It reads as many as are necessary to fill the page, so it
	// is for queries of few events, such as those of one user.
	Events(ctx context.Context, q EventQuery) ([]Event, error)
}
