// Package access decides whether an account may use an app, and by which id the app knows it.
//
// The names to know are [Rules], made of what finds a person's identities, its method [Rules.Allow] with a [Decision], and [Judge] and [People], which are
// what the features ask for; then [Subjects] with its [Subjects.Subject], [At] and [UnionID]. The rules themselves are data of the app
// ([gateway.AccessRule]) and come from the configuration.
//
// The package shows no page and keeps nothing but pins: each question is answered from the account as it is now, so an approval counts at the next
// request.
package access

import (
	"context"
	"slices"

	"github.com/weigate/weigate/internal/gateway"
)

// Decision is what a rule says about an account.
type Decision int

// The decisions. Only Allowed admits, so that a case that no rule covers admits nobody.
const (
	Undecided Decision = iota // no policy was asked
	Denied
	Pending // an administrator has to approve the user
	Allowed
)

// Judge says whether an account may use an app. Rules is the one of the gateway; features take a Judge, so that their tests can rule as they need.
// It is safe for concurrent use.
type Policy interface {
	// Allow says whether the account may use the app now. An error is for a store that could not answer.
	Decide(ctx context.Context, a gateway.User, app gateway.App) (Decision, error)
}

// Identities finds the openids and unionids of an account. gateway.Accounts is one.
type Identities interface {
	// Identities is gateway.Accounts.Identities.
	Identities(ctx context.Context, userID string) ([]gateway.Identity, error)
}

// People finds accounts, and who they are at WeChat. gateway.Accounts is one; features ask for it.
type Users interface {
	Identities

	// Account is gateway.Accounts.Account.
	User(ctx context.Context, id string) (gateway.User, error)
}

// Rules applies access rules. Make it with a value for Identities; it is safe for concurrent use.
type Rules struct {
	Identities Identities
}

// Allow says whether the account may use the app.
//
//	blocked account                        Refused, whatever the rule
//	signed_in                              Allowed; a pending account too, since the app asks for no approval
//	approved, account active               Allowed
//	approved, account pending              Waiting
//	listed, by account, openid, unionid
//	or group                               Allowed; the list is the approval
//	listed, not on the list                Refused
//	no rule                                Refused
//
// An error is the store's; it says nothing about the person.
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
	if slices.Contains(rule.Users, a.ID) || meet(rule.Groups, a.Groups) {
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
		// An identity without a unionid must not meet an empty line of the list.
		if slices.Contains(rule.OpenIDs, id.OpenID) || id.UnionID != "" && slices.Contains(rule.UnionIDs, id.UnionID) {
			return Allowed, nil
		}
	}
	return Denied, nil
}

func meet(x, y []string) bool {
	return slices.ContainsFunc(x, func(s string) bool { return s != "" && slices.Contains(y, s) })
}
