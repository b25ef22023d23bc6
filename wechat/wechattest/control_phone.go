package wechattest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// phoneView is what the phone page draws.
type phoneView struct {
	personCard
	Page     *Page
	Title    string
	Address  string
	Hops     []Hop
	Frame    string // address of the frame
	Seq      int
	Seen     int
	Asks     bool
	Lang     string
	Langs    []string
	Open     string // a link that another page handed over, in the address line already
	People   []personCard
	Browser  string
	Programs []string
	Codes    []QRCode
	Calls    []Call
	Apps     []App
}

func (c *control) phone(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("person")
	people := c.server.People()
	i := slices.IndexFunc(people, func(p Person) bool { return p.ID == id })
	if i < 0 {
		c.problem(w, r, http.StatusNotFound, "error-missing")
		return
	}
	say := controlSpeech(r, c.speeches)
	phone := c.server.Phone(id)
	v := phoneView{personCard: c.card(&people[i]), Page: phone.Page(), Frame: c.frame(id).path, Lang: phone.device.tag(),
		Langs: []string{"zh-CN", "zh-TW", "en"}, Codes: c.server.QRCodes(), Calls: c.recent(6, id), Apps: c.server.Apps(),
		Open: handedOver(r), People: c.cards(), Browser: phone.Browser().String(), Programs: browserNames()}
	if !slices.Contains(v.Langs, v.Lang) {
		v.Langs = append(v.Langs, v.Lang)
	}
	v.Seq, v.Seen = phone.state()
	if v.Page != nil {
		// The page may be left open, or shared as a picture: codes are shown by their first characters, as in the log.
		v.Title, v.Address = v.Page.Title, maskURL(v.Page.URL)
		for _, h := range v.Page.Hops {
			v.Hops = append(v.Hops, Hop{Status: h.Status, To: maskURL(h.To)})
		}
		f, _ := v.Page.decision(true)
		v.Asks = f != nil
	}
	c.show(w, r, http.StatusOK, "phone", say.text("phone-of", v.Nickname), v)
}

// handOver leads to a person's phone with a link in its address line. Any page may lead here, so nothing happens until the person presses.
func (c *control) handOver(w http.ResponseWriter, r *http.Request) {
	id := r.FormValue("person")
	if people := c.server.People(); !c.server.hasPerson(id) && len(people) > 0 {
		id = people[0].ID
	}
	to := url.URL{Path: "/phones/" + id}
	if link := handedOver(r); link != "" {
		to.RawQuery = url.Values{"open": {link}}.Encode()
	}
	controlHeaders(w)
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

// handedOver is the link that an address hands to a phone, "" for what is none. Its length is what WeChat's scanner takes.
func handedOver(r *http.Request) string {
	link := strings.TrimSpace(r.FormValue("open"))
	if u, ok := resolve(nil, link); ok && len(link) <= 2048 && u.User == nil {
		return link
	}
	return ""
}

// press does something with a phone and comes back to its page, which shows how it went.
func (c *control) press(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("person")
	if !c.server.hasPerson(id) {
		c.problem(w, r, http.StatusNotFound, "error-missing")
		return
	}
	phone := c.server.Phone(id)
	if !phone.device.asked.Load() {
		// Until somebody sets it, a phone speaks the language of the person who plays with it.
		phone.device.language.Store(new(controlSpeech(r, c.speeches).lang))
	}
	_, _ = c.do(r, phone, r.FormValue("do"), r.FormValue("at"), nil) // the phone keeps what went wrong and shows it
	controlHeaders(w)
	http.Redirect(w, r, "/phones/"+id, http.StatusSeeOther)
}

// do is one press; ok is false for what a phone cannot do.
func (c *control) do(r *http.Request, p *Phone, what, at string, fill url.Values) (ok bool, err error) {
	ctx := r.Context()
	switch what {
	case "open":
		_, err = p.Open(ctx, withScheme(at))
	case "scan":
		_, err = p.Scan(ctx, at)
	case "allow":
		_, err = p.Allow(ctx)
	case "deny":
		_, err = p.Deny(ctx)
	case "follow":
		_, err = p.Follow(ctx, at)
	case "submit":
		_, err = p.Submit(ctx, at, fill)
	case "back":
		_, err = p.Back(ctx)
	case "reload":
		_, err = p.Reload(ctx)
	case "home":
		p.Home()
	case "refresh":
		_, err = p.FollowRefresh(ctx)
	case "full":
		_, err = p.UseFullService(ctx)
	case "clear":
		p.ClearCookies()
	case "language":
		p.SetLanguage(languageTag(at))
	case "browser":
		b, known := browserNamed(at)
		if !known {
			return false, nil
		}
		p.SetBrowser(b)
	case "password":
		c.server.ChangePassword(p.Person())
	case "revoke":
		for _, a := range c.server.Apps() {
			c.server.RevokeConsent(a.AppID, p.Person())
		}
	default:
		return false, nil
	}
	return true, err
}

// languageTag keeps what may stand in a header.
func languageTag(s string) string {
	if len(s) > 35 || strings.Trim(lowerASCII(s), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return ""
	}
	return s
}

// withScheme lets people type 127.0.0.1:8080.
func withScheme(at string) string {
	if at = strings.TrimSpace(at); at != "" && !strings.Contains(at, "://") {
		return "http://" + at
	}
	return at
}

// scan is the form beside a waiting QR code: a link and whose phone scans it.
func (c *control) scan(w http.ResponseWriter, r *http.Request) {
	r.SetPathValue("person", r.FormValue("person"))
	r.Form.Set("do", "scan")
	c.press(w, r)
}
