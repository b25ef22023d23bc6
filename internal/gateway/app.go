package gateway

// AppKind is the protocol by which an app uses the gateway.
type AppKind string

// The kinds of apps.
const (
	AppOIDC        AppKind = "oidc"         // an OpenID Connect client
	AppForwardAuth AppKind = "forward_auth" // a website whose reverse proxy calls the gateway's /verify
	AppRelay       AppKind = "relay"        // existing code that speaks WeChat's own protocol
)

// App is an application that uses the gateway. It comes from the configuration and is not stored.
// The settings that only one kind of app has (redirect URIs, hosts) are in the package of its
// protocol.
type App struct {
	ID      string // in tokens, stored grants and events; never reused for another app
	Kind    AppKind
	Name    string // for display
	Access  AccessRule
	Methods []string // allowed sign-in methods; empty = all

	// For the portal, the page on which users find their apps.
	HomeURL     string  // where the app opens; "" = not on the portal
	Icon        string  // one of AppIcons; "" = Picture, or the first letter of Name
	Picture     Picture // the icon as a picture; zero = none
	Description string
	Hidden      bool // not on the portal, though it has a HomeURL

	// AskProfile is set if users are asked for nickname and avatar before they use the app or wait for
	// approval. An app whose protocol requests a profile does not need this setting.
	AskProfile bool
}

// Picture is a picture from a file of the administrator. The gateway serves the picture itself. If
// another host served it, this host would learn who opens the portal.
type Picture struct {
	Type string // image/png, image/jpeg or image/webp; never SVG, which can contain scripts
	Data []byte
}

// AppIcons returns the names of the built-in icons of apps.
func AppIcons() []string {
	return []string{"book", "calendar", "camera", "chart", "chat", "code", "database", "files", "mail", "shop", "tasks",
		"tools"}
}

// Access names an access rule: which users may use an app.
type Access string

// The access rules. An administrator can also allow or refuse an app to a single user: see
// User.AllowedApps and User.RefusedApps.
const (
	AccessSignedIn Access = "signed_in" // all users except blocked ones
	AccessApproved Access = "approved"  // Active users only
	AccessListed   Access = "listed"    // users on the lists of the rule
)

// AccessRule is an app's access rule. The four lists apply to AccessListed only. A user who is on
// at least one list may use the app. The zero value allows no user.
type AccessRule struct {
	Rule     Access
	Users    []string // user ids
	OpenIDs  []string
	UnionIDs []string
	Groups   []string // groups of users
}

// AppIDs has the appid of each configured connector (an app at WeChat that users sign in through),
// by the connector's name. WeChat gives a user another openid at each appid. So when an
// administrator changes the appid of a connector, apps must not receive the openids from before. An
// app would take them for openids at the new appid.
type AppIDs map[string]string

// Current reports whether appID is the appid of the connector. It also returns true for a connector
// that is no longer configured. That does no harm, because no app can refer to this connector.
func (a AppIDs) Current(connector, appID string) bool {
	current, configured := a[connector]
	return !configured || current == appID
}
