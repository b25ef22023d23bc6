package simulator

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weigate/weigate/internal/simulator/link"
	"github.com/weigate/weigate/wechat/wechattest"
)

// maxLink is the greatest length of a parameter that fills in a field, such as open, in bytes. A
// longer value is ignored. WeChat's scanner has the same limit for links.
const maxLink = 2048

// phonePage is the data of phone.html.
type phonePage struct {
	personCard
	Page     *wechattest.Page // the page on the phone, nil for none
	Title    string
	Address  string           // masked
	Hops     []wechattest.Hop // redirects that led to the page, masked
	Frame    string           // path of the rendered phone, see package phoneview
	Version  int64            // number of changes of the page
	Drawn    int64            // the Version that the frame shows; if it is outdated, the script reloads the frame
	Consent  bool             // the page is WeChat's consent page
	Lang     string
	Langs    []string // choices of the form
	Open     string   // link that the address line contains at first, from the parameter open
	People   []personCard
	Browser  string
	Browsers []string               // choices of the form
	Codes    []wechattest.QRCode    // QR codes of website apps that the phone can scan
	Calls    []wechattest.Call      // latest requests of the person
	Accounts []wechattest.App       // accounts whose chat the phone can open
	Scenes   []wechattest.SceneCode // QR codes of accounts that the phone can scan
	Note     string                 // key of a text; "" for none
}

// soonRefresh is the longest pause after which the script follows the refresh of a page. Pages that
// reload later, such as one that waits for an approval, may have a form that a person fills in.
const soonRefresh = 3 * time.Second

// Soon reports whether the page leads to another page within seconds, as a phone with WeChat would
// follow. The phone without the script waits for the button.
func (p phonePage) Soon() bool {
	return p.Page != nil && p.Page.RefreshURL != "" && p.Page.RefreshURL != p.Page.URL &&
		p.Page.RefreshAfter <= soonRefresh
}

// phonePage serves GET /phones/{person}: a phone, its buttons and its latest requests.
func (c *control) phonePage(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("person")
	people := c.server.People()
	i := slices.IndexFunc(people, func(p wechattest.Person) bool { return p.ID == id })
	if i < 0 {
		c.errorPage(w, r, http.StatusNotFound, "error-missing")
		return
	}
	phone, view := c.server.Phone(id), c.view(id)
	data := phonePage{
		personCard: c.personCard(&people[i]),
		Frame:      view.Path(),
		Version:    view.Version(),
		Drawn:      view.Drawn(),
		Page:       phone.Page(),
		Lang:       phone.Language(),
		Langs:      []string{"zh-CN", "zh-TW", "en"},
		Open:       linkParam(r),
		People:     c.personCards(),
		Browser:    phone.Browser().String(),
		Codes:      c.server.QRCodes(),
		Calls:      c.recentCalls(6, id),
		Accounts:   c.accounts(),
		Scenes:     c.sceneCodes(""),
		Note:       noteKey(r.FormValue("note")),
	}
	for _, b := range browsers() {
		data.Browsers = append(data.Browsers, b.String())
	}
	if !slices.Contains(data.Langs, data.Lang) {
		data.Langs = append(data.Langs, data.Lang)
	}
	if page := data.Page; page != nil {
		// Codes and tokens in addresses are shortened as in the log. The page may stay open, or
		// appear in a screenshot.
		data.Title, data.Address, data.Consent = page.Title, link.Mask(page.URL), page.AsksConsent()
		for _, hop := range page.Hops {
			data.Hops = append(data.Hops, wechattest.Hop{Status: hop.Status, To: link.Mask(hop.To)})
		}
	}
	c.render(w, r, http.StatusOK, "phone", c.texts(r).MustText("phone-of", "person", data.Nickname), data)
}

// browsers returns the browsers of a phone in the order of the form.
func browsers() []wechattest.Browser {
	return []wechattest.Browser{
		wechattest.BrowserWeChat, wechattest.BrowserWeChatIPhone, wechattest.BrowserWeChatWindows,
		wechattest.BrowserWeCom, wechattest.BrowserChrome, wechattest.BrowserSafari}
}

// redirectToPhone serves GET /phone: it redirects to the page of a person's phone, with a link in
// the address line. The phone opens the link only when the developer presses the button, because
// every website can link to /phone.
func (c *control) redirectToPhone(w http.ResponseWriter, r *http.Request) {
	id := r.FormValue("person")
	if people := c.server.People(); !c.hasPerson(id) && len(people) > 0 {
		id = people[0].ID
	}
	to := url.URL{Path: "/phones/" + id}
	if address := linkParam(r); address != "" {
		to.RawQuery = url.Values{"open": {address}}.Encode()
	}
	c.redirect(w, r, to.String())
}

