package wechattest

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// AppKind is the kind of an app at WeChat.
type AppKind int

const (
	// OfficialAccount is a verified service account (服务号): snsapi_base and snsapi_userinfo inside
	// WeChat, at most two callback domains.
	OfficialAccount AppKind = iota
	// TestAccount is a sandbox account (测试号). It differs from an official account in two points.
	// Its callback domain may be an IP address or host:port. People who do not follow the account
	// get error 10006.
	TestAccount
	// WebsiteApp is a website app (网站应用) of the open platform: snsapi_login by QR code, one
	// callback domain.
	WebsiteApp
	// SubscriptionAccount is an unverified subscription account (订阅号, now 公众号), like every account of
	// a private person. It receives pushes and replies to them. It has no web sign-in, no QR codes
	// with a scene, no user info and no menu: those calls get 48001.
	SubscriptionAccount
	// VerifiedSubscriptionAccount is a verified subscription account: also user info and a menu.
	VerifiedSubscriptionAccount
	// UnverifiedServiceAccount is an unverified service account (服务号): pushes and a menu.
	UnverifiedServiceAccount
)

// String returns the name of the kind, such as "official account" or "website app".
func (k AppKind) String() string {
	switch k {
	case OfficialAccount:
		return "official account"
	case TestAccount:
		return "test account"
	case WebsiteApp:
		return "website app"
	case SubscriptionAccount:
		return "subscription account"
	case VerifiedSubscriptionAccount:
		return "verified subscription account"
	case UnverifiedServiceAccount:
		return "unverified service account"
	}
	return fmt.Sprintf("AppKind(%d)", int(k))
}

// App is an app registered with WeChat.
type App struct {
	Kind   AppKind
	AppID  string // "wx" and 16 lower-case hex digits, as WeChat's are
	Secret string // not empty
	Name   string // shown on the consent and confirm pages; "" shows the appid
	// Domains are the callback domains. The host of a redirect_uri must be a callback domain. Its
	// port and path do not matter. An official account has at most two domains, a website app one.
	// Loopback addresses are accepted, so that local apps work. A test account may have any IP
	// address. It may also have host:port; then the port of the redirect_uri must match too.
	Domains []string
	// OpenPlatform names the open-platform account (开放平台账号) of the app. Apps of one open-platform
	// account share unionids. An official or test account with "" has no open-platform account and
	// no unionids. A website app with "" gets its own, because every website app at WeChat has an
	// open-platform account.
	OpenPlatform string
	// IPList is the app's IP allow-list: addresses and CIDR ranges. Calls with the secret or an
	// access token from other addresses get 40164. An empty list allows every address.
	IPList []string
	// Banned apps get error 10004 on the authorize pages.
	Banned bool
	// Scopes are the permitted scopes. Nil means all scopes of the kind. An empty list that is not
	// nil means no scopes, as for an unverified account: the authorize page shows error 10005.
	Scopes []string
	// Snapshot opens authorize pages with snsapi_userinfo in snapshot mode (快照页) for this app.
	// [Quirks.Snapshot] does it for all apps.
	Snapshot bool
	// Push is the server that receives the account's messages and events (消息推送). An empty URL
	// means that pushes are off. A website app cannot have it.
	Push Push
}

// DefaultApps returns an official account, a test account and a website app, in this order. All
// accept callbacks to 127.0.0.1. The official account also accepts localhost. The official account
// and the website app share one open-platform account, so a person has one unionid at both. The
// test account has none.
func DefaultApps() []App {
	return []App{
		{Kind: OfficialAccount, AppID: "wx5f1e0a7b3c2d4e61", Secret: "9d1c4b7a2e5f80316472acbd5e9f0813",
			Name: "示例服务号 Example Service", Domains: []string{"127.0.0.1", "localhost"}, OpenPlatform: "example"},
		{Kind: TestAccount, AppID: "wx7e57acc000000002", Secret: "0b8e6d24f7a915c3d0e2b46a8c1f7953",
			Name: "测试号 Test Account", Domains: []string{"127.0.0.1"}},
		{Kind: WebsiteApp, AppID: "wx3eb517e000000003", Secret: "4fa2c80e6b1d937552ec7f90ab36d418",
			Name: "示例网站 Example Website", Domains: []string{"127.0.0.1"}, OpenPlatform: "example"},
	}
}

