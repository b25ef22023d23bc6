package wechattest

import (
	"fmt"
	"slices"
	"strings"
)

// Person is one WeChat user.
type Person struct {
	ID       string // [a-z0-9-]{1,32}, used by tests and the control page
	Nickname string // sent unchanged, as WeChat does: with control bytes and malformed UTF-8
	// Avatar is the address of the picture. "" means a picture that the simulator serves.
	Avatar string
	// NoAvatar makes headimgurl empty.
	NoAvatar bool
	// Follows are the appids that the person follows; "*" means all. Only followers can sign in to
	// a test account.
	Follows []string
	// Deregistered sets the nickname 用户已经注销 and an empty picture.
	Deregistered bool
	// Frozen people get 50002 for user info and refresh.
	Frozen bool
	// Snapshot opens the person's snsapi_userinfo pages in snapshot mode, like [Quirks.Snapshot]
	// for all people.
	Snapshot bool
	// Privileges is the list "privilege" of user info, usually empty.
	Privileges []string
}

// DefaultPeople returns alice, xiaoming and bob, and people whose data is hard to process: emoji
// (emoji sequences), markup (a script element), quotes (quotes and backslashes), control (control
// bytes), broken (malformed UTF-8), noface (no picture), gone (deregistered) and frozen. All follow
// every account, except bob, who follows none.
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
