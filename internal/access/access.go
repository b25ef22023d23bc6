// Package access decides whether a user may use an app, and by which id the app knows the user.
//
// [Rules] is the [Policy] of the gateway. Its Decide applies the access rule of an app
// ([gateway.AccessRule], from the configuration) to a user. [Subjects] finds the id by which an app
// knows a user, and pins the id. A pin is a stored id: the app receives this id for the user from
// then on. [IdentityAt] and [UnionID] find a user's ids at WeChat.
//
// The package stores only pins. Every decision is made from the current state of the user, so that
// an approval takes effect at the next request.
package access

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Decision reports whether a user may use an app.
type Decision int

// The decisions. The zero value denies too: callers admit a user only on Allowed.
const (
	Undecided Decision = iota // no policy was applied
	Denied
	Pending // an administrator has to approve the user
	Allowed
)

// Policy decides whether a user may use an app. The gateway uses [Rules]. Tests of packages that
// serve apps use policies of their own. A Policy is safe for concurrent use.
type Policy interface {
	// Decide returns whether the user may use the app now. An error comes from the store.
	Decide(ctx context.Context, user gateway.User, app gateway.App) (Decision, error)
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

// Rules applies the access rules of apps. Identities is required. Rules is safe for concurrent use.
type Rules struct {
	Identities Identities
}

// Decide returns whether the user may use the app. The first line that applies decides.
//
//	blocked user                           Denied, whatever the rule
//	no rule, or an unknown rule            Denied
//	an administrator refused the app       Denied, whatever the rule (User.RefusedApps)
//	rule signed_in                         Allowed; a pending user too: the app requires no approval
//	an administrator allowed the app       Allowed (User.AllowedApps)
//	rule listed, user on the list by
//	user id, openid, unionid or group      Allowed; the list is the approval
//	rule listed, user not on the list      Denied
//	rule approved, active user             Allowed
//	rule approved, pending user            Pending
//
// An error comes from the store.
func (r Rules) Decide(ctx context.Context, user gateway.User, app gateway.App) (Decision, error) {
	if user.Status != gateway.Active && user.Status != gateway.Pending {
		return Denied, nil
	}
	rule := app.Access.Rule
	if rule != gateway.AccessSignedIn && rule != gateway.AccessApproved && rule != gateway.AccessListed {
		return Denied, nil
	}
	switch {
	case IsRefused(user, app):
		return Denied, nil
	// An app without an id must not match an empty entry of AllowedApps.
	case rule == gateway.AccessSignedIn, app.ID != "" && slices.Contains(user.AllowedApps, app.ID):
		return Allowed, nil
	case rule == gateway.AccessListed:
		return r.listed(ctx, user, app.Access)
	case user.Status == gateway.Active:
		return Allowed, nil
	}
	return Pending, nil
}

// IsRefused reports whether an administrator has refused the app to the user.
func IsRefused(user gateway.User, app gateway.App) bool {
	return slices.Contains(user.RefusedApps, app.ID)
}

// listed decides by the list of a rule. It reads the user's identities only if the list has openids
// or unionids.
func (r Rules) listed(ctx context.Context, user gateway.User, rule gateway.AccessRule) (Decision, error) {
	if slices.Contains(rule.Users, user.ID) || intersect(rule.Groups, user.Groups) {
		return Allowed, nil
	}
	if len(rule.OpenIDs) == 0 && len(rule.UnionIDs) == 0 {
		return Denied, nil
	}
	identities, err := r.Identities.Identities(ctx, user.ID)
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

// intersect reports whether x and y have a string in common that is not empty.
func intersect(x, y []string) bool {
	return slices.ContainsFunc(x, func(s string) bool { return s != "" && slices.Contains(y, s) })
}

// Kinds of subjects. A subject is the id by which an app knows a user. SubjectOpenID is a prefix:
// the name of a connector (an app at WeChat that the gateway uses) follows it.
const (
	SubjectUser    = "user"    // the user id of the gateway; "" means the same
	SubjectUnionID = "unionid" // WeChat's id of the user, the same for all apps of one open platform account
	SubjectOpenID  = "openid:" // the openid at the connector whose name follows
)

// SubjectConnector returns the connector's name in a kind "openid:CONNECTOR", and "" for other
// kinds.
func SubjectConnector(kind string) string {
	connector, found := strings.CutPrefix(kind, SubjectOpenID)
	if !found {
		return ""
	}
	return connector
}

// The errors for a user without an id of the kind that the app needs.
var (
	ErrNoOpenID  = errors.New("access: the app knows users by a connector that this user has never used")
	ErrNoUnionID = errors.New("access: the app knows users by unionid, and WeChat sent none for this user")
)

// Pins stores pins. A pin is the id that an app was first given for a user, and will always be
// given. The store implements Pins: its interface gateway.Subjects, unlike the type Subjects of
// this package, contains these methods.
type Pins interface {
	// PinSubject is gateway.Subjects.PinSubject.
	PinSubject(ctx context.Context, userID, app, candidate string, now time.Time) (string, error)
	// UserSubjects is gateway.Subjects.UserSubjects.
	UserSubjects(ctx context.Context, userID string) ([]gateway.Pin, error)
}

// Subjects finds the id by which an app knows a user. Identities and Pins are required. Subjects is
// safe for concurrent use.
type Subjects struct {
	Identities Identities
	Pins       Pins
	AppIDs     gateway.AppIDs // the present appid of each connector
}

// Subject is the id by which an app knows a user.
type Subject struct {
	Value string
	// Pinned reports whether Value is the stored id. If false, Value is a candidate: Pin stores it,
	// unless another id is stored already.
	Pinned bool
}

// Find returns a candidate for the id by which the app knows the user. The caller passes the
// candidate to [Subjects.Pin], which returns the id for the app.
//
// The first id that an app gets for a user is permanent. It stays when two users are joined into
// one, and when the configuration changes. Find does not read this stored id first: it returns the
// user's id of the given kind, and Pin replaces it by the stored id if there is one. Find itself
// reads the stored id only for a user without an id of this kind.
//
// If the user has no id of this kind, Find does not fall back to a different kind: the openid of
// one user, say, could equal the user id of another user.
//
// Errors to test for: ErrNoOpenID, ErrNoUnionID. Any other error comes from the store.
func (s Subjects) Find(ctx context.Context, app, kind, userID string, session gateway.Session) (Subject, error) {
	candidate, err := s.candidate(ctx, kind, userID, session)
	if errors.Is(err, ErrNoOpenID) || errors.Is(err, ErrNoUnionID) {
		pinned, err := s.pinned(ctx, app, userID, err)
		return Subject{Value: pinned, Pinned: true}, err
	}
	return Subject{Value: candidate}, err
}

// Pin returns the id by which the app knows the user from now on. found is the result of Find. If
// an id was stored earlier, Pin returns the stored id. Otherwise Pin stores and returns
// found.Value.
//
// Errors to test for: gateway.ErrConflict (the app knows another user by this id),
// gateway.ErrNotFound (the user does not exist any more). Any other error comes from the store.
func (s Subjects) Pin(ctx context.Context, app, userID string, found Subject, now time.Time) (string, error) {
	if found.Pinned {
		return found.Value, nil
	}
	return s.Pins.PinSubject(ctx, userID, app, found.Value, now)
}

// candidate returns the user's id of the kind that the app needs.
func (s Subjects) candidate(ctx context.Context, kind, userID string, session gateway.Session) (string, error) {
	switch connector := SubjectConnector(kind); {
	case connector != "":
		identity, known, err := IdentityAt(ctx, s.Identities, s.AppIDs, userID, session, connector)
		if err == nil && (!known || identity.OpenID == "") {
			err = ErrNoOpenID
		}
		return identity.OpenID, err
	case kind == SubjectUnionID:
		all, err := s.Identities.Identities(ctx, userID)
		unionID := UnionID(all, session.AppID)
		if err == nil && unionID == "" {
			err = ErrNoUnionID
		}
		return unionID, err
	}
	return userID, nil
}

// pinned returns the stored id of a user without a candidate. missing is the error of candidate:
// pinned returns it when no id is stored.
func (s Subjects) pinned(ctx context.Context, app, userID string, missing error) (string, error) {
	pins, err := s.Pins.UserSubjects(ctx, userID)
	if err != nil {
		return "", err
	}
	for _, p := range pins {
		if p.App == app {
			return p.Subject, nil
		}
	}
	return "", missing
}

// IdentityAt returns the identity of a user at a connector. If the session s was created through
// this connector, IdentityAt does not read the store. The identity then comes from the session, and
// only Connector, AppID and OpenID are set. known is false for a user who has never used the
// connector with its present appid.
func IdentityAt(ctx context.Context, users Identities, appIDs gateway.AppIDs, userID string, s gateway.Session,
	connector string) (identity gateway.Identity, known bool, err error) {
	if s.Connector == connector && appIDs.Current(connector, s.AppID) {
		return gateway.Identity{Connector: connector, AppID: s.AppID, OpenID: s.OpenID}, true, nil
	}
	all, err := users.Identities(ctx, userID)
	if err != nil {
		return gateway.Identity{}, false, err
	}
	for _, i := range all {
		if i.Connector == connector && appIDs.Current(connector, i.AppID) {
			return i, true, nil
		}
	}
	return gateway.Identity{}, false, nil
}

// UnionID returns a user's unionid, "" = none. A user of two open platform accounts has two
// unionids. UnionID then prefers the unionid for appID, the appid of the sign-in.
func UnionID(identities []gateway.Identity, appID string) string {
	found := ""
	for _, i := range identities {
		if i.UnionID != "" && (found == "" || i.AppID == appID) {
			found = i.UnionID
		}
	}
	return found
}
