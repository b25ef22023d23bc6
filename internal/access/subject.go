package access

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Kinds of subjects: by which id an app knows users. SubjectOpenID is followed by the name of a
// connector, whose openids they are.
const (
	SubjectUser    = "user"    // the user id of the gateway; "" means the same
	SubjectUnionID = "unionid" // WeChat's id across one open platform
	SubjectOpenID  = "openid:" // followed by a connector
)

// SubjectConnector returns the connector by whose openids an app of this kind knows users; "" = it
// does not know them by openid.
func SubjectConnector(kind string) string {
	connector, is := strings.CutPrefix(kind, SubjectOpenID)
	if !is {
		return ""
	}
	return connector
}

// The errors for an app that cannot know a user.
var (
	ErrNoOpenID  = errors.New("access: the app knows users by a connector that this user has never used")
	ErrNoUnionID = errors.New("access: the app knows users by unionid, and WeChat sent none for this user")
)

// Pins stores the ids by which apps know users. gateway.Subjects implements it.
type Pins interface {
	// PinSubject is gateway.Subjects.PinSubject.
	PinSubject(ctx context.Context, userID, app, candidate string, now time.Time) (string, error)
	// UserSubjects is gateway.Subjects.UserSubjects.
	UserSubjects(ctx context.Context, userID string) ([]gateway.Pin, error)
}

// Subjects finds the id by which an app knows a user. Both fields are required; it is safe for
// concurrent use.
type Subjects struct {
	Identities Identities
	Pins       Pins
}

// Subject is the id by which an app knows a user.
type Subject struct {
	Value  string
	Pinned bool // else the app may know the user by another id, which is pinned
}

// Find returns the id by which the app knows the user, who signed in by the session, or will know
// them if it knows none yet. The first id that an app gets of a user stays, whatever is joined or
// configured later. Another kind of id never takes the place of the one that the app needs, since
// two kinds could give two users the same id.
//
// Errors to test for: ErrNoOpenID, ErrNoUnionID. Any other error is the store's.
func (s Subjects) Find(ctx context.Context, app, kind, userID string, in gateway.Session) (Subject, error) {
	candidate, err := s.candidate(ctx, kind, userID, in)
	if errors.Is(err, ErrNoOpenID) || errors.Is(err, ErrNoUnionID) {
		pinned, err := s.pinned(ctx, app, userID, err)
		return Subject{Value: pinned, Pinned: true}, err
	}
	return Subject{Value: candidate}, err
}

// Pin returns the id by which the app knows the user from now on: what it knew already, else found.
//
// Errors to test for: gateway.ErrConflict (the app knows another user by this id),
// gateway.ErrNotFound (the user does not exist any more). Any other error is the store's.
func (s Subjects) Pin(ctx context.Context, app, userID string, found Subject, now time.Time) (string, error) {
	if found.Pinned {
		return found.Value, nil
	}
	return s.Pins.PinSubject(ctx, userID, app, found.Value, now)
}

// candidate returns the user's id of the kind that the app needs.
func (s Subjects) candidate(ctx context.Context, kind, userID string, in gateway.Session) (string, error) {
	switch connector := SubjectConnector(kind); {
	case connector != "":
		there, known, err := IdentityAt(ctx, s.Identities, userID, in, connector)
		if err == nil && (!known || there.OpenID == "") {
			err = ErrNoOpenID
		}
		return there.OpenID, err
	case kind == SubjectUnionID:
		all, err := s.Identities.Identities(ctx, userID)
		union := UnionID(all, in.AppID)
		if err == nil && union == "" {
			err = ErrNoUnionID
		}
		return union, err
	}
	return userID, nil
}

// pinned returns the pinned id where no candidate can be found.
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

// IdentityAt returns the identity of a user at a connector: that of the session where the user
// signed in there. known is false for a user who has never used the connector; more than connector,
// appid and openid may be missing.
func IdentityAt(ctx context.Context, who Identities, userID string, in gateway.Session,
	connector string) (i gateway.Identity, known bool, err error) {
	if in.Connector == connector {
		return gateway.Identity{Connector: connector, AppID: in.AppID, OpenID: in.OpenID}, true, nil
	}
	all, err := who.Identities(ctx, userID)
	if err != nil {
		return gateway.Identity{}, false, err
	}
	for _, i := range all {
		if i.Connector == connector {
			return i, true, nil
		}
	}
	return gateway.Identity{}, false, nil
}

// UnionID returns a user's unionid, "" = none. It prefers that of the appid of the sign-in: a user
// may have been in two open platforms.
func UnionID(identities []gateway.Identity, appID string) string {
	found := ""
	for _, i := range identities {
		if i.UnionID != "" && (found == "" || i.AppID == appID) {
			found = i.UnionID
		}
	}
	return found
}
