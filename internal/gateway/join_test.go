package gateway_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

// openPlatforms has appids and the Open Platform group that each is in.
var openPlatforms = map[string]string{"wxa": "ours", "wxb": "ours", "wxc": "ours", "wxd": "theirs", "wxe": "theirs",
	"wxf": ""}

func signInAt(appid, openid, unionid string, minutes int) gateway.SignIn {
	a := gateway.SignIn{
		Connector: "connector of " + appid, AppID: appid, OpenID: openid, UnionID: unionid,
		OpenPlatform: openPlatforms[appid], At: at(minutes), InitialStatus: gateway.Active,
	}
	for _, id := range slices.Sorted(maps.Keys(openPlatforms)) {
		if a.OpenPlatform != "" && openPlatforms[id] == a.OpenPlatform {
			a.GroupAppIDs = append(a.GroupAppIDs, id)
		}
	}
	return a
}

func candidate(id string, minutes int, identities ...gateway.Identity) *gateway.Candidate {
	p := &gateway.Candidate{User: gateway.User{ID: id, Status: gateway.Active, CreatedAt: at(minutes)},
		Identities: identities}
	for i := range p.Identities {
		p.Identities[i].UserID = id
		p.Identities[i].CreatedAt = at(minutes)
	}
	return p
}

func identity(appid, openid, unionid string) gateway.Identity {
	return gateway.Identity{AppID: appid, OpenID: openid, UnionID: unionid}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	type result struct {
		keep, drop, unionid string
		isNew               bool
		events              string
	}
	for _, k := range []struct {
		name    string
		signIn  gateway.SignIn
		known   *gateway.Candidate
		matches []gateway.Candidate
		want    result
	}{
		{
			name:   "no match: a new user",
			signIn: signInAt("wxa", "o1", "u1", 9),
			want:   result{"new", "", "u1", true, "[user_created]"},
		},
		{
			name:   "known, nothing new",
			signIn: signInAt("wxa", "o1", "u1", 9), known: candidate("a", 0, identity("wxa", "o1", "u1")),
			want: result{"a", "", "u1", false, "[]"},
		},
		{
			name:   "known, first unionid",
			signIn: signInAt("wxa", "o1", "u1", 9), known: candidate("a", 0, identity("wxa", "o1", "")),
			want: result{"a", "", "u1", false, "[]"},
		},
		{
			name:   "known, no unionid this time: the stored one stays",
			signIn: signInAt("wxa", "o1", "", 9), known: candidate("a", 0, identity("wxa", "o1", "u1")),
			want: result{"a", "", "u1", false, "[]"},
		},
		{
			name:    "new openid, known unionid: the same person",
			signIn:  signInAt("wxb", "o2", "u1", 9),
			matches: []gateway.Candidate{*candidate("a", 0, identity("wxa", "o1", "u1"))},
			want:    result{"a", "", "u1", false, "[identity_added]"},
		},
		{
			name:    "a match outside the group is ignored, even when a store returns it",
			signIn:  signInAt("wxb", "o2", "u1", 9),
			matches: []gateway.Candidate{*candidate("a", 0, identity("wxd", "o1", "u1"))},
			want:    result{"new", "", "u1", true, "[user_created]"},
		},
		{
			name:    "a match with another unionid is ignored, even when a store returns it",
			signIn:  signInAt("wxb", "o2", "u1", 9),
			matches: []gateway.Candidate{*candidate("a", 0, identity("wxa", "o1", "u2"))},
			want:    result{"new", "", "u1", true, "[user_created]"},
		},
		{
			name:    "a connector in no group never joins",
			signIn:  signInAt("wxf", "o2", "u1", 9),
			matches: []gateway.Candidate{*candidate("a", 0, identity("wxf", "o1", "u1"))},
			want:    result{"new", "", "u1", true, "[user_created]"},
		},
		{
			name:    "a second openid of one appid is a conflict",
			signIn:  signInAt("wxa", "o2", "u1", 9),
			matches: []gateway.Candidate{*candidate("a", 0, identity("wxa", "o1", "u1"))},
			want:    result{"new", "", "u1", true, "[join_conflict user_created]"},
		},
		{
			name:   "of two matches that contradict each other the older",
			signIn: signInAt("wxc", "o3", "u1", 9),
			matches: []gateway.Candidate{*candidate("y", 5, identity("wxa", "o9", "u1")),
				*candidate("o", 1, identity("wxa", "o1", "u1"))},
			want: result{"o", "", "u1", false, "[identity_added join_conflict]"},
		},
		{
			name:   "of two matches the one that fits, although it is younger",
			signIn: signInAt("wxa", "o9", "u1", 9),
			matches: []gateway.Candidate{*candidate("y", 5, identity("wxb", "o2", "u1")),
				*candidate("o", 1, identity("wxa", "o1", "u1"))},
			want: result{"y", "", "u1", false, "[identity_added join_conflict]"},
		},
		{
			name:   "two users: the older stays, signing in as the younger",
			signIn: signInAt("wxb", "o2", "u1", 9), known: candidate("y", 5, identity("wxb", "o2", "")),
			matches: []gateway.Candidate{*candidate("o", 1, identity("wxa", "o1", "u1"))},
			want:    result{"o", "y", "u1", false, "[users_joined]"},
		},
		{
			name:   "two users: the older stays, signing in as the older",
			signIn: signInAt("wxa", "o1", "u1", 9), known: candidate("o", 1, identity("wxa", "o1", "")),
			matches: []gateway.Candidate{*candidate("y", 5, identity("wxb", "o2", "u1"))},
			want:    result{"o", "y", "u1", false, "[users_joined]"},
		},
		{
			name:   "users created at the same time: the id decides, the same on every replica",
			signIn: signInAt("wxb", "o2", "u1", 9), known: candidate("b", 1, identity("wxb", "o2", "u1")),
			matches: []gateway.Candidate{*candidate("a", 1, identity("wxa", "o1", "u1"))},
			want:    result{"a", "b", "u1", false, "[users_joined]"},
		},
		{
			name:   "three users, since connectors came into one group: all join the oldest",
			signIn: signInAt("wxb", "o2", "u1", 9), known: candidate("m", 3, identity("wxb", "o2", "u1")),
			matches: []gateway.Candidate{*candidate("y", 5, identity("wxc", "o3", "u1")),
				*candidate("o", 1, identity("wxa", "o1", "u1"))},
			want: result{"o", "m y", "u1", false, "[users_joined users_joined]"},
		},
		{
			name:   "a new openid whose unionid has two users: they join too",
			signIn: signInAt("wxb", "o2", "u1", 9),
			matches: []gateway.Candidate{*candidate("y", 5, identity("wxc", "o3", "u1")),
				*candidate("o", 1, identity("wxa", "o1", "u1"))},
			want: result{"o", "y", "u1", false, "[identity_added users_joined]"},
		},
		{
			name:   "of three users the contradictory one is not joined",
			signIn: signInAt("wxb", "o2", "u1", 9), known: candidate("m", 3, identity("wxb", "o2", "u1")),
			matches: []gateway.Candidate{*candidate("y", 5, identity("wxa", "o9", "u1")),
				*candidate("o", 1, identity("wxa", "o1", "u1"))},
			want: result{"o", "m", "u1", false, "[join_conflict users_joined]"},
		},
		{
			name:    "two users with an openid each of one appid are a conflict",
			signIn:  signInAt("wxb", "o2", "u1", 9),
			known:   candidate("y", 5, identity("wxb", "o2", ""), identity("wxa", "o9", "")),
			matches: []gateway.Candidate{*candidate("o", 1, identity("wxa", "o1", "u1"))},
			want:    result{"y", "", "u1", false, "[join_conflict]"},
		},
		{
			name:   "a unionid that changes never joins",
			signIn: signInAt("wxb", "o2", "u2", 9), known: candidate("y", 5, identity("wxb", "o2", "u1")),
			matches: []gateway.Candidate{*candidate("o", 1, identity("wxa", "o1", "u2"))},
			want:    result{"y", "", "u1", false, "[unionid_changed]"},
		},
		{
			name:    "a unionid other than the user's in the group is a change",
			signIn:  signInAt("wxb", "o2", "u2", 9),
			known:   candidate("y", 5, identity("wxb", "o2", ""), identity("wxa", "o1", "u1")),
			matches: []gateway.Candidate{*candidate("o", 1, identity("wxc", "o3", "u2"))},
			want:    result{"y", "", "", false, "[unionid_changed]"},
		},
		{
			name:   "a unionid of another group does not matter",
			signIn: signInAt("wxb", "o2", "u2", 9),
			known:  candidate("y", 5, identity("wxb", "o2", ""), identity("wxd", "o1", "u1")),
			want:   result{"y", "", "u2", false, "[]"},
		},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			p := gateway.Join(k.signIn, k.known, k.matches, "new")
			var kinds []string
			for _, e := range p.Events {
				kinds = append(kinds, e.Kind)
				if e.At != k.signIn.At || e.UserID != p.User.ID || e.Connector != k.signIn.Connector || e.Outcome == "" {
					t.Errorf("incomplete event: %+v", e)
				}
			}
			slices.Sort(kinds)
			got := result{p.User.ID, strings.Join(p.Joined, " "), p.Identity.UnionID, p.NewUser, fmt.Sprint(kinds)}
			if got != k.want {
				t.Errorf("got  %+v\nwant %+v", got, k.want)
			}
			if i := p.Identity; i.UserID != p.User.ID || i.AppID != k.signIn.AppID || i.OpenID != k.signIn.OpenID ||
				i.SeenAt != k.signIn.At || i.Connector != k.signIn.Connector {
				t.Errorf("identity %+v", i)
			}
		})
	}
}

