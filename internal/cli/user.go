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

// userCmd is "weigate user": people and their approvals.
type userCmd struct {
	List    userListCmd    `cmd:"" help:"List accounts, newest first."`
	Show    userShowCmd    `cmd:"" help:"Show one account: identities, sessions, what happened lately."`
	Approve userApproveCmd `cmd:"" help:"Let people who wait into apps with \"access: approved\"."`
	Block   userBlockCmd   `cmd:"" help:"Keep people out, and sign them out everywhere."`
	Unblock userUnblockCmd `cmd:"" help:"Take a block away. The person waits for approval again."`
	Groups  userGroupsCmd  `cmd:"" help:"Set the groups of an account."`
	SignOut userSignOutCmd `cmd:"" help:"Sign people out everywhere."`
	Import  userImportCmd  `cmd:"" help:"Bring in openids from another user table (CSV)."`
}

// Events that these commands record.
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
	configured
	Status string `enum:"any,active,pending,blocked" default:"any" help:"Only these: active, pending or blocked."`
	Text   string `placeholder:"TEXT" help:"Part of a nickname; or a whole account id, openid, unionid or old id."`
	Limit  int    `default:"50" help:"How many (${default}, at most 500)."`
	After  string `placeholder:"ID" help:"Go on after this account: the next page."`
}

// Run prints a table.
func (c *userListCmd) Run(s *session) error {
	_, store, err := c.visit(s)
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
		s.out.say("No accounts.")
		return nil
	}
	table := tabwriter.NewWriter(s.out.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSTATUS\tCREATED\tNICKNAME\tGROUPS")
	for _, a := range users {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", a.ID, a.Status, day(a.CreatedAt), printable(a.Nickname), printable(strings.Join(a.Groups, ",")))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(users) == q.Page() {
		s.out.say("\nThere may be more: --after %s", users[len(users)-1].ID)
	}
	return nil
}

// userShowCmd is "weigate user show".
type userShowCmd struct {
	configured
	ID string `arg:"" help:"Account id; or an openid, unionid or old id of it."`
}

// Run prints what is known of an account. Openids are shown shortened: the terminal's history is not the place for them.
func (c *userShowCmd) Run(s *session) error {
	_, store, err := c.visit(s)
	if err != nil {
		return err
	}
	defer store.Close()
	a, err := find(s, store, c.ID)
	if err != nil {
		return err
	}
	identities, err := store.Identities(s.ctx, a.ID)
	if err != nil {
		return err
	}
	sessions, err := store.UserSessions(s.ctx, a.ID, time.Now())
	if err != nil {
		return err
	}
	events, err := store.Events(s.ctx, gateway.EventQuery{UserID: a.ID, Limit: 10})
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.out.out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	line("id", "%s", a.ID)
	line("status", "%s", a.Status)
	line("nickname", "%s", printable(a.Nickname))
	line("groups", "%s", printable(strings.Join(a.Groups, ", ")))
	line("old id", "%s", printable(a.OldID))
	line("created", "%s", day(a.CreatedAt))
	for _, i := range identities {
		union := "no unionid"
		if i.UnionID != "" {
			union = "unionid " + short(i.UnionID)
		}
		line("identity", "%s, %s, openid %s, %s, last came in %s", i.Connector, i.AppID, short(i.OpenID), union, day(i.SeenAt))
	}
	for _, each := range sessions {
		line("session", "%s, since %s, last used %s", each.Method, day(each.CreatedAt), day(each.SeenAt))
	}
	for _, e := range events {
		line("event", "%s  %s %s %s %s", day(e.At), e.Kind, e.App, e.Outcome, printable(e.Detail))
	}
	return table.Flush()
}

// people is what the commands that change accounts take.
type userFinder struct {
	configured
	IDs []string `arg:"" name:"id" help:"Account ids; or an openid, unionid or old id of each."`
}

// each finds all accounts first, so that a misspelt id changes nothing, and then does its work on each, with an event.
func (c userFinder) each(s *session, kind string, do func(gateway.Store, gateway.User) (said string, err error)) error {
	_, store, err := c.visit(s)
	if err != nil {
		return err
	}
	defer store.Close()
	var users []gateway.User
	for _, id := range c.IDs {
		a, err := find(s, store, id)
		if err != nil {
			return err
		}
		users = append(users, a)
	}
	for _, a := range users {
		said, err := do(store, a)
		if err != nil {
			return err
		}
		event := gateway.Event{At: time.Now(), Kind: kind, UserID: a.ID, Outcome: "ok", Detail: byCommand}
		if err := store.AppendEvents(s.ctx, event); err != nil {
			return fmt.Errorf("%s is done, but could not be recorded: %w", said, err)
		}
		s.out.say("%s  %s  %s", a.ID, said, printable(a.Nickname))
	}
	return nil
}

// status makes the change of an account's status.
func (c userFinder) status(s *session, kind string, change func(*gateway.User) error, said string) error {
	return c.each(s, kind, func(store gateway.Store, a gateway.User) (string, error) {
		_, err := store.UpdateUser(s.ctx, a.ID, time.Now(), change)
		return said, err
	})
}

// userApproveCmd is "weigate user approve".
type userApproveCmd struct{ userFinder }

