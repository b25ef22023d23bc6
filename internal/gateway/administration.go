package gateway

import (
	"context"
	"time"
)

// UserAdministration has the operations that administrators perform on users. Users perform some of
// them on their own data: they end sessions, and delete themselves. Each operation is one
// transaction with its event. The store sets UserID and At of the event.
type UserAdministration interface {
	// SearchUsers returns users by a text that an administrator typed, newest first. It finds users
	// whose nickname begins with the text, whose real name or note contains it (upper and lower case
	// are equal), whose real name is pronounced like it (pinyin, or the initials of its syllables), and
	// the user with this id, openid, unionid or old id (User.OldID). A text of one Latin letter finds
	// beginnings only.
	SearchUsers(ctx context.Context, q UserSearch) (UserPage, error)

	// ChangeUser is UpdateUser with an event and two guards. ErrConflict when c.Unchanged is not zero
	// and differs from the stored UpdatedAt: somebody has changed the user meanwhile. ErrLastAdmin
	// when the change would leave no active administrator who can sign in (see CountAdmins), and
	// c.AllowNone is false.
	//
	// Access requests follow a change of AllowedApps and RefusedApps. The request for an app that is
	// now allowed or refused is decided. The request for an app that is no longer refused is deleted.
	ChangeUser(ctx context.Context, c UserChange) (User, error)

	// MergeUsers joins the user younger into the user older, as Join does for two users with one
	// unionid, but without a unionid. ErrConflict when both have an identity at one appid: unlink one
	// first. If one of them is blocked, the older is blocked afterwards. Administrator rights of the
	// younger are lost. The sessions and grants of both end. ErrLastAdmin as for ChangeUser.
	MergeUsers(ctx context.Context, older, younger string, now time.Time, e Event) (User, error)

	// UnlinkIdentity deletes an identity of a user, and ends the sessions and grants that were made
	// with it. ErrNotFound when the user has no such identity; ErrConflict when it is the last one.
	UnlinkIdentity(ctx context.Context, userID, appID, openID string, now time.Time, e Event) error

	// DeleteUser deletes a user: identities, sessions, grants, subjects, access requests, uses of
	// invitations, deliveries, and the records of users who were joined into the user. Events keep the
	// user id and nothing else about the user. Apps with back-channel logout are notified: these
	// deliveries keep SessionID and Subject until FinishDelivery. ErrLastAdmin as for ChangeUser.
	DeleteUser(ctx context.Context, userID string, now time.Time, e Event) error

	// DeleteUserIf is DeleteUser for users who delete themselves. It calls allowed with the stored
	// user, in the transaction. When allowed returns an error, DeleteUserIf returns this error
	// unchanged and deletes nothing. allowed must be quick, and must not call the store.
	DeleteUserIf(ctx context.Context, userID string, now time.Time, e Event, allowed func(User) error) error

	// EndSessions ends the sessions that end selects, and the grants of the user (or of the one
	// session), in one transaction with the event. It returns the number of ended sessions; an unknown
	// user or session has none, and the event is appended nevertheless.
	EndSessions(ctx context.Context, end SessionsEnd) (int, error)

	// JoinedUsers returns the ids of the users who were joined into a user, sorted, at most 100:
	// events keep the id that the user had. userID may itself be the id of a joined user. An unknown
	// user has none.
	JoinedUsers(ctx context.Context, userID string) ([]string, error)

	// UsersByID returns users by their ids, by one query, for lists that name users. The key is the
	// given id: for a user who was joined into an older one, the value is the older user. Unknown ids
	// are missing. At most 500 ids are looked up.
	UsersByID(ctx context.Context, ids []string) (map[string]User, error)

	// CountNoUnionID returns how many users UserSearch.NoUnionID selects. It reads at most limit
	// identities of the appid without a unionid, the newest users first, and reports whether it has
	// read limit of them, so that there may be more.
	CountNoUnionID(ctx context.Context, appID string, limit int) (n int, more bool, err error)

	// CountAdmins returns the number of active administrators who can sign in, but at most 100. An
	// administrator who was created by a link, without WeChat, has no identity and is not counted.
	CountAdmins(ctx context.Context) (int, error)
}

// SessionsEnd selects sessions of one user, to end them.
type SessionsEnd struct {
	UserID  string   // required; may be the id of a user who was joined into this user
	Session [32]byte // hash of the only session to end; zero = all of the user
	Now     time.Time
	Event   Event // UserID and At are set by the store
}

// UserSearch selects users for a list, newest first.
type UserSearch struct {
	Text   string // "" = any
	Status Status // "" = any
	Group  string // "" = any
	Admin  bool   // administrators only

	// NoUnionID is an appid. It selects users with an openid of this appid, of whom no unionid is
	// known, also from another appid. If the account of the appid is replaced, nothing connects them
	// with their new openids. "" = any.
	NoUnionID string

	// After is the position of the last user of the previous page (UserPage.Positions) or the id of
	// that user; "" = start with the newest. The id of a deleted user selects nobody.
	After string
	Limit int // 0 = 50; more than 500 counts as 500

	MaxRead int // users that the search reads at most; 0 = the constant MaxRead
}

// UserPage is the result of a search of users.
type UserPage struct {
	Users []User
	// Positions are the positions of Users, for UserSearch.After. A position stays valid when the user
	// is deleted.
	Positions []string
	// Cut is set when the search read as many users as it may, before the page was full. The search
	// continues with UserSearch.After = Cut. "" = not cut.
	Cut string
}

// Page returns the number of rows that q selects at most.
func (q UserSearch) Page() int { return pageSize(q.Limit) }

// UserChange is a change of a user by an administrator.
type UserChange struct {
	ID        string
	Now       time.Time
	Unchanged time.Time // UpdatedAt of the user that the administrator saw; zero = any
	AllowNone bool      // the last administrator may lose the rights: for the command line with --force
	Change    func(*User) error
	Event     Event
	// Describe returns the Detail of the event, such as "groups: staff → staff, finance". nil =
	// Event.Detail is stored as it is.
	Describe func(before, after User) string
}
