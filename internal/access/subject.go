package access

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// Kinds of subjects: by which id an app knows people. Of the third kind are SubjectOpenID and the name of an entry together: the openid there.
const (
	SubjectUser    = "user"    // the account's own id; "" means the same
	SubjectUnionID = "unionid" // WeChat's id across one open platform
	SubjectOpenID  = "openid:" // followed by an entry
)

// SubjectEntry is the entry by whose openids an app of this kind knows people; "" = it does not know them by an openid.
func SubjectConnector(kind string) string {
	connector, is := strings.CutPrefix(kind, SubjectOpenID)
	if !is {
		return ""
	}
	return connector
}

// What is missing when an app cannot know a person.
var (
	ErrNoOpenID  = errors.New("access: the app knows people by an entry at which this person has never been")
	ErrNoUnionID = errors.New("access: the app knows people by unionid, and WeChat sent none of this person")
)

// Pins keeps what an app was told of an account. gateway.Subjects is one.
type Pins interface {
	// PinSubject is gateway.Subjects.PinSubject.
	PinSubject(ctx context.Context, userID, app, candidate string, now time.Time) (string, error)
	// AccountSubjects is gateway.Subjects.AccountSubjects.
	UserSubjects(ctx context.Context, userID string) ([]gateway.Pin, error)
}

// Subjects says by which id an app knows an account. Both fields are required; it is safe for concurrent use.
type Subjects struct {
	Identities Identities
	Pins       Pins
}

// Subject is the id by which an app knows a user.
type Subject struct {
	Value  string
	Pinned bool // the app knows the user by it already; else storing it may show that the app knows the user by another id, which stays
}

// Find returns the id by which the app knows the user, who signed in by the session, or will know them if it knows none yet. The first id that an app
// gets of a user stays, whatever is joined or configured later. Another kind of id never takes the place of the one that the app needs, since two kinds
// could give two users the same id.
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
// Errors to test for: gateway.ErrConflict (the app knows another user by this id), gateway.ErrNotFound (the user does not exist any more). Any other error
// is the store's.
func (s Subjects) Pin(ctx context.Context, app, userID string, found Subject, now time.Time) (string, error) {
	if found.Pinned {
		return found.Value, nil
	}
	return s.Pins.PinSubject(ctx, userID, app, found.Value, now)
}

// candidate is the id of the kind that the app wants.
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

// pinned finds the subject of somebody whom the app knew already, when a new one could not be made.
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

// At is who an account is at an connector: as the session has it, where it came in there. known is false for somebody who has never been there; what else
// is known of an identity than entry, appid and openid may be missing.
func IdentityAt(ctx context.Context, who Identities, userID string, in gateway.Session, connector string) (i gateway.Identity, known bool, err error) {
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

// UnionID is an account's, "" = none. It prefers that of the appid through which the person came in: an account may have been in two open platforms.
func UnionID(identities []gateway.Identity, appID string) string {
	found := ""
	for _, i := range identities {
		if i.UnionID != "" && (found == "" || i.AppID == appID) {
			found = i.UnionID
		}
	}
	return found
}
