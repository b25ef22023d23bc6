package wechattest

import (
	"fmt"
	"slices"
	"strings"
)

// Person is one WeChat user.
type Person struct {
	ID       string // how tests and the control page name the person: [a-z0-9-]{1,32}
	Nickname string // sent byte for byte, as WeChat does: control bytes and bad UTF-8 included
	// Avatar is the address of the picture. "" means one that the simulator draws and serves.
	Avatar string
	// NoAvatar makes headimgurl empty.
	NoAvatar bool
	// Follows are the appids that the person follows; "*" means all. Only followers can sign in to a test account.
	Follows []string
	// Deregistered makes the nickname 用户已经注销 and the picture empty.
	Deregistered bool
	// Frozen makes user info and refresh answer 50002.
	Frozen bool
	// Snapshot opens this person's snsapi_userinfo pages in snapshot mode, as [Switches.Snapshot] does for all people.
	Snapshot bool
	// Privileges is the "privilege" list of user info; normally empty.
	Privileges []string
}

// DefaultPeople returns alice, xiaoming and bob, and people who break programs: emoji (joined emoji), markup (a script element), quotes (quotes and
// backslashes), control (raw control bytes), broken (bad UTF-8), noface (no picture), gone (deregistered), frozen.
// All follow every account, bob follows none.
func DefaultPeople() []Person {
	all := []string{"*"}
	return []Person{
		{ID: "alice", Nickname: "Alice", Follows: all},
		{ID: "xiaoming", Nickname: "小明", Follows: all},
		{ID: "bob", Nickname: "Bob"},
		{ID: "emoji", Nickname: "🌊 阿海 👩‍👩‍👧 ⚡️", Follows: all},
		{ID: "markup", Nickname: `<script>alert("x")</script>&amp;`, Follows: all},
		{ID: "quotes", Nickname: `"O'Neill" \ 100%/day`, Follows: all},
		{ID: "control", Nickname: "bell\x07 dc4\x14 back\x08 line\nend", Follows: all},
		{ID: "broken", Nickname: "half\xe5\xb0 bad\xff\xfe", Follows: all},
		{ID: "noface", Nickname: "无头像", NoAvatar: true, Follows: all},
		{ID: "gone", Nickname: "Gone", Deregistered: true, Follows: all},
		{ID: "frozen", Nickname: "Frozen", Frozen: true, Follows: all},
	}
}

func (p *Person) check() error {
	if p.ID == "" || len(p.ID) > 32 || strings.Trim(p.ID, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("wechattest: person %q: the id is not [a-z0-9-]{1,32}", p.ID)
	}
	return nil
}

func (p *Person) follows(appID string) bool {
	return slices.Contains(p.Follows, appID) || slices.Contains(p.Follows, "*")
}

func (p Person) clone() Person {
	p.Follows, p.Privileges = slices.Clone(p.Follows), slices.Clone(p.Privileges)
	return p
}

func personIDs(people []Person) []string {
	ids := make([]string, len(people))
	for i := range people {
		ids[i] = people[i].ID
	}
	return ids
}
