package administration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

// This file has the changes of one user.

// Edit is a change of what an administrator writes about a user. nil = unchanged.
type Edit struct {
	RealName    *string
	Note        *string
	Groups      *[]string
	AllowedApps *[]string // apps that the user may use, even while Pending
	RefusedApps *[]string // apps that the user must not use, even while Active
}

// Edit changes a user. seen is the UpdatedAt of the user that the administrator saw; zero =
// unknown. ErrConflict when somebody has changed the user since.
func (s *Service) Edit(
	ctx context.Context, by Actor, id string, e Edit, seen time.Time,
) (gateway.User, error) {
	if err := s.check(ctx, by); err != nil {
		return gateway.User{}, err
	}
	before, err := s.store.User(ctx, id)
	if err != nil {
		return gateway.User{}, err
	}
	if e, err = s.cleanEdit(e, before); err != nil {
		return gateway.User{}, err
	}
	return s.store.ChangeUser(ctx, gateway.UserChange{
		ID: id, Now: s.cfg.Now(), Unchanged: seen, Event: s.event(by, EventUserEdited, ""),
		Change: func(u *gateway.User) error {
			if err := by.mayChange(*u); err != nil {
				return err
			}
			return e.apply(u)
		},
		Describe: describeEdit,
	})
}

// cleanEdit returns the edit with cleaned values, or a FieldError for invalid values. An app that
// is not configured any more stays valid for a user whose lists of apps have it already.
func (s *Service) cleanEdit(e Edit, user gateway.User) (clean Edit, err error) {
	if e.RealName != nil {
		name, err := cleanLine("real_name", *e.RealName, MaxName)
		if err != nil {
			return Edit{}, err
		}
		clean.RealName = &name
	}
	if e.Note != nil {
		note, err := cleanParagraph("note", *e.Note, MaxNote)
		if err != nil {
			return Edit{}, err
		}
		clean.Note = &note
	}
	if e.Groups != nil {
		groups, err := CleanGroups(*e.Groups)
		if err != nil {
			return Edit{}, err
		}
		clean.Groups = &groups
	}
	for _, list := range []struct{ from, to **[]string }{
		{&e.AllowedApps, &clean.AllowedApps}, {&e.RefusedApps, &clean.RefusedApps},
	} {
		if *list.from == nil {
			continue
		}
		apps, err := s.cleanApps(**list.from, slices.Concat(user.AllowedApps, user.RefusedApps)...)
		if err != nil {
			return Edit{}, err
		}
		*list.to = &apps
	}
	return clean, nil
}

// apply changes u, or returns a FieldError for an app that would be both allowed and refused.
func (e Edit) apply(u *gateway.User) error {
	if e.RealName != nil {
		u.RealName = *e.RealName
	}
	if e.Note != nil {
		u.Note = *e.Note
	}
	if e.Groups != nil {
		u.Groups = slices.Clone(*e.Groups)
	}
	if e.AllowedApps != nil {
		u.AllowedApps = slices.Clone(*e.AllowedApps)
	}
	if e.RefusedApps != nil {
		u.RefusedApps = slices.Clone(*e.RefusedApps)
	}
	for _, app := range u.AllowedApps {
		if slices.Contains(u.RefusedApps, app) {
			return &FieldError{Field: "apps", Key: Invalid, Value: app}
		}
	}
	return nil
}

// describeEdit returns what changed. Events stay when a user is deleted, so they have no name and
// no note.
func describeEdit(before, after gateway.User) string {
	var changes []string
	compare := func(name string, from, to []string) {
		if !slices.Equal(from, to) {
			changes = append(changes, fmt.Sprintf("%s: %s → %s", name, orNone(from), orNone(to)))
		}
	}
	if before.RealName != after.RealName {
		changes = append(changes, "real name changed")
	}
	if before.Note != after.Note {
		changes = append(changes, "note changed")
	}
	compare("groups", before.Groups, after.Groups)
	compare("allowed apps", before.AllowedApps, after.AllowedApps)
	compare("refused apps", before.RefusedApps, after.RefusedApps)
	if len(changes) == 0 {
		return "nothing changed"
	}
	return strings.Join(changes, "; ")
}

// none is how a detail names an empty list.
const none = "none"

func orNone(list []string) string {
	if len(list) == 0 {
		return none
	}
	return strings.Join(list, ", ")
}

