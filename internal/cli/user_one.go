package cli

import (
	"errors"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// This file has the commands that change one user.

// userArg has the argument of a command that changes one user.
type userArg struct {
	adminFlags
	ID string `arg:"" help:"User id, openid, unionid or old id."`
}

// change finds the user, calls do and prints the result.
func (c userArg) change(
	s *invocation, do func(*administration.Service, gateway.User) (gateway.User, error),
	describe func(gateway.User) lang.Message,
) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	u, err := findUser(s, svc, c.ID)
	if err != nil {
		return err
	}
	after, err := do(svc, u)
	if err != nil {
		return adminHint(err, u.ID)
	}
	if c.JSON {
		return s.out.printJSON(administration.ExportUser(after))
	}
	s.out.printf("%s  %s  %s", after.ID, describe(after), printable(nameOf(after)))
	return nil
}

// edit sets the real name, the note, the groups or the lists of apps of the user.
func (c userArg) edit(s *invocation, e administration.Edit, describe func(gateway.User) lang.Message) error {
	return c.change(s, func(svc *administration.Service, u gateway.User) (gateway.User, error) {
		anyVersion := time.Time{} // the user may have been changed since
		return svc.Edit(s.ctx, byCommand, u.ID, e, anyVersion)
	}, describe)
}

// userGroupsCmd is "weigate user groups".
type userGroupsCmd struct {
	userArg
	Groups []string `arg:"" optional:"" help:"New groups of the user, replacing all others."`
}

// Run replaces the groups of a user.
func (c *userGroupsCmd) Run(s *invocation) error {
	groups := append([]string{}, c.Groups...)
	return c.edit(s, administration.Edit{Groups: &groups}, func(u gateway.User) lang.Message {
		if len(u.Groups) == 0 {
			return lang.Text("in no group")
		}
		return lang.Text("in %s", strings.Join(u.Groups, ", "))
	})
}

// userNameCmd is "weigate user name".
type userNameCmd struct {
	userArg
	Name string `arg:"" help:"Real name; an empty text removes it."`
}

// Run sets the real name.
func (c *userNameCmd) Run(s *invocation) error {
	return c.edit(s, administration.Edit{RealName: &c.Name}, func(gateway.User) lang.Message {
		return lang.Text("real name changed")
	})
}

// userNoteCmd is "weigate user note".
type userNoteCmd struct {
	userArg
	Note string `arg:"" help:"Note; an empty text removes it."`
}

// Run sets the note.
func (c *userNoteCmd) Run(s *invocation) error {
	return c.edit(s, administration.Edit{Note: &c.Note}, func(gateway.User) lang.Message {
		return lang.Text("note changed")
	})
}

// userAppsCmd is "weigate user apps".
type userAppsCmd struct {
	userArg
	Allow  []string `placeholder:"ID" help:"Apps that the user may use, even while pending. Replaces the list."`
	Refuse []string `placeholder:"ID" help:"Apps that the user must not use, even while active. Replaces the list."`
}

// Run replaces both lists.
func (c *userAppsCmd) Run(s *invocation) error {
	allow, refuse := append([]string{}, c.Allow...), append([]string{}, c.Refuse...)
	return c.edit(s, administration.Edit{AllowedApps: &allow, RefusedApps: &refuse}, func(u gateway.User) lang.Message {
		return lang.Text("allowed apps: %s; refused apps: %s", orDash(u.AllowedApps), orDash(u.RefusedApps))
	})
}

func orDash(list []string) string {
	if len(list) == 0 {
		return "-"
	}
	return strings.Join(list, ", ")
}

// userAdminCmd is "weigate user admin".
type userAdminCmd struct {
	State string `arg:"" enum:"on,off" help:"on or off."`
	userArg
	Force bool `help:"Take the rights of the last administrator too."`
}

// Run grants or revokes administrator rights.
func (c *userAdminCmd) Run(s *invocation) error {
	by := byCommand
	by.Force = c.Force
	return c.change(s, func(svc *administration.Service, u gateway.User) (gateway.User, error) {
		return svc.SetAdmin(s.ctx, by, u.ID, c.State == "on")
	}, func(u gateway.User) lang.Message {
		if u.Admin {
			return lang.Text("is an administrator")
		}
		return lang.Text("is not an administrator")
	})
}

