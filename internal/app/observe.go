package app

import (
	"context"

	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/relay"
	"github.com/weigate/weigate/internal/route"
	"github.com/weigate/weigate/internal/scan"
)

func (a *App) sessionUseNotRecorded(ctx context.Context, err error) {
	a.o.Logger.WarnContext(ctx, "session use not recorded", "error", err, "request_id", route.RequestID(ctx))
}

// observeSignIn counts the outcomes of sign-ins. A repeated callback and a callback without a flow do
// not end one. Two labels differ from the names in package flow: the gateway refuses a user only
// when it has blocked them ("blocked"), and a user whom WeChat restricts is counted as "refused".
func (a *App) observeSignIn(_ context.Context, o flow.Event) {
	method := string(o.Method)
	switch o.Outcome {
	case flow.EventStarted:
		a.o.Metrics.SignInBegan(method)
	case flow.EventRepeat, flow.EventLost:
	case flow.EventDenied, flow.OutcomeSnapshot:
		a.o.Metrics.SignInEnded(method, o.Outcome)
	case flow.OutcomeSignedIn:
		a.o.Metrics.SignInEnded(method, "ok")
	case flow.OutcomeRefused:
		a.o.Metrics.SignInEnded(method, "blocked")
	case flow.OutcomeUserRestricted:
		a.o.Metrics.SignInEnded(method, "refused")
	case flow.OutcomeCodeRefused:
		a.o.Metrics.SignInEnded(method, "start_again")
	default:
		a.o.Metrics.SignInEnded(method, "failed")
	}
}

func (a *App) observeOIDC(o oidc.Observation) {
	a.o.Metrics.OIDC(o.Endpoint, o.Grant, o.App, o.Outcome)
}

func (a *App) observeRelay(o relay.Observation) { a.o.Metrics.Relay(o.Endpoint, o.App, o.Outcome) }

// observeScan counts sign-ins by scan.
func (a *App) observeScan(_ context.Context, o scan.Observation) {
	if o.Outcome == "begun" {
		a.o.Metrics.SignInBegan(scan.Method)
		return
	}
	a.o.Metrics.SignInEnded(scan.Method, o.Outcome)
}
