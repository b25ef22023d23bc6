package access_test

import (
	"context"
	"errors"
	"testing"

	"github.com/weigate/weigate/internal/access"
	"github.com/weigate/weigate/internal/gateway"
)

// users returns the same identities for every user.
type users struct {
	identities []gateway.Identity
	err        error
}

func (p users) Identities(context.Context, string) ([]gateway.Identity, error) {
	return p.identities, p.err
}

func TestAllow(t *testing.T) {
	t.Parallel()
	known := users{identities: []gateway.Identity{{OpenID: "o1", UnionID: "u1"}, {OpenID: "o2"}}}
	listed := func(change func(*gateway.AccessRule)) gateway.AccessRule {
		rule := gateway.AccessRule{Rule: gateway.AccessListed, Users: []string{"another user"}}
		change(&rule)
		return rule
	}
	for _, k := range []struct {
		name   string
		status gateway.Status
		rule   gateway.AccessRule
		want   access.Decision
	}{
		{"no rule denies", gateway.Active, gateway.AccessRule{}, access.Denied},
		{"an unknown rule denies", gateway.Active, gateway.AccessRule{Rule: "everybody"}, access.Denied},
		{"signed in: active", gateway.Active, gateway.AccessRule{Rule: gateway.AccessSignedIn}, access.Allowed},
		{"signed in: pending", gateway.Pending, gateway.AccessRule{Rule: gateway.AccessSignedIn}, access.Allowed},
		{"signed in: blocked", gateway.Blocked, gateway.AccessRule{Rule: gateway.AccessSignedIn}, access.Denied},
		{"signed in: no status", "", gateway.AccessRule{Rule: gateway.AccessSignedIn}, access.Denied},
		{"approved: active", gateway.Active, gateway.AccessRule{Rule: gateway.AccessApproved}, access.Allowed},
		{"approved: pending waits", gateway.Pending, gateway.AccessRule{Rule: gateway.AccessApproved}, access.Pending},
		{"approved: blocked", gateway.Blocked, gateway.AccessRule{Rule: gateway.AccessApproved}, access.Denied},
		{"listed by user id", gateway.Pending, listed(func(r *gateway.AccessRule) { r.Users = []string{"me"} }),
			access.Allowed},
		{"listed by openid", gateway.Pending, listed(func(r *gateway.AccessRule) { r.OpenIDs = []string{"o2"} }),
			access.Allowed},
		{"listed by unionid", gateway.Pending, listed(func(r *gateway.AccessRule) { r.UnionIDs = []string{"u1"} }),
			access.Allowed},
		{"listed by group", gateway.Pending, listed(func(r *gateway.AccessRule) { r.Groups = []string{"team"} }),
			access.Allowed},
		{"listed, but blocked", gateway.Blocked, listed(func(r *gateway.AccessRule) { r.Users = []string{"me"} }),
			access.Denied},
		{"not on the list", gateway.Active, listed(func(r *gateway.AccessRule) {
			r.OpenIDs, r.UnionIDs = []string{"o3"},
				[]string{"u3"}
		}), access.Denied},
		{"an empty unionid meets no empty line", gateway.Active,
			listed(func(r *gateway.AccessRule) { r.UnionIDs = []string{""} }), access.Denied},
		{"an empty group meets no empty line", gateway.Active,
			listed(func(r *gateway.AccessRule) { r.Groups = []string{""} }), access.Denied},
		{"a list counts only with its rule", gateway.Pending,
			gateway.AccessRule{Rule: gateway.AccessApproved, Users: []string{"me"}}, access.Pending},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			user := gateway.User{ID: "me", Status: k.status, Groups: []string{"", "team"}}
			got, err := access.Rules{Identities: known}.Decide(t.Context(), user,
				gateway.App{ID: "app", Access: k.rule})
			if err != nil || got != k.want {
				t.Errorf("Allow: %v, %v; want %v", got, err, k.want)
			}
		})
	}
}

// TestDecisionsAboutSingleApps has the users for whom an administrator decided about one app. The
// decision about another app must not count (issue pocket-id/pocket-id#1164: an app without rules
// was open to all).
func TestDecisionsAboutSingleApps(t *testing.T) {
	t.Parallel()
	approved := gateway.AccessRule{Rule: gateway.AccessApproved}
	listed := gateway.AccessRule{Rule: gateway.AccessListed, Users: []string{"another user"}, OpenIDs: []string{"o9"}}
	wiki, other := []string{"wiki"}, []string{"blog", "wik", "wiki2"}
	for _, k := range []struct {
		name             string
		status           gateway.Status
		allowed, refused []string
		rule             gateway.AccessRule
		want             access.Decision
	}{
		{"approved: allowed while pending", gateway.Pending, wiki, nil, approved, access.Allowed},
		{"approved: another app was allowed", gateway.Pending, other, nil, approved, access.Pending},
		{"approved: refused while pending", gateway.Pending, nil, wiki, approved, access.Denied},
		{"approved: refused while active", gateway.Active, nil, wiki, approved, access.Denied},
		{"approved: refused and allowed", gateway.Active, wiki, wiki, approved, access.Denied},
		{"approved: another app was refused", gateway.Active, nil, other, approved, access.Allowed},
		{"signed in: refused", gateway.Active, nil, wiki, gateway.AccessRule{Rule: gateway.AccessSignedIn}, access.Denied},
		{"listed: allowed without being listed", gateway.Pending, wiki, nil, listed, access.Allowed},
		{"listed: another app was allowed", gateway.Active, other, nil, listed, access.Denied},
		{"listed: refused", gateway.Active, nil, wiki,
			gateway.AccessRule{Rule: gateway.AccessListed, Users: []string{"me"}}, access.Denied},
		{"empty lists admit nobody", gateway.Active, nil, nil, gateway.AccessRule{Rule: gateway.AccessListed},
			access.Denied},
		{"no rule: allowing an app does not open it", gateway.Active, wiki, nil, gateway.AccessRule{}, access.Denied},
		{"an unknown rule: allowing an app does not open it", gateway.Active, wiki, nil,
			gateway.AccessRule{Rule: "everybody"}, access.Denied},
		{"blocked: allowing an app does not open it", gateway.Blocked, wiki, nil, approved, access.Denied},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			user := gateway.User{ID: "me", Status: k.status, AllowedApps: k.allowed, RefusedApps: k.refused}
			got, err := access.Rules{Identities: users{}}.Decide(t.Context(), user,
				gateway.App{ID: "wiki", Access: k.rule})
			if err != nil || got != k.want {
				t.Errorf("Decide: %v, %v; want %v", got, err, k.want)
			}
		})
	}
}

func TestUnavailableStoreDenies(t *testing.T) {
	t.Parallel()
	rules := access.Rules{Identities: users{err: gateway.ErrUnavailable}}
	rule := gateway.AccessRule{Rule: gateway.AccessListed, OpenIDs: []string{"o1"}}
	got, err := rules.Decide(t.Context(), gateway.User{ID: "me", Status: gateway.Active}, gateway.App{Access: rule})
	if got != access.Denied || !errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("Decide while the store is unavailable: %v, %v", got, err)
	}
}
