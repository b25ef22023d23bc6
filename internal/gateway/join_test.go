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

// entries are appids and the Open Platform group that each is in.
var entries = map[string]string{"wxa": "ours", "wxb": "ours", "wxc": "ours", "wxd": "theirs", "wxe": "theirs",
	"wxf": ""}

func arrival(appid, openid, unionid string, minutes int) gateway.SignIn {
	a := gateway.SignIn{
		Connector: "entry of " + appid, AppID: appid, OpenID: openid, UnionID: unionid,
		OpenPlatform: entries[appid], At: at(minutes), InitialStatus: gateway.Active,
	}
	for _, id := range slices.Sorted(maps.Keys(entries)) {
		if a.OpenPlatform != "" && entries[id] == a.OpenPlatform {
			a.Group = append(a.Group, id)
		}
	}
	return a
}

func party(id string, minutes int, identities ...gateway.Identity) *gateway.Candidate {
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
			name:   "nobody: a new account",
			signIn: arrival("wxa", "o1", "u1", 9),
			want:   result{"new", "", "u1", true, "[user_created]"},
		},
		{
			name:   "known, nothing new",
			signIn: arrival("wxa", "o1", "u1", 9), known: party("a", 0, identity("wxa", "o1", "u1")),
			want: result{"a", "", "u1", false, "[]"},
		},
		{
			name:   "known, first unionid",
			signIn: arrival("wxa", "o1", "u1", 9), known: party("a", 0, identity("wxa", "o1", "")),
			want: result{"a", "", "u1", false, "[]"},
		},
		{
			name:   "known, no unionid this time: the stored one stays",
			signIn: arrival("wxa", "o1", "", 9), known: party("a", 0, identity("wxa", "o1", "u1")),
			want: result{"a", "", "u1", false, "[]"},
		},
		{
			name:   "new openid, known unionid: the same person",
			signIn: arrival("wxb", "o2", "u1", 9), matches: []gateway.Candidate{*party("a", 0, identity("wxa", "o1", "u1"))},
			want: result{"a", "", "u1", false, "[identity_added]"},
		},
		{
			name:   "a match outside the group is no match, even when a store offers it",
			signIn: arrival("wxb", "o2", "u1", 9), matches: []gateway.Candidate{*party("a", 0, identity("wxd", "o1", "u1"))},
			want: result{"new", "", "u1", true, "[user_created]"},
		},
		{
			name:   "a match with another unionid is no match, even when a store offers it",
			signIn: arrival("wxb", "o2", "u1", 9), matches: []gateway.Candidate{*party("a", 0, identity("wxa", "o1", "u2"))},
			want: result{"new", "", "u1", true, "[user_created]"},
		},
		{
			name:   "an entry in no group never joins",
			signIn: arrival("wxf", "o2", "u1", 9), matches: []gateway.Candidate{*party("a", 0, identity("wxf", "o1", "u1"))},
			want: result{"new", "", "u1", true, "[user_created]"},
		},
		{
			name:   "a second openid of one appid is a conflict",
			signIn: arrival("wxa", "o2", "u1", 9), matches: []gateway.Candidate{*party("a", 0, identity("wxa", "o1", "u1"))},
			want: result{"new", "", "u1", true, "[join_conflict user_created]"},
		},
		{
			name:   "of two matches that contradict each other the older",
			signIn: arrival("wxc", "o3", "u1", 9),
			matches: []gateway.Candidate{*party("y", 5, identity("wxa", "o9", "u1")),
				*party("o", 1, identity("wxa", "o1", "u1"))},
			want: result{"o", "", "u1", false, "[identity_added join_conflict]"},
		},
		{
			name:   "of two matches the one that fits, although it is younger",
			signIn: arrival("wxa", "o9", "u1", 9),
			matches: []gateway.Candidate{*party("y", 5, identity("wxb", "o2", "u1")),
				*party("o", 1, identity("wxa", "o1", "u1"))},
			want: result{"y", "", "u1", false, "[identity_added join_conflict]"},
		},
		{
			name:   "two accounts: the older stays, arriving through the younger",
			signIn: arrival("wxb", "o2", "u1", 9), known: party("y", 5, identity("wxb", "o2", "")),
			matches: []gateway.Candidate{*party("o", 1, identity("wxa", "o1", "u1"))},
			want:    result{"o", "y", "u1", false, "[users_joined]"},
		},
		{
			name:   "two accounts: the older stays, arriving through the older",
			signIn: arrival("wxa", "o1", "u1", 9), known: party("o", 1, identity("wxa", "o1", "")),
			matches: []gateway.Candidate{*party("y", 5, identity("wxb", "o2", "u1"))},
			want:    result{"o", "y", "u1", false, "[users_joined]"},
		},
		{
			name:   "accounts of one moment: the id decides, the same on every replica",
			signIn: arrival("wxb", "o2", "u1", 9), known: party("b", 1, identity("wxb", "o2", "u1")),
			matches: []gateway.Candidate{*party("a", 1, identity("wxa", "o1", "u1"))},
			want:    result{"a", "b", "u1", false, "[users_joined]"},
		},
		{
			name:   "three accounts, since entries came into one group: all join the oldest",
			signIn: arrival("wxb", "o2", "u1", 9), known: party("m", 3, identity("wxb", "o2", "u1")),
			matches: []gateway.Candidate{*party("y", 5, identity("wxc", "o3", "u1")),
				*party("o", 1, identity("wxa", "o1", "u1"))},
			want: result{"o", "m y", "u1", false, "[users_joined users_joined]"},
		},
		{
			name:   "a new openid whose unionid has two accounts: they join too",
			signIn: arrival("wxb", "o2", "u1", 9),
			matches: []gateway.Candidate{*party("y", 5, identity("wxc", "o3", "u1")),
				*party("o", 1, identity("wxa", "o1", "u1"))},
			want: result{"o", "y", "u1", false, "[identity_added users_joined]"},
		},
		{
			name:   "of three accounts the one that contradicts stays out",
			signIn: arrival("wxb", "o2", "u1", 9), known: party("m", 3, identity("wxb", "o2", "u1")),
			matches: []gateway.Candidate{*party("y", 5, identity("wxa", "o9", "u1")),
				*party("o", 1, identity("wxa", "o1", "u1"))},
			want: result{"o", "m", "u1", false, "[join_conflict users_joined]"},
		},
		{
			name:   "two accounts with an openid each of one appid are a conflict",
			signIn: arrival("wxb", "o2", "u1", 9), known: party("y", 5, identity("wxb", "o2", ""), identity("wxa", "o9", "")),
			matches: []gateway.Candidate{*party("o", 1, identity("wxa", "o1", "u1"))},
			want:    result{"y", "", "u1", false, "[join_conflict]"},
		},
		{
			name:   "a unionid that changes never joins",
			signIn: arrival("wxb", "o2", "u2", 9), known: party("y", 5, identity("wxb", "o2", "u1")),
			matches: []gateway.Candidate{*party("o", 1, identity("wxa", "o1", "u2"))},
			want:    result{"y", "", "u1", false, "[unionid_changed]"},
		},
		{
			name:   "a unionid other than the account's in the group is a change",
			signIn: arrival("wxb", "o2", "u2", 9), known: party("y", 5, identity("wxb", "o2", ""), identity("wxa", "o1", "u1")),
			matches: []gateway.Candidate{*party("o", 1, identity("wxc", "o3", "u2"))},
			want:    result{"y", "", "", false, "[unionid_changed]"},
		},
		{
			name:   "a unionid of another group does not matter",
			signIn: arrival("wxb", "o2", "u2", 9), known: party("y", 5, identity("wxb", "o2", ""), identity("wxd", "o1", "u1")),
			want: result{"y", "", "u2", false, "[]"},
		},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			p := gateway.Join(k.signIn, k.known, k.matches, "new")
			var kinds []string
			for _, e := range p.Events {
				kinds = append(kinds, e.Kind)
				if e.At != k.signIn.At || e.UserID != p.Keep.ID || e.Connector != k.signIn.Connector || e.Outcome == "" {
					t.Errorf("event is not whole: %+v", e)
				}
			}
			slices.Sort(kinds)
			got := result{p.Keep.ID, strings.Join(p.Joined, " "), p.Identity.UnionID, p.New, fmt.Sprint(kinds)}
			if got != k.want {
				t.Errorf("got  %+v\nwant %+v", got, k.want)
			}
			if i := p.Identity; i.UserID != p.Keep.ID || i.AppID != k.signIn.AppID || i.OpenID != k.signIn.OpenID ||
				i.SeenAt != k.signIn.At || i.Connector != k.signIn.Connector {
				t.Errorf("identity %+v", i)
			}
		})
	}
}

