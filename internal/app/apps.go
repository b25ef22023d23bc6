package app

import (
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/forwardauth"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/oidc"
	"github.com/weigate/weigate/internal/relay"
	"github.com/weigate/weigate/internal/route"
)

// oidcClients returns the apps of kind oidc.
func oidcClients(apps []config.App) []oidc.Client {
	var out []oidc.Client
	for _, a := range apps {
		if a.Kind == gateway.AppOIDC {
			out = append(out, oidc.Client{
				App: a.App, Secrets: secretHashes(a), Public: a.Public, RedirectURIs: a.RedirectURIs,
				PostLogoutRedirectURIs: a.PostLogoutRedirectURIs,
				Subject:                a.Subject, Email: oidc.EmailPolicy(a.Email), IDTokenAlg: a.IDTokenAlg,
				IDTokenClaims: a.IDTokenClaims,
				Lifetimes:     oidc.Lifetimes(a.Lifetimes),
			})
		}
	}
	return out
}

// relayApps returns the apps of kind relay.
func relayApps(apps []config.App) []relay.App {
	var out []relay.App
	for _, a := range apps {
		if a.Kind == gateway.AppRelay {
			out = append(out, relay.App{
				App: a.App, AppID: a.AppID, Secrets: secretHashes(a), Connector: a.Connector,
				WebsiteConnector: a.WebsiteConnector, ReturnHosts: a.ReturnHosts,
			})
		}
	}
	return out
}

// forwardAuthApps returns the apps of kind forward_auth.
func forwardAuthApps(apps []config.App) []forwardauth.App {
	var out []forwardauth.App
	for _, a := range apps {
		if a.Kind == gateway.AppForwardAuth {
			out = append(out, forwardauth.App{App: a.App, Hosts: a.Hosts, Subject: a.Subject})
		}
	}
	return out
}

func secretHashes(a config.App) []route.SecretHash {
	var out []route.SecretHash
	for _, s := range a.Secrets {
		out = append(out, route.HashSecret(string(s)))
	}
	return out
}

// appsByID returns the lookup of an app of any kind by its id.
func appsByID(apps []config.App) func(id string) (gateway.App, bool) {
	byID := map[string]gateway.App{}
	for _, a := range apps {
		byID[a.ID] = a.App
	}
	return func(id string) (gateway.App, bool) {
		a, found := byID[id]
		return a, found
	}
}
