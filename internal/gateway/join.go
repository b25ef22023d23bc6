package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Candidate is a user with its identities, as a store read them in the transaction that applies the
// plan.
type Candidate struct {
	User       User
	Identities []Identity
}

// Plan is the decision of Join. The store writes it in one transaction: Keep and Identity are the
// rows afterwards, whether they exist already or not.
type Plan struct {
	Keep     User     // the user of the sign-in from now on
	New      bool     // Keep is not stored yet
	Identity Identity // the row of (AppID, OpenID)
	Joined   []string // ids of the younger users who are joined into Keep, in this order
	Events   []Event  // for the audit log
}

// Join decides which user a sign-in belongs to. known is the user who has this openid at this
// appid, nil when there is none. matches are the other users who have the unionid of the sign-in on
// an appid of its group (SignIn.SharedAppIDs), in any order. newID is the id of the user who is
// created when none fits. Join is a pure function: stores differ in how they read and write, never
// in the decision.
//
// The rules, and their reasons:
//
//   - Unionids are compared only inside one open_platform group. Elsewhere the same text may belong
//     to another person.
//   - A user has at most one openid per appid. Where joining would bring a second one, WeChat
//     contradicts itself; that is an event, not a join.
//   - The first unionid of an identity is kept. When another one comes, nothing is joined: the
//     connector may have moved to another Open Platform account, where the old unionid may belong to
//     somebody else.
//   - The older user stays, so that ids that apps know remain valid.
//   - Blocked wins over every other status, or a blocked person would return through another
//     connector. An approval is given to the person, so it holds for both users.
//   - Admin and groups are those of the older user: joining grants no right that an administrator did
//     not give to the user who stays.
func Join(a SignIn, known *Candidate, matches []Candidate, newID string) Plan {
	var p Plan
	if known != nil {
		p.Keep = known.User
		p.updateIdentity(a, known)
	} else {
		p.Identity = Identity{Connector: a.Connector, AppID: a.AppID, OpenID: a.OpenID, UnionID: a.UnionID, CreatedAt: a.At,
			SeenAt: a.At}
	}
	if a.SharedAppIDs() != nil && p.Identity.UnionID == a.UnionID {
		p.joinByUnionID(a, known, matches)
	}
	if p.Keep.ID == "" {
		p.New = true
		p.Keep = User{ID: newID, Status: a.InitialStatus, CreatedAt: a.At}
		p.addEvent(EventUserCreated, "", "first sign-in; status "+string(a.InitialStatus))
	}
	p.Keep.signedIn(a)
	p.Identity.UserID = p.Keep.ID
	for i := range p.Events {
		e := &p.Events[i]
		e.At, e.Connector, e.UserID = a.At, a.Connector, p.Keep.ID
		if e.Outcome == "" {
			e.Outcome = "ok"
		}
	}
	return p
}

// updateIdentity sets the row of the identity. It takes a unionid only when the identity has none
// and the user has no other one in the group.
func (p *Plan) updateIdentity(a SignIn, base *Candidate) {
	p.Identity = Identity{Connector: a.Connector, AppID: a.AppID, OpenID: a.OpenID, CreatedAt: a.At}
	for _, id := range base.Identities {
		if id.AppID == a.AppID && id.OpenID == a.OpenID {
			p.Identity = id
			p.Identity.Connector = a.Connector
		}
	}
	p.Identity.SeenAt = later(p.Identity.SeenAt, a.At)
	if a.UnionID == "" || p.Identity.UnionID == a.UnionID {
		return
	}
	if p.Identity.UnionID != "" || split(a, base.Identities) {
		p.addEvent(EventUnionIDChanged, "refused",
			"WeChat sent another unionid than before; the first one is kept, and nothing is joined")
		return
	}
	p.Identity.UnionID = a.UnionID
}

// joinByUnionID joins all users with the unionid, the oldest first. Usually there is one. There are
// more when connectors were put into one group after a person had used each of them. All are joined
// at once: otherwise a person who is blocked as one of them could sign in as another until the next
// time.
func (p *Plan) joinByUnionID(a SignIn, known *Candidate, matches []Candidate) {
	has := []Identity{p.Identity}
	if known != nil {
		has = append(has, known.Identities...)
	}
	sorted := slices.Clone(matches)
	slices.SortFunc(sorted, func(x, y Candidate) int { return olderFirst(x.User, y.User) })
	for _, m := range sorted {
		switch {
		case known != nil && m.User.ID == known.User.ID, !a.matches(m):
			continue
		case clash(has, m.Identities):
			p.addEvent(EventJoinConflict, "refused",
				"user "+m.User.ID+" has the same unionid, but another openid of the same appid; not joined")
			continue
		case split(a, has) || split(a, m.Identities):
			p.addEvent(EventUnionIDChanged, "refused", "user "+m.User.ID+" has this unionid and another one; not joined")
			continue
		case p.Keep.ID == "":
			p.Keep = m.User
			p.addEvent(EventIdentityAdded, "", "first sign-in at this connector, with the same unionid")
		default:
			p.joinUser(m.User)
		}
		has = append(has, m.Identities...)
	}
}

