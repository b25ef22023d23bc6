package app

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/flow"
	"github.com/weigate/weigate/internal/signin"
	"github.com/weigate/weigate/wechat"
)

// connectors returns the connectors for package signin, each with its WeChat client and the appids
// that share unionids with it.
func (a *App) connectors(all []config.Connector) []signin.Connector {
	var out []signin.Connector
	for _, c := range all {
		client := &wechat.Client{AppID: c.AppID, Secret: c.Secret, APIURL: c.API, OpenURL: c.Open}
		if a.o.Transport != nil {
			client.HTTPClient = &http.Client{Transport: a.o.Transport}
		}
		if a.o.Metrics != nil {
			client.OnCall = a.o.Metrics.WeChat
		}
		connector := signin.Connector{
			Name: c.Name, Website: c.Kind == config.Website, Client: client, OpenPlatform: c.OpenPlatform,
			AnyBrowser: c.AnyBrowser,
		}
		for _, other := range all {
			if other.AppID == c.AppID || c.OpenPlatform != "" && other.OpenPlatform == c.OpenPlatform {
				connector.Group = append(connector.Group, other.AppID)
			}
		}
		out = append(out, connector)
	}
	return out
}

// hasOfficialAccount reports whether an official account is configured. Phones need one to confirm
// a scan.
func hasOfficialAccount(connectors []config.Connector) bool {
	return slices.ContainsFunc(connectors, func(c config.Connector) bool { return c.Kind == config.OfficialAccount })
}

// inWeChat returns the function by which sign-in recognizes WeChat's browser. With AnyBrowser (for
// a simulator) every browser counts as WeChat's.
func inWeChat(connectors []config.Connector) func(*http.Request) bool {
	if slices.ContainsFunc(connectors, func(c config.Connector) bool { return c.AnyBrowser }) {
		return func(*http.Request) bool { return true }
	}
	return flow.FromWeChat
}

// simulatedPhone returns the address of the simulator's control page, on which its phones are; "" =
// no simulator.
func simulatedPhone(connectors []config.Connector) string {
	for _, c := range connectors {
		if c.Control != "" {
			return c.Control
		}
	}
	return ""
}

// pictureOrigins returns the origins, besides WeChat's, from which pages may load pictures: a
// simulator serves its own.
func pictureOrigins(connectors []config.Connector) []string {
	var out []string
	for _, c := range connectors {
		if o := foreignOrigin(c.Open); o != "" && !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out
}

// foreignOrigin returns the origin of an address, or "" for WeChat's own.
func foreignOrigin(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || strings.HasSuffix(u.Hostname(), ".weixin.qq.com") {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