func TestJoinedAccount(t *testing.T) {
	t.Parallel()
	const a, p, b = gateway.Active, gateway.Pending, gateway.Blocked
	for _, k := range []struct{ older, younger, want gateway.Status }{
		{a, a, a}, {a, p, a}, {p, a, a}, {p, p, p}, {a, b, b}, {b, a, b}, {p, b, b}, {b, p, b}, {b, b, b},
	} {
		older, younger := party("o", 1, identity("wxa", "o1", "u1")), party("y", 5, identity("wxb", "o2", "u1"))
		older.User.Status, younger.User.Status = k.older, k.younger
		if got := gateway.Join(arrival("wxb", "o2", "u1", 9), younger, []gateway.Candidate{*older},
			"new").Keep.Status; got != k.want {
			t.Errorf("%s with %s: got %s, want %s", k.older, k.younger, got, k.want)
		}
	}
	older, younger := party("o", 1, identity("wxa", "o1", "u1")), party("y", 5, identity("wxb", "o2", "u1"))
	older.User.Nickname, older.User.ProfileAt, older.User.OldID = "then", at(2), "1"
	younger.User.Nickname, younger.User.ProfileAt, younger.User.OldID, younger.User.Locale = "now", at(6), "2", "en"
	older.User.Groups, younger.User.Groups = []string{"x"}, []string{"x", "ops"}
	younger.User.Admin = true
	got := gateway.Join(arrival("wxb", "o2", "u1", 9), younger, []gateway.Candidate{*older}, "new")
	k := got.Keep
	if k.Nickname != "now" || k.ProfileAt != at(6) || k.OldID != "1" || k.Locale != "en" || k.Admin ||
		!slices.Equal(k.Groups, []string{"x"}) || k.CreatedAt != at(1) {
		t.Errorf("joined: %+v", k)
	}
	if len(got.Events) != 4 { // joined, admin, groups, old ids
		t.Errorf("events: %+v", got.Events)
	}
	older.User.Admin, younger.User.Admin = true, false
	if k := gateway.Join(arrival("wxb", "o2", "u1", 9), younger, []gateway.Candidate{*older}, "new").Keep; !k.Admin {
		t.Error("an administrator who comes in by a second door stopped being one")
	}
}

