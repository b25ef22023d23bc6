package gateway

import (
	"cmp"
	"slices"

	"github.com/weigate/weigate/internal/lang"
)

// ImportBatch is the maximum number of lines of one call of ImportUsers. A call is one transaction.
// Other writes wait for it, so it should take no more than a second or two.
const ImportBatch = 20_000

// ImportedUser is one line of another program's user table, which an administrator imports with
// `weigate import`: an openid, the unionid if known, and the id that the user had in that program
// (OldID). Lines with the same OldID are one user.
//
// An import searches for the user of a line by the openid, then by the old id, then by the unionid
// (as Join does). If the user does not exist, it creates one. Then it adds what the user lacks:
// the identity, the unionid, the old id. Adding a unionid may join users, as in a sign-in. A line
// that contradicts what is stored (another old id, a second openid of one appid) changes nothing
// and is reported as an ImportProblem. Importing is not signing in, so it does not set
// Identity.SeenAt. A nickname from the table stays only until WeChat sends a profile.
type ImportedUser struct {
	OldID  string // required
	SignIn        // the data that a sign-in of this user would have; At is the time of the import
}

// ImportProblem is a line that was not imported.
type ImportProblem struct {
	Index  int          // of the line in the argument of ImportUsers
	OldID  string       // of the line
	Reason lang.Message // without openid and unionid
}

// ImportResult counts what an import did.
type ImportResult struct {
	Created   int // new users
	Added     int // identities added to existing users
	Updated   int // users who got their old id or unionid
	Unchanged int // lines that changed nothing
	Problems  []ImportProblem
}

// Problem returns why a line is invalid, without regard to what is stored. found is false when the
// line is valid.
func (p ImportedUser) Problem() (reason lang.Message, found bool) {
	switch {
	case p.OldID == "":
		return lang.Text("no old id"), true
	case p.OpenID == "":
		return lang.Text("no openid: a unionid alone does not identify a user"), true
	}
	if err := p.Check(); err != nil {
		return lang.Text("%w", err), true
	}
	return lang.Message{}, false
}

// PlanImport decides what one line of an import changes, and counts the line in res. write reports
// whether the store has to write the plan. index is the line's number for an ImportProblem.
// byOpenID is the user with the openid of the line, and byOldID the user with its old id; nil =
// none. byUnionID are the users with its unionid, and newID is the id for a new user, as for Join.
func PlanImport(p ImportedUser, index int, byOpenID, byOldID *Candidate, byUnionID []Candidate, newID string,
	res *ImportResult) (plan Plan, write bool) {
	problem := func(reason lang.Message) (Plan, bool) {
		res.Problems = append(res.Problems, ImportProblem{Index: index, OldID: p.OldID, Reason: reason})
		return Plan{}, false
	}
	if byOldID != nil && byOpenID != nil && byOldID.User.ID != byOpenID.User.ID {
		return problem(lang.Text("the openid belongs to user %s, the old id to user %s", byOpenID.User.ID, byOldID.User.ID))
	}
	found := byOpenID
	if found == nil && byOldID != nil {
		imported := []Identity{{AppID: p.AppID, OpenID: p.OpenID, UnionID: p.UnionID}}
		if differentOpenIDs(imported, byOldID.Identities) {
			return problem(lang.Text("user %s has this old id, and another openid of the same appid", byOldID.User.ID))
		}
		if otherUnionID(p.SignIn, byOldID.Identities) {
			return problem(lang.Text("user %s has this old id, and another unionid", byOldID.User.ID))
		}
		found = byOldID
	}
	if found != nil && found.User.OldID != "" && found.User.OldID != p.OldID {
		return problem(lang.Text("user %s has another old id", found.User.ID))
	}
	// Join must not see the profile of the table: it would replace a profile that WeChat has sent.
	// adjustPlan adds the profile of the table when WeChat has sent none.
	withoutProfile := p.SignIn
	withoutProfile.Profile = nil
	plan = Join(withoutProfile, found, byUnionID, newID)
	if plan.User.OldID != "" && plan.User.OldID != p.OldID {
		return problem(lang.Text("user %s, who has the same unionid, has another old id", plan.User.ID))
	}
	return p.adjustPlan(plan, byOpenID, res)
}

// adjustPlan changes a plan of Join from a sign-in to an import. It leaves Identity.SeenAt as it
// was, adds the old id, and fills empty fields of the profile.
func (p ImportedUser) adjustPlan(plan Plan, byOpenID *Candidate, res *ImportResult) (adjusted Plan, write bool) {
	var before Identity // zero when the openid is new
	if byOpenID != nil {
		for _, id := range byOpenID.Identities {
			if id.AppID == p.AppID && id.OpenID == p.OpenID {
				before = id
			}
		}
	}
	plan.Identity.SeenAt = before.SeenAt
	switch {
	case plan.NewUser:
		res.Created++
	case byOpenID == nil:
		res.Added++
	case byOpenID.User.OldID == p.OldID && before.UnionID == plan.Identity.UnionID:
		res.Unchanged++
		return Plan{}, false
	default:
		res.Updated++
	}
	plan.User.OldID = p.OldID
	if p.Profile != nil && plan.User.ProfileAt.IsZero() { // WeChat has not sent a profile yet
		user := &plan.User
		user.Nickname = cmp.Or(user.Nickname, CleanText(p.Profile.Nickname))
		user.AvatarURL = cmp.Or(user.AvatarURL, CleanText(p.Profile.AvatarURL))
		user.Locale = cmp.Or(user.Locale, CleanText(p.Profile.Locale))
	}
	// ImportResult counts new users and identities; one event for each line would fill the audit
	// log.
	plan.Events = slices.DeleteFunc(plan.Events, func(e Event) bool {
		return e.Kind == EventUserCreated || e.Kind == EventIdentityAdded
	})
	return plan, true
}
