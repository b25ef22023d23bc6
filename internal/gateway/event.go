package gateway

import (
	"context"
	"time"
)

// Event is something that an administrator may ask about later. No field holds
// a secret, nor an openid or a unionid in full.
type Event struct {
	ID        int64 // given by the store; grows with time
	At        time.Time
	Kind      string // such as "signin", or one of the kinds below
	UserID    string // as it was then; "" = nobody's
	App       string
	Connector string
	Method    string
	Outcome   string // one word, such as "ok" or "refused"
	RequestID string
	Detail    string // one sentence for people to read
}

// Kinds of the events that joining reports.
const (
	EventUserCreated    = "user_created"    // a person arrived for the first time
	EventIdentityAdded  = "identity_added"  // an account came in through a new entry, found by unionid
	EventUsersJoined    = "users_joined"    // two accounts turned out to be one person; Detail names the younger
	EventJoinConflict   = "join_conflict"   // the unionid says one person, but the account has another openid of that appid
	EventUnionIDChanged = "unionid_changed" // the unionid differs from the one that was stored; not joined
	EventSubjectDropped = "subject_dropped" // both accounts had a subject in an app; the one that was pinned first stays
)

// EventQuery selects events, newest first. The zero value selects the newest 50.
type EventQuery struct {
	UserID string    // "" = any; not resolved, since events stay with the id they were written for
	Kind   string    // "" = any
	App    string    // "" = any
	Since  time.Time // zero = any; at or after
	Before int64     // id of the last event of the page before; 0 = the first page
	Limit  int       // 0 = 50; more than 500 counts as 500
}

// Page returns the number of rows that q asks for, within the bounds.
func (q EventQuery) Page() int { return pageSize(q.Limit) }

// Events keeps what happened.
type Events interface {
	// AppendEvents stores events, all or none. IDs that are set are ignored.
	AppendEvents(ctx context.Context, events ...Event) error

	// Events lists events, newest first.
	Events(ctx context.Context, q EventQuery) ([]Event, error)
}
