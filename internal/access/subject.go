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

// Subject is what the app is told of the account, which came in by the session. The first one that an app was told of an account stays, whatever is
// joined or configured later. When what the app wants is not known of the person, it is an error; another kind is never put in its place, since two
// kinds could name two people alike.
//
// Errors to test for: ErrNoOpenID, ErrNoUnionID, gateway.ErrConflict (the app knows another account by this id), gateway.ErrNotFound (the account is
// gone). Any other error is the store's.
func (s Subjects) Subject(ctx context.Context, app, kind, userID string, in gateway.Session, now time.Time) (string, error) {
	candidate, err := s.candidate(ctx, kind, userID, in)
	if errors.Is(err, ErrNoOpenID) || errors.Is(err, ErrNoUnionID) {
		return s.pinned(ctx, app, userID, err)
	}
	if err != nil {
		return "", err
	}
	return s.Pins.PinSubject(ctx, userID, app, candidate, now)
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
