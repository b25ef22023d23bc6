package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Party is an account with its identities, as a store read them in the
// transaction that will apply the plan.
type Candidate struct {
	User       User
	Identities []Identity
}

// Plan is what Join decided. The store writes it in one transaction: Keep and
// Identity are the rows to have afterwards, whether they are there or not.
type Plan struct {
	Keep     User     // the account of the person from now on
	New      bool     // Keep is not stored yet
	Identity Identity // the row of (AppID, OpenID)
	Joined   []string // ids of the younger accounts that are joined into Keep, in this order
	Events   []Event  // what to tell the administrator
}

// Join decides to which account an arriving person belongs. known is the
// account that has this openid at this appid, nil when none has. matches are the
// other accounts that have the arrival's unionid on an appid of its group
// (Arrival.Shared), in any order. newID is the id of the account that is made
// when none fits. It is a pure function: stores differ in how they read and
// write, never in who becomes whom.
//
// The rules, and why:
//
//   - Unionids are compared only inside one open_platform group: elsewhere the
//     same text may be another person's.
//   - An account has at most one openid per appid. Where a join would bring a
//     second one, WeChat contradicts itself; that is an event, not a join.
//   - The first unionid that an identity had is kept. When another one comes,
//     nothing joins: an entry may have been moved to another Open Platform
//     account, and the old unionid may not be this person's there.
//   - The older account stays, so that ids that apps know go on working.
//   - Blocked wins over everything, or a blocked person would come back through
//     another entry. Approval holds for the person, so it covers both sides.
//   - Admin and groups are the older account's: a join gives nobody a right
//     that an administrator did not give to the account that stays.
func Join(a SignIn, known *Candidate, matches []Candidate, newID string) Plan {
	var p Plan
	if known != nil {
		p.Keep = known.User
		p.updateIdentity(a, known)
	} else {
		p.Identity = Identity{Connector: a.Connector, AppID: a.AppID, OpenID: a.OpenID, UnionID: a.UnionID, CreatedAt: a.At, SeenAt: a.At}
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

// recognise sets the identity row. It takes a unionid only when the identity
// has none and the account has no other one in the group.
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
		p.addEvent(EventUnionIDChanged, "refused", "WeChat sent another unionid than before; the first one is kept and nothing is joined by the new one")
		return
	}
	p.Identity.UnionID = a.UnionID
}

// gather brings together all accounts of the person, the oldest first: usually
// there is one. There are more when entries were put into one group after
// people had come through each. All are joined at once, or a person who is
// blocked in one would be let in by another until the next time.
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
			p.addEvent(EventJoinConflict, "refused", "account "+m.User.ID+" has the same unionid, but another openid of the same appid; not joined")
			continue
		case split(a, has) || split(a, m.Identities):
			p.addEvent(EventUnionIDChanged, "refused", "account "+m.User.ID+" has this unionid and another one; not joined")
			continue
		case p.Keep.ID == "":
			p.Keep = m.User
			p.addEvent(EventIdentityAdded, "", "came in through a new entry with the same unionid")
		default:
			p.joinUser(m.User)
		}
		has = append(has, m.Identities...)
	}
}

// absorb joins another account of the person with the one that was found.
func (p *Plan) joinUser(other User) {
	older, younger := p.Keep, other
	if olderFirst(younger, older) < 0 {
		older, younger = younger, older
	}
	p.Keep, p.Joined = joined(older, younger), append(p.Joined, younger.ID)
	p.addEvent(EventUsersJoined, "", "account "+younger.ID+" is the same person by unionid and was joined into "+older.ID)
	if younger.Admin && !older.Admin {
		p.addEvent(EventUsersJoined, "refused", "account "+younger.ID+" was an administrator; that does not carry over")
	}
	if lost := without(younger.Groups, older.Groups); len(lost) > 0 {
		p.addEvent(EventUsersJoined, "refused", fmt.Sprintf("account %s was in groups %q; they do not carry over", younger.ID, lost))
	}
	if older.OldID != "" && younger.OldID != "" && older.OldID != younger.OldID {
		p.addEvent(EventJoinConflict, "kept", fmt.Sprintf("both had an imported id; %q stays, %q goes", older.OldID, younger.OldID))
	}
}

// matches reports whether m has the arrival's unionid inside the group. The
// store looked for it; Join does not rely on that.
func (a SignIn) matches(m Candidate) bool {
	return slices.ContainsFunc(m.Identities, func(id Identity) bool {
		return id.UnionID == a.UnionID && a.sharesUnionID(id.AppID)
	})
}

// clash reports whether both have an openid of one appid, and not the same.
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

// split reports whether one of the identities is in the group and has another
// unionid than the arrival's.
func split(a SignIn, identities []Identity) bool {
	return slices.ContainsFunc(identities, func(id Identity) bool {
		return a.sharesUnionID(id.AppID) && id.UnionID != "" && id.UnionID != a.UnionID
	})
}

// joined is what the older account is after the younger was joined into it.
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

// arrived puts the profile of an arrival into the account. A profile that is
// older than the stored one (a slow request) is left out.
func (k *User) signedIn(a SignIn) {
	k.UpdatedAt = later(k.UpdatedAt, a.At)
	if a.Profile == nil || a.At.Before(k.ProfileAt) {
		return
	}
	k.Nickname, k.AvatarURL, k.ProfileAt = Clean(a.Profile.Nickname), Clean(a.Profile.AvatarURL), a.At
	k.Locale = cmp.Or(Clean(a.Profile.Locale), k.Locale)
}

// JoinPins decides what apps know a joined account by: the pin that was made
// first, since the app has known the person by it for longest, and so that it
// does not matter in which order three accounts are joined. Of two of one
// moment the older account's stays. moved are the pins of the younger account
// that go over to the older; dropped are those, of either, that are given up,
// each with its event. Delete what is dropped before you move what is moved.
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
			Detail: "the app knew accounts " + has[p.App].UserID + " and " + p.UserID + ", each by a subject; it gets the one that is older now, not that of " + lost.UserID,
		})
	}
	return moved, dropped, events
}

func (p *Plan) addEvent(kind, outcome, detail string) {
	p.Events = append(p.Events, Event{Kind: kind, Outcome: outcome, Detail: detail})
}

// olderFirst orders accounts by age; the id decides between equals, so that
// every replica decides the same.
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
