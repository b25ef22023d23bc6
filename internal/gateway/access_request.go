package gateway

import (
	"context"
	"time"
)

// RequestState is the state of an access request.
type RequestState string

// The states of an access request.
const (
	RequestWaiting  RequestState = "waiting"  // no administrator has decided yet
	RequestApproved RequestState = "approved" // the user may use the app, even while the user is Pending
	RequestRefused  RequestState = "refused"  // the user must not use the app; Reason is shown to the user
)

// AccessRequest records that a user wants to use an app that requires approval, and what an
// administrator decided. There is at most one for each user and app. The decision itself is in the
// user (User.AllowedApps and User.RefusedApps), so that access rules need no other row.
type AccessRequest struct {
	UserID      string
	App         string
	Method      string // sign-in method of the user's session; "" = decided before the user requested the app
	State       RequestState
	Reason      string // why the request was refused, for the user to read; "" = no reason given
	RequestedAt time.Time
	DecidedAt   time.Time // zero = waiting
	DecidedBy   string    // Event.Actor of the decision
}

// WaitingUser is an access request with its user.
type WaitingUser struct {
	Request AccessRequest
	User    User
}

// WaitingQuery selects the requests that wait, the oldest first, without those of blocked users.
// The zero value selects the oldest 50.
type WaitingQuery struct {
	App string // "" = any
	// After, AfterUser and AfterApp are RequestedAt, UserID and App of the last request of the
	// previous page; zero = start with the oldest.
	After     time.Time
	AfterUser string
	AfterApp  string
	Limit     int // 0 = 50; more than 500 counts as 500
}

// Page returns the number of rows that q selects at most.
func (q WaitingQuery) Page() int { return pageSize(q.Limit) }

// AccessDecision is a decision about a user's requests.
type AccessDecision struct {
	UserID string
	Apps   []string // the apps decided on; empty = all apps: an approved user becomes Active
	State  RequestState
	Reason string   // with RequestRefused
	Groups []string // with RequestApproved: groups that the user gets in addition
	At     time.Time
	By     string // Event.Actor
	Event  Event  // appended in the same transaction; UserID, At and Actor are set by the store
}

// AccessRequests stores who wants to use which app.
type AccessRequests interface {
	// RequestAccess records that a user waits. It stores r with the state RequestWaiting, unless the
	// user has a request for this app already. It returns the stored request, and whether it was
	// created now. The id of a user who was joined into an older user is resolved to the older id.
	// ErrNotFound if the user does not exist.
	//
	// An approved request waits again, and counts as created, when two conditions are met: the app is
	// not among the user's AllowedApps, and the approval is more than a minute older than
	// r.RequestedAt. The approval was then not enough, or was taken back.
	RequestAccess(ctx context.Context, r AccessRequest) (stored AccessRequest, created bool, err error)

	// WaitingUsers returns the requests that wait, with their users, by one query.
	WaitingUsers(ctx context.Context, q WaitingQuery) ([]WaitingUser, error)

	// CountWaiting returns the number of requests that wait, but at most limit.
	CountWaiting(ctx context.Context, limit int) (int, error)

	// UserRequests returns all access requests of a user, the newest first. The id is resolved; an
	// unknown user has none.
	UserRequests(ctx context.Context, userID string) ([]AccessRequest, error)

	// DecideAccess writes a decision in one transaction. It changes the user (AllowedApps,
	// RefusedApps, Groups, Status) and the user's requests, and appends d.Event. Approval without Apps
	// makes a Pending user Active, and decides every waiting request. Refusal without Apps decides
	// every waiting request. Refusal for apps revokes the user's grants at these apps. A decision for
	// an app that the user has not requested is stored too.
	//
	// It returns the changed user. ErrNotFound if the user does not exist; ErrBlocked when the user is
	// blocked, also by a concurrent call: a blocked user must be unblocked before any other change.
	DecideAccess(ctx context.Context, d AccessDecision) (User, error)
}
