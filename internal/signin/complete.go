package signin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/wechat"
)

// Kinds of the events that this package writes.
const (
	EventSignIn     = "sign_in"             // a user signed in, or was refused because they are blocked
	EventSignOutAll = "sign_out_everywhere" // a user ended all their sessions
)

// complete records an authorization: the user, their session and the outcome.
func (h *Handler) complete(
	ctx context.Context, r *http.Request, c *connector, a flow.Authorization,
) (flow.Outcome, error) {
	completed, err := h.completion(ctx, r, c, a)
	if err != nil {
		return a.Finish(ctx, flow.OutcomeFault, "", err)
	}
	user, joins, err := h.cfg.Users.CompleteSignIn(ctx, completed)
	switch {
	case errors.Is(err, gateway.ErrConflict):
		return flow.Outcome{}, fmt.Errorf("%w: %w", flow.ErrAttemptLost, err)
	case err != nil:
		err = fmt.Errorf("signin: record the sign-in: %w", flowError(err))
		if flow.IsTemporary(err) {
			return a.Finish(ctx, flow.OutcomeBusy, "", err)
		}
		return a.Finish(ctx, flow.OutcomeFault, "", err)
	}
	for _, e := range joins {
		h.cfg.Logger.InfoContext(ctx, "user changed", "kind", e.Kind, "user", e.UserID,
			"outcome", e.Outcome, "detail", e.Detail, "request_id", completed.Event.RequestID)
	}
	if user.Status == gateway.Blocked {
		return flowOutcome(completed.Refused), gateway.ErrBlocked
	}
	return flowOutcome(completed.Outcome), nil
}

// completion returns the record of an authorization for the store.
func (h *Handler) completion(
	ctx context.Context, r *http.Request, c *connector, a flow.Authorization,
) (gateway.Completion, error) {
	data, err := decodeFlowData(a.Flow.Data)
	if err != nil {
		return gateway.Completion{}, err
	}
	id, err := a.Flow.SessionID()
	if err != nil {
		return gateway.Completion{}, err
	}
	signIn := gateway.SignIn{
		Connector: c.Name, AppID: a.AppID, OpenID: a.OpenID, UnionID: a.UnionID, OpenPlatform: c.OpenPlatform,
		Group: c.Group, At: a.At, InitialStatus: gateway.Pending,
	}
	if a.Profile != nil {
		signIn.Profile = &gateway.Profile{Nickname: a.Profile.Nickname, AvatarURL: a.Profile.AvatarURL}
	}
	stored := session.Data{LoginRequestID: data.LoginRequestID, ProfileDeclined: h.profileDeclined(r.WithContext(ctx), a)}
	for _, scope := range a.Scopes {
		stored.Scopes = append(stored.Scopes, string(scope))
	}
	out := gateway.Completion{
		SignIn: signIn,
		Session: gateway.Session{
			Hash: session.Hash(id), Connector: c.Name, AppID: a.AppID, OpenID: a.OpenID, Method: string(a.Flow.Method),
			AuthTime: a.At, CreatedAt: a.At, SeenAt: a.At, ExpiresAt: h.cfg.Sessions.Expiry(a.At, a.At), Data: stored.Bytes(),
		},
		AttemptKey: a.Attempt.Key, Owner: a.Attempt.Owner,
		Outcome: gateway.Outcome{Kind: flow.OutcomeSignedIn, At: a.At},
		Refused: gateway.Outcome{Kind: flow.OutcomeRefused, At: a.At},
		Event: gateway.Event{Kind: EventSignIn, App: data.App, Connector: c.Name, Method: string(a.Flow.Method),
			RequestID: h.cfg.RequestID(r.Context())},
		Now: h.cfg.Now(),
	}
	if previous, sent := h.cfg.Sessions.CurrentHash(r); sent && previous != out.Session.Hash {
		out.Previous = previous
	}
	return out, nil
}

// profileDeclined returns ProfileDeclined of the new session. It is true when WeChat did not return
// nickname and avatar although the user agreed: otherwise the user would be asked in a loop. It is
// also true when the same user declined in the previous session of this browser.
func (h *Handler) profileDeclined(r *http.Request, a flow.Authorization) bool {
	if a.Profile != nil {
		return false
	}
	if slices.Contains(a.Scopes, wechat.ScopeUserInfo) {
		return true
	}
	b, signedIn, err := h.Session(r)
	return err == nil && signedIn && b.AppID == a.AppID && b.OpenID == a.OpenID && b.ProfileDeclined
}

// attempts implements flow.Attempts with the gateway's store.
type attempts struct{ store gateway.Attempts }

// BeginAttempt implements flow.Attempts.
func (s attempts) BeginAttempt(ctx context.Context, want flow.Attempt, now time.Time) (flow.Attempt, bool, error) {
	have, won, err := s.store.BeginAttempt(ctx, gateway.Attempt{
		Key: want.Key, Code: want.Code, Owner: want.Owner, Lease: want.Lease, Expires: want.Expires,
	}, now)
	return flow.Attempt{
		Key: have.Key, Code: have.Code, Owner: have.Owner, Lease: have.Lease, Expires: have.Expires,
		Outcome: flowOutcome(have.Outcome),
	}, won, flowError(err)
}

// FinishAttempt implements flow.Attempts.
func (s attempts) FinishAttempt(ctx context.Context, key, owner string, out flow.Outcome, now time.Time) error {
	err := s.store.FinishAttempt(ctx, key, owner, gateway.Outcome{Kind: out.Kind, At: out.At, Text: out.Text}, now)
	if errors.Is(err, gateway.ErrConflict) {
		return fmt.Errorf("%w: %w", flow.ErrAttemptLost, err)
	}
	return flowError(err)
}

func flowOutcome(o gateway.Outcome) flow.Outcome {
	return flow.Outcome{Kind: o.Kind, At: o.At, Text: o.Text}
}

// flowError wraps an error of the store in the error that the engine tests for.
func flowError(err error) error {
	if errors.Is(err, gateway.ErrUnavailable) {
		return fmt.Errorf("%w: %w", flow.ErrUnavailable, err)
	}
	return err
}
