package administration

import (
	"context"
	"slices"

	"github.com/weigate/weigate/internal/gateway"
)

// App is an app of the configuration, as an administrator sees it.
type App struct {
	gateway.App
	Settings []Setting // what is configured, without secrets
	Logout   bool      // the gateway notifies the app of sign-outs (back-channel logout)

	// Snippets has, by language, the configuration to copy into the app or its proxy. A placeholder
	// stands for the secret.
	Snippets map[string]string
}

// Setting is a key of the configuration and its value.
type Setting struct{ Key, Value string }

// Apps returns the configured apps.
func (s *Service) Apps() []App { return s.cfg.Apps }

// Connectors returns the configured connectors.
func (s *Service) Connectors() []Connector { return s.cfg.Connectors }

// AppDetails is an app with its recent events.
type AppDetails struct {
	App
	Events   []gateway.Event // the newest
	Failures []gateway.Event // refused or failed, among the newest gateway.MaxRead events
	Waiting  []gateway.WaitingUser
}

// appEvents limits each list of AppDetails.
const appEvents = 20

// App returns an app. ErrNotFound when none with this id is configured.
func (s *Service) App(ctx context.Context, id string) (AppDetails, error) {
	a, found := s.apps[id]
	if !found {
		return AppDetails{}, gateway.ErrNotFound
	}
	d := AppDetails{App: a}
	var err error
	if d.Events, err = s.store.Events(ctx, gateway.EventQuery{App: id, Limit: appEvents}); err != nil {
		return AppDetails{}, err
	}
	// "!ok" selects every other outcome. The limit is larger, because requests that wait are deleted.
	failures, err := s.store.SearchEvents(ctx, gateway.EventQuery{App: id, Outcome: "!ok", Limit: 5 * appEvents})
	if err != nil {
		return AppDetails{}, err
	}
	d.Failures = slices.DeleteFunc(failures.Events, func(e gateway.Event) bool { return e.Outcome == "waiting" })
	d.Failures = d.Failures[:min(len(d.Failures), appEvents)]
	d.Waiting, err = s.store.WaitingUsers(ctx, gateway.WaitingQuery{App: id, Limit: appEvents})
	return d, err
}
