package simulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/weigate/weigate/wechat/wechattest"
)

func (c *control) appRoutes() []route {
	return []route{
		{method: "GET", path: "/api/apps", does: "lists the apps with their secrets", serve: c.apiApps},
		{method: "POST", path: "/api/apps", does: "adds an app", status: http.StatusCreated, serve: c.apiAddApp},
		{method: "GET", path: "/api/apps/{appid}", does: "returns an app", serve: c.apiApp},
		{method: "PATCH", path: "/api/apps/{appid}", does: "changes fields of an app", serve: c.apiChangeApp},
		{method: "DELETE", path: "/api/apps/{appid}", does: "removes an app", serve: c.apiRemoveApp},
		{method: "POST", path: "/api/apps/{appid}/reset", does: "resets an app to the state at the start",
			serve: c.apiResetApp},
	}
}

// appKinds returns the JSON names of the kinds of apps. The index of a name is the
// wechattest.AppKind. The gateway's configuration has the same names.
func appKinds() []string {
	return []string{
		wechattest.OfficialAccount: "official_account",
		wechattest.TestAccount:     "test_account",
		wechattest.WebsiteApp:      "website",

		wechattest.SubscriptionAccount:         "subscription_account",
		wechattest.VerifiedSubscriptionAccount: "verified_subscription_account",
		wechattest.UnverifiedServiceAccount:    "unverified_service_account",
	}
}

// KindName returns the name of a kind of apps in the JSON API.
func KindName(kind wechattest.AppKind) string { return appKinds()[kind] }

// appJSON is an app in the answers of the API.
type appJSON struct {
	AppID        string   `json:"appid"`
	Secret       string   `json:"secret,omitempty"` // not in the answer of /api/state
	Kind         string   `json:"kind"`
	Name         string   `json:"name"`
	Domains      []string `json:"domains"`
	OpenPlatform string   `json:"openPlatform"`
	IPList       []string `json:"ipList"`
	Scopes       []string `json:"scopes"`
	Banned       bool     `json:"banned"`
	Snapshot     bool     `json:"snapshot"` // authorize pages open in snapshot mode (快照页)
	Push         pushJSON `json:"push"`
	OriginalID   string   `json:"originalID"` // gh_…; "" for a website app
	QRCode       string   `json:"qrCode"`     // content of the account's own QR code; "" for a website app
}

// pushJSON is the message push of an account in the answers of the API.
type pushJSON struct {
	URL    string `json:"url"` // "" means that push is off
	Token  string `json:"token"`
	AESKey string `json:"aesKey"`
	Mode   string `json:"mode"`
}

// pushModes returns the JSON names of the modes of message push. The index of a name is the
// wechattest.PushMode.
func pushModes() []string {
	return []string{
		wechattest.PushSecure: "secure", wechattest.PushCompatible: "compatible", wechattest.PushPlaintext: "plaintext",
	}
}

func (c *control) newAppJSON(a *wechattest.App) appJSON {
	out := appJSON{
		AppID: a.AppID, Secret: a.Secret, Kind: KindName(a.Kind), Name: a.Name, Domains: list(a.Domains),
		OpenPlatform: a.OpenPlatform, IPList: list(a.IPList), Scopes: list(a.PermittedScopes()), Banned: a.Banned,
		Snapshot: a.Snapshot,
		Push:     pushJSON{URL: a.Push.URL, Token: a.Push.Token, AESKey: a.Push.AESKey, Mode: pushModes()[a.Push.Mode]},
	}
	if a.Kind != wechattest.WebsiteApp {
		out.OriginalID, out.QRCode = c.server.OriginalID(a.AppID), c.server.AccountQR(a.AppID)
	}
	return out
}

// findApp returns an app. An unknown appid is an error that lists the known appids.
func (c *control) findApp(appID string) (*wechattest.App, error) {
	apps, known := c.server.Apps(), []string{}
	for i, a := range apps {
		if a.AppID == appID {
			return &apps[i], nil
		}
		known = append(known, a.AppID)
	}
	return nil, &apiError{status: http.StatusNotFound, Name: "not_found", Field: "appid",
		Message: "unknown app " + strconv.Quote(appID) + "; there are " + strings.Join(known, ", ")}
}

