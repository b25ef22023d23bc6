package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/login"
	"github.com/weigate/weigate/wechat"
)

// Kinds of the events that are written here.
const (
	EventSignIn     = "sign_in"             // a person came in; or was turned away, being blocked
	EventSignOutAll = "sign_out_everywhere" // a person ended all their sessions
)

// extra is what package login carries as Session.Extra from OnSignIn to the store, which keeps it among what is ours of a session.
type extra struct {
	LoginRequestID string    `json:"demand,omitempty"`
	Declined       bool      `json:"declined,omitempty"`
	AuthTime       time.Time `json:"auth_time,omitzero"` // of a session that another way made: WeChat vouched for the person before; zero = with the session
}

func (e extra) marshal() (string, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("signin: %w", err)
	}
	return string(b), nil
}

func readExtra(text string) (e extra, err error) {
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return extra{}, errors.New("signin: a session that did not come by arrive or Establish")
	}
	return e, nil
}

// arrive is login.Config.OnSignIn of an connector: the person becomes an account.
func (h *Handler) recordSignIn(ctx context.Context, e Connector, in *login.SignIn) error {
	var with carried
	if len(in.Data) > 0 {
		if err := json.Unmarshal(in.Data, &with); err != nil {
			return errors.New("signin: what the sign-in carried cannot be read")
		}
	}
	a := gateway.SignIn{
		Connector: e.Name, AppID: in.AppID, OpenID: in.OpenID, UnionID: in.UnionID, OpenPlatform: e.OpenPlatform,
		Group: e.Group, At: in.SignedInAt, InitialStatus: gateway.Pending,
	}
	asked := slices.Contains(in.Scopes, wechat.ScopeUserInfo)
	told := !in.ProfileAt.IsZero() && in.ProfileAt.Equal(in.SignedInAt)
	if told {
		a.Profile = &gateway.Profile{Nickname: in.Nickname, AvatarURL: in.AvatarURL}
	}
	user, events, err := h.cfg.Users.RecordSignIn(ctx, a)
	if err != nil {
		return fmt.Errorf("signin: keep the account: %w", loginError(err))
	}
	event := gateway.Event{Kind: EventSignIn, Outcome: "ok"}
	if user.Status == gateway.Blocked {
		event.Outcome, event.Detail = "refused", "the user is blocked"
	}
	event.At, event.UserID, event.App, event.Connector = in.SignedInAt, user.ID, with.App, a.Connector
	event.Method, event.RequestID = string(in.Method), in.RequestID
	h.recordEvent(ctx, event)
	for _, v := range events {
		h.cfg.Logger.InfoContext(ctx, "account", "kind", v.Kind, "account", v.UserID, "outcome", v.Outcome, "detail", v.Detail, "request_id", in.RequestID)
	}
	if user.Status == gateway.Blocked {
		return &login.RefusalError{Err: gateway.ErrBlocked}
	}
	text, err := extra{
		LoginRequestID: with.LoginRequestID,
		// WeChat did not tell although the person agreed: they are let through this time, not asked in a circle.
		Declined: asked && !told,
	}.marshal()
	if err != nil {
		return err
	}
	in.Subject, in.Extra = user.ID, text
	in.Nickname, in.AvatarURL, in.ProfileAt = user.Nickname, user.AvatarURL, user.ProfileAt
	return nil
}

// note writes an event. What it tells of has happened, so a store that is away costs the event and nothing else.
func (h *Handler) recordEvent(ctx context.Context, e gateway.Event) {
	if err := h.cfg.Events.AppendEvents(ctx, e); err != nil {
		h.cfg.Logger.ErrorContext(ctx, "an event could not be stored", "kind", e.Kind, "error", err, "request_id", e.RequestID)
	}
}
