package administration

import (
	"context"

	"github.com/weigate/weigate/internal/gateway"
)

// This file has the actions on lists of users, except Approve and Refuse (waiting.go).

// Block blocks users. All their sessions, tokens and API keys end, and they cannot sign in. A
// blocked administrator loses the rights. The reason is written to the event only.
func (s *Service) Block(ctx context.Context, by Actor, ids []string, reason string) []Outcome {
	reason, err := cleanParagraph("reason", reason, MaxReason)
	if err != nil {
		return failed(ids, err)
	}
	return s.each(ctx, by, ids, func(id string) (gateway.User, error) {
		if err := s.checkOther(ctx, by, id); err != nil {
			return gateway.User{}, err
		}
		return s.store.ChangeUser(ctx, gateway.UserChange{
			ID: id, Now: s.cfg.Now(), AllowNone: by.allowNone(), Event: s.event(by, EventUserBlocked, ""),
			Change: func(u *gateway.User) error {
				if err := by.mayChange(*u); err != nil {
					return err
				}
				// If Admin stayed, unblocking and approving the user would return the rights.
				u.Status, u.Admin = gateway.Blocked, false
				return nil
			},
			Describe: func(before, _ gateway.User) string {
				detail := ""
				if before.Admin {
					detail = "administrator rights removed"
				}
				return withReason(detail, reason)
			},
		})
	})
}

// Unblock unblocks users. They need approval again, also for the apps that an administrator allowed
// before the block. They keep their groups: the configuration approves the users in a group of a rule
// "listed". ErrNotBlocked for users who are not blocked.
func (s *Service) Unblock(ctx context.Context, by Actor, ids []string) []Outcome {
	return s.each(ctx, by, ids, func(id string) (gateway.User, error) {
		return s.store.ChangeUser(ctx, gateway.UserChange{
			ID: id, Now: s.cfg.Now(), Event: s.event(by, EventUserUnblocked, ""),
			Change: func(u *gateway.User) error {
				if u.Status != gateway.Blocked {
					return ErrNotBlocked
				}
				if err := by.mayChange(*u); err != nil {
					return err
				}
				// If AllowedApps stayed, unblocking would approve the user for these apps.
				u.Status, u.AllowedApps = gateway.Pending, nil
				return nil
			},
			Describe: func(before, after gateway.User) string {
				if len(before.AllowedApps) == 0 {
					return ""
				}
				return "allowed apps: " + orNone(before.AllowedApps) + " → " + orNone(after.AllowedApps)
			},
		})
	})
}

// SignOut ends all sessions and tokens of users.
func (s *Service) SignOut(ctx context.Context, by Actor, ids []string) []Outcome {
	return s.each(ctx, by, ids, func(id string) (gateway.User, error) {
		user, err := s.store.User(ctx, id)
		if err != nil {
			return gateway.User{}, err
		}
		_, err = s.store.EndSessions(ctx, gateway.SessionsEnd{
			UserID: user.ID, Now: s.cfg.Now(), Event: s.event(by, EventUserSignedOut, ""),
		})
		return user, err
	})
}

// checkOther returns ErrSelf when id is the actor's own id, or the id of a user who was joined into
// the actor.
func (s *Service) checkOther(ctx context.Context, by Actor, id string) error {
	if !by.isUser() {
		return nil
	}
	if id == by.ID {
		return ErrSelf
	}
	user, err := s.store.User(ctx, id)
	if err == nil && user.ID == by.ID {
		return ErrSelf
	}
	return err
}
