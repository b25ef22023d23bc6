package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weigate/weigate/internal/gateway"
)

var accountChecks = []check{
	{"a person who comes again is the same", "an account that is made anew loses its groups and its past", func(c *cas) {
		a := main.at(noon, "o1", "u1")
		a.Profile = &gateway.Profile{Nickname: "小明 🙂", AvatarURL: "https://thirdwx.qlogo.cn/x", Locale: "zh-CN"}
		first, told, err := c.store.RecordSignIn(c.ctx, a)
		c.ok(err)
		if len(told) != 1 || told[0].Kind != gateway.EventUserCreated || told[0].UserID != first.ID {
			c.Fatalf("events of a first arrival: %+v", told)
		}
		equal(c, "nickname", first.Nickname, "小明 🙂")
		equal(c, "profile time", first.ProfileAt, noon)
		equal(c, "created", first.CreatedAt, noon)
		again, told, err := c.store.RecordSignIn(c.ctx, main.at(after(time.Hour), "o1", "u1"))
		c.ok(err)
		if len(told) != 0 {
			c.Fatalf("a second arrival is no event, got %+v", told)
		}
		equal(c, "id", again.ID, first.ID)
		equal(c, "nickname without a new profile", again.Nickname, "小明 🙂")
		equal(c, "profile time without a new profile", again.ProfileAt, noon)
		ids := must[[]gateway.Identity](c)(c.store.Identities(c.ctx, first.ID))
		if len(ids) != 1 || ids[0].SeenAt != after(time.Hour) || ids[0].CreatedAt != noon || ids[0].UnionID != "u1" {
			c.Fatalf("identities: %+v", ids)
		}
	}},
	{"a slow arrival does not bring back an old profile", "two requests of one person may end in the other order", func(c *cas) {
		a, b := main.at(after(time.Minute), "o1", ""), main.at(noon, "o1", "")
		a.Profile, b.Profile = &gateway.Profile{Nickname: "new"}, &gateway.Profile{Nickname: "old"}
		c.arrive(a)
		equal(c, "nickname", c.arrive(b).Nickname, "new")
	}},
	{"the same openid elsewhere is somebody else", "an openid means nothing without its appid", func(c *cas) {
		a, b := c.arrive(main.at(noon, "o1", "")), c.arrive(other.at(noon, "o1", ""))
		if a.ID == b.ID {
			c.Fatal("two appids, one account")
		}
	}},
	{"a crowd of one person is one account", "WeChat sends callbacks twice, and people press twice", func(c *cas) {
		var seen tally
		together(c.crowd(), func(int) {
			acc, _, err := c.store.RecordSignIn(c.ctx, main.at(noon, "o1", "u1"))
			seen.add(acc.ID + " " + word(err))
		})
		if len(seen.n) != 1 {
			c.Fatalf("accounts and errors: %v", seen.n)
		}
		equal(c, "stored accounts", len(must[[]gateway.User](c)(c.store.Users(c.ctx, gateway.UserQuery{}))), 1)
	}},
	{"one person through two entries at once is one account", "a second account would hold half of the person's rights", func(c *cas) {
		for round := range 5 {
			u := fmt.Sprint("u", round)
			var seen tally
			together(16, func(i int) {
				e := []entry{main, site, third}[i%3]
				acc, _, err := c.store.RecordSignIn(c.ctx, e.at(noon, fmt.Sprint("o-", e.name, round), u))
				seen.add(acc.ID + " " + word(err))
			})
			if len(seen.n) != 1 {
				c.Fatalf("accounts and errors: %v", seen.n)
			}
		}
	}},
	{"an arrival that names nobody is refused", "an empty openid would make all who lack one the same person", func(c *cas) {
		for _, a := range []gateway.SignIn{main.at(noon, "", "u1"), main.at(time.Time{}, "o1", ""), {}} {
			if _, _, err := c.store.RecordSignIn(c.ctx, a); err == nil {
				c.Fatalf("stored %+v", a)
			}
		}
		equal(c, "accounts", len(must[[]gateway.User](c)(c.store.Users(c.ctx, gateway.UserQuery{}))), 0)
	}},
	{"an unknown account is not found", "the caller tells this from a database that is down", func(c *cas) {
		_, err := c.store.User(c.ctx, gateway.NewID())
		c.is(err, gateway.ErrNotFound)
		_, err = c.store.Identities(c.ctx, gateway.NewID())
		c.is(err, gateway.ErrNotFound)
		_, err = c.store.UpdateUser(c.ctx, gateway.NewID(), noon, func(*gateway.User) error { return nil })
		c.is(err, gateway.ErrNotFound)
		if errors.Is(err, gateway.ErrUnavailable) {
			c.Fatal("a missing row is not an unavailable store")
		}
	}},
	{"updates at once all take effect", "an approval must not be lost to a change of groups", func(c *cas) {
		id := c.person("o1").ID
		n := c.crowd()
		together(n, func(i int) {
			_, err := c.store.UpdateUser(c.ctx, id, noon, func(a *gateway.User) error {
				a.Groups = append(a.Groups, fmt.Sprintf("g%03d", i), "all")
				return nil
			})
			if err != nil {
				c.Error(err)
			}
		})
		acc := must[gateway.User](c)(c.store.User(c.ctx, id))
		equal(c, "groups", len(acc.Groups), n+1)
		if !slices.IsSorted(acc.Groups) {
			c.Fatalf("groups are not sorted: %v", acc.Groups)
		}
	}},
	{"an update keeps what is fixed and refuses what is not valid", "an id is in the apps' databases", func(c *cas) {
		id := c.person("o1").ID
		acc := must[gateway.User](c)(c.store.UpdateUser(c.ctx, id, after(time.Hour), func(a *gateway.User) error {
			a.ID, a.CreatedAt, a.Admin, a.Locale = "x", time.Time{}, true, "en"
			return nil
		}))
		equal(c, "id", acc.ID, id)
		equal(c, "created", acc.CreatedAt, noon)
		equal(c, "updated", acc.UpdatedAt, after(time.Hour))
		equal(c, "admin", acc.Admin, true)
		_, err := c.store.UpdateUser(c.ctx, id, noon, func(a *gateway.User) error { a.Status = "odd"; return nil })
		if err == nil || errors.Is(err, gateway.ErrUnavailable) {
			c.Fatalf("an invalid status: %v", err)
		}
		mine := errors.New("mine")
		_, err = c.store.UpdateUser(c.ctx, id, noon, func(a *gateway.User) error { a.Admin = false; return mine })
		if err != mine {
			c.Fatalf("the caller's own error came back as %v", err)
		}
		equal(c, "admin after an error", must[gateway.User](c)(c.store.User(c.ctx, id)).Admin, true)
	}},
	{"blocking ends everything at once", "a blocked person must not go on with an old session or token", func(c *cas) {
		id := c.person("o1").ID
		c.signIn(id, "s1")
		c.grant(id, "wiki", "g1")
		c.ok(c.store.PutCode(c.ctx, newCode(id, "wiki", "g2")))
		_, err := c.store.UpdateUser(c.ctx, id, noon, func(a *gateway.User) error { a.Status = gateway.Blocked; return nil })
		c.ok(err)
		_, err = c.store.Session(c.ctx, sum("s1"), noon)
		c.is(err, gateway.ErrNotFound)
		_, _, err = c.store.Token(c.ctx, sum("access g1"), noon)
		c.is(err, gateway.ErrNotFound)
		_, err = c.store.Redeem(c.ctx, sum("code g2"), noon, newIssue("g2"))
		c.is(err, gateway.ErrExpired)
		c.is(c.store.PutSession(c.ctx, newSession(id, "s2"), noon), gateway.ErrBlocked)
		c.is(c.store.PutCode(c.ctx, newCode(id, "wiki", "g3")), gateway.ErrBlocked)
		acc, _, err := c.store.RecordSignIn(c.ctx, main.at(after(time.Minute), "o1", ""))
		c.ok(err)
		equal(c, "status after another arrival", acc.Status, gateway.Blocked)
	}},
	{"blocking at the moment of a sign-in wins", "the session would outlive the block", func(c *cas) {
		for round := range 10 {
			id := c.person(fmt.Sprint("o", round)).ID
			together(12, func(i int) {
				if i == 5 {
					_, err := c.store.UpdateUser(c.ctx, id, noon, func(a *gateway.User) error { a.Status = gateway.Blocked; return nil })
					if err != nil {
						c.Error(err)
					}
					return
				}
				name := fmt.Sprint(round, " ", i)
				if err := c.store.PutSession(c.ctx, newSession(id, name), noon); err != nil && !errors.Is(err, gateway.ErrBlocked) {
					c.Error(err)
				}
				if err := c.store.PutCode(c.ctx, newCode(id, "wiki", name)); err != nil && !errors.Is(err, gateway.ErrBlocked) {
					c.Error(err)
				}
			})
			equal(c, "sessions left", len(must[[]gateway.Session](c)(c.store.UserSessions(c.ctx, id, noon))), 0)
			equal(c, "grants left", must[int](c)(c.store.Revoke(c.ctx, gateway.Revocation{UserID: id}, noon)), 0)
		}
	}},
	{"text that people and apps choose is stored or cleaned, never an error", "a nickname or a nonce must not keep its owner out", func(c *cas) {
		const odd = "a'\"\\%_\x00\xff\u202e😀\r\n;--"
		a := main.at(noon, "o'1\"", "u'1")
		a.Profile = &gateway.Profile{Nickname: odd, AvatarURL: odd, Locale: odd}
		acc := c.arrive(a)
		if !utf8.ValidString(acc.Nickname) || !strings.Contains(acc.Nickname, "😀") || strings.Contains(acc.Nickname, "\x00") {
			c.Fatalf("nickname %q", acc.Nickname)
		}
		_, err := c.store.Users(c.ctx, gateway.UserQuery{Text: odd})
		c.ok(err)
		c.ok(c.store.AppendEvents(c.ctx, gateway.Event{At: noon, Kind: "signin", RequestID: odd, Detail: odd}))
		code := newCode(acc.ID, "wiki", "g1")
		code.Nonce = odd
		c.ok(c.store.PutCode(c.ctx, code))
		equal(c, "nonce", must[gateway.Code](c)(c.store.Code(c.ctx, code.Hash)).Nonce, odd)
		_, err = c.store.UpdateUser(c.ctx, acc.ID, noon, func(a *gateway.User) error { a.Nickname = odd; return nil })
		c.ok(err)
	}},
	{"the list is paged, newest first, and searched", "an administrator looks for one person among thousands", func(c *cas) {
		var want []string
		for i := range 7 {
			a := main.at(after(time.Duration(i/2)*time.Second), fmt.Sprint("o", i), fmt.Sprint("u", i)) // pairs share a time
			a.Profile = &gateway.Profile{Nickname: fmt.Sprintf("Name %d 100%%_x", i)}
			if i%3 == 0 {
				a.InitialStatus = gateway.Pending
			}
			want = append(want, c.arrive(a).ID)
		}
		var got []string
		for q := (gateway.UserQuery{Limit: 3}); ; q.After = got[len(got)-1] {
			page := must[[]gateway.User](c)(c.store.Users(c.ctx, q))
			for _, a := range page {
				got = append(got, a.ID)
			}
			if len(page) < 3 {
				break
			}
		}
		slices.Sort(want)
		sorted := slices.Sorted(slices.Values(got))
		if !slices.Equal(sorted, want) {
			c.Fatalf("paging found %d of 7: %v", len(got), got)
		}
		for text, n := range map[string]int{"name 3": 1, "%_X": 7, "o4": 1, "u5": 1, got[0]: 1, "Name_": 0, "o": 0, "": 7} {
			equal(c, "found by "+text, len(must[[]gateway.User](c)(c.store.Users(c.ctx, gateway.UserQuery{Text: text}))), n)
		}
		equal(c, "pending", len(must[[]gateway.User](c)(c.store.Users(c.ctx, gateway.UserQuery{Status: gateway.Pending}))), 3)
	}},
}
