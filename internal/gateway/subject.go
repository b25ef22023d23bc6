package gateway

import (
	"context"
	"time"
)

// Pin is the subject (sub) by which one app knows one user.
type Pin struct {
	UserID    string
	App       string
	Subject   string
	CreatedAt time.Time
}

// Subjects pins the subject that an app receives. The first one stays, also after users are joined
// or the configuration changes.
type Subjects interface {
	// PinSubject returns the subject that the user has in this app, and pins candidate when there
	// is none. Concurrent callers with different candidates get the same subject. The user is
	// resolved as by Users.User. ErrNotFound when there is none; ErrConflict when another user has
	// the candidate as subject in this app.
	PinSubject(ctx context.Context, userID, app, candidate string, now time.Time) (string, error)

	// UserSubjects returns the pins of a user, sorted by app. The id is resolved; an unknown user
	// has none.
	UserSubjects(ctx context.Context, userID string) ([]Pin, error)

	// SubjectUser returns the id of the user whom this app knows by subject. ErrNotFound.
	SubjectUser(ctx context.Context, app, subject string) (string, error)
}
