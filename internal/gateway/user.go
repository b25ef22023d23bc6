package gateway

import (
	"cmp"
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

// User is a human who signs in, and their record in the gateway. Nickname and avatar are for
// display and identify nobody: WeChat lets anyone choose any name.
type User struct {
	ID        string    // from NewID; never reused
	Nickname  string    // from WeChat, or with ProfileAt zero from the user or an import; "" = unknown
	AvatarURL string    // as last fetched from WeChat, or imported; "" = none
	Locale    string    // a language tag such as zh-CN; "" = unknown
	ProfileAt time.Time // when nickname and avatar were last fetched from WeChat; zero = never
	Status    Status
	Admin     bool
	Groups    []string // sorted, without duplicates

	// RealName is the name that the user gave while waiting for approval, or that an administrator
	// wrote. Once the user is approved, only administrators change it. "" = unknown.
	RealName string
	Note     string // by administrators; the user never sees it

	// Decisions of administrators about single apps; sorted, without duplicates. A refusal counts
	// more than Status Active, an approval more than Status Pending. See AccessRequest.
	AllowedApps []string
	RefusedApps []string

	Agreement Agreement // what the user agreed to last; zero = nothing

	OldID     string // the user's id in a table that was imported from another program; "" = none
	CreatedAt time.Time
	UpdatedAt time.Time
}

// NameFromWeChat reports whether WeChat sent the nickname. Otherwise it was imported, or the user
// gave it: WeChat sends none when a user signs in in a chat.
func (u User) NameFromWeChat() bool { return !u.ProfileAt.IsZero() }

// DisplayName returns the name by which administrators know the user: the real name, or else the
// nickname. "" = neither is known. Users choose both freely.
func (u User) DisplayName() string { return cmp.Or(u.RealName, u.Nickname) }

// Identity is a user's openid at one connector (an app at WeChat, configured here). (AppID, OpenID)
// belongs to at most one user; a user has at most one openid per appid.
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

// NewIDs returns a function for an import: it returns ids like those of NewID, but all of them
// begin with the same random half. A database index stores ids with the same beginning next to each
// other. So writing thousands of ids at once changes few pages of the index.
func NewIDs() func() string {
	shared := NewID()[:13]
	return func() string { return shared + NewID()[13:] }
}

// UserQuery selects users, newest first. The zero value selects the newest 50.
type UserQuery struct {
	Status Status // "" = any
	ID     string // user id, openid, unionid or old id; "" = any
	Text   string // beginning of a nickname (upper or lower case), or an id as in ID; "" = any
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
	// RecordSignIn records a sign-in and returns its user: the user with this openid, else the user
	// with this unionid (see Join), else a new user. A profile, if present, replaces the stored
	// name and avatar. The events of Join are appended in the same transaction, and returned so
	// that the caller can log them.
	//
	// Concurrent sign-ins of one human, also through several connectors, get one user. When two
	// users are joined, the sessions of the younger user are deleted. Its grants, identities and
	// pinned subjects move to the older user (see JoinPins). From then on the id of the younger
	// user resolves to the older: methods that take a user id accept it in place of the older id.
	//
	// A blocked user is returned without error: check Status. RecordSignIn stores nothing and
	// returns an error when SignIn.Check or SignIn.CheckPlan returns an error. The errors of
	// CheckPlan are ErrUnionIDRequired, ErrAgreementRequired and ErrFull.
	RecordSignIn(ctx context.Context, s SignIn) (User, []Event, error)

	// CompleteSignIn writes a completed sign-in in one transaction. It records c.SignIn exactly as
	// RecordSignIn does, and stores c.Session for the user as PutSession does. It deletes the session
	// c.Previous; if that session is the same user's, c.Session renews it (see Session.First). It
	// writes c.Outcome into the attempt (the right to exchange the code, see Attempt), and appends
	// c.Event with outcome "ok" before the events of Join. For a blocked user it stores and deletes no
	// session, writes c.Refused, and appends c.Event with outcome "refused".
	//
	// It returns the stored user, also a blocked one, and the events of Join. With an error of
	// SignIn.CheckPlan, it writes nothing, and the caller ends the attempt with FinishAttempt. It
	// returns ErrConflict, and writes nothing, in these cases:
	//
	//   - The attempt is missing, has another owner, or has an outcome already.
	//   - The lease of the attempt is not after c.Now.
	//   - Another session that has not expired has the hash of c.Session.
	CompleteSignIn(ctx context.Context, c Completion) (User, []Event, error)

	// User resolves an id: it returns the user with this id, or the older user that it was joined
	// into, which has another ID. ErrNotFound when there is neither.
	User(ctx context.Context, id string) (User, error)

	// Identities returns the identities of a user, the oldest first. The id is resolved as by User.
	// ErrNotFound if the user does not exist.
	Identities(ctx context.Context, userID string) ([]Identity, error)

	// Users returns users, the newest first, without those who were joined into another.
	Users(ctx context.Context, q UserQuery) ([]User, error)

	// UpdateUser calls change to edit a copy of the user (resolved as by User) and writes it with
	// UpdatedAt = now, in one transaction: concurrent updates all take effect. ID and CreatedAt
	// cannot be changed. An error of change is returned unchanged, and nothing is written. change
	// may run more than once, must be quick, and must not call the store.
	//
	// The user's access requests follow the change. A request for an app that is newly allowed or
	// refused is decided. When a Pending user becomes Active, each waiting request is decided.
	//
	// When a user becomes Blocked, its sessions are deleted and its grants revoked in the same
	// transaction. ErrNotFound if the user does not exist; an invalid Status is an error.
	UpdateUser(ctx context.Context, id string, now time.Time, change func(*User) error) (User, error)

	// ImportUsers imports lines of another program's user table in one transaction, at most
	// ImportBatch at a time. ImportedUser describes what it does with a line. Importing the same
	// lines again changes nothing.
	ImportUsers(ctx context.Context, lines []ImportedUser) (ImportResult, error)

	// TryImport returns the result that ImportUsers would have now, and changes nothing.
	TryImport(ctx context.Context, lines []ImportedUser) (ImportResult, error)
}

// CleanText returns s without what a database may reject in a text: it removes zero bytes, and
// replaces bytes that are not UTF-8 with U+FFFD. Users choose their nicknames, and a nickname that
// cannot be stored must not prevent the sign-in.
func CleanText(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// Pin is the subject (the sub claim of OpenID Connect) that one app receives for one user.
type Pin struct {
	UserID    string
	App       string
	Subject   string
	CreatedAt time.Time
}

// Subjects stores the pins. The first subject that an app received for a user stays, also after
// users are joined or the configuration changes. If the app received another subject, it would
// create a new user.
type Subjects interface {
	// PinSubject returns the subject that is pinned for the user in this app. When there is none,
	// it pins candidate. Concurrent callers with different candidates get the same subject. The
	// user id is resolved as by Users.User. ErrNotFound if the user does not exist; ErrConflict
	// when candidate is pinned for another user in this app.
	PinSubject(ctx context.Context, userID, app, candidate string, now time.Time) (string, error)

	// UserSubjects returns the pins of a user, sorted by app. The id is resolved; an unknown user
	// has none.
	UserSubjects(ctx context.Context, userID string) ([]Pin, error)

	// SubjectUser returns the id of the user for whom this subject is pinned in this app, or
	// ErrNotFound.
	SubjectUser(ctx context.Context, app, subject string) (string, error)
}
