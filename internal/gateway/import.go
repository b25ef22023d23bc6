package gateway

import (
	"cmp"
	"slices"
)

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

// Problem returns why a line cannot be imported at all; "" when it can.
func (p ImportedUser) Problem() string {
	switch {
	case p.OldID == "":
		return "no old id"
	case p.OpenID == "":
		return "no openid: a unionid alone does not identify a user"
	}
	if err := p.Check(); err != nil {
		return err.Error()
	}
	return ""
}

// PlanImport decides what one line of an import does, counts it in res, and reports whether there
// is something to write. known, matches and newID are as for Join; named is the user who has the
// old id already, nil when there is none.
func PlanImport(p ImportedUser, index int, known, named *Candidate, matches []Candidate, newID string,
	res *ImportResult) (Plan, bool) {
	problem := func(reason string) (Plan, bool) {
		res.Problems = append(res.Problems, ImportProblem{Index: index, OldID: p.OldID, Reason: reason})
		return Plan{}, false
	}
	if named != nil && known != nil && named.User.ID != known.User.ID {
		return problem("the openid belongs to user " + known.User.ID + ", the old id to user " + named.User.ID)
	}
	base := known
	if base == nil && named != nil {
		own := []Identity{{AppID: p.AppID, OpenID: p.OpenID, UnionID: p.UnionID}}
		if clash(own, named.Identities) {
			return problem("user " + named.User.ID + " has this old id, and another openid of the same appid")
		}
		if split(p.SignIn, named.Identities) {
			return problem("user " + named.User.ID + " has this old id, and another unionid")
		}
		base = named
	}
	if base != nil && base.User.OldID != "" && base.User.OldID != p.OldID {
		return problem("user " + base.User.ID + " has another old id")
	}
	quiet := p.SignIn
	quiet.Profile = nil
	plan := Join(quiet, base, matches, newID)
	if was := cmp.Or(plan.Keep.OldID, p.OldID); was != p.OldID {
		return problem("user " + plan.Keep.ID + ", who has the same unionid, has another old id")
	}
	return p.imported(plan, known, res)
}

// imported turns a plan of Join into one of an import: there was no sign-in, so the identity is not
// seen, and a name from another table is not a fetched profile.
func (p ImportedUser) imported(plan Plan, known *Candidate, res *ImportResult) (Plan, bool) {
	var before Identity
	if known != nil {
		for _, id := range known.Identities {
			if id.AppID == p.AppID && id.OpenID == p.OpenID {
				before = id
			}
		}
	}
	plan.Identity.SeenAt = before.SeenAt
	switch {
	case plan.New:
		res.Created++
	case known == nil:
		res.Added++
	case known.User.OldID == p.OldID && before.UnionID == plan.Identity.UnionID:
		res.Unchanged++
		return Plan{}, false
	default:
		res.Updated++
	}
	plan.Keep.OldID = p.OldID
	if p.Profile != nil && plan.Keep.ProfileAt.IsZero() {
		k := &plan.Keep
		k.Nickname = cmp.Or(k.Nickname, Clean(p.Profile.Nickname))
		k.AvatarURL = cmp.Or(k.AvatarURL, Clean(p.Profile.AvatarURL))
		k.Locale = cmp.Or(k.Locale, Clean(p.Profile.Locale))
	}
	plan.Events = slices.DeleteFunc(plan.Events, func(e Event) bool {
		return e.Kind == EventUserCreated || e.Kind == EventIdentityAdded
	})
	return plan, true
}
