package gateway

// AppKind says which door an app has on our side.
type AppKind string

// The kinds of apps.
const (
	AppOIDC        AppKind = "oidc"         // an OpenID Connect client
	AppForwardAuth AppKind = "forward_auth" // a site behind a reverse proxy that asks /verify
	AppRelay       AppKind = "relay"        // old code that speaks WeChat's own protocol
)

// App is a program that people sign in to. It comes from the configuration and
// is not stored; what only one kind needs (redirect addresses, hosts) is with
// the feature that serves that kind.
type App struct {
	ID      string // as tokens, pins and events name it; never used for another app
	Kind    AppKind
	Name    string // for people
	Access  AccessRule
	Methods []string // the doors that lead to it; empty = all
}

// Access says who may use an app.
type Access string

// The access rules.
const (
	AccessSignedIn Access = "signed_in" // every account that is not blocked
	AccessApproved Access = "approved"  // accounts that are Active; Pending ones wait
	AccessListed   Access = "listed"    // accounts that the rule lists
)

// AccessRule is an app's access rule. The lists count only with AccessListed;
// to match one of them is enough. The zero value lets nobody in.
type AccessRule struct {
	Rule     Access
	Users    []string // account ids
	OpenIDs  []string
	UnionIDs []string
	Groups   []string
}
