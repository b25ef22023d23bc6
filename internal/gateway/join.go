package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Candidate is a stored user with its identities. The store reads it in the transaction that writes
// the plan.
type Candidate struct {
	User       User
	Identities []Identity
}

// Plan is the decision of Join. The store writes it in one transaction. User and Identity are the
// complete rows as they are afterwards.
type Plan struct {
	User     User     // the user who is signed in
	NewUser  bool     // User is not stored yet
	Identity Identity // the identity of the sign-in
	Joined   []string // ids of the users who are joined into User, in this order
	Events   []Event  // for the audit log
}

// Join decides which user a sign-in belongs to. When WeChat sends one unionid for several users,
// they are one human, and Join joins them into one user. byOpenID is the user who has this openid
// at this appid; nil = none. byUnionID are the other users who have the unionid of the sign-in in
// the same group, in any order (see SignIn.SharedAppIDs; groups are explained below). newID is the
// id for a new user, if one has to be created. Join is a pure function, so that all stores decide
// the same.
//
// An open_platform group is the set of configured connectors that belong to one account at WeChat's
// Open Platform. WeChat sends one unionid for a human at all of them. The rules, and their reasons:
//
//   - Unionids are compared only inside one open_platform group. In another group the same text may
//     belong to another human.
//   - A user has at most one openid per appid. When a join would add a second openid, nothing is
//     joined, and an event records that WeChat has contradicted itself.
//   - The first unionid of an identity stays. When WeChat sends another one later, nothing is
//     joined: the connector may have moved to another Open Platform account, where the old unionid
//     may belong to another human.
//   - The older user stays, so that ids that apps have stored remain valid.
//   - If one of the users is blocked, the joined user is blocked. A blocked human could otherwise
//     sign in through another connector.
//   - If none is blocked and one is approved (Active), the joined user is approved, because an
//     approval is given to the human.
//   - An app that is refused to one of the users is refused to the joined user. An app that is
//     allowed to one and refused to none is allowed. The reasons are the same.
//   - Admin and groups are those of the older user: joining grants no right that an administrator
//     did not give to the user who stays.
func Join(s SignIn, byOpenID *Candidate, byUnionID []Candidate, newID string) Plan {
	var p Plan
	if byOpenID != nil {
		p.User = byOpenID.User
		p.updateIdentity(s, byOpenID.Identities)
	} else {
		p.Identity = Identity{Connector: s.Connector, AppID: s.AppID, OpenID: s.OpenID, UnionID: s.UnionID,
			CreatedAt: s.At, SeenAt: s.At}
	}
	// SharedAppIDs is nil without a group or a unionid. The unionids differ when updateIdentity has
	// kept an earlier one.
	if s.SharedAppIDs() != nil && p.Identity.UnionID == s.UnionID {
		p.joinByUnionID(s, byOpenID, byUnionID)
	}
	if p.User.ID == "" {
		p.NewUser = true
		p.User = User{ID: newID, Status: s.InitialStatus, CreatedAt: s.At}
		p.addEvent(EventUserCreated, "", "first sign-in; status "+string(s.InitialStatus))
	}
	p.User.applySignIn(s)
	if given := s.Agreement.Given; given != nil && p.User.Status != Blocked {
		p.User.Agreement = *given
		p.addEvent(EventAgreed, "", given.Describe())
	}
	p.Identity.UserID = p.User.ID
	for i := range p.Events {
		e := &p.Events[i]
		e.At, e.Connector, e.UserID = s.At, s.Connector, p.User.ID
		if e.Outcome == "" {
			e.Outcome = "ok"
		}
	}
	return p
}

