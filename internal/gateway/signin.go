package gateway

import (
	"errors"
	"time"
)

// Arrival is what is known when a person comes back from WeChat. Virtual people
// of WeChat's snapshot pages (is_snapshotuser) never arrive: their openid and
// unionid belong to nobody, so the caller turns them away before.
type SignIn struct {
	Connector     string // the configuration's name of the app on WeChat's side
	AppID         string
	OpenID        string
	UnionID       string    // "" = WeChat sent none
	OpenPlatform  string    // the configuration's name of the group that shares unionids; "" = none, so no joining
	Group         []string  // the appids of that group, this one included
	Profile       *Profile  // nil = not asked for, or not to be had
	At            time.Time // now
	InitialStatus Status    // of the account, if this makes one
}

// Profile is what WeChat says about a person who agreed to show it.
type Profile struct {
	Nickname  string
	AvatarURL string
	Locale    string // "" keeps the stored one
}

// Check says what a store refuses: an arrival that names no person, no time or
// no status.
func (a SignIn) Check() error {
	switch {
	case a.Connector == "" || a.AppID == "" || a.OpenID == "":
		return errors.New("arrival without entry, appid or openid: the caller must not store it")
	case a.OpenID != Clean(a.OpenID) || a.UnionID != Clean(a.UnionID):
		return errors.New("arrival with an openid or unionid that is no text")
	case a.At.IsZero():
		return errors.New("arrival without a time")
	case !a.InitialStatus.Valid():
		return errors.New("arrival without a valid initial status")
	}
	return nil
}

// shares reports whether unionids of appID may be compared with this arrival's.
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

// Shared returns the appids among which a store looks for accounts with the
// arrival's unionid; nil when the arrival may not join by unionid.
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

// ImportBatch is how many lines a caller gives ImportUsers at a time. A batch is one transaction, which
// other writes wait for, so it ends within a second or two.
const ImportBatch = 20_000

// ImportedPerson is one line of another user table: an openid, the unionid if
// known, and the id that the person had there. OldID is the operator's claim;
// lines with the same OldID are one person.
//
// A line whose openid is known adds the old id to that account when it has
// none, and the unionid, which may join accounts as an arrival does. Else the identity is added to the account with this old id, or to the
// one that Join finds by unionid, or a new account is made. What contradicts
// the store (another old id, a second openid of one appid) is reported as an
// ImportProblem and changes nothing. Nobody has come in: identities count as
// never seen, and a name fills an empty place but is not a fetched profile.
type ImportedUser struct {
	OldID  string // required
	SignIn        // At is the time of the import
}

// ImportProblem is a line that was left out.
type ImportProblem struct {
	Index  int    // of the person in the slice that was given
	OldID  string // as given
	Reason string // one sentence, without openid or unionid
}

// ImportResult counts what an import did.
type ImportResult struct {
	Created   int // new accounts
	Added     int // identities added to accounts that were there
	Updated   int // accounts that got their old id or unionid
	Unchanged int // lines that were known already
	Problems  []ImportProblem
}
