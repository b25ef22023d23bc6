package cli

import (
	"github.com/weigate/weigate/internal/administration"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// This file has the commands that change several users at once.

// usersArg has the arguments of a command that changes users.
type usersArg struct {
	adminFlags
	IDs []string `arg:"" name:"id" help:"User ids, openids, unionids or old ids."`
}

// each finds all users of the command first, so that a misspelled id changes nothing. Then it calls
// do with their ids and prints the outcomes. Users for whom the change is impossible are left and
// reported, and the others are changed.
func (c usersArg) each(
	s *invocation, do func(*administration.Service, []string) []administration.Outcome,
	describe func(*administration.Service, gateway.User) (lang.Message, error),
) error {
	svc, closeStore, err := c.service(s)
	if err != nil {
		return err
	}
	defer closeStore()
	var ids []string
	for _, id := range c.IDs {
		u, err := findUser(s, svc, id)
		if err != nil {
			return err
		}
		ids = append(ids, u.ID)
	}
	failed := 0
	var last error
	for _, o := range do(svc, ids) {
		if o.Err != nil {
			failed++
			last = adminHint(o.Err, o.UserID)
		}
		if err := c.print(s, svc, o, describe); err != nil {
			return err
		}
	}
	switch {
	case failed == 0:
		return nil
	case len(ids) == 1:
		return last
	}
	return withHint(lang.Errorf("%s left unchanged", lang.Count(failed, "1 user", "%d users")), "the others were changed")
}

// print prints the outcome for one user.
func (c usersArg) print(
	s *invocation, svc *administration.Service, o administration.Outcome,
	describe func(*administration.Service, gateway.User) (lang.Message, error),
) error {
	if c.JSON {
		entry := outcomeEntry{UserID: o.UserID, Outcome: "ok"}
		if o.Err != nil {
			entry.Outcome, entry.Error = "failed", oneLine(adminHint(o.Err, o.UserID).Error())
		} else {
			user := administration.ExportUser(o.User)
			entry.User = &user
		}
		return s.out.printJSON(entry)
	}
	if o.Err != nil {
		if len(c.IDs) > 1 { // the error of a single user is the error of the command
			s.out.error(adminHint(o.Err, o.UserID))
		}
		return nil
	}
	result, err := describe(svc, o.User)
	if err != nil {
		return err
	}
	s.out.printf("%s  %s  %s", o.User.ID, result, printable(nameOf(o.User)))
	return nil
}

// always returns a describe function that returns the same text for every user.
func always(format string, args ...any) func(*administration.Service, gateway.User) (lang.Message, error) {
	return func(*administration.Service, gateway.User) (lang.Message, error) {
		return lang.Text(format, args...), nil
	}
}

// userApproveCmd is "weigate user approve".
type userApproveCmd struct {
	usersArg
	App   []string `placeholder:"ID" help:"Only for these apps. Without it, users become active: approved for all apps."`
	Group []string `placeholder:"NAME" help:"Groups that the users get in addition."`
}

// Run approves users. The page on which their browsers wait then continues automatically.
func (c *userApproveCmd) Run(s *invocation) error {
	return c.each(s, func(svc *administration.Service, ids []string) []administration.Outcome {
		return nameAppOption(svc.Approve(s.ctx, byCommand, ids, administration.Approval{Apps: c.App, Groups: c.Group}))
	}, always("approved %s", describeApps(c.App)))
}

// nameAppOption names the option --app in the errors of outcomes.
func nameAppOption(outcomes []administration.Outcome) []administration.Outcome {
	for i := range outcomes {
		outcomes[i].Err = nameOption(outcomes[i].Err, "apps", "--app")
	}
	return outcomes
}

// userRefuseCmd is "weigate user refuse".
type userRefuseCmd struct {
	usersArg
	App    []string `placeholder:"ID" help:"For these apps. Without it, every request that waits is refused."`
	Reason string   `placeholder:"TEXT" help:"Reason that the users read."`
}

// Run refuses users.
func (c *userRefuseCmd) Run(s *invocation) error {
	return c.each(s, func(svc *administration.Service, ids []string) []administration.Outcome {
		return nameAppOption(svc.Refuse(s.ctx, byCommand, ids, administration.Refusal{Apps: c.App, Reason: c.Reason}))
	}, always("refused"))
}

// userBlockCmd is "weigate user block".
type userBlockCmd struct {
	usersArg
	Reason string `placeholder:"TEXT" help:"Reason for the event; the users do not see it."`
	Force  bool   `help:"Block the last administrator too."`
}

// Run blocks users. The store ends their sessions and tokens in one transaction with the block.
//
// Without a unionid, the gateway cannot recognize one human at two connectors (apps at WeChat). The
// human may be another user at another connector, and that user is not blocked. So Run prints each
// connector at which the blocked user has no unionid, if there are several connectors.
func (c *userBlockCmd) Run(s *invocation) error {
	by := byCommand
	by.Force = c.Force
	return c.each(s, func(svc *administration.Service, ids []string) []administration.Outcome {
		return svc.Block(s.ctx, by, ids, c.Reason)
	}, func(svc *administration.Service, u gateway.User) (lang.Message, error) {
		result := lang.Text("blocked and signed out everywhere")
		d, err := svc.Details(s.ctx, u.ID)
		for _, i := range d.Identities {
			if i.UnionID == "" && len(svc.Connectors()) > 1 {
				result = lang.Text("%s; no unionid at %s: the same person may still sign in at another connector",
					result, i.Connector)
			}
		}
		return result, err
	})
}

// userUnblockCmd is "weigate user unblock".
type userUnblockCmd struct{ usersArg }

// Run makes blocked users pending.
func (c *userUnblockCmd) Run(s *invocation) error {
	return c.each(s, func(svc *administration.Service, ids []string) []administration.Outcome {
		return svc.Unblock(s.ctx, byCommand, ids)
	}, func(_ *administration.Service, u gateway.User) (lang.Message, error) {
		result := lang.Text("unblocked, needs approval")
		if len(u.Groups) > 0 {
			result = lang.Text("%s; still in groups: %s", result, orDash(u.Groups))
		}
		return result, nil
	})
}

// userSignOutCmd is "weigate user sign-out".
type userSignOutCmd struct{ usersArg }

// Run ends every session and every token of the users.
func (c *userSignOutCmd) Run(s *invocation) error {
	return c.each(s, func(svc *administration.Service, ids []string) []administration.Outcome {
		return svc.SignOut(s.ctx, byCommand, ids)
	}, always("signed out everywhere"))
}
