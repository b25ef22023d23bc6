package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
)

// userCmd is "weigate user".
type userCmd struct {
	List    userListCmd    `cmd:"" help:"List users, newest first."`
	Show    userShowCmd    `cmd:"" help:"Show a user: identities, sessions, recent events."`
	Approve userApproveCmd `cmd:"" help:"Approve users for apps with \"access: approved\"."`
	Block   userBlockCmd   `cmd:"" help:"Block users, and sign them out everywhere. Apps keep sessions of their own."`
	Unblock userUnblockCmd `cmd:"" help:"Unblock users. They need approval again."`
	Groups  userGroupsCmd  `cmd:"" help:"Set the groups of a user."`
	SignOut userSignOutCmd `cmd:"" help:"Sign users out everywhere. Apps keep sessions of their own."`
	Import  userImportCmd  `cmd:"" help:"Import users from a CSV file."`
}

// The events of these commands.
const (
	eventApproved  = "user_approved"
	eventBlocked   = "user_blocked"
	eventUnblocked = "user_unblocked"
	eventGroups    = "user_groups"
	eventSignedOut = "signed_out_by_operator"
	byCommand      = "by the command weigate user"
)

// userListCmd is "weigate user list".
type userListCmd struct {
	configFlag
	Status string `enum:"any,active,pending,blocked" default:"any" help:"Only active, pending or blocked users."`
	Text   string `placeholder:"TEXT" help:"Beginning of a nickname; or a complete user id, openid, unionid or old id."`
	Limit  int    `default:"50" help:"Maximum number (${default}, at most 500)."`
	After  string `placeholder:"ID" help:"Continue after this user: the next page."`
}