func TestJoinedUser(t *testing.T) {
	t.Parallel()
	const a, p, b = gateway.Active, gateway.Pending, gateway.Blocked
	for _, k := range []struct{ older, younger, want gateway.Status }{
		{a, a, a}, {a, p, a}, {p, a, a}, {p, p, p}, {a, b, b}, {b, a, b}, {p, b, b}, {b, p, b}, {b, b, b},
	} {
		older, younger := candidate("o", 1, identity("wxa", "o1", "u1")), candidate("y", 5, identity("wxb", "o2", "u1"))
		older.User.Status, younger.User.Status = k.older, k.younger
		if got := gateway.Join(signInAt("wxb", "o2", "u1", 9), younger, []gateway.Candidate{*older},
			"new").User.Status; got != k.want {
			t.Errorf("%s with %s: got %s, want %s", k.older, k.younger, got, k.want)
		}
	}
	older, younger := candidate("o", 1, identity("wxa", "o1", "u1")), candidate("y", 5, identity("wxb", "o2", "u1"))
	older.User.Nickname, older.User.ProfileAt, older.User.OldID = "then", at(2), "1"
	younger.User.Nickname, younger.User.ProfileAt, younger.User.OldID, younger.User.Locale = "now", at(6), "2", "en"
	older.User.Groups, younger.User.Groups = []string{"x"}, []string{"x", "ops"}
	younger.User.Admin = true
	got := gateway.Join(signInAt("wxb", "o2", "u1", 9), younger, []gateway.Candidate{*older}, "new")
	k := got.User
	if k.Nickname != "now" || k.ProfileAt != at(6) || k.OldID != "1" || k.Locale != "en" || k.Admin ||
		!slices.Equal(k.Groups, []string{"x"}) || k.CreatedAt != at(1) {
		t.Errorf("joined: %+v", k)
	}
	if len(got.Events) != 4 { // joined, admin, groups, old ids
		t.Errorf("events: %+v", got.Events)
	}
	older.User.Admin, younger.User.Admin = true, false
	if k := gateway.Join(signInAt("wxb", "o2", "u1", 9), younger, []gateway.Candidate{*older}, "new").User; !k.Admin {
		t.Error("the older user lost its administrator right")
	}
}

