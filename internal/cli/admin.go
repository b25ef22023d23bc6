package cli

import (
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// adminCmd is "weigate admin".
type adminCmd struct {
	Invite adminInviteCmd `cmd:"" help:"Print a link that makes the user who accepts it an administrator."`
	List   adminListCmd   `cmd:"" help:"List the administrators."`
}

// adminInviteCmd is "weigate admin invite". Its link is for the first administrator, and for an
// administrator whose WeChat does not work.
type adminInviteCmd struct {
	adminFlags
	User    string `placeholder:"ID" help:"The link is for this user only, also without WeChat."`
	Expires span   `default:"1h" placeholder:"1h" help:"How long the link works (${default}, at most 24h)."`
}

// Run prints the link. The store keeps a hash of it only.
func (c *adminInviteCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	found, err := svc.Population(s.ctx)
	if err != nil {
		return err
	}
	in := administration.Invite{Kind: gateway.InviteAdmin, Expires: time.Duration(c.Expires)}
	if c.User != "" {
		user, err := findUser(s, svc, c.User)
		if err != nil {
			return err
		}
		in.UserID = user.ID
	}
	i, link, err := svc.Invite(s.ctx, byCommand, in)
	if err != nil {
		return expiryHint(adminHint(err, in.UserID), in.Kind)
	}
	if c.JSON {
		return s.out.printJSON(struct {
			Found      string          `json:"found"`
			Admins     int             `json:"admins"`
			Link       string          `json:"link"`
			Invitation invitationEntry `json:"invitation"`
		}{describePopulation(found).String(), found.Admins, link, newInvitationEntry(i, time.Now())})
	}
	s.out.printf("%s", describePopulation(found))
	// A sign-in in the chat of an account does not open the administration.
	if conf, err := c.read(s); err == nil && conf.ChatOnly() {
		s.out.printf("Open this link in any browser, and press “Open the administration”. It works once, and opens the\n" +
			"administration for an hour: give it to nobody else.")
		err := printLink(s, link, i.ExpiresAt)
		if err == nil && in.UserID == "" && !found.Empty {
			s.out.hintf("the events will not have your name; with it: weigate admin invite --user USER, " +
				"your id is in weigate user list")
		}
		return err
	}
	if in.UserID != "" {
		s.out.printf("Only %s can open this link in WeChat, and is an administrator then. If WeChat does not work, press\n"+
			"“Emergency sign-in” on its page, in any browser. It works once: give it to nobody else.", in.UserID)
		return printLink(s, link, i.ExpiresAt)
	}
	s.out.printf("Open this link in WeChat, or scan the code with WeChat. It works once, and makes the user who\n" +
		"accepts it an administrator: give it to nobody else.")
	return printLink(s, link, i.ExpiresAt)
}

// describePopulation returns one sentence about the users that the store has.
func describePopulation(p administration.Population) lang.Message {
	switch {
	case p.Empty:
		return lang.Text("The store has no users yet.")
	case p.Admins == 0:
		return lang.Text("There are users, but no administrator who can sign in.")
	case p.Admins >= 100: // the store counts no further
		return lang.Text("There are 100 administrators or more.")
	}
	return lang.Count(p.Admins, "There is 1 administrator.", "There are %d administrators.")
}

// adminListCmd is "weigate admin list".
type adminListCmd struct{ adminFlags }

// Run prints the active administrators.
func (c *adminListCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	admins, err := svc.Admins(s.ctx)
	if err != nil {
		return err
	}
	return printList(s, c.JSON, admins, "No administrators: weigate admin invite prints a link for the first one.",
		"ID | NAME | SINCE", func(u gateway.User) any { return administration.ExportUser(u) },
		func(u gateway.User) row { return cells(u.ID, nameOf(u), s.formatTime(u.CreatedAt)) })
}
