package gateway

import (
	"context"
	"time"
)

// Pin is the sub by which one app knows one account.
type Pin struct {
	UserID    string
	App       string
	Subject   string
	CreatedAt time.Time
}

// Subjects pins what an app is told as sub: the first issue wins, and survives
// joining and every later change of the configuration.
type Subjects interface {
	// PinSubject returns the subject that the account has in this app, and
	// makes it candidate when it has none. Of first issues at once with
	// different candidates, one wins and all get it. The account is resolved;
	// ErrNotFound when there is none; ErrConflict when another account has the
	// candidate as its subject in this app.
	PinSubject(ctx context.Context, userID, app, candidate string, now time.Time) (string, error)

	// AccountSubjects lists the pins of an account, by app. The id is
	// resolved; an unknown account has none.
	UserSubjects(ctx context.Context, userID string) ([]Pin, error)

	// SubjectAccount returns the id of the account that this app knows by
	// subject. ErrNotFound.
	SubjectUser(ctx context.Context, app, subject string) (string, error)
}
