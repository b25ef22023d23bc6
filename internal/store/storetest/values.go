package storetest

import (
	"time"

	"github.com/weigate/weigate/internal/gateway"
)

// connector is an app at WeChat.
type connector struct{ name, appid, platform string }

// The connectors of the suite. The first three are in one Open Platform account and so share
// unionids. foreignConnector is in another one, and ungroupedConnector in none.
var (
	mainConnector      = connector{"main", "wxmain", "ours"}
	siteConnector      = connector{"site", "wxsite", "ours"}
	thirdConnector     = connector{"third", "wxthird", "ours"}
	foreignConnector   = connector{"other", "wxother", "theirs"}
	ungroupedConnector = connector{"lone", "wxlone", ""}
)

// appidsOf returns the appids of the connectors in one Open Platform account.
func appidsOf(platform string) (ids []string) {
	for _, c := range []connector{mainConnector, siteConnector, thirdConnector, foreignConnector} {
		if c.platform == platform {
			ids = append(ids, c.appid)
		}
	}
	return ids
}

// signIn returns a sign-in at the connector.
func (c connector) signIn(at time.Time, openid, unionid string) gateway.SignIn {
	return gateway.SignIn{
		Connector: c.name, AppID: c.appid, OpenID: openid, UnionID: unionid, OpenPlatform: c.platform,
		Group: appidsOf(c.platform), At: at, InitialStatus: gateway.Active,
	}
}

func newSession(user, id string) gateway.Session {
	return gateway.Session{
		Hash: hash(id), UserID: user, Connector: "main", AppID: "wxmain", OpenID: "o-" + id, Method: "wechat",
		AuthTime: noon, CreatedAt: noon, SeenAt: noon, ExpiresAt: after(time.Hour), Data: []byte("data of " + id),
	}
}

func newCode(user, app, id string) gateway.Code {
	return gateway.Code{
		Hash: hash("code " + id),
		Grant: gateway.Grant{
			ID: "grant-" + id, App: app, UserID: user, Subject: "sub-" + user, Scopes: []string{"openid", "profile"},
			AuthTime: noon, Session: hash("session " + id), Connector: "main", AppID: "wxmain", OpenID: "o-" + id,
			CreatedAt: noon, ExpiresAt: after(time.Minute), Data: []byte(`{"n":1}`),
		},
		RedirectURI: "https://app.example/cb", Challenge: "challenge", Nonce: "nonce", ExpiresAt: after(time.Minute),
	}
}

func newIssue(id string) gateway.TokenIssue {
	return gateway.TokenIssue{
		Access:       gateway.Token{Hash: hash("access " + id), CreatedAt: noon, ExpiresAt: after(5 * time.Minute)},
		Refresh:      hash("refresh 1 " + id),
		GrantExpires: after(720 * time.Hour),
	}
}
