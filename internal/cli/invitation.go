package cli

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// invitationCmd is "weigate invitation".
type invitationCmd struct {
	Create invitationCreateCmd `cmd:"" help:"Print a link that approves the users who accept it in WeChat."`
	List   invitationListCmd   `cmd:"" help:"List invitations, newest first."`
	Show   invitationShowCmd   `cmd:"" help:"Show an invitation, and who used it when."`
	Revoke invitationRevokeCmd `cmd:"" help:"Make a link unusable."`
}

// invitationCreateCmd is "weigate invitation create".
type invitationCreateCmd struct {
	adminFlags
	App     []string `placeholder:"ID" help:"Apps that the link opens. Without it, all apps with access: approved."`
	Group   []string `placeholder:"NAME" help:"Groups that users get."`
	Uses    int      `default:"1" help:"How many users may use the link (${default}); 0 = any number."`
	Expires span     `default:"7d" placeholder:"7d" help:"How long the link works (${default}, at most 365d)."`
	Note    string   `placeholder:"TEXT" help:"For administrators: whom the link is for."`
}

// Run prints the link. The store keeps a hash of it only.
func (c *invitationCreateCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	i, link, err := svc.Invite(s.ctx, byCommand, administration.Invite{
		Kind: gateway.InviteUser, Apps: c.App, Groups: c.Group, MaxUses: c.Uses, Note: c.Note,
		Expires: time.Duration(c.Expires),
	})
	if err != nil {
		return expiryHint(nameOption(err, "apps", "--app"), gateway.InviteUser)
	}
	if c.JSON {
		return printInvitation(s, i, link)
	}
	s.out.printf("Invitation %s: %s, %s.", i.ID, describeApps(i.Apps), describeUses(i))
	return printLink(s, link, i.ExpiresAt)
}

// nameOption names the option of the command line in the error of a field.
func nameOption(err error, field, option string) error {
	var wrong *administration.FieldError
	if !errors.As(err, &wrong) || wrong.Field != field {
		return err
	}
	named := *wrong
	named.Field = option
	return &named
}

// expiryHint adds the limit to the error of a link that would work for too long.
func expiryHint(err error, kind gateway.InvitationKind) error {
	var field *administration.FieldError
	if !errors.As(err, &field) || field.Field != "expires" {
		return err
	}
	longest := "24h"
	if limit := administration.MaxExpiry(kind); limit > 24*time.Hour {
		longest = strconv.Itoa(int(limit.Hours()/24)) + "d"
	}
	return withHint(err, "--expires: at least 1m, at most %s", longest)
}

// printInvitation prints a new invitation and its link as JSON.
func printInvitation(s *invocation, i gateway.Invitation, link string) error {
	return s.out.printJSON(struct {
		Link       string          `json:"link"`
		Invitation invitationEntry `json:"invitation"`
	}{link, newInvitationEntry(i, time.Now())})
}

func describeApps(apps []string) lang.Message {
	if len(apps) == 0 {
		return lang.Text("for all apps")
	}
	return lang.Text("for %s", strings.Join(apps, ", "))
}

func describeUses(i gateway.Invitation) lang.Message {
	if i.MaxUses == 0 {
		return lang.Text("used %s, no limit", lang.Count(i.Uses, "1 time", "%d times"))
	}
	return lang.Text("used %d of %s", i.Uses, lang.Count(i.MaxUses, "1 time", "%d times"))
}

// invitationListCmd is "weigate invitation list".
type invitationListCmd struct {
	adminFlags
	Kind  string `enum:"any,user,admin,move" default:"any" help:"Only links of this kind: user, admin or move."`
	Limit int    `default:"50" help:"Maximum number (${default}, at most 500)."`
}

// Run prints a table.
func (c *invitationListCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	if err := checkLimit(c.Limit); err != nil {
		return err
	}
	q := gateway.InvitationQuery{Limit: c.Limit}
	if c.Kind != "any" {
		q.Kind = gateway.InvitationKind(c.Kind)
	}
	all, err := svc.Invitations(s.ctx, q)
	if err != nil {
		return err
	}
	now := time.Now()
	return printList(s, c.JSON, all, "No invitations.", "ID | KIND | STATE | USES | EXPIRES | CREATED BY | NOTE",
		func(i gateway.Invitation) any { return newInvitationEntry(i, now) },
		func(i gateway.Invitation) row {
			return cells(i.ID, s.word("kind", string(i.Kind)), s.word("state", string(administration.StateOf(i, now))),
				describeUses(i), s.formatTime(i.ExpiresAt), s.actor(i.CreatedBy), shorten(i.Note, 40))
		})
}

// invitationShowCmd is "weigate invitation show".
type invitationShowCmd struct {
	adminFlags
	ID string `arg:"" help:"Id of the invitation, from weigate invitation list."`
}

// Run prints an invitation and the users who used it.
func (c *invitationShowCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	i, uses, err := svc.Invitation(s.ctx, gateway.InvitationUseQuery{ID: c.ID, Limit: 500})
	if err != nil {
		return invitationError(err)
	}
	if c.JSON {
		out := []useEntry{}
		for _, u := range uses {
			out = append(out, useEntry{UserID: u.UserID, At: u.At.UTC()})
		}
		return s.out.printJSON(struct {
			Invitation invitationEntry `json:"invitation"`
			Uses       []useEntry      `json:"used_by"`
		}{newInvitationEntry(i, time.Now()), out})
	}
	rows := []row{
		field("kind", s.word("kind", string(i.Kind))),
		field("state", s.word("state", string(administration.StateOf(i, time.Now())))),
		field("for user", i.UserID), field("apps", strings.Join(i.Apps, ", ")), field("groups", strings.Join(i.Groups, ", ")),
		field("note", i.Note), field("created", lang.Text("%s by %s", s.formatTime(i.CreatedAt), s.actor(i.CreatedBy))),
		field("expires", s.formatTime(i.ExpiresAt)), field("uses", describeUses(i)),
	}
	for _, u := range uses {
		rows = append(rows, field("used by", lang.Text("%s at %s", u.UserID, s.formatInstant(u.At))))
	}
	return s.out.printTable(field("id", i.ID), rows)
}

// invitationRevokeCmd is "weigate invitation revoke".
type invitationRevokeCmd struct {
	adminFlags
	ID string `arg:"" help:"Id of the invitation, from weigate invitation list."`
}

// Run revokes an invitation. Users whom it approved stay approved.
func (c *invitationRevokeCmd) Run(s *invocation) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	if err := svc.RevokeInvitation(s.ctx, byCommand, c.ID); err != nil {
		return invitationError(err)
	}
	if c.JSON {
		return s.out.printJSON(map[string]string{"id": c.ID, "outcome": "ok"})
	}
	s.out.printf("%s  revoked", c.ID)
	return nil
}

func invitationError(err error) error {
	if errors.Is(err, gateway.ErrNotFound) {
		return withHint(errors.New("no such invitation"), "weigate invitation list")
	}
	return err
}

// checkLimit returns an error if limit is not a number of rows that the store can return at once.
func checkLimit(limit int) error {
	if limit < 1 || limit > 500 {
		return errors.New("--limit must be between 1 and 500")
	}
	return nil
}
