package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
)

func has(f gateway.Grant, scope string) bool { return slices.Contains(f.Scopes, scope) }

// claims returns the claims of the granted scopes, without sub.
func (h *Handler) claims(ctx context.Context, client *Client, f gateway.Grant, user gateway.User) (map[string]any,
	error) {
	out := map[string]any{}
	if has(f, scopeEmail) && client.Email.Policy == EmailSynthetic {
		out["email"], out["email_verified"] = f.Subject+"@"+client.Email.Domain, false
	}
	if has(f, scopeProfile) {
		profile(out, user, f.Subject)
	}
	if has(f, scopeGroups) {
		out["groups"] = append([]string{}, user.Groups...)
	}
	if has(f, scopeWeChat) {
		identities, err := h.cfg.Users.Identities(ctx, f.UserID)
		if err != nil {
			return nil, err
		}
		out["appid"], out["openid"] = f.AppID, f.OpenID
		if union := access.UnionID(identities, f.AppID); union != "" {
			out["unionid"] = union
		}
	}
	return out, nil
}

func profile(out map[string]any, a gateway.User, subject string) {
	username := preferredUsername(subject)
	out["preferred_username"] = username
	// Apps show name, and some reject a user without one.
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

// preferredUsername returns a name in ASCII that, unlike a nickname, never changes for a user in
// one app: apps use it as a login name, in paths and in mentions. It does not reveal the subject.
func preferredUsername(subject string) string {
	sum := sha256.Sum256([]byte("preferred_username " + subject))
	return "wx-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:10]
}