// joinUser joins other and p.Keep: the older of the two is kept.
func (p *Plan) joinUser(other User) {
	older, younger := p.Keep, other
	if olderFirst(younger, older) < 0 {
		older, younger = younger, older
	}
	p.Keep, p.Joined = joined(older, younger), append(p.Joined, younger.ID)
	p.addEvent(EventUsersJoined, "", "user "+younger.ID+" has the same unionid and was joined into "+older.ID)
	if younger.Admin && !older.Admin {
		p.addEvent(EventUsersJoined, "refused", "user "+younger.ID+" was an administrator; that is not transferred")
	}
	if lost := without(younger.Groups, older.Groups); len(lost) > 0 {
		p.addEvent(EventUsersJoined, "refused",
			fmt.Sprintf("user %s was in groups %q; they are not transferred", younger.ID, lost))
	}
	if older.OldID != "" && younger.OldID != "" && older.OldID != younger.OldID {
		p.addEvent(EventJoinConflict, "kept",
			fmt.Sprintf("both had an imported id; %q stays, %q is dropped", older.OldID, younger.OldID))
	}
}

// matches reports whether m has the unionid of the sign-in inside the group. The store selected by
// it, but Join does not rely on that.
func (a SignIn) matches(m Candidate) bool {
	return slices.ContainsFunc(m.Identities, func(id Identity) bool {
		return id.UnionID == a.UnionID && a.sharesUnionID(id.AppID)
	})
}

// clash reports whether x and y have different openids of one appid.
func clash(x, y []Identity) bool {
	for _, i := range x {
		for _, j := range y {
			if i.AppID == j.AppID && i.OpenID != j.OpenID {
				return true
			}
		}
	}
	return false
}

// split reports whether one of the identities is in the group and has another unionid than the
// sign-in.
func split(a SignIn, identities []Identity) bool {
	return slices.ContainsFunc(identities, func(id Identity) bool {
		return a.sharesUnionID(id.AppID) && id.UnionID != "" && id.UnionID != a.UnionID
	})
}

// joined returns the older user as it is after the younger was joined into it.
func joined(older, younger User) User {
	k := older
	switch {
	case older.Status == Blocked || younger.Status == Blocked:
		k.Status = Blocked
	case older.Status == Active || younger.Status == Active:
		k.Status = Active
	}
	if younger.ProfileAt.After(older.ProfileAt) {
		k.Nickname, k.AvatarURL, k.ProfileAt = younger.Nickname, younger.AvatarURL, younger.ProfileAt
	}
	k.Locale = cmp.Or(k.Locale, younger.Locale)
	k.OldID = cmp.Or(k.OldID, younger.OldID)
	return k
}

// signedIn sets the profile of a sign-in. A profile that is older than the stored one, from a slow
// request, is ignored.
func (k *User) signedIn(a SignIn) {
	k.UpdatedAt = later(k.UpdatedAt, a.At)
	if a.Profile == nil || a.At.Before(k.ProfileAt) {
		return
	}
	k.Nickname, k.AvatarURL, k.ProfileAt = Clean(a.Profile.Nickname), Clean(a.Profile.AvatarURL), a.At
	k.Locale = cmp.Or(Clean(a.Profile.Locale), k.Locale)
}

// JoinPins decides which subjects a joined user keeps: in each app the subject that was pinned
// first, because the app has known it for longest. So the order in which three users are joined
// does not matter. If both were pinned at the same time, the subject of the older user is kept.
// moved are the pins of the younger user that move to the older. dropped are the pins of both users
// that are deleted, each with its event. The caller deletes dropped before it moves moved.
func JoinPins(a SignIn, older, younger []Pin) (moved, dropped []Pin, events []Event) {
	has := map[string]Pin{}
	for _, p := range older {
		has[p.App] = p
	}
	for _, p := range younger {
		lost, taken := has[p.App]
		if taken && !p.CreatedAt.Before(lost.CreatedAt) {
			lost = p
		} else {
			moved = append(moved, p)
		}
		if !taken {
			continue
		}
		dropped = append(dropped, lost)
		events = append(events, Event{
			At: a.At, Kind: EventSubjectDropped, UserID: has[p.App].UserID, App: p.App, Connector: a.Connector, Outcome: "ok",
			Detail: "users " + has[p.App].UserID + " and " + p.UserID +
				" each had a subject in the app; the older one stays, not that of " + lost.UserID,
		})
	}
	return moved, dropped, events
}

func (p *Plan) addEvent(kind, outcome, detail string) {
	p.Events = append(p.Events, Event{Kind: kind, Outcome: outcome, Detail: detail})
}

// olderFirst orders users by age; the id decides between equals, so that every replica decides the
// same.
func olderFirst(x, y User) int {
	return cmp.Or(x.CreatedAt.Compare(y.CreatedAt), cmp.Compare(x.ID, y.ID))
}

func later(x, y time.Time) time.Time {
	if y.After(x) {
		return y
	}
	return x
}

func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(some, s) })
}