func (c *control) apps() []appJSON {
	out := []appJSON{}
	for _, a := range c.server.Apps() {
		out = append(out, c.newAppJSON(&a))
	}
	return out
}

func (c *control) apiApps(*http.Request) (any, error) { return map[string]any{"apps": c.apps()}, nil }

func (c *control) apiApp(r *http.Request) (any, error) { return c.oneApp(r.PathValue("appid")) }

func (c *control) oneApp(appID string) (any, error) {
	a, err := c.findApp(appID)
	if err != nil {
		return nil, err
	}
	return c.newAppJSON(a), nil
}

// appFields are the fields of an app in a request. A field that is missing or null keeps its value.
type appFields struct {
	AppID        *string   `json:"appid"`
	Secret       *string   `json:"secret"`
	Kind         *string   `json:"kind"`
	Name         *string   `json:"name"`
	Domains      *[]string `json:"domains"`
	OpenPlatform *string   `json:"openPlatform"`
	IPList       *[]string `json:"ipList"`
	Scopes       *[]string `json:"scopes"`
	Banned       *bool     `json:"banned"`
	Snapshot     *bool     `json:"snapshot"`

	Push *pushFields `json:"push"`
}

// pushFields are the fields of an account's message push in a request.
type pushFields struct {
	URL    *string `json:"url"`
	Token  *string `json:"token"`
	AESKey *string `json:"aesKey"`
	Mode   *string `json:"mode"`
}

// apply sets the fields of an app that have a value in the request.
func (f *appFields) apply(a *wechattest.App) {
	if f.Kind != nil {
		a.Kind = wechattest.AppKind(slices.Index(appKinds(), *f.Kind))
	}
	assign(&a.Secret, f.Secret)
	assign(&a.Name, f.Name)
	assign(&a.Domains, f.Domains)
	assign(&a.OpenPlatform, f.OpenPlatform)
	assign(&a.IPList, f.IPList)
	assign(&a.Scopes, f.Scopes)
	assign(&a.Banned, f.Banned)
	assign(&a.Snapshot, f.Snapshot)
	if p := f.Push; p != nil {
		assign(&a.Push.URL, p.URL)
		assign(&a.Push.Token, p.Token)
		assign(&a.Push.AESKey, p.AESKey)
		if p.Mode != nil {
			a.Push.Mode = wechattest.PushMode(slices.Index(pushModes(), *p.Mode))
		}
	}
}

func (f *appFields) check() error {
	if f.Kind != nil && !slices.Contains(appKinds(), *f.Kind) {
		return invalid("kind", strconv.Quote(*f.Kind)+" is not one of "+strings.Join(appKinds(), ", "))
	}
	if f.Push != nil && f.Push.Mode != nil && !slices.Contains(pushModes(), *f.Push.Mode) {
		return invalid("push.mode", strconv.Quote(*f.Push.Mode)+" is not one of "+strings.Join(pushModes(), ", "))
	}
	return nil
}

func (c *control) apiAddApp(r *http.Request) (any, error) {
	var f appFields
	if err := readJSON(r, &f); err != nil {
		return nil, err
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	a := wechattest.App{Domains: []string{"127.0.0.1"}}
	assign(&a.AppID, f.AppID)
	f.apply(&a)
	added, err := c.server.AddApp(a)
	if err != nil {
		return nil, err
	}
	return c.newAppJSON(&added), nil
}

func (c *control) apiChangeApp(r *http.Request) (any, error) {
	appID := r.PathValue("appid")
	var f appFields
	if err := readJSON(r, &f); err != nil {
		return nil, err
	}
	if f.AppID != nil && *f.AppID != appID {
		return nil, invalid("appid", "cannot be changed")
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	if err := c.server.UpdateApp(appID, f.apply); err != nil {
		return nil, err
	}
	return c.oneApp(appID)
}

func (c *control) apiRemoveApp(r *http.Request) (any, error) {
	appID := r.PathValue("appid")
	return map[string]string{"removed": appID}, c.server.RemoveApp(appID)
}

func (c *control) apiResetApp(r *http.Request) (any, error) {
	appID := r.PathValue("appid")
	if err := readJSON(r, &struct{}{}); err != nil {
		return nil, err
	}
	if err := c.server.ResetApp(appID); err != nil {
		return nil, err
	}
	return c.oneApp(appID)
}