// A person was blocked at one entry and had come through another, which was put
// into the same group later. A third entry must not let them in.
func TestABlockedPersonDoesNotComeBackByAThirdEntry(t *testing.T) {
	t.Parallel()
	active, blocked := party("o", 1, identity("wxa", "o1", "u1")), party("y", 5, identity("wxb", "o2", "u1"))
	blocked.User.Status = gateway.Blocked
	for name, k := range map[string]struct {
		a     gateway.SignIn
		known *gateway.Candidate
	}{
		"new there":   {arrival("wxc", "o3", "u1", 9), nil},
		"known there": {arrival("wxc", "o3", "u1", 9), party("m", 3, identity("wxc", "o3", ""))},
	} {
		p := gateway.Join(k.a, k.known, []gateway.Candidate{*active, *blocked}, "new")
		if p.Keep.Status != gateway.Blocked || p.Keep.ID != "o" {
			t.Errorf("%s: account %s is %s", name, p.Keep.ID, p.Keep.Status)
		}
	}
}

func TestHostileProfileIsCleaned(t *testing.T) {
	t.Parallel()
	a := arrival("wxa", "o1", "", 0)
	a.Profile = &gateway.Profile{Nickname: "a\x00b\xff", AvatarURL: "https://x/\x00", Locale: "\xfe"}
	k := gateway.Join(a, nil, nil, "new").Keep
	if k.Nickname != "ab\uFFFD" || k.AvatarURL != "https://x/" || k.Locale != "\uFFFD" {
		t.Errorf("stored %q %q %q", k.Nickname, k.AvatarURL, k.Locale)
	}
	for _, a := range []gateway.SignIn{arrival("wxa", "o\x00", "", 0), arrival("wxa", "o", "\xff", 0)} {
		if a.Check() == nil {
			t.Errorf("an openid or unionid that is no text was accepted: %+v", a)
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
	moved, dropped, events := gateway.JoinPins(arrival("wxa", "o1", "u1", 9), older, younger)
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
