package gateway

// AppKind is the protocol by which an app uses the gateway.
type AppKind string

// The kinds of apps.
const (
	AppOIDC        AppKind = "oidc"         // an OpenID Connect client
	AppForwardAuth AppKind = "forward_auth" // a site behind a reverse proxy that calls the gateway's /verify
	AppRelay       AppKind = "relay"        // existing code that speaks WeChat's own protocol
)

// App is an application that uses the gateway. It comes from the configuration and is not stored.
// Settings of one kind (redirect URIs, hosts) belong to the package of that protocol.
type App struct {
	ID      string // in tokens, subjects (see Pin) and events; never reused for another app
	Kind    AppKind
	Name    string // for display
	Access  AccessRule
	Methods []string // allowed sign-in methods; empty = all
}

// Access names an access rule: which users may use an app.
type Access string

// The access rules.
const (
	AccessSignedIn Access = "signed_in" // all users except blocked ones
	AccessApproved Access = "approved"  // Active users only
	AccessListed   Access = "listed"    // users on the lists of the rule
)

// AccessRule is an app's access rule. The four lists apply to AccessListed only: a user who is on
// one of them may use the app. The zero value allows no user.
type AccessRule struct {
	Rule     Access
	Users    []string // user ids
	OpenIDs  []string
	UnionIDs []string
	Groups   []string // groups of users
}

// AppIDs has the appid of each configured connector, by the connector's name. When an administrator
// gives a connector another appid, the openids from before are not openids at this connector any
// more: an app that received one would take it for an openid at the new appid.
type AppIDs map[string]string

// Current reports whether appID is the appid of the connector. It returns true for a connector that
// is not configured any more, which no app can name.
func (a AppIDs) Current(connector, appID string) bool {
	current, configured := a[connector]
	return !configured || current == appID
}