// userSessionCmd is "weigate user session".
type userSessionCmd struct {
	userArg
	Session string `arg:"" help:"Id of the session, from weigate user show."`
}

// Run ends one session.
func (c *userSessionCmd) Run(s *invocation) error {
	return c.change(s, func(svc *administration.Service, u gateway.User) (gateway.User, error) {
		err := svc.EndSession(s.ctx, byCommand, u.ID, c.Session)
		if errors.Is(err, gateway.ErrNotFound) {
			err = withHint(errors.New("the user has no such session"), "weigate user show %s", u.ID)
		}
		return u, err
	}, func(gateway.User) lang.Message { return lang.Text("session ended") })
}

// userUnlinkCmd is "weigate user unlink".
type userUnlinkCmd struct {
	userArg
	Connector string `arg:"" help:"Name of a connector, or an appid: a user has one identity at each."`
}

// Run removes an identity. The human signs in there as a new user afterwards.
func (c *userUnlinkCmd) Run(s *invocation) error {
	return c.change(s, func(svc *administration.Service, u gateway.User) (gateway.User, error) {
		d, err := svc.Details(s.ctx, u.ID)
		if err != nil {
			return gateway.User{}, err
		}
		for _, i := range d.Identities {
			if i.AppID != c.Connector && i.Connector != c.Connector {
				continue
			}
			err := svc.Unlink(s.ctx, byCommand, u.ID, i.AppID, i.OpenID)
			if errors.Is(err, gateway.ErrConflict) {
				err = withHint(errors.New("this is the last identity of the user"), "weigate user delete deletes the user")
			}
			return u, err
		}
		return gateway.User{}, withHint(errors.New("the user has no identity there"), "weigate user show %s", u.ID)
	}, func(gateway.User) lang.Message { return lang.Text("identity removed") })
}

// userMergeCmd is "weigate user merge".
type userMergeCmd struct {
	userArg
	Younger string `arg:"" help:"User who is merged into the first one: its id resolves to the first one afterwards."`
}

// Run merges two users.
func (c *userMergeCmd) Run(s *invocation) error {
	return c.change(s, func(svc *administration.Service, older gateway.User) (gateway.User, error) {
		younger, err := findUser(s, svc, c.Younger)
		if err != nil {
			return gateway.User{}, err
		}
		if younger.ID == older.ID {
			return gateway.User{}, errors.New("both ids are of the same user")
		}
		u, err := svc.Merge(s.ctx, byCommand, older.ID, younger.ID)
		if errors.Is(err, gateway.ErrConflict) {
			err = withHint(errors.New("both users have an identity at one appid"), "weigate user unlink removes one of them")
		}
		return u, err
	}, func(gateway.User) lang.Message { return lang.Text("merged; both users sign in again") })
}

// userMoveCmd is "weigate user move".
type userMoveCmd struct {
	userArg
	Expires span `default:"1h" placeholder:"1h" help:"How long the link works (${default}, at most 24h)."`
}

// Run prints the link.
func (c *userMoveCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	u, err := findUser(s, svc, c.ID)
	if err != nil {
		return err
	}
	i, link, err := svc.Invite(s.ctx, byCommand, administration.Invite{
		Kind: gateway.InviteMove, UserID: u.ID, Expires: time.Duration(c.Expires),
	})
	if err != nil {
		return expiryHint(adminHint(err, u.ID), gateway.InviteMove)
	}
	if c.JSON {
		return printInvitation(s, i, link)
	}
	s.out.printf("The user opens this link with the new WeChat account. It works once, and moves %s there.", u.ID)
	return printLink(s, link, i.ExpiresAt)
}

// userDeleteCmd is "weigate user delete".
type userDeleteCmd struct {
	userArg
	Yes bool `help:"Required: the deletion cannot be undone."`
}

// Run deletes a user.
func (c *userDeleteCmd) Run(s *invocation) error {
	if !c.Yes {
		return withHint(errors.New("a deletion cannot be undone"), "add --yes; weigate user block keeps the data")
	}
	return c.change(s, func(svc *administration.Service, u gateway.User) (gateway.User, error) {
		return u, svc.Delete(s.ctx, byCommand, u.ID)
	}, func(gateway.User) lang.Message { return lang.Text("deleted") })
}
