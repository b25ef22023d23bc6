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

func TestUnavailableStoreDenies(t *testing.T) {
	t.Parallel()
	rules := access.Rules{Identities: users{err: gateway.ErrUnavailable}}
	rule := gateway.AccessRule{Rule: gateway.AccessListed, OpenIDs: []string{"o1"}}
	got, err := rules.Decide(t.Context(), gateway.User{ID: "me", Status: gateway.Active}, gateway.App{Access: rule})
	if got != access.Denied || !errors.Is(err, gateway.ErrUnavailable) {
		t.Errorf("Decide while the store is unavailable: %v, %v", got, err)
	}
}