// check validates the app and returns all problems, joined.
func (a *App) check() error {
	var errs []error
	bad := func(format string, v ...any) {
		errs = append(errs, fmt.Errorf("wechattest: app "+a.AppID+": "+format, v...))
	}
	rest, ok := strings.CutPrefix(a.AppID, "wx")
	if !ok || len(rest) != 16 || strings.Trim(rest, "0123456789abcdef") != "" {
		bad("the appid is not wx and 16 lower-case hex digits")
	}
	if a.Secret == "" {
		bad("no secret")
	}
	maxDomains := 2
	if a.Kind == WebsiteApp {
		maxDomains = 1
	}
	if a.Kind < OfficialAccount || a.Kind > UnverifiedServiceAccount {
		bad("%v is not a kind", a.Kind)
	}
	if len(a.Domains) > maxDomains {
		bad("at most %d callback domains for the kind %v, not %d", maxDomains, a.Kind, len(a.Domains))
	}
	for _, d := range a.Domains {
		if problem := a.domainProblem(d); problem != "" {
			bad("callback domain %q: %s", d, problem)
		}
	}
	for _, s := range a.IPList {
		if _, err := parseRange(s); err != nil {
			bad("IP list: %q is not an address or a CIDR range", s)
		}
	}
	for _, s := range a.Scopes {
		if !slices.Contains(a.Kind.scopes(), s) {
			bad("the kind %v cannot have the scope %q", a.Kind, s)
		}
	}
	if problem := a.Push.problem(); problem != "" {
		bad("push: %s", problem)
	} else if a.Kind == WebsiteApp && a.Push != (Push{}) {
		bad("push: a website app has no chat, so nothing is pushed; push belongs to an account")
	}
	return errors.Join(errs...)
}

// domainProblem returns why the app cannot have a callback domain; "" when it can.
func (a *App) domainProblem(domain string) string {
	u, err := url.Parse("http://" + domain)
	if err != nil || u.Host != domain || u.Hostname() == "" || strings.ContainsAny(domain, "/?#@ ") {
		return "write a bare host name, without scheme and path"
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if a.Kind != TestAccount {
		if u.Port() != "" {
			return "only a test account can fix a port"
		}
		if err == nil && !ip.IsLoopback() {
			return "only a test account can have an IP address"
		}
	}
	return ""
}

// scopes returns all scopes of a kind.
func (k AppKind) scopes() []string {
	switch k {
	case WebsiteApp:
		return []string{scopeLogin}
	case OfficialAccount, TestAccount:
		return []string{scopeBase, scopeUserInfo}
	}
	return []string{} // the authorize page shows error 10005
}

// PermittedScopes returns the scopes that the app may request: Scopes, or all scopes of the kind.
func (a App) PermittedScopes() []string {
	if a.Scopes != nil {
		return slices.Clone(a.Scopes)
	}
	return a.Kind.scopes()
}

func (a *App) hasScope(scope string) bool { return slices.Contains(a.PermittedScopes(), scope) }

// allowsRedirect reports whether the host of a redirect_uri is a callback domain. The path does not
// matter. The port does not matter either, unless the domain has a port. A backslash is rejected:
// browsers read "\" as "/", and could find another host than url.Parse.
func (a *App) allowsRedirect(redirectURI string) bool {
	u, err := url.Parse(redirectURI)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil ||
		strings.Contains(redirectURI, `\`) {
		return false
	}
	for _, d := range a.Domains {
		if strings.EqualFold(d, u.Hostname()) || strings.EqualFold(d, u.Host) {
			return true
		}
	}
	return false
}

// platform returns the open-platform account of the app, or "". Unionids are derived from this
// account.
func (a *App) platform() string {
	if a.OpenPlatform == "" && a.Kind == WebsiteApp {
		return "of " + a.AppID // the website app's own open-platform account
	}
	return a.OpenPlatform
}

// title returns the name that WeChat's pages show.
func (a *App) title() string {
	if a.Name == "" {
		return a.AppID
	}
	return a.Name
}

// allowsIP reports whether the IP allow-list permits an address.
func (a *App) allowsIP(ip netip.Addr) bool {
	if len(a.IPList) == 0 {
		return true
	}
	for _, s := range a.IPList {
		if p, err := parseRange(s); err == nil && p.Contains(ip.Unmap()) {
			return true
		}
	}
	return false
}

// parseRange parses an IP address or a CIDR range.
func parseRange(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(ip, ip.BitLen()), nil
}

func (a App) clone() App {
	a.Domains, a.IPList, a.Scopes = slices.Clone(a.Domains), slices.Clone(a.IPList), slices.Clone(a.Scopes)
	return a
}

func cloneApps(apps []App) []App {
	out := make([]App, len(apps))
	for i, a := range apps {
		out[i] = a.clone()
	}
	return out
}
