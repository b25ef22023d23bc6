package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

func has(f gateway.Family, scope string) bool { return slices.Contains(f.Scopes, scope) }

// subject is what the app is told as sub. The first one that an app was told of an account stays, whatever is joined or configured later. When what
// the app wants is not known of the person, they are told so; another kind is never put in its place, since two kinds could name two people alike.
func (h *Handler) subject(ctx context.Context, client *Client, s session.Browser) (string, error) {
	candidate, missing, err := h.candidate(ctx, client, s)
	if err != nil {
		return "", err
	}
	if candidate == "" {
		return h.pinnedBefore(ctx, client, s, missing)
	}
	subject, err := h.cfg.Subjects.PinSubject(ctx, s.Account.ID, client.ID, candidate, h.cfg.Now())
	switch {
	case errors.Is(err, gateway.ErrConflict):
		return "", &stop{http.StatusConflict, ReasonSubjectTaken, client}
	case errors.Is(err, gateway.ErrNotFound):
		return "", &stop{http.StatusForbidden, ReasonRefused, client}
	}
	return subject, err
}

// candidate is the id of the kind that the app wants, or "" and the reason why there is none.
func (h *Handler) candidate(ctx context.Context, client *Client, s session.Browser) (string, Reason, error) {
	entry, isOpenID := strings.CutPrefix(client.Subject, subjectOpenID)
	switch {
	case isOpenID && s.Entry == entry:
		return s.OpenID, ReasonNoOpenID, nil
	case isOpenID:
		identities, err := h.cfg.People.Identities(ctx, s.Account.ID)
		for _, i := range identities {
			if i.Entry == entry {
				return i.OpenID, "", nil
			}
		}
		return "", ReasonNoOpenID, err
	case client.Subject == SubjectUnionID:
		union, err := h.unionID(ctx, s.Account.ID, s.AppID)
		return union, ReasonNoUnionID, err
	}
	return s.Account.ID, "", nil
}

// pinnedBefore finds the subject of somebody whom the app knew already, when a new one could not be made.
func (h *Handler) pinnedBefore(ctx context.Context, client *Client, s session.Browser, missing Reason) (string, error) {
	pins, err := h.cfg.Subjects.AccountSubjects(ctx, s.Account.ID)
	if err != nil {
		return "", err
	}
	for _, p := range pins {
		if p.App == client.ID {
			return p.Subject, nil
		}
	}
	return "", &stop{http.StatusForbidden, missing, client}
}

// claims are what the granted scopes tell about the person, sub left out.
func (h *Handler) claims(ctx context.Context, client *Client, f gateway.Family, account gateway.Account) (map[string]any, error) {
	out := map[string]any{}
	if has(f, scopeEmail) && client.Email.Policy == EmailSynthetic {
		out["email"], out["email_verified"] = f.Subject+"@"+client.Email.Domain, false
	}
	if has(f, scopeProfile) {
		profile(out, account, f.Subject)
	}
	if has(f, scopeGroups) {
		out["groups"] = append([]string{}, account.Groups...)
	}
	if has(f, scopeWeChat) {
		union, err := h.unionID(ctx, f.AccountID, f.AppID)
		if err != nil {
			return nil, err
		}
		out["appid"], out["openid"] = f.AppID, f.OpenID
		if union != "" {
			out["unionid"] = union
		}
	}
	return out, nil
}

func profile(out map[string]any, a gateway.Account, subject string) {
	username := preferredUsername(subject)
	out["preferred_username"] = username
	// Apps show name, and some refuse a person without one.
	out["name"] = username
	if a.Nickname != "" {
		out["name"], out["nickname"] = a.Nickname, a.Nickname
	}
	if a.AvatarURL != "" {
		out["picture"] = a.AvatarURL
	}
	if a.Locale != "" {
		out["locale"] = a.Locale
	}
	if a.OldID != "" {
		out["old_id"] = a.OldID
	}
	out["updated_at"] = a.UpdatedAt.Unix()
	if a.ProfileAt.After(a.UpdatedAt) {
		out["updated_at"] = a.ProfileAt.Unix()
	}
}

// preferredUsername is ASCII and stays the same for the life of the account in this app, unlike a nickname: apps make it a login name, a folder, a
// mention. It tells nothing about the subject.
func preferredUsername(subject string) string {
	sum := sha256.Sum256([]byte("preferred_username " + subject))
	return "wx-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:10]
}

// unionID prefers that of the app through which the person signed in: an account may have been in two open platforms.
func (h *Handler) unionID(ctx context.Context, accountID, appID string) (string, error) {
	identities, err := h.cfg.People.Identities(ctx, accountID)
	found := ""
	for _, i := range identities {
		if i.UnionID != "" && (found == "" || i.AppID == appID) {
			found = i.UnionID
		}
	}
	return found, err
}