// updateIdentity sets p.Identity for a user who was found by openid. identities are all identities
// of this user. It adds the unionid of the sign-in only when the identity has no unionid yet, and
// no identity of the user in the group has a different unionid.
func (p *Plan) updateIdentity(s SignIn, identities []Identity) {
	p.Identity = Identity{Connector: s.Connector, AppID: s.AppID, OpenID: s.OpenID, CreatedAt: s.At}
	for _, id := range identities {
		if id.AppID == s.AppID && id.OpenID == s.OpenID {
			p.Identity = id
			p.Identity.Connector = s.Connector
		}
	}
	p.Identity.SeenAt = later(p.Identity.SeenAt, s.At)
	if s.UnionID == "" || p.Identity.UnionID == s.UnionID {
		return
	}
	if p.Identity.UnionID != "" || otherUnionID(s, identities) {
		p.addEvent(EventUnionIDChanged, "refused",
			"another unionid; first unionid kept; not joined")
		return
	}
	p.Identity.UnionID = s.UnionID
}

// joinByUnionID joins all users with the unionid, the oldest first. Usually there is one. There are
// several users when a human had used several connectors before an administrator put these
// connectors into one group. All users are joined in one step. Otherwise a human with one blocked
// user could sign in as another user.
func (p *Plan) joinByUnionID(s SignIn, byOpenID *Candidate, byUnionID []Candidate) {
	identities := []Identity{p.Identity} // of the user who is signed in
	if byOpenID != nil {
		identities = append(identities, byOpenID.Identities...)
	}
	oldestFirst := slices.Clone(byUnionID)
	slices.SortFunc(oldestFirst, func(x, y Candidate) int { return compareAge(x.User, y.User) })
	for _, other := range oldestFirst {
		if byOpenID != nil && other.User.ID == byOpenID.User.ID || !s.hasSameUnionID(other.Identities) {
			continue
		}
		switch {
		case differentOpenIDs(identities, other.Identities):
			p.addEvent(EventJoinConflict, "refused",
				"user "+other.User.ID+"; same unionid; another openid of the same appid; not joined")
			continue
		case otherUnionID(s, identities) || otherUnionID(s, other.Identities):
			p.addEvent(EventUnionIDChanged, "refused",
				"user "+other.User.ID+"; same unionid; another unionid; not joined")
			continue
		case p.User.ID == "":
			p.User = other.User
			p.addEvent(EventIdentityAdded, "", "first sign-in at this connector; same unionid")
		default:
			p.joinUser(other.User)
		}
		identities = append(identities, other.Identities...)
	}
}

// joinUser joins other and p.User. Afterwards p.User is the older of the two.
func (p *Plan) joinUser(other User) {
	older, younger := p.User, other
	if compareAge(younger, older) < 0 {
		older, younger = younger, older
	}
	p.User, p.Joined = Merge(older, younger), append(p.Joined, younger.ID)
	p.addEvent(EventUsersJoined, "", "user "+younger.ID+"; joined into "+older.ID+"; same unionid")
	if younger.Admin && !older.Admin {
		p.addEvent(EventUsersJoined, "refused", "user "+younger.ID+"; administrator rights not transferred")
	}
	if groups := without(younger.Groups, older.Groups); len(groups) > 0 {
		p.addEvent(EventUsersJoined, "refused",
			"user "+younger.ID+"; groups not transferred: "+strings.Join(groups, ", "))
	}
	if older.OldID != "" && younger.OldID != "" && older.OldID != younger.OldID {
		p.addEvent(EventJoinConflict, "kept",
			fmt.Sprintf("imported id kept: %q; imported id dropped: %q", older.OldID, younger.OldID))
	}
}

// hasSameUnionID reports whether one of the identities has the unionid of the sign-in, at an appid
// of the sign-in's group. Stores select candidates by this condition, and Join tests it again.
func (s SignIn) hasSameUnionID(identities []Identity) bool {
	return slices.ContainsFunc(identities, func(id Identity) bool {
		return id.UnionID == s.UnionID && s.sharesUnionID(id.AppID)
	})
}

// differentOpenIDs reports whether x and y have different openids of one appid.
func differentOpenIDs(x, y []Identity) bool {
	for _, i := range x {
		for _, j := range y {
			if i.AppID == j.AppID && i.OpenID != j.OpenID {
				return true
			}
		}
	}
	return false
}

// otherUnionID reports whether one of the identities is in the group of the sign-in and has another
// unionid.
func otherUnionID(s SignIn, identities []Identity) bool {
	return slices.ContainsFunc(identities, func(id Identity) bool {
		return s.sharesUnionID(id.AppID) && id.UnionID != "" && id.UnionID != s.UnionID
	})
}

