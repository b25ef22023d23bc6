package gateway

import (
	"context"
	"time"
)

// APIKey lets another program call the HTTP API.
type APIKey struct {
	ID         string   // opaque, for lists and events
	Hash       [32]byte // SHA-256 of the key, which is shown once
	Name       string   // by the administrator: what it is for
	Scopes     []string // such as "users:read"; sorted
	CreatedBy  string   // Event.Actor; if this is a user, the key works only while the user is an administrator
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero = never
	LastUsedAt time.Time // accurate to about a minute; zero = never
	RevokedAt  time.Time // zero = not revoked
}

// APIKeys stores API keys.
type APIKeys interface {
	// CreateAPIKey stores a key and appends e, in one transaction. ErrConflict when its id or hash
	// exists.
	CreateAPIKey(ctx context.Context, k APIKey, e Event) error

	// APIKey returns the key with this hash if it can be used at now, and records the use at most once
	// a minute. ErrNotFound when there is none. ErrExpired when it has expired, was revoked, or
	// CreatedBy is a user without administrator rights now; the key is returned too then.
	APIKey(ctx context.Context, hash [32]byte, now time.Time) (APIKey, error)

	// APIKeys returns all keys, newest first, at most 500. Revoked and expired keys are included until
	// a sweep deletes them, 90 days after they expired or were revoked.
	APIKeys(ctx context.Context) ([]APIKey, error)

	// RevokeAPIKey makes a key unusable and appends e, in one transaction. Revoking it again is not an
	// error. ErrNotFound when there is none with this id.
	RevokeAPIKey(ctx context.Context, id string, now time.Time, e Event) error
}
