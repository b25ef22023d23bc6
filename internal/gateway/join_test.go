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
var entries = map[string]string{"wxa": "ours", "wxb": "ours", "wxc": "ours", "wxd": "theirs", "wxe": "theirs", "wxf": ""}

func arrival(appid, openid, unionid string, minutes int) gateway.Arrival {
	a := gateway.Arrival{
		Entry: "entry of " + appid, AppID: appid, OpenID: openid, UnionID: unionid,
		OpenPlatform: entries[appid], At: at(minutes), InitialStatus: gateway.Active,
	}
	for _, id := range slices.Sorted(maps.Keys(entries)) {
		if a.OpenPlatform != "" && entries[id] == a.OpenPlatform {
			a.Group = append(a.Group, id)
		}
	}
	return a
}

func party(id string, minutes int, identities ...gateway.Identity) *gateway.Party {
	p := &gateway.Party{Account: gateway.Account{ID: id, Status: gateway.Active, CreatedAt: at(minutes)}, Identities: identities}
	for i := range p.Identities {
		p.Identities[i].AccountID = id
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
		arrival gateway.Arrival
		known   *gateway.Party
		matches []gateway.Party
		want    result
	}{
		{
			name:    "nobody: a new account",
			arrival: arrival("wxa", "o1", "u1", 9),
			want:    result{"new", "", "u1", true, "[account_created]"},
		},
		{
			name:    "known, nothing new",
			arrival: arrival("wxa", "o1", "u1", 9), known: party("a", 0, identity("wxa", "o1", "u1")),
			want: result{"a", "", "u1", false, "[]"},
		},
		{
			name:    "known, first unionid",
			arrival: arrival("wxa", "o1", "u1", 9), known: party("a", 0, identity("wxa", "o1", "")),
			want: result{"a", "", "u1", false, "[]"},
		},
		{
			name:    "known, no unionid this time: the stored one stays",
			arrival: arrival("wxa", "o1", "", 9), known: party("a", 0, identity("wxa", "o1", "u1")),
			want: result{"a", "", "u1", false, "[]"},
		},
		{
			name:    "new openid, known unionid: the same person",
			arrival: arrival("wxb", "o2", "u1", 9), matches: []gateway.Party{*party("a", 0, identity("wxa", "o1", "u1"))},
			want: result{"a", "", "u1", false, "[identity_added]"},
		},
		{
			name:    "a match outside the group is no match, even when a store offers it",
			arrival: arrival("wxb", "o2", "u1", 9), matches: []gateway.Party{*party("a", 0, identity("wxd", "o1", "u1"))},
			want: result{"new", "", "u1", true, "[account_created]"},
		},
		{
			name:    "a match with another unionid is no match, even when a store offers it",
			arrival: arrival("wxb", "o2", "u1", 9), matches: []gateway.Party{*party("a", 0, identity("wxa", "o1", "u2"))},
			want: result{"new", "", "u1", true, "[account_created]"},
		},
		{
			name:    "an entry in no group never joins",
			arrival: arrival("wxf", "o2", "u1", 9), matches: []gateway.Party{*party("a", 0, identity("wxf", "o1", "u1"))},
			want: result{"new", "", "u1", true, "[account_created]"},
		},
		{
			name:    "a second openid of one appid is a conflict",
			arrival: arrival("wxa", "o2", "u1", 9), matches: []gateway.Party{*party("a", 0, identity("wxa", "o1", "u1"))},
			want: result{"new", "", "u1", true, "[account_created join_conflict]"},
		},
		{
			name:    "of two matches that contradict each other the older",
			arrival: arrival("wxc", "o3", "u1", 9),
			matches: []gateway.Party{*party("y", 5, identity("wxa", "o9", "u1")), *party("o", 1, identity("wxa", "o1", "u1"))},
			want:    result{"o", "", "u1", false, "[identity_added join_conflict]"},
		},
		{
			name:    "of two matches the one that fits, although it is younger",
			arrival: arrival("wxa", "o9", "u1", 9),
			matches: []gateway.Party{*party("y", 5, identity("wxb", "o2", "u1")), *party("o", 1, identity("wxa", "o1", "u1"))},
			want:    result{"y", "", "u1", false, "[identity_added join_conflict]"},
		},
		{
			name:    "two accounts: the older stays, arriving through the younger",
			arrival: arrival("wxb", "o2", "u1", 9), known: party("y", 5, identity("wxb", "o2", "")),
			matches: []gateway.Party{*party("o", 1, identity("wxa", "o1", "u1"))},
			want:    result{"o", "y", "u1", false, "[accounts_joined]"},
		},
		{
			name:    "two accounts: the older stays, arriving through the older",
			arrival: arrival("wxa", "o1", "u1", 9), known: party("o", 1, identity("wxa", "o1", "")),
			matches: []gateway.Party{*party("y", 5, identity("wxb", "o2", "u1"))},
			want:    result{"o", "y", "u1", false, "[accounts_joined]"},
		},
		{
			name:    "accounts of one moment: the id decides, the same on every replica",
			arrival: arrival("wxb", "o2", "u1", 9), known: party("b", 1, identity("wxb", "o2", "u1")),
			matches: []gateway.Party{*party("a", 1, identity("wxa", "o1", "u1"))},
			want:    result{"a", "b", "u1", false, "[accounts_joined]"},
		},
		{
			name:    "three accounts, since entries came into one group: all join the oldest",
			arrival: arrival("wxb", "o2", "u1", 9), known: party("m", 3, identity("wxb", "o2", "u1")),
			matches: []gateway.Party{*party("y", 5, identity("wxc", "o3", "u1")), *party("o", 1, identity("wxa", "o1", "u1"))},
			want:    result{"o", "m y", "u1", false, "[accounts_joined accounts_joined]"},
		},
		{
			name:    "a new openid whose unionid has two accounts: they join too",
			arrival: arrival("wxb", "o2", "u1", 9),
			matches: []gateway.Party{*party("y", 5, identity("wxc", "o3", "u1")), *party("o", 1, identity("wxa", "o1", "u1"))},
			want:    result{"o", "y", "u1", false, "[accounts_joined identity_added]"},
		},
		{
			name:    "of three accounts the one that contradicts stays out",
			arrival: arrival("wxb", "o2", "u1", 9), known: party("m", 3, identity("wxb", "o2", "u1")),
			matches: []gateway.Party{*party("y", 5, identity("wxa", "o9", "u1")), *party("o", 1, identity("wxa", "o1", "u1"))},
			want:    result{"o", "m", "u1", false, "[accounts_joined join_conflict]"},
		},
		{
			name:    "two accounts with an openid each of one appid are a conflict",
			arrival: arrival("wxb", "o2", "u1", 9), known: party("y", 5, identity("wxb", "o2", ""), identity("wxa", "o9", "")),
			matches: []gateway.Party{*party("o", 1, identity("wxa", "o1", "u1"))},
			want:    result{"y", "", "u1", false, "[join_conflict]"},
		},
		{
			name:    "a unionid that changes never joins",
			arrival: arrival("wxb", "o2", "u2", 9), known: party("y", 5, identity("wxb", "o2", "u1")),
			matches: []gateway.Party{*party("o", 1, identity("wxa", "o1", "u2"))},
			want:    result{"y", "", "u1", false, "[unionid_changed]"},
		},
		{
			name:    "a unionid other than the account's in the group is a change",
			arrival: arrival("wxb", "o2", "u2", 9), known: party("y", 5, identity("wxb", "o2", ""), identity("wxa", "o1", "u1")),
			matches: []gateway.Party{*party("o", 1, identity("wxc", "o3", "u2"))},
			want:    result{"y", "", "", false, "[unionid_changed]"},
		},
		{
			name:    "a unionid of another group does not matter",
			arrival: arrival("wxb", "o2", "u2", 9), known: party("y", 5, identity("wxb", "o2", ""), identity("wxd", "o1", "u1")),
			want: result{"y", "", "u2", false, "[]"},
		},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			p := gateway.Join(k.arrival, k.known, k.matches, "new")
			var kinds []string
			for _, e := range p.Events {
				kinds = append(kinds, e.Kind)
				if e.At != k.arrival.At || e.AccountID != p.Keep.ID || e.Entry != k.arrival.Entry || e.Outcome == "" {
					t.Errorf("event is not whole: %+v", e)
				}
			}
			slices.Sort(kinds)
			got := result{p.Keep.ID, strings.Join(p.Drop, " "), p.Identity.UnionID, p.New, fmt.Sprint(kinds)}
			if got != k.want {
				t.Errorf("got  %+v\nwant %+v", got, k.want)
			}
			if i := p.Identity; i.AccountID != p.Keep.ID || i.AppID != k.arrival.AppID || i.OpenID != k.arrival.OpenID || i.SeenAt != k.arrival.At || i.Entry != k.arrival.Entry {
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
		older.Account.Status, younger.Account.Status = k.older, k.younger
		if got := gateway.Join(arrival("wxb", "o2", "u1", 9), younger, []gateway.Party{*older}, "new").Keep.Status; got != k.want {
			t.Errorf("%s with %s: got %s, want %s", k.older, k.younger, got, k.want)
		}
	}
	older, younger := party("o", 1, identity("wxa", "o1", "u1")), party("y", 5, identity("wxb", "o2", "u1"))
	older.Account.Nickname, older.Account.ProfileAt, older.Account.OldID = "then", at(2), "1"
	younger.Account.Nickname, younger.Account.ProfileAt, younger.Account.OldID, younger.Account.Locale = "now", at(6), "2", "en"
	older.Account.Groups, younger.Account.Groups = []string{"x"}, []string{"x", "ops"}
	younger.Account.Admin = true
	got := gateway.Join(arrival("wxb", "o2", "u1", 9), younger, []gateway.Party{*older}, "new")
	k := got.Keep
	if k.Nickname != "now" || k.ProfileAt != at(6) || k.OldID != "1" || k.Locale != "en" || k.Admin || !slices.Equal(k.Groups, []string{"x"}) || k.CreatedAt != at(1) {
		t.Errorf("joined: %+v", k)
	}
	if len(got.Events) != 4 { // joined, admin, groups, old ids
		t.Errorf("events: %+v", got.Events)
	}
	older.Account.Admin, younger.Account.Admin = true, false
	if k := gateway.Join(arrival("wxb", "o2", "u1", 9), younger, []gateway.Party{*older}, "new").Keep; !k.Admin {
		t.Error("an administrator who comes in by a second door stopped being one")
	}
}

// A person was blocked at one entry and had come through another, which was put
// into the same group later. A third entry must not let them in.
func TestABlockedPersonDoesNotComeBackByAThirdEntry(t *testing.T) {
	t.Parallel()
	active, blocked := party("o", 1, identity("wxa", "o1", "u1")), party("y", 5, identity("wxb", "o2", "u1"))
	blocked.Account.Status = gateway.Blocked
	for name, k := range map[string]struct {
		a     gateway.Arrival
		known *gateway.Party
	}{
		"new there":   {arrival("wxc", "o3", "u1", 9), nil},
		"known there": {arrival("wxc", "o3", "u1", 9), party("m", 3, identity("wxc", "o3", ""))},
	} {
		p := gateway.Join(k.a, k.known, []gateway.Party{*active, *blocked}, "new")
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
	for _, a := range []gateway.Arrival{arrival("wxa", "o\x00", "", 0), arrival("wxa", "o", "\xff", 0)} {
		if a.Check() == nil {
			t.Errorf("an openid or unionid that is no text was accepted: %+v", a)
		}
	}
}

func TestJoinPins(t *testing.T) {
	t.Parallel()
	pin := func(account, app string, minute int) gateway.Pin {
		return gateway.Pin{AccountID: account, App: app, Subject: account + " in " + app, CreatedAt: at(minute)}
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
		if e := events[i]; e.Kind != gateway.EventSubjectDropped || e.AccountID != "o" || e.App != app {
			t.Errorf("event: %+v", e)
		}
	}
}
