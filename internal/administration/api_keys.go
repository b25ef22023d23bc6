package administration

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// NewAPIKey describes a new API key.
type NewAPIKey struct {
	Name    string        // required: what the key is for
	Scopes  []string      // required: rights, such as ScopeUsersRead
	Expires time.Duration // 0 = never
}

// The scopes of API keys. A key has no right that it does not list: users:write does not include
// users:read. No scope creates API keys.
const (
	ScopeUsersRead        = "users:read"
	ScopeUsersWrite       = "users:write"   // edit, block, unblock, sign out
	ScopeUsersDelete      = "users:delete"  // delete, merge, unlink
	ScopeAdminsWrite      = "admins:write"  // grant and revoke administrator rights; needed too to change an administrator
	ScopeWaitingRead      = "waiting:read"  // who waits for approval
	ScopeWaitingWrite     = "waiting:write" // approve, refuse
	ScopeInvitationsRead  = "invitations:read"
	ScopeInvitationsWrite = "invitations:write"
	ScopeAppsRead         = "apps:read"
	ScopeEventsRead       = "events:read"
	ScopeHealthRead       = "health:read"
	ScopeDeliveriesRead   = "deliveries:read"
	ScopeDeliveriesWrite  = "deliveries:write" // send again, send a test
)

// Scopes returns all scopes, sorted.
func Scopes() []string {
	return []string{
		ScopeAdminsWrite, ScopeAppsRead, ScopeDeliveriesRead, ScopeDeliveriesWrite, ScopeEventsRead, ScopeHealthRead,
		ScopeInvitationsRead, ScopeInvitationsWrite, ScopeUsersDelete, ScopeUsersRead, ScopeUsersWrite, ScopeWaitingRead,
		ScopeWaitingWrite,
	}
}

// minKeyExpiry and maxKeyExpiry limit how long an API key works.
const (
	minKeyExpiry = time.Minute
	maxKeyExpiry = 10 * 365 * 24 * time.Hour
)

// CreateAPIKey creates an API key. It also returns the key as text, to be shown once: the store has
// only a hash. An API key cannot create another one (ErrForbidden).
func (s *Service) CreateAPIKey(ctx context.Context, by Actor, in NewAPIKey) (gateway.APIKey, string, error) {
	if err := s.check(ctx, by); err != nil {
		return gateway.APIKey{}, "", err
	}
	if strings.HasPrefix(by.ID, gateway.ActorKeyPrefix) {
		return gateway.APIKey{}, "", ErrForbidden
	}
	name, err := cleanLine("name", in.Name, MaxName)
	switch {
	case err != nil:
		return gateway.APIKey{}, "", err
	case name == "":
		return gateway.APIKey{}, "", &FieldError{Field: "name", Key: Required}
	case len(in.Scopes) == 0:
		return gateway.APIKey{}, "", &FieldError{Field: "scopes", Key: Required}
	case in.Expires != 0 && (in.Expires < minKeyExpiry || in.Expires > maxKeyExpiry):
		return gateway.APIKey{}, "", &FieldError{Field: "expires", Key: Invalid, Value: formatSpan(in.Expires)}
	}
	for _, scope := range in.Scopes {
		if !slices.Contains(Scopes(), scope) {
			return gateway.APIKey{}, "", &FieldError{Field: "scopes", Key: Invalid, Value: gateway.CleanLine(scope)}
		}
	}
	secret := gateway.APIKeyPrefix + gateway.NewID()
	k := gateway.APIKey{
		ID: gateway.NewID(), Hash: gateway.APIKeyHash(secret), Name: name, CreatedBy: by.ID, CreatedAt: s.cfg.Now(),
		Scopes: slices.Compact(slices.Sorted(slices.Values(in.Scopes))),
	}
	detail := "key " + k.ID + "; scopes " + strings.Join(k.Scopes, ", ")
	if in.Expires > 0 {
		k.ExpiresAt = k.CreatedAt.Add(in.Expires)
		detail += "; until " + k.ExpiresAt.UTC().Format(time.RFC3339)
	}
	if err := s.store.CreateAPIKey(ctx, k, s.event(by, EventAPIKeyCreated, detail)); err != nil {
		return gateway.APIKey{}, "", err
	}
	return k, secret, nil
}

// APIKeys returns all API keys, newest first, without the keys themselves.
func (s *Service) APIKeys(ctx context.Context) ([]gateway.APIKey, error) { return s.store.APIKeys(ctx) }

// RevokeAPIKey makes an API key unusable. Revoking it again is not an error.
func (s *Service) RevokeAPIKey(ctx context.Context, by Actor, id string) error {
	if err := s.check(ctx, by); err != nil {
		return err
	}
	return s.store.RevokeAPIKey(ctx, id, s.cfg.Now(), s.event(by, EventAPIKeyRevoked, "key "+id))
}

// Authenticate returns the API key with this text, and the actor that stands for it. The error is
// gateway.ErrNotFound for an unknown key. It is gateway.ErrExpired for an expired or revoked key,
// and for a key whose creator is not an administrator any more. With ErrExpired, the key is
// returned too.
func (s *Service) Authenticate(ctx context.Context, key string) (gateway.APIKey, Actor, error) {
	const length = len(gateway.APIKeyPrefix) + 26 // the length of gateway.NewID
	if len(key) != length || !strings.HasPrefix(key, gateway.APIKeyPrefix) {
		return gateway.APIKey{}, Actor{}, gateway.ErrNotFound
	}
	k, err := s.store.APIKey(ctx, gateway.APIKeyHash(key), s.cfg.Now())
	return k, ActorOfKey(k), err
}

// APIKeyState returns the state of an API key at now: usable, expired or revoked. A usable key
// still does not work when its creator is not an administrator any more.
func APIKeyState(k gateway.APIKey, now time.Time) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "revoked"
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return "expired"
	}
	return "usable"
}
