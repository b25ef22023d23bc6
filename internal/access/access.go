// Package access decides whether a user may use an app, and by which id the app knows the user.
//
// [Rules] is the [Policy] of the gateway: its Decide applies the access rule of an app
// ([gateway.AccessRule], from the configuration) to a user. [Subjects] finds and pins the id;
// [IdentityAt] and [UnionID] find ids at WeChat.
//
// The package stores nothing but pins: each decision is made from the user as it is now, so that an
// approval takes effect at the next request.
package access

import (
	"context"
	"slices"

	"github.com/weigate/weigate/internal/gateway"
)

// Decision reports whether a user may use an app.
type Decision int

// The decisions. The zero value denies too: callers admit on Allowed only.
const (
	Undecided Decision = iota // no policy was applied
	Denied
	Pending // an administrator has to approve the user
	Allowed
)

// Policy decides whether a user may use an app. The gateway's is [Rules]; tests of features use
// their own. It is safe for concurrent use.
type Policy interface {
	// Decide returns whether the user may use the app now. An error is the store's.
	Decide(ctx context.Context, a gateway.User, app gateway.App) (Decision, error)
}

// Identities finds the openids and unionids of a user. gateway.Users implements it.
type Identities interface {
	// Identities is gateway.Users.Identities.
	Identities(ctx context.Context, userID string) ([]gateway.Identity, error)
}

// Users finds users and their identities at WeChat. gateway.Users implements it.
type Users interface {
	Identities

	// User is gateway.Users.User.
	User(ctx context.Context, id string) (gateway.User, error)
}

// Rules applies the access rules of apps. Identities is required; it is safe for concurrent use.
type Rules struct {
	Identities Identities
}

// Decide returns whether the user may use the app.
//
//	blocked user                           Denied, whatever the rule
//	signed_in                              Allowed; a pending user too, since the app requires no approval
//	approved, active user                  Allowed
//	approved, pending user                 Pending
//	listed, by user id, openid, unionid
//	or group                               Allowed; the list is the approval
//	listed, not on the list                Denied
//	no rule                                Denied
//
// An error is the store's.
func (r Rules) Decide(ctx context.Context, a gateway.User, app gateway.App) (Decision, error) {
	if a.Status != gateway.Active && a.Status != gateway.Pending {
		return Denied, nil
	}
	switch app.Access.Rule {
	case gateway.AccessSignedIn:
		return Allowed, nil
	case gateway.AccessApproved:
		if a.Status == gateway.Active {
			return Allowed, nil
		}
		return Pending, nil
	case gateway.AccessListed:
		return r.listed(ctx, a, app.Access)
	}
	return Denied, nil
}

func (r Rules) listed(ctx context.Context, a gateway.User, rule gateway.AccessRule) (Decision, error) {
	if slices.Contains(rule.Users, a.ID) || intersect(rule.Groups, a.Groups) {
		return Allowed, nil
	}
	if len(rule.OpenIDs) == 0 && len(rule.UnionIDs) == 0 {
		return Denied, nil
	}
	identities, err := r.Identities.Identities(ctx, a.ID)
	if err != nil {
		return Denied, err
	}
	for _, id := range identities {
		// An identity without a unionid must not match an empty entry of the list.
		if slices.Contains(rule.OpenIDs, id.OpenID) || id.UnionID != "" && slices.Contains(rule.UnionIDs, id.UnionID) {
			return Allowed, nil
		}
	}
	return Denied, nil
}

func intersect(x, y []string) bool {
	return slices.ContainsFunc(x, func(s string) bool { return s != "" && slices.Contains(y, s) })
}
