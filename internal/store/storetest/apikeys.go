package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// apiKeyCases test keys of the HTTP API.
var apiKeyCases = []testCase{
	{
		name:   "a key works until it is revoked or expires, or its creator loses the rights",
		reason: "authentik CVE-2025-53942: a deactivated user still got access",
		run: func(t *testing.T, f *fixture) {
			boss := f.addUser("o1")
			f.makeAdmin(boss.ID)
			key := gateway.APIKey{ID: "k1", Hash: hash("k1"), Name: "hr", Scopes: []string{"users:read", "users:write"},
				CreatedBy: boss.ID, CreatedAt: noon, ExpiresAt: after(time.Hour)}
			wantNoError(t, f.store.CreateAPIKey(t.Context(), key, gateway.Event{At: noon, Kind: "key_created"}))
			wantError(t, f.store.CreateAPIKey(t.Context(), key, gateway.Event{}), gateway.ErrConflict)
			use := func(at time.Time) string {
				k, err := f.store.APIKey(t.Context(), hash("k1"), at)
				if err == nil || errorName(err) == "expired" {
					wantEqual(t, "key", fmt.Sprint(k.ID, k.Name, k.Scopes), "k1hr[users:read users:write]")
				}
				return errorName(err)
			}
			wantEqual(t, "now", use(noon), "ok")
			wantEqual(t, "within a minute", use(after(59*time.Second)), "ok")
			lastUse := func() time.Time {
				keys, err := f.store.APIKeys(t.Context())
				wantNoError(t, err)
				return keys[0].LastUsedAt
			}
			wantEqual(t, "last use", lastUse(), noon)
			wantEqual(t, "later", use(after(2*time.Minute)), "ok")
			wantEqual(t, "last use", lastUse(), after(2*time.Minute))
			wantEqual(t, "at its expiry", use(after(time.Hour)), "expired")
			f.block(boss.ID)
			wantEqual(t, "with a blocked creator", use(noon), "expired")
			f.updateUser(boss.ID, noon, func(u *gateway.User) error { u.Status = gateway.Active; return nil })
			wantEqual(t, "with the creator", use(noon), "ok")
			e := gateway.Event{At: noon, Kind: "key_revoked"}
			wantNoError(t, f.store.RevokeAPIKey(t.Context(), "k1", noon, e))
			wantNoError(t, f.store.RevokeAPIKey(t.Context(), "k1", after(time.Hour), e))
			wantEqual(t, "revoked", use(noon), "expired")
			wantError(t, f.store.RevokeAPIKey(t.Context(), "k2", noon, gateway.Event{}), gateway.ErrNotFound)
			_, err := f.store.APIKey(t.Context(), hash("k2"), noon)
			wantError(t, err, gateway.ErrNotFound)
			wantEqual(t, "events", len(f.listEvents(gateway.EventQuery{Kind: "key_revoked"})), 2)
			key.ID, key.Hash, key.ExpiresAt = "k3", hash("k3"), time.Time{}
			wantNoError(t, f.store.CreateAPIKey(t.Context(), key, gateway.Event{}))
			wantEqual(t, "swept", f.sweep(after(90*24*time.Hour), time.Time{}, 0), 1)
			keys, err := f.store.APIKeys(t.Context())
			wantNoError(t, err)
			wantEqual(t, "left", keys[0].ID, "k3")
		},
	},
}
