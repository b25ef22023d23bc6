package gateway

import (
	"errors"
	"time"
)

// SignIn is a sign-in that WeChat has confirmed. Snapshot users of WeChat (is_snapshotuser) must
// not be recorded, since their openid and unionid belong to nobody: the caller rejects them before.
type SignIn struct {
	Connector     string // name of the connector in the configuration
	AppID         string
	OpenID        string
	UnionID       string    // "" = WeChat sent none
	OpenPlatform  string    // name of the open_platform group that shares unionids; "" = none, so nothing is joined
	Group         []string  // appids of that group, including this one
	Profile       *Profile  // nil = not requested, or not available
	At            time.Time // now
	InitialStatus Status    // of the user, if one is created
}

// Profile is what WeChat returns about a user who agreed to share it.
type Profile struct {
	Nickname  string
	AvatarURL string
	Locale    string // "" keeps the stored one
}

// Check returns an error for a sign-in without identity, time or status, which stores reject.
func (a SignIn) Check() error {
	switch {
	case a.Connector == "" || a.AppID == "" || a.OpenID == "":
		return errors.New("sign-in without connector, appid or openid")
	case a.OpenID != Clean(a.OpenID) || a.UnionID != Clean(a.UnionID):
		return errors.New("sign-in with an openid or unionid that is not valid text")
	case a.At.IsZero():
		return errors.New("sign-in without a time")
	case !a.InitialStatus.Valid():
		return errors.New("sign-in without a valid initial status")
	}
	return nil
}

// sharesUnionID reports whether unionids of appID may be compared with that of this sign-in.
func (a SignIn) sharesUnionID(appID string) bool {
	if a.OpenPlatform == "" || a.UnionID == "" {
		return false
	}
	for _, id := range a.Group {
		if id == appID {
			return true
		}
	}
	return appID == a.AppID
}

// SharedAppIDs returns the appids among which a store looks for users with the unionid of the
// sign-in; nil when the sign-in must not join by unionid.
func (a SignIn) SharedAppIDs() []string {
	if a.OpenPlatform == "" || a.UnionID == "" {
		return nil
	}
	ids := []string{a.AppID}
	for _, id := range a.Group {
		if id != a.AppID {
			ids = append(ids, id)
		}
	}
	return ids
}

// ImportBatch is how many lines a caller gives ImportUsers at a time. A batch is one transaction,
// which other writes wait for, so it ends within a second or two.
const ImportBatch = 20_000

// ImportedUser is one line of another user table: an openid, the unionid if known, and the id that
// the user had there. OldID is a statement of the operator; lines with the same OldID are one user.
//
// A line whose openid is known adds the old id to that user when it has none, and the unionid,
// which may join users as a sign-in does. Otherwise the identity is added to the user with this old
// id, or to the user that Join finds by unionid, or a new user is created. A line that contradicts
// the store (another old id, a second openid of one appid) is reported as an ImportProblem and
// changes nothing. An import is not a sign-in: identities stay unseen, and a name fills an empty
// one but is not a fetched profile.
type ImportedUser struct {
	OldID  string // required
	SignIn        // At is the time of the import
}

// ImportProblem is a line that was not imported.
type ImportProblem struct {
	Index  int    // of the line in the slice
	OldID  string // as given
	Reason string // without openid and unionid
}

// ImportResult counts what an import did.
type ImportResult struct {
	Created   int // new users
	Added     int // identities added to existing users
	Updated   int // users who got their old id or unionid
	Unchanged int // lines that changed nothing
	Problems  []ImportProblem
}
