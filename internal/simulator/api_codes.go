package simulator

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

func (c *control) codeRoutes() []route {
	return []route{
		{method: "POST", path: "/api/codes", does: "returns a code and the callback address, without a browser",
			status: http.StatusCreated, serve: c.apiCode},
		{method: "GET", path: "/api/qrcodes", does: "lists the QR codes that can be scanned", serve: c.apiQRCodes},
		{method: "GET", path: "/api/phones/{person}", does: "returns the page on a phone", serve: c.apiPhone},
		{method: "POST", path: "/api/phones/{person}", does: "acts on a phone", serve: c.apiPressPhone},
	}
}

// codeJSON is the answer of /api/codes. If the person refuses, Code is "".
type codeJSON struct {
	Code     string     `json:"code"`
	Callback string     `json:"callback"` // address that WeChat redirects to, "" if it does not
	AppID    string     `json:"appid"`
	Scope    string     `json:"scope"`
	OpenID   string     `json:"openid"`
	Snapshot bool       `json:"snapshot"` // the code belongs to the virtual user of a snapshot page (快照页)
	Expires  *time.Time `json:"expires"`  // null for a refusal
}

func (c *control) apiCode(r *http.Request) (any, error) {
	var body struct {
		Person      string `json:"person"`
		URL         string `json:"url"`
		AppID       string `json:"appid"`
		RedirectURI string `json:"redirectURI"`
		Scope       string `json:"scope"`
		State       string `json:"state"`
		Refuse      bool   `json:"refuse"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	switch {
	case body.Person == "":
		return nil, invalid("person", "missing")
	case body.URL != "" && (body.AppID != "" || body.RedirectURI != "" || body.Scope != "" || body.State != ""):
		return nil, invalid("url", "has appid, redirect_uri, scope and state already: omit the fields")
	case body.URL == "" && body.AppID == "":
		return nil, invalid("appid", "missing; or set url to the address that the app redirects to")
	case body.URL == "" && body.RedirectURI == "":
		return nil, invalid("redirectURI", "missing; or set url to the address that the app redirects to")
	}
	a, err := c.server.Authorize(wechattest.AuthorizationRequest{
		Person: body.Person, URL: body.URL, AppID: body.AppID, RedirectURI: body.RedirectURI, Scope: body.Scope,
		State: body.State, Refuse: body.Refuse,
	})
	if err != nil {
		return nil, err
	}
	return codeJSON{
		Code: a.Code, Callback: a.CallbackURL, AppID: a.AppID, Scope: a.Scope, OpenID: a.OpenID, Snapshot: a.Snapshot,
		Expires: timeOrNull(a.Expires),
	}, nil
}

// qrCodeJSON is a QR code in the answers of the API.
type qrCodeJSON struct {
	UUID    string    `json:"uuid"`
	Link    string    `json:"link"` // the content, for the action scan of a phone
	AppID   string    `json:"appid"`
	AppName string    `json:"appName"`
	Status  string    `json:"status"`
	Person  string    `json:"person"` // the person who has scanned it last; "" for nobody
	Made    time.Time `json:"made"`
}

func (c *control) qrCodes() []qrCodeJSON {
	status := map[wechattest.QRStatus]string{
		wechattest.QRWaiting: "waiting", wechattest.QRScanned: "scanned", wechattest.QRCancelled: "cancelled",
	}
	out := []qrCodeJSON{}
	for _, q := range c.server.QRCodes() {
		out = append(out, qrCodeJSON{
			UUID: q.UUID, Link: q.Link, AppID: q.AppID, AppName: q.AppName, Status: status[q.Status], Person: q.Person,
			Made: q.Made.UTC(),
		})
	}
	return out
}

func (c *control) apiQRCodes(*http.Request) (any, error) {
	return map[string]any{"qrCodes": c.qrCodes(), "sceneCodes": c.sceneCodesJSON()}, nil
}

// sceneCodeJSON is a QR code with a scene (参数二维码) in the answers of the API. When a person scans
// the code, the account's push contains the scene.
type sceneCodeJSON struct {
	Link    string     `json:"link"` // the content, for the action scan of a phone or chat
	AppID   string     `json:"appid"`
	AppName string     `json:"appName"`
	Scene   string     `json:"scene"`
	Made    time.Time  `json:"made"`
	Expires *time.Time `json:"expires"` // null for a permanent code
}

func (c *control) sceneCodesJSON() []sceneCodeJSON {
	out := []sceneCodeJSON{}
	for _, s := range c.server.SceneCodes() {
		out = append(out, sceneCodeJSON{Link: s.Link, AppID: s.AppID, AppName: s.AppName, Scene: s.Scene,
			Made: s.Made.UTC(), Expires: timeOrNull(s.Expires)})
	}
	return out
}

// phoneJSON is a phone in the answers of the API.
type phoneJSON struct {
	Person   string    `json:"person"`
	Browser  string    `json:"browser"`
	Language string    `json:"language"`
	Page     *pageJSON `json:"page"` // null for none
}

// pageJSON is the page on a phone.
type pageJSON struct {
	URL         string         `json:"url"`
	Status      int            `json:"status"` // of HTTP
	Title       string         `json:"title"`
	Text        string         `json:"text"`
	Body        string         `json:"body"`
	AsksConsent bool           `json:"asksConsent"`
	Snapshot    bool           `json:"snapshot"` // WeChat opened it in snapshot mode (快照页)
	Links       []elementJSON  `json:"links"`
	Buttons     []elementJSON  `json:"buttons"`
	Redirects   []redirectJSON `json:"redirects"`
	Refresh     string         `json:"refresh"` // address to which the page refreshes, "" for none
}

// elementJSON is a link or a button of a page.
type elementJSON struct {
	Text  string `json:"text"`
	ID    string `json:"id"`
	Name  string `json:"name"`
	Value string `json:"value"`
	URL   string `json:"url"`
}

type redirectJSON struct {
	Status int    `json:"status"`
	From   string `json:"from"`
	To     string `json:"to"`
}

func newPhoneJSON(p *wechattest.Phone) phoneJSON {
	out := phoneJSON{Person: p.Person(), Browser: p.Browser().String(), Language: p.Language()}
	if page := p.Page(); page != nil {
		out.Page = &pageJSON{
			URL: page.URL, Status: page.Status, Title: page.Title, Text: page.Text(), Body: page.Body,
			AsksConsent: page.AsksConsent(), Snapshot: page.Snapshot, Links: elements(page.Links),
			Buttons: elements(page.Buttons), Redirects: []redirectJSON{}, Refresh: page.RefreshURL,
		}
		for _, hop := range page.Hops {
			out.Page.Redirects = append(out.Page.Redirects, redirectJSON{Status: hop.Status, From: hop.From,
				To: hop.To})
		}
	}
	return out
}

func elements(all []wechattest.Element) []elementJSON {
	out := []elementJSON{}
	for _, e := range all {
		out = append(out, elementJSON{Text: e.Text, ID: e.ID, Name: e.Name, Value: e.Value, URL: e.URL})
	}
	return out
}

func (c *control) apiPhone(r *http.Request) (any, error) {
	p, err := c.findPerson(r.PathValue("person"))
	if err != nil {
		return nil, err
	}
	return newPhoneJSON(c.server.Phone(p.ID)), nil
}

// phoneActions returns the actions of a phone: the values of the field do in a request. The value
// true means that an action needs the field at.
func phoneActions() map[string]bool {
	return map[string]bool{
		"open": true, "scan": true, "follow": true, "submit": false, "allow": false, "deny": false, "back": false,
		"reload": false, "home": false, "refresh": false, "full": false, "clear": false, "language": true,
		"browser": true, "password": false, "revoke": false,
	}
}

func (c *control) apiPressPhone(r *http.Request) (any, error) {
	p, err := c.findPerson(r.PathValue("person"))
	if err != nil {
		return nil, err
	}
	var body struct {
		Do     string            `json:"do"`
		Target string            `json:"at"`
		Fill   map[string]string `json:"fill"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	needsAt, known := phoneActions()[body.Do]
	switch {
	case !known:
		names := slices.Sorted(maps.Keys(phoneActions()))
		return nil, invalid("do", strconv.Quote(body.Do)+" is not one of "+strings.Join(names, ", "))
	case needsAt && body.Target == "":
		return nil, invalid("at", "missing for "+body.Do)
	}
	fill := url.Values{}
	for k, v := range body.Fill {
		fill.Set(k, v)
	}
	phone := c.server.Phone(p.ID)
	known, err = c.doAction(r.Context(), phone, phoneAction{do: body.Do, target: body.Target, fill: fill})
	switch {
	case !known: // do is valid, so at is not the name of a browser
		return nil, invalid("at", "unknown browser "+strconv.Quote(body.Target))
	case err != nil:
		return nil, err
	}
	return newPhoneJSON(phone), nil
}