// linkParam returns the link in the parameter open. It returns "" if the link is missing, is too
// long, is not http or https, or has a user name.
func linkParam(r *http.Request) string {
	address := strings.TrimSpace(r.FormValue("open"))
	if u, ok := link.Resolve(nil, address); ok && len(address) <= maxLink && u.User == nil {
		return address
	}
	return ""
}

// pressPhone handles the buttons of a phone and redirects to the page of the phone. The page shows
// the result.
func (c *control) pressPhone(w http.ResponseWriter, r *http.Request) {
	c.pressButton(w, r, r.PathValue("person"), r.FormValue("do"))
}

// scan handles the form next to a waiting QR code: a person's phone scans it.
func (c *control) scan(w http.ResponseWriter, r *http.Request) {
	c.pressButton(w, r, r.FormValue("person"), "scan")
}

// pressButton performs an action on a person's phone and redirects to the page of the phone.
func (c *control) pressButton(w http.ResponseWriter, r *http.Request, person, action string) {
	if !c.hasPerson(person) {
		c.errorPage(w, r, http.StatusNotFound, "error-missing")
		return
	}
	if address := strings.TrimSpace(r.FormValue("at")); action == "scan" && wechattest.IsAccountQR(address) {
		c.scanAccount(w, r, person, address)
		return
	}
	phone := c.server.Phone(person)
	// A phone whose language was not chosen uses the language of the control page.
	phone.SetDefaultLanguage(c.texts(r).Lang)
	// The page of the phone shows the error.
	_, _ = c.doAction(r.Context(), phone, phoneAction{do: action, target: r.FormValue("at")})
	c.redirect(w, r, "/phones/"+person)
}

// phoneAction is an action on a phone. It comes from a form of the control page or from the JSON
// API.
type phoneAction struct {
	do     string
	target string     // the link, button, language or browser
	fill   url.Values // form fields, for submit
}

// doAction performs an action. known is false for an unknown action, and for the action browser
// with an unknown browser.
func (c *control) doAction(ctx context.Context, p *wechattest.Phone, a phoneAction) (known bool, err error) {
	switch a.do {
	case "open":
		_, err = p.Open(ctx, withScheme(a.target))
	case "scan":
		if address := strings.TrimSpace(a.target); wechattest.IsAccountQR(address) { // WeChat opens a chat, not a page
			_, err = c.server.ScanQR(ctx, p.Person(), address)
			break
		}
		_, err = p.Scan(ctx, a.target)
	case "allow":
		_, err = p.Allow(ctx)
	case "deny":
		_, err = p.Deny(ctx)
	case "follow":
		_, err = p.Follow(ctx, a.target)
	case "submit":
		_, err = p.Submit(ctx, a.target, a.fill)
	case "back":
		_, err = p.Back(ctx)
	case "reload":
		_, err = p.Reload(ctx)
	case "home":
		p.Home()
	case "refresh":
		_, err = p.FollowRefresh(ctx)
	case "full": // the button 使用完整服务 of a snapshot page
		_, err = p.UseFullService(ctx)
	case "clear":
		p.ClearCookies()
	case "language":
		p.SetLanguage(languageTag(a.target))
	case "browser":
		return setBrowser(p, a.target), nil
	case "password":
		c.server.ChangePassword(p.Person())
	case "revoke":
		for _, app := range c.server.Apps() {
			c.server.RevokeConsent(app.AppID, p.Person())
		}
	default:
		return false, nil
	}
	return true, err
}

// setBrowser changes the phone's browser. It returns false for an unknown name.
func setBrowser(p *wechattest.Phone, name string) bool {
	for _, b := range browsers() {
		if b.String() == name {
			p.SetBrowser(b)
			return true
		}
	}
	return false
}

// languageTag returns a language tag, or "" if it is too long or has characters that a language tag
// cannot have.
func languageTag(s string) string {
	if len(s) > 35 || strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return ""
	}
	return s
}

// withScheme adds http:// to an address without a scheme, such as 127.0.0.1:8080.
func withScheme(address string) string {
	if address = strings.TrimSpace(address); address != "" && !strings.Contains(address, "://") {
		return "http://" + address
	}
	return address
}