// SetAdmin grants or revokes administrator rights, and returns the user. To get the rights, the
// user must be approved (ErrPending) and not blocked (gateway.ErrBlocked). ErrSelf when
// administrators revoke their own rights; gateway.ErrLastAdmin when no administrator would be left.
func (s *Service) SetAdmin(ctx context.Context, by Actor, id string, admin bool) (gateway.User, error) {
	if err := s.check(ctx, by); err != nil {
		return gateway.User{}, err
	}
	kind := EventAdminGranted
	if !admin {
		kind = EventAdminRevoked
		if err := s.checkOther(ctx, by, id); err != nil {
			return gateway.User{}, err
		}
	}
	user, err := s.store.User(ctx, id)
	if err != nil || user.Admin == admin {
		return user, err
	}
	return s.store.ChangeUser(ctx, gateway.UserChange{
		ID: id, Now: s.cfg.Now(), AllowNone: by.allowNone(), Event: s.event(by, kind, ""),
		Change: func(u *gateway.User) error {
			switch {
			case admin && u.Status == gateway.Blocked:
				return gateway.ErrBlocked
			case admin && u.Status != gateway.Active:
				return ErrPending
			}
			u.Admin = admin
			return nil
		},
	})
}

// EndSession ends one session of a user. sessionID is Session.ID in Details. ErrNotFound when the
// user has no such session: it has ended, or it belongs to another user.
func (s *Service) EndSession(ctx context.Context, by Actor, id, sessionID string) error {
	if err := s.check(ctx, by); err != nil {
		return err
	}
	sessions, err := s.store.UserSessions(ctx, id, s.cfg.Now())
	if err != nil {
		return err
	}
	for _, each := range sessions {
		if session.FormID(each.Hash) != sessionID {
			continue
		}
		_, err := s.store.EndSessions(ctx, gateway.SessionsEnd{
			UserID: each.UserID, Session: each.Hash, Now: s.cfg.Now(),
			Event: s.event(by, EventSessionEnded, gateway.BrowserDetail(listedSession(each).Browser)),
		})
		return err
	}
	return gateway.ErrNotFound
}

// Unlink removes an identity from a user, and ends the sessions and tokens that were made with it.
// ErrNotFound when the user has no such identity; ErrConflict when the user has no other identity.
func (s *Service) Unlink(ctx context.Context, by Actor, id, appID, openID string) error {
	if err := s.check(ctx, by); err != nil {
		return err
	}
	identities, err := s.store.Identities(ctx, id)
	if err != nil {
		return err
	}
	e := s.event(by, EventIdentityUnlinked, "identity "+appID+" "+MaskID(openID))
	for _, each := range identities {
		if each.AppID == appID && each.OpenID == openID {
			e.Connector = each.Connector
		}
	}
	return s.store.UnlinkIdentity(ctx, id, appID, openID, s.cfg.Now(), e)
}

// Merge joins the user younger into the user older: both records belong to one human, who must sign
// in again. ErrSelf when one of the two is the actor. For further errors, see
// gateway.UserAdministration.MergeUsers.
func (s *Service) Merge(ctx context.Context, by Actor, older, younger string) (gateway.User, error) {
	if err := s.check(ctx, by); err != nil {
		return gateway.User{}, err
	}
	for _, id := range []string{older, younger} {
		if err := s.checkOther(ctx, by, id); err != nil {
			return gateway.User{}, err
		}
	}
	if older == younger {
		return gateway.User{}, &FieldError{Field: "younger", Key: Invalid}
	}
	return s.store.MergeUsers(ctx, older, younger, s.cfg.Now(), s.event(by, EventUsersMerged, "with "+younger))
}

// Delete deletes a user and everything that belongs to the user. Events keep the user id.
func (s *Service) Delete(ctx context.Context, by Actor, id string) error {
	if err := s.check(ctx, by); err != nil {
		return err
	}
	if err := s.checkOther(ctx, by, id); err != nil {
		return err
	}
	return s.store.DeleteUserIf(ctx, id, s.cfg.Now(), s.event(by, EventUserDeleted, ""), by.mayChange)
}

// MaskID shortens an openid or unionid so that users are still distinguishable.
func MaskID(id string) string {
	if len(id) <= 10 {
		return id
	}
	return id[:6] + "…" + id[len(id)-2:]
}
