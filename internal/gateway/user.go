package gateway

import (
	"context"
	"crypto/rand"
	"strings"
	"time"
	"unicode/utf8"
)

// Status determines whether a user may sign in. Stores reject the zero value.
type Status string

// The statuses of a user.
const (
	Active  Status = "active"  // may sign in and use the apps that the access rules allow
	Pending Status = "pending" // may sign in; waits for approval
	Blocked Status = "blocked" // must not sign in; has no session and no live grant
)

// Valid reports whether s is one of the three statuses.
func (s Status) Valid() bool { return s == Active || s == Pending || s == Blocked }

// User is a person as the gateway knows them. Nickname and avatar are for display, never keys:
// WeChat lets anyone take any name.
type User struct {
	ID        string    // opaque, 26 characters of [a-z2-7]; never reused
	Nickname  string    // as last fetched; "" = unknown
	AvatarURL string    // as last fetched; "" = none
	Locale    string    // a language tag such as zh-CN; "" = unknown
	ProfileAt time.Time // when nickname and avatar were last fetched; zero = never
	Status    Status
	Admin     bool
	Groups    []string // sorted, without duplicates
	OldID     string   // id in an imported user table, as the operator stated; "" = none
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Identity is a user's openid at one connector. (AppID, OpenID) belongs to at most one user; a user
// has at most one openid per appid.
type Identity struct {
	UserID    string
	Connector string // name of the connector in the configuration
	AppID     string
	OpenID    string
	UnionID   string // the first one received, never replaced; "" = none
	CreatedAt time.Time
	SeenAt    time.Time // last sign-in
}

// NewID returns a new opaque id: 26 characters of [a-z2-7], 130 random bits.
func NewID() string { return strings.ToLower(rand.Text()) }

// NewIDs returns a function that returns new opaque ids like NewID, which share their first half. A
// database stores such ids next to each other, which makes writing many of them at once much
// cheaper.
func NewIDs() func() string {
	shared := NewID()[:13]
	return func() string { return shared + NewID()[13:] }
}

// UserQuery selects users, newest first. The zero value selects the newest 50.
type UserQuery struct {
	Status Status // "" = any
	Text   string // part of a nickname, or exactly a user id, openid, unionid or old id; "" = any
	After  string // id of the last user of the previous page; "" = start with the newest
	Limit  int    // 0 = 50; more than 500 counts as 500
}

// Page returns the number of rows that q selects at most.
func (q UserQuery) Page() int { return pageSize(q.Limit) }

func pageSize(limit int) int {
	switch {
	case limit <= 0:
		return 50
	case limit > 500:
		return 500
	}
	return limit
}

// Users stores users and their identities.
type Users interface {
	// RecordSignIn records a sign-in and returns its user: the user with this openid, the user
	// that Join finds by unionid, or a new user. A profile, if present, replaces the stored name and
	// avatar. The events of Join are appended in the same transaction and returned for the log.
	//
	// Concurrent sign-ins of one person, also through several connectors, get one user. When two
	// users are joined, the younger's sessions end, its grants, identities and pinned subjects move
	// (JoinPins), and its id resolves to the older from then on.
	//
	// A blocked user is returned without error: check Status. A sign-in without Connector, AppID,
	// OpenID, At or a valid InitialStatus is an error, and nothing is stored.
	RecordSignIn(ctx context.Context, a SignIn) (User, []Event, error)

	// CompleteSignIn writes a completed sign-in in one transaction. It records c.SignIn exactly as
	// RecordSignIn does, stores c.Session for the user as PutSession does, deletes the session
	// c.Previous, writes c.Outcome into the attempt, and appends c.Event with outcome "ok" before
	// the events of joining. For a blocked user it stores no session, keeps the previous one,
	// writes c.Refused, and appends c.Event with outcome "refused".
	//
	// It returns the user as stored afterwards, also a blocked one, and the events of joining.
	// ErrConflict, and nothing is written, when the attempt is missing, has another owner or an
	// outcome, or its lease is not after c.Now, and when a live session has the hash of c.Session.
	CompleteSignIn(ctx context.Context, c Completion) (User, []Event, error)

	// User returns the user with this id, or the one it was joined into. Compare the ID of the
	// result when that matters. ErrNotFound.
	User(ctx context.Context, id string) (User, error)

	// Identities returns the identities of a user, oldest first; the id is resolved as by User. The
	// list may be empty. ErrNotFound when there is no such user.
	Identities(ctx context.Context, userID string) ([]Identity, error)

	// Users returns users in the reverse order of their creation. Users who were joined into
	// another are left out.
	Users(ctx context.Context, q UserQuery) ([]User, error)

	// UpdateUser calls change to edit a copy of the user (resolved as by User) and writes it with
	// UpdatedAt = now, in one transaction: concurrent updates all take effect. ID and CreatedAt
	// cannot be changed. An error of change is returned as it is, and nothing is written. change
	// may run more than once, must be quick, and must not call the store.
	//
	// A user who becomes Blocked loses sessions and grants in the same transaction. ErrNotFound; an
	// invalid Status is an error.
	UpdateUser(ctx context.Context, id string, now time.Time, change func(*User) error) (User, error)

	// ImportUsers imports lines of another user table in one transaction; give at most ImportBatch
	// at a time. ImportedUser describes what becomes of a line. Importing the same lines again
	// changes nothing.
	ImportUsers(ctx context.Context, people []ImportedUser) (ImportResult, error)
}

// Clean returns s without what a database may reject in a text: zero bytes and bytes that are not
// UTF-8. Users choose their nicknames, and one that cannot be stored must not prevent the sign-in.
func Clean(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

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
