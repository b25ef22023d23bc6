package wechattest

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Config configures a [Server]. The zero value works: it means [DefaultApps], [DefaultPeople], a
// random seed and the real time. [New] copies the Config, so later changes have no effect.
type Config struct {
	// Apps are the registered apps. Nil means DefaultApps.
	Apps []App
	// People are the WeChat users. Nil means DefaultPeople.
	People []Person
	// Seed determines all identifiers, codes and tokens. A run with an equal seed and equal
	// requests gets equal values. 0 means a random seed. [Server.Seed] returns the seed in use.
	Seed uint64
	// Now returns the time. The server adds the durations of [Server.Advance]. Nil means time.Now.
	// Now must not call the server: it would wait forever for the server's lock.
	Now func() time.Time
	// Quirks selects undocumented behaviour at the start. The zero value is WeChat's behaviour by
	// field reports.
	Quirks Quirks
	// QR draws a text as an SVG image. Nil means that the QR page shows the link as text.
	QR func(text string) (svg []byte, err error)
	// Mark becomes part of every code, access token and refresh token. A test searches logs for the
	// mark to find leaked values. The format is [A-Za-z0-9]{1,12}; "" means no mark.
	Mark string
	// OpenURL is the address of this server for browsers, for example http://127.0.0.1:8090. It is
	// used for links in pages and addresses of pictures. "" means the Host of each request.
	OpenURL string
	// ControlURL is the address of the control page of "weigate sim", for example
	// http://127.0.0.1:8091. The page with the QR code links to a phone on the control page. ""
	// omits the link.
	ControlURL string
	// Hosts are further host names, without port, that are accepted in the Host header. Loopback
	// names, IP addresses, WeChat's names and the host of OpenURL are always accepted.
	Hosts []string
	// PhoneHosts are public hosts, without port, that a [Phone] may open, for example
	// "app.example.com". "*" allows every host. This machine and private addresses are always
	// allowed. See [ErrHost].
	PhoneHosts []string
	// HTTPClient sends the extra callbacks of [Quirks.DoubleCallback] (repeated requests of the
	// app's callback address). Its cookie jar is not used, and redirects are not followed. Nil
	// means a default client.
	HTTPClient *http.Client
}

// check validates the configuration and returns all problems, joined.
func (c *Config) check() error {
	var errs []error
	if len(c.Mark) > 12 || strings.Trim(c.Mark, alnum) != "" {
		errs = append(errs, fmt.Errorf("wechattest: mark %q is not [A-Za-z0-9]{1,12}", c.Mark))
	}
	errs = append(errs, checkURL("open URL", c.OpenURL), checkURL("control URL", c.ControlURL))
	seenApp := map[string]bool{}
	for i := range c.Apps {
		errs = append(errs, c.Apps[i].check())
		if id := c.Apps[i].AppID; seenApp[id] {
			errs = append(errs, fmt.Errorf("wechattest: app %s: duplicate appid", id))
		} else {
			seenApp[id] = true
		}
	}
	seenPerson := map[string]bool{}
	for i := range c.People {
		errs = append(errs, c.People[i].check())
		if id := c.People[i].ID; seenPerson[id] {
			errs = append(errs, fmt.Errorf("wechattest: person %s: duplicate id", id))
		} else {
			seenPerson[id] = true
		}
	}
	if as := c.Quirks.ConsentAs; as != "" && !seenPerson[as] {
		errs = append(errs, fmt.Errorf("wechattest: consent as %q: unknown person; there are %s", as,
			strings.Join(personIDs(c.People), ", ")))
	}
	return errors.Join(errs...)
}

// checkURL returns an error unless the address is empty or an http or https address without a path.
func checkURL(name, address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" {
		return fmt.Errorf("wechattest: %s %q is not an http or https address without a path", name, address)
	}
	return nil
}

// randomSeed returns a random seed. The last bit is set, because a seed of 0 means "random".
func randomSeed() uint64 {
	var b [8]byte
	rand.Read(b[:]) // crypto/rand.Read never fails
	return binary.BigEndian.Uint64(b[:]) | 1
}

// Person is one WeChat user.
type Person struct {
	ID       string // name in tests and on the control page, [a-z0-9-]{1,32}; apps do not see it
	Nickname string // sent unchanged, even control bytes and malformed UTF-8, as WeChat does
	// Avatar is the address of the picture. "" means a picture that the simulator serves.
	Avatar string
	// NoAvatar makes headimgurl empty.
	NoAvatar bool
	// Follows are the appids that the person follows; "*" means all. Only followers can sign in to
	// a test account.
	Follows []string
	// Deregistered sets the nickname 用户已经注销 and an empty picture.
	Deregistered bool
	// Frozen makes user info and token refresh fail with 50002.
	Frozen bool
	// Snapshot opens authorize pages with snsapi_userinfo in snapshot mode (快照页) for this person.
	// [Quirks.Snapshot] does it for all people.
	Snapshot bool
	// Privileges is the list "privilege" in the user info, usually empty.
	Privileges []string
}

// DefaultPeople returns alice, xiaoming and bob, and eight people who test the limits of an app.
// Five have a difficult nickname: emoji (emoji sequences), markup (a script element), quotes
// (quotes and backslashes), control (control bytes) and broken (malformed UTF-8). Three are
// special: noface (no picture), gone (deregistered) and frozen. Everybody but bob follows every
// account.
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

// follows reports whether the person follows an official or test account.
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

func clonePeople(people []Person) []Person {
	out := make([]Person, len(people))
	for i, p := range people {
		out[i] = p.clone()
	}
	return out
}