// Run prints a table.
func (c *userListCmd) Run(s *invocation) error {
	_, store, err := c.open(s)
	if err != nil {
		return err
	}
	defer store.Close()
	q := gateway.UserQuery{Text: c.Text, After: c.After, Limit: c.Limit}
	if c.Status != "any" {
		q.Status = gateway.Status(c.Status)
	}
	users, err := store.Users(s.ctx, q)
	if err != nil {
		return err
	}
	if len(users) == 0 {
		s.out.printf("No users.")
		return nil
	}
	table := tabwriter.NewWriter(s.out.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSTATUS\tCREATED\tNICKNAME\tGROUPS")
	for _, u := range users {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n",
			u.ID, u.Status, formatTime(u.CreatedAt), printable(u.Nickname), printable(strings.Join(u.Groups, ",")))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(users) == q.Page() {
		s.out.printf("\nThere may be more: --after %s", users[len(users)-1].ID)
	}
	return nil
}

// userShowCmd is "weigate user show".
type userShowCmd struct {
	configFlag
	ID string `arg:"" help:"User id, openid, unionid or old id."`
}

// Run prints a user. Openids and unionids are shortened, because terminals keep a history.
func (c *userShowCmd) Run(s *invocation) error {
	_, store, err := c.open(s)
	if err != nil {
		return err
	}
	defer store.Close()
	u, err := find(s, store, c.ID)
	if err != nil {
		return err
	}
	identities, err := store.Identities(s.ctx, u.ID)
	if err != nil {
		return err
	}
	sessions, err := store.UserSessions(s.ctx, u.ID, time.Now())
	if err != nil {
		return err
	}
	events, err := store.Events(s.ctx, gateway.EventQuery{UserID: u.ID, Limit: 10})
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.out.out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	line("id", "%s", u.ID)
	line("status", "%s", u.Status)
	line("nickname", "%s", printable(u.Nickname))
	line("groups", "%s", printable(strings.Join(u.Groups, ", ")))
	line("old id", "%s", printable(u.OldID))
	line("created", "%s", formatTime(u.CreatedAt))
	for _, i := range identities {
		union := "no unionid"
		if i.UnionID != "" {
			union = "unionid " + short(i.UnionID)
		}
		line("identity", "%s, %s, openid %s, %s, last sign-in %s",
			i.Connector, i.AppID, short(i.OpenID), union, formatTime(i.SeenAt))
	}
	for _, each := range sessions {
		line("session", "%s, since %s, last used %s", each.Method, formatTime(each.CreatedAt), formatTime(each.SeenAt))
	}
	for _, e := range events {
		line("event", "%s  %s %s %s %s", formatTime(e.At), e.Kind, e.App, e.Outcome, printable(e.Detail))
	}
	return table.Flush()
}

// userFinder has the arguments of a command that changes users. It finds the users by their ids.
type userFinder struct {
	configFlag
	IDs []string `arg:"" name:"id" help:"User ids, openids, unionids or old ids."`
}

// each finds all users of the command first, so that a misspelled id changes nothing. Then it calls
// do for each user, records an event of this kind, and prints the result.
func (c userFinder) each(
	s *invocation, kind string, do func(gateway.Store, gateway.User) (result string, err error),
) error {
	_, store, err := c.open(s)
	if err != nil {
		return err
	}
	defer store.Close()
	var users []gateway.User
	for _, id := range c.IDs {
		u, err := find(s, store, id)
		if err != nil {
			return err
		}
		users = append(users, u)
	}
	for _, u := range users {
		result, err := do(store, u)
		if err != nil {
			return err
		}
		event := gateway.Event{At: time.Now(), Kind: kind, UserID: u.ID, Outcome: "ok", Detail: byCommand}
		if err := store.AppendEvents(s.ctx, event); err != nil {
			return fmt.Errorf("%s: %s, but event not recorded: %w", u.ID, result, err)
		}
		s.out.printf("%s  %s  %s", u.ID, result, printable(u.Nickname))
	}
	return nil
}

// update calls change for each user and stores the changed user; see each.
func (c userFinder) update(s *invocation, kind, result string, change func(*gateway.User) error) error {
	return c.each(s, kind, func(store gateway.Store, u gateway.User) (string, error) {
		_, err := store.UpdateUser(s.ctx, u.ID, time.Now(), change)
		return result, err
	})
}

// userApproveCmd is "weigate user approve".
type userApproveCmd struct{ userFinder }

// Run makes pending users active. The page on which their browsers wait for approval then continues
// automatically.
func (c *userApproveCmd) Run(s *invocation) error {
	return c.update(s, eventApproved, "approved", func(u *gateway.User) error {
		if u.Status == gateway.Blocked {
			return withHint(fmt.Errorf("%s is blocked", u.ID), "weigate user unblock %s", u.ID)
		}
		u.Status = gateway.Active
		return nil
	})
}

// userBlockCmd is "weigate user block".
type userBlockCmd struct{ userFinder }

// Run blocks users. The store ends their sessions and tokens in one transaction with the block.
//
// Without a unionid, the gateway cannot recognize one person at two connectors (apps at WeChat).
// The person may be another user at another connector, and that user is not blocked. So Run prints
// each connector at which the blocked user has no unionid.
func (c *userBlockCmd) Run(s *invocation) error {
	return c.each(s, eventBlocked, func(store gateway.Store, u gateway.User) (string, error) {
		_, err := store.UpdateUser(s.ctx, u.ID, time.Now(), func(u *gateway.User) error {
			u.Status = gateway.Blocked
			return nil
		})
		if err != nil {
			return "", err
		}
		result := "blocked and signed out everywhere"
		identities, err := store.Identities(s.ctx, u.ID)
		if err != nil {
			return "", err
		}
		for _, i := range identities {
			if i.UnionID == "" {
				result += "; no unionid at " + i.Connector + ": this identity is blocked at no other connector"
			}
		}
		return result, nil
	})
}

// userUnblockCmd is "weigate user unblock".
type userUnblockCmd struct{ userFinder }

// Run makes blocked users pending, because the store has not kept an earlier approval.
func (c *userUnblockCmd) Run(s *invocation) error {
	return c.update(s, eventUnblocked, "unblocked, needs approval", func(u *gateway.User) error {
		if u.Status != gateway.Blocked {
			return fmt.Errorf("%s is not blocked", u.ID)
		}
		u.Status = gateway.Pending
		return nil
	})
}

// userSignOutCmd is "weigate user sign-out".
type userSignOutCmd struct{ userFinder }

// Run ends every session and every token of the users.
func (c *userSignOutCmd) Run(s *invocation) error {
	return c.each(s, eventSignedOut, func(store gateway.Store, u gateway.User) (string, error) {
		n, err := store.DeleteUserSessions(s.ctx, u.ID, time.Now())
		if err != nil {
			return "", err
		}
		if _, err := store.Revoke(s.ctx, gateway.Revocation{UserID: u.ID}, time.Now()); err != nil {
			return "", withHint(fmt.Errorf("%s: sessions ended, tokens not: %w", u.ID, err), "run it again")
		}
		return "signed out of " + count(n, "session", "sessions"), nil
	})
}

// userGroupsCmd is "weigate user groups".
type userGroupsCmd struct {
	configFlag
	ID     string   `arg:"" help:"User id, openid, unionid or old id."`
	Groups []string `arg:"" optional:"" help:"New groups of the user, replacing all others."`
}

// Run replaces the groups of a user.
func (c *userGroupsCmd) Run(s *invocation) error {
	for _, g := range c.Groups {
		invalid := func(r rune) bool { return r <= ' ' || r == ',' || !unicode.IsPrint(r) }
		if g == "" || len(g) > 64 || strings.ContainsFunc(g, invalid) {
			return errors.New("a group must have 1 to 64 bytes, and no spaces or commas")
		}
	}
	groups := slices.Compact(slices.Sorted(slices.Values(c.Groups)))
	result := "in no group"
	if len(groups) > 0 {
		result = "in " + strings.Join(groups, ", ")
	}
	user := userFinder{configFlag: c.configFlag, IDs: []string{c.ID}}
	return user.update(s, eventGroups, result, func(u *gateway.User) error {
		u.Groups = groups
		return nil
	})
}

// find returns the user with this user id, openid, unionid or old id.
func find(s *invocation, store gateway.Store, id string) (gateway.User, error) {
	u, err := store.User(s.ctx, id)
	if !errors.Is(err, gateway.ErrNotFound) {
		return u, err
	}
	// The query must not search nicknames (UserQuery.Text does): a user can choose the id of another
	// user as nickname.
	found, err := store.Users(s.ctx, gateway.UserQuery{ID: id, Limit: 2})
	if err != nil {
		return gateway.User{}, err
	}
	switch len(found) {
	case 0:
		return gateway.User{}, withHint(fmt.Errorf("no user %s", printable(short(id))),
			"weigate user list --text finds users by nickname")
	case 1:
		return found[0], nil
	}
	return gateway.User{}, withHint(fmt.Errorf("several users match %s", printable(short(id))),
		"use the user id: see weigate user list --text")
}

// connectorNamed returns the connector with this name; without a name, the only one.
func connectorNamed(conf *config.Config, name string) (config.Connector, error) {
	if name == "" && len(conf.WeChat) == 1 {
		return conf.WeChat[0], nil
	}
	if c, ok := conf.Connector(name); ok {
		return c, nil
	}
	return config.Connector{}, errors.New("--connector must be the name of a connector in the configuration")
}

// short shortens an openid or unionid so that users are still distinguishable.
func short(id string) string {
	if len(id) <= 10 {
		return id
	}
	return id[:6] + "…" + id[len(id)-2:]
}

// formatTime formats a time to the minute.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// printable replaces the characters that are not printable. Users choose nicknames freely, and some
// characters move the cursor of a terminal or change the reading direction.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}