// Run makes pending accounts active. Whoever waits on a page is let in when it looks again.
func (c *userApproveCmd) Run(s *session) error {
	return c.status(s, eventApproved, func(a *gateway.User) error {
		if a.Status == gateway.Blocked {
			return fmt.Errorf("%s is blocked: weigate user unblock %s first", a.ID, a.ID)
		}
		a.Status = gateway.Active
		return nil
	}, "approved")
}

// userBlockCmd is "weigate user block".
type userBlockCmd struct{ userFinder }

// Run blocks accounts; the store ends their sessions and tokens in the same step.
func (c *userBlockCmd) Run(s *session) error {
	return c.status(s, eventBlocked, func(a *gateway.User) error {
		a.Status = gateway.Blocked
		return nil
	}, "blocked and signed out everywhere")
}

// userUnblockCmd is "weigate user unblock".
type userUnblockCmd struct{ userFinder }

// Run makes blocked accounts pending: whether they had been approved is not kept.
func (c *userUnblockCmd) Run(s *session) error {
	return c.status(s, eventUnblocked, func(a *gateway.User) error {
		if a.Status != gateway.Blocked {
			return fmt.Errorf("%s is not blocked", a.ID)
		}
		a.Status = gateway.Pending
		return nil
	}, "unblocked, waits for approval")
}

// userSignOutCmd is "weigate user sign-out".
type userSignOutCmd struct{ userFinder }

// Run ends every session and every token of the accounts.
func (c *userSignOutCmd) Run(s *session) error {
	return c.each(s, eventSignedOut, func(store gateway.Store, a gateway.User) (string, error) {
		n, err := store.DeleteUserSessions(s.ctx, a.ID)
		if err != nil {
			return "", err
		}
		if _, err := store.Revoke(s.ctx, gateway.Revocation{UserID: a.ID}, time.Now()); err != nil {
			return "", fmt.Errorf("%d sessions ended, the tokens of apps did not: run it again: %w", n, err)
		}
		return "signed out of " + count(n, "session", "sessions"), nil
	})
}

// userGroupsCmd is "weigate user groups".
type userGroupsCmd struct {
	configured
	ID     string   `arg:"" help:"Account id; or an openid, unionid or old id of it."`
	Groups []string `arg:"" optional:"" help:"The groups it is in from now on; none takes it out of all."`
}

// Run replaces the groups of an account.
func (c *userGroupsCmd) Run(s *session) error {
	for _, g := range c.Groups {
		if g == "" || len(g) > 64 || strings.ContainsFunc(g, func(r rune) bool { return r <= ' ' || r == ',' || !unicode.IsPrint(r) }) {
			return errors.New("a group is a word of at most 64 letters, without spaces and commas")
		}
	}
	groups := slices.Compact(slices.Sorted(slices.Values(c.Groups)))
	said := "in no group"
	if len(groups) > 0 {
		said = "in " + strings.Join(groups, ", ")
	}
	return userFinder{c.configured, []string{c.ID}}.each(s, eventGroups, func(store gateway.Store, a gateway.User) (string, error) {
		_, err := store.UpdateUser(s.ctx, a.ID, time.Now(), func(a *gateway.User) error {
			a.Groups = groups
			return nil
		})
		return said, err
	})
}

// find returns the account that goes by id: its own, or exactly an openid, unionid or old id.
func find(s *session, store gateway.Store, id string) (gateway.User, error) {
	a, err := store.User(s.ctx, id)
	if !errors.Is(err, gateway.ErrNotFound) {
		return a, err
	}
	found, err := store.Users(s.ctx, gateway.UserQuery{Text: id, Limit: 500})
	if err != nil {
		return gateway.User{}, err
	}
	var exact []gateway.User
	for _, a := range found {
		identities, err := store.Identities(s.ctx, a.ID)
		if err != nil {
			return gateway.User{}, err
		}
		// A nickname that has the text in it is found too, and must not count: anybody may call themselves anything.
		if a.OldID == id || slices.ContainsFunc(identities, func(i gateway.Identity) bool { return i.OpenID == id || i.UnionID == id }) {
			exact = append(exact, a)
		}
	}
	switch len(exact) {
	case 0:
		return gateway.User{}, fmt.Errorf("there is no account %s: weigate user list --text finds people by nickname", printable(short(id)))
	case 1:
		return exact[0], nil
	}
	return gateway.User{}, fmt.Errorf("%s is several accounts: name one by its account id, see weigate user list --text", printable(short(id)))
}

// entryNamed is the entry that the operator named, or the only one.
func connectorNamed(conf *config.Config, name string) (config.Connector, error) {
	if name == "" && len(conf.WeChat) == 1 {
		return conf.WeChat[0], nil
	}
	if e, ok := conf.Connector(name); ok {
		return e, nil
	}
	return config.Connector{}, errors.New("--connector wants the name of an entry in the configuration")
}

// short shows enough of an id to tell it from others.
func short(id string) string {
	if len(id) <= 10 {
		return id
	}
	return id[:6] + "…" + id[len(id)-2:]
}

func day(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// printable keeps a name that somebody chose from moving the cursor, or the reading direction, of the operator's terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}
