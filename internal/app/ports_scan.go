package app

import (
	"context"
	"net/http"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/scan"
)

// hasAccount says whether there is an official account: phones confirm through it.
func hasAccount(connectors []config.Connector) bool {
	for _, e := range connectors {
		if e.Kind == config.OfficialAccount {
			return true
		}
	}
	return false
}

// inWeChat tells WeChat's own browsers from others, by the rules of sign-in.
func inWeChat(connectors []config.Connector) func(*http.Request) bool {
	any := false
	for _, e := range connectors {
		any = any || e.AnyBrowser
	}
	return func(r *http.Request) bool { return any || inWeChatBrowser(r) }
}

// inWeChatBrowser reports whether a request comes from WeChat's own browser, judging by the user agent.
func inWeChatBrowser(r *http.Request) bool { return flow.ClassOf(r) == flow.InWeChat }

// simulatedPhone is where a simulator has its phones; "" = people have their own.
func simulatedPhone(connectors []config.Connector) string {
	for _, e := range connectors {
		if e.Control != "" {
			return e.Control
		}
	}
	return ""
}

// configured finds an app of the configuration.
func configured(apps []config.App) func(id string) (gateway.App, bool) {
	byID := map[string]gateway.App{}
	for _, a := range apps {
		byID[a.ID] = a.App
	}
	return func(id string) (gateway.App, bool) {
		a, found := byID[id]
		return a, found
	}
}

// observeScan counts desktops that a phone was asked to sign in.
func (a *App) observeScan(_ context.Context, o scan.Observation) {
	if o.Outcome == "begun" {
		a.o.Metrics.SignInBegan(scan.Method)
		return
	}
	a.o.Metrics.SignInEnded(scan.Method, o.Outcome)
}