// A person has two users, one of them blocked, because the connectors were put into one
// group later. A sign-in through a third connector must not be admitted.
func TestBlockedUserAtThirdConnector(t *testing.T) {
	t.Parallel()
	active, blocked := candidate("o", 1, identity("wxa", "o1", "u1")), candidate("y", 5, identity("wxb", "o2", "u1"))
	blocked.User.Status = gateway.Blocked
	for name, k := range map[string]struct {
		a     gateway.SignIn
		known *gateway.Candidate
	}{
		"new there":   {signInAt("wxc", "o3", "u1", 9), nil},
		"known there": {signInAt("wxc", "o3", "u1", 9), candidate("m", 3, identity("wxc", "o3", ""))},
	} {
		p := gateway.Join(k.a, k.known, []gateway.Candidate{*active, *blocked}, "new")
		if p.User.Status != gateway.Blocked || p.User.ID != "o" {
			t.Errorf("%s: user %s is %s", name, p.User.ID, p.User.Status)
		}
	}
}

func TestHostileProfileIsCleaned(t *testing.T) {
	t.Parallel()
	a := signInAt("wxa", "o1", "", 0)
	a.Profile = &gateway.Profile{Nickname: "a\x00b\xff", AvatarURL: "https://x/\x00", Locale: "\xfe"}
	k := gateway.Join(a, nil, nil, "new").User
	if k.Nickname != "ab\uFFFD" || k.AvatarURL != "https://x/" || k.Locale != "\uFFFD" {
		t.Errorf("stored %q %q %q", k.Nickname, k.AvatarURL, k.Locale)
	}
	for _, a := range []gateway.SignIn{signInAt("wxa", "o\x00", "", 0), signInAt("wxa", "o", "\xff", 0)} {
		if a.Check() == nil {
			t.Errorf("an openid or unionid that is not valid text was accepted: %+v", a)
		}
	}
}

func TestJoinPins(t *testing.T) {
	t.Parallel()
	pin := func(user, app string, minute int) gateway.Pin {
		return gateway.Pin{UserID: user, App: app, Subject: user + " in " + app, CreatedAt: at(minute)}
	}
	older := []gateway.Pin{pin("o", "wiki", 1), pin("o", "shop", 1), pin("o", "chat", 5), pin("o", "same", 3)}
	younger := []gateway.Pin{pin("y", "wiki", 2), pin("y", "mail", 2), pin("y", "chat", 4), pin("y", "same", 3)}
	moved, dropped, events := gateway.JoinPins(signInAt("wxa", "o1", "u1", 9), older, younger)
	if want := []gateway.Pin{younger[1], younger[2]}; !slices.Equal(moved, want) {
		t.Errorf("moved   %v\nwant    %v", moved, want)
	}
	if want := []gateway.Pin{younger[0], older[2], younger[3]}; !slices.Equal(dropped, want) {
		t.Errorf("dropped %v\nwant    %v", dropped, want)
	}
	if len(events) != 3 {
		t.Fatalf("events: %+v", events)
	}
	for i, app := range []string{"wiki", "chat", "same"} {
		if e := events[i]; e.Kind != gateway.EventSubjectDropped || e.UserID != "o" || e.App != app {
			t.Errorf("event: %+v", e)
		}
	}
}
