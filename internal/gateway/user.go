package gateway

import (
	"context"
	"crypto/rand"
	"strings"
	"time"
	"unicode/utf8"
)

// Status says whether an account may be used. The zero value is no status; a
// store refuses it.
type Status string

// The statuses of an account.
const (
	Active  Status = "active"  // may sign in and use what the access rules allow
	Pending Status = "pending" // signed in, waits for approval
	Blocked Status = "blocked" // may not sign in; has no session and no grant
)

// Valid reports whether s is one of the three statuses.
func (s Status) Valid() bool { return s == Active || s == Pending || s == Blocked }

// Account is one person as the gateway knows them. Nickname and avatar are for
// people to read, never keys: WeChat lets anyone take any name.
type User struct {
	ID        string    // opaque, 26 characters of [a-z2-7]; never used again
	Nickname  string    // as last fetched; "" = not known
	AvatarURL string    // as last fetched; "" = none
	Locale    string    // a language tag such as zh-CN; "" = not known
	ProfileAt time.Time // when nickname and avatar were last fetched; zero = never
	Status    Status
	Admin     bool
	Groups    []string // sorted, no doubles
	OldID     string   // the id in the user table that was imported, a claim of the operator; "" = none
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Identity is one WeChat openid of an account, at one configured entry. (AppID,
// OpenID) belongs to at most one account; an account has at most one openid per
// appid.
type Identity struct {
	UserID    string
	Connector string // the configuration's name of the app on WeChat's side
	AppID     string
	OpenID    string
	UnionID   string // the first one seen, kept for good; "" = none seen
	CreatedAt time.Time
	SeenAt    time.Time // when the person last came in through it
}

// NewID returns a fresh opaque id: 26 characters of [a-z2-7], 130 random bits.
func NewID() string { return strings.ToLower(rand.Text()) }

// NewIDs returns a function that returns fresh opaque ids, as NewID does, which share their first half.
// A database stores such ids side by side, which makes writing many of them at once much cheaper.
func NewIDs() func() string {
	shared := NewID()[:13]
	return func() string { return shared + NewID()[13:] }
}

// AccountQuery selects accounts, newest first. The zero value selects the
// newest 50.
type UserQuery struct {
	Status Status // "" = any
	Text   string // part of a nickname, or exactly an account id, openid, unionid or old id; "" = any
	After  string // id of the last account of the page before; "" = the first page
	Limit  int    // 0 = 50; more than 500 counts as 500
}

// Page returns the number of rows that q asks for, within the bounds.
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

// Accounts keeps people and their identities.
type Users interface {
	// Arrive records that a person came in, and returns their account: the one
	// that has this openid, the one that Join finds by unionid, or a new one. A
	// profile, when there is one, replaces the stored name and picture. The
	// events that Join reports are appended in the same transaction and are
	// returned for the log.
	//
	// The same person arriving many times at once, also through several
	// entries, gets one account. When two accounts are joined, the younger's
	// sessions end, its grants, identities and pinned subjects move (JoinPins),
	// and its id resolves to the older from then on.
	//
	// A blocked account is returned as it is, without error: the caller looks
	// at Status. An arrival without Entry, AppID, OpenID, At or a valid
	// InitialStatus is an error, and nothing is stored.
	RecordSignIn(ctx context.Context, a SignIn) (User, []Event, error)

	// CompleteSignIn writes a completed sign-in in one transaction. It records c.SignIn exactly as
	// RecordSignIn does, stores c.Session for the user as PutSession does, deletes the session
	// c.Previous, writes c.Outcome into the attempt, and appends c.Event with outcome "ok" before
	// the events of joining. For a blocked user it stores no session, keeps the previous one, writes
	// c.Refused, and appends c.Event with outcome "refused".
	//
	// It returns the user as stored afterwards, also a blocked one, and the events of joining.
	// ErrConflict, and nothing is written, when the attempt is missing, has another owner or an
	// outcome, or its lease is not after c.Now, and when a live session has the hash of c.Session.
	CompleteSignIn(ctx context.Context, c Completion) (User, []Event, error)

	// Account returns the account with this id, or the one it was joined into.
	// Compare the ID of the result when that matters. ErrNotFound.
	User(ctx context.Context, id string) (User, error)

	// Identities lists the identities of an account, oldest first; the id is
	// resolved as by Account. An account without any gives an empty list;
	// ErrNotFound when there is no account.
	Identities(ctx context.Context, userID string) ([]Identity, error)

	// Accounts lists accounts, newest first. Accounts that were joined into
	// another are not listed.
	Users(ctx context.Context, q UserQuery) ([]User, error)

	// UpdateAccount reads the account (resolved as by Account), lets change
	// edit a copy, and writes it with UpdatedAt = now, in one transaction: two
	// updates at once both take effect. ID and CreatedAt cannot be changed. An
	// error from change is returned as it is and nothing is written. change
	// may run more than once, must be quick, and must not call the store.
	//
	// An account that ends up Blocked loses its sessions and its grants in the
	// same transaction. ErrNotFound; an invalid Status is an error.
	UpdateUser(ctx context.Context, id string, now time.Time, change func(*User) error) (User, error)

	// ImportUsers imports lines of another user table in one transaction; give at most ImportBatch at
	// a time. ImportedUser describes what becomes of a line. Importing the same lines again changes
	// nothing.
	ImportUsers(ctx context.Context, people []ImportedUser) (ImportResult, error)
}

// Clean returns s without what a database may refuse in a text: zero bytes and
// bytes that are not UTF-8. People choose their nicknames, and one that cannot
// be stored must not keep its owner out.
func Clean(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}