// Merge returns the older user as it is after the younger was joined into it.
func Merge(older, younger User) User {
	merged := older
	switch {
	case older.Status == Blocked || younger.Status == Blocked:
		merged.Status = Blocked
	case older.Status == Active || younger.Status == Active:
		merged.Status = Active
	}
	if younger.ProfileAt.After(older.ProfileAt) {
		merged.Nickname, merged.AvatarURL = younger.Nickname, younger.AvatarURL
		merged.ProfileAt = younger.ProfileAt
	} else if !merged.NameFromWeChat() {
		merged.Nickname = cmp.Or(merged.Nickname, younger.Nickname) // a name that the user gave
	}
	merged.Locale = cmp.Or(merged.Locale, younger.Locale)
	merged.OldID = cmp.Or(merged.OldID, younger.OldID)
	merged.RealName = cmp.Or(merged.RealName, younger.RealName)
	switch {
	case merged.Note == "":
		merged.Note = younger.Note
	case younger.Note != "" && younger.Note != merged.Note:
		merged.Note += "\n" + younger.Note
	}
	merged.Agreement = older.Agreement.Later(younger.Agreement)
	merged.RefusedApps = union(older.RefusedApps, younger.RefusedApps)
	merged.AllowedApps = without(union(older.AllowedApps, younger.AllowedApps), merged.RefusedApps)
	return merged
}

// applySignIn updates the user. It ignores a profile that is older than the stored profile: a slow
// request may deliver a profile late.
func (u *User) applySignIn(s SignIn) {
	u.UpdatedAt = later(u.UpdatedAt, s.At)
	if s.Profile == nil || s.At.Before(u.ProfileAt) {
		return
	}
	u.Nickname, u.AvatarURL = CleanText(s.Profile.Nickname), CleanText(s.Profile.AvatarURL)
	u.ProfileAt = s.At
	u.Locale = cmp.Or(CleanText(s.Profile.Locale), u.Locale)
}

// JoinPins decides which pins stay when the younger user is joined into the older. (A pin is the
// subject, the user's id, that one app receives for one user.) In each app the first pinned subject
// stays, because the app has used it for longest. So the order in which three users are joined does
// not matter. If both subjects were pinned at the same time, the subject of the older user stays.
//
// moved are the pins of the younger user that move to the older user. dropped are the deleted pins
// of both users. events has one event for each dropped pin. The caller deletes dropped before it
// moves moved, because a user has one pin per app.
func JoinPins(s SignIn, older, younger []Pin) (moved, dropped []Pin, events []Event) {
	olderByApp := map[string]Pin{}
	for _, p := range older {
		olderByApp[p.App] = p
	}
	for _, p := range younger {
		own, both := olderByApp[p.App]
		if !both {
			moved = append(moved, p)
			continue
		}
		lost := p
		if p.CreatedAt.Before(own.CreatedAt) {
			lost = own
			moved = append(moved, p)
		}
		dropped = append(dropped, lost)
		events = append(events, Event{
			At: s.At, Kind: EventSubjectDropped, UserID: own.UserID, App: p.App, Connector: s.Connector, Outcome: "ok",
			Detail: "subject dropped of user " + lost.UserID,
		})
	}
	return moved, dropped, events
}

// addEvent adds an event. Join sets the fields that are equal in all its events; outcome "" is
// "ok".
func (p *Plan) addEvent(kind, outcome, detail string) {
	p.Events = append(p.Events, Event{Kind: kind, Outcome: outcome, Detail: detail})
}

// compareAge orders users by age, the oldest first. The id decides between users of the same age,
// so that every replica decides the same.
func compareAge(x, y User) int {
	return cmp.Or(x.CreatedAt.Compare(y.CreatedAt), cmp.Compare(x.ID, y.ID))
}

func later(x, y time.Time) time.Time {
	if y.After(x) {
		return y
	}
	return x
}

// union returns the elements of x and y, sorted, each once; nil = none.
func union(x, y []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(x, y))))
}

func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(some, s) })
}
