package wechattest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// A Phone is one window of WeChat on one person's phone: a small browser on the simulator's side, without JavaScript ([Phone.SetBrowser]
// makes it a window of another program).
// [Server.Phone] returns it. It sends WeChat's user agent, keeps cookies as Chromium does (Secure ones and __Host- names
// on plain-http loopback too, SameSite honoured, ports ignored), follows redirects, and is known to the simulator as
// that person; no app is told who it is. The names of WeChat's hosts lead to the simulator, and so do the addresses at
// which the simulator itself is reached. Other hosts must be this machine or a private address (see [ErrHost]).
//
// Its methods may be called from several goroutines; the journeys of one window happen one after the other. [Phone.Tab]
// opens another window, for what happens at the same time.
//
// Each journey ends at a [Page]. An error page of an app is a page, not an error: look at its Status. An answer of 204
// leaves the phone where it is, as in every browser.
type Phone struct {
	device  *device
	journey sync.Mutex // held during a journey

	mu      sync.Mutex // guards what follows
	history []*Page
	at      int   // index in history of the page that is shown
	seq     int   // grows with each change of what is shown
	seen    int   // the seq that the frame last drew
	last    error // of the last journey, for the control page
}

// ErrNoPage is wrapped by the error of a step that needs a page when the phone shows none.
var ErrNoPage = errors.New("wechattest: the phone shows no page")

// ErrNotThere is wrapped by the error of a step that looks for a link, a form or a button that the page does not have. Its text
// tells what the page has.
var ErrNotThere = errors.New("wechattest: the page has no such thing")

// Tab opens another window of the same phone: same person, same cookies, a history of its own.
func (p *Phone) Tab() *Phone { return &Phone{device: p.device, at: -1} }

// Person is the id of the person whose phone it is.
func (p *Phone) Person() string { return p.device.person }

// UserAgent is what the phone calls itself.
func (p *Phone) UserAgent() string {
	h := http.Header{}
	p.device.headers(h)
	return h.Get("User-Agent")
}

// SetLanguage sets the language of the phone: "zh-CN", which phones start with, or any other, for example "en". It
// is in the user agent and in Accept-Language from the next request on, for every window of the phone.
func (p *Phone) SetLanguage(tag string) { p.device.setLanguage(tag) }

// Page is what the phone shows now, nil when it shows nothing yet.
func (p *Phone) Page() *Page {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at < 0 || p.at >= len(p.history) {
		return nil
	}
	return p.history[p.at]
}

// Cookies are the cookies that a page at address would be sent, whatever their SameSite. Only Name and Value are set.
func (p *Phone) Cookies(address string) []*http.Cookie {
	u, ok := resolve(nil, address)
	if !ok {
		return nil
	}
	return p.device.cookies().all(u)
}

// ClearCookies forgets every cookie of the browser in use, as WeChat's web view does now and then by itself.
func (p *Phone) ClearCookies() { p.device.cookies().clear() }

// Open goes to an address as if the person had pressed it in a chat: without a Referer, with every cookie of the host.
func (p *Phone) Open(ctx context.Context, address string) (*Page, error) {
	u, ok := resolve(nil, address)
	if !ok {
		return nil, p.fail(troubled(troubleAddress, withoutQueryString(address), "%q is not an http or https address", withoutQueryString(address)))
	}
	return p.visit(ctx, visit{method: http.MethodGet, url: u})
}

// Scan does what WeChat does with the text of a QR code: it opens the link in it.
func (p *Phone) Scan(ctx context.Context, text string) (*Page, error) {
	return p.Open(ctx, strings.TrimSpace(text))
}

// Follow presses a link of the page that is shown. what is the link's id, its text, or its address.
func (p *Phone) Follow(ctx context.Context, what string) (*Page, error) {
	page := p.Page()
	if page == nil {
		return nil, ErrNoPage
	}
	l := page.Link(what)
	if l == nil {
		return nil, fmt.Errorf("%w: link %q; there are %s", ErrNotThere, what, linkNames(page))
	}
	return p.follow(ctx, page, l.URL)
}

func (p *Phone) follow(ctx context.Context, page *Page, address string) (*Page, error) {
	u, ok := resolve(nil, address)
	if !ok {
		return nil, p.fail(troubled(troubleAddress, withoutQueryString(address), "%q is not an http or https address", withoutQueryString(address)))
	}
	from, err := url.Parse(page.URL)
	if err != nil {
		return nil, fmt.Errorf("wechattest: the page's own address: %w", err)
	}
	if u.Fragment != "" && withoutFragment(u) == withoutFragment(from) {
		moved := *page
		moved.URL = u.String()
		p.show(&moved)
		return &moved, nil
	}
	return p.visit(ctx, visit{method: http.MethodGet, url: u, initiator: from, policy: page.referrer})
}

// Submit fills in a form of the page that is shown and presses a submit button. button is the button's text, id, name,
// value or name=value, or the id, name or last part of the address of a form, whose first button is pressed then; "" is
// the page's only form. fill replaces the values of the fields it names; a field that it gives no value is not sent.
func (p *Phone) Submit(ctx context.Context, button string, fill url.Values) (*Page, error) {
	page := p.Page()
	if page == nil {
		return nil, ErrNoPage
	}
	f, b := page.button(button)
	if f == nil {
		return nil, fmt.Errorf("%w: button %q; there are %s", ErrNotThere, button, buttonNames(page))
	}
	action, method, data := f.Action, f.Method, f.values(fill)
	if b != nil {
		if b.action != "" {
			action = b.action
		}
		if b.method != "" {
			method = b.method
		}
		if b.Name != "" {
			data = append(data, [2]string{b.Name, b.Value})
		}
	}
	return p.submit(ctx, page, action, method, encodeForm(data))
}

func (p *Phone) submit(ctx context.Context, page *Page, action, method, form string) (*Page, error) {
	u, ok := resolve(nil, action)
	if !ok {
		return nil, p.fail(troubled(troubleAddress, page.URL, "the form leads to an address that is not http or https"))
	}
	from, err := url.Parse(page.URL)
	if err != nil {
		return nil, fmt.Errorf("wechattest: the page's own address: %w", err)
	}
	v := visit{method: method, url: u, form: form, initiator: from, policy: page.referrer}
	if method == http.MethodGet {
		u.RawQuery, v.form = form, ""
	}
	return p.visit(ctx, v)
}

// FollowRefresh goes where the page says that it will go by itself, at once.
func (p *Phone) FollowRefresh(ctx context.Context) (*Page, error) {
	page := p.Page()
	if page == nil {
		return nil, ErrNoPage
	}
	if page.Refresh == nil {
		return nil, fmt.Errorf("%w: a refresh", ErrNotThere)
	}
	return p.follow(ctx, page, page.Refresh.URL)
}

// Allow presses the button of consent on the page that is shown: 允许 on WeChat's consent page, 同意 after a QR code. It
// fails with [ErrNotThere] on every other page.
func (p *Phone) Allow(ctx context.Context) (*Page, error) { return p.decide(ctx, true) }

// Deny presses the button of refusal there.
func (p *Phone) Deny(ctx context.Context) (*Page, error) { return p.decide(ctx, false) }

func (p *Phone) decide(ctx context.Context, yes bool) (*Page, error) {
	page := p.Page()
	if page == nil {
		return nil, ErrNoPage
	}
	f, b := page.decision(yes)
	if f == nil {
		return nil, fmt.Errorf("%w: the question of WeChat; the phone shows %q (%s)", ErrNotThere, page.Title, withoutQueryString(page.URL))
	}
	data := f.values(nil)
	if b.Name != "" {
		data = append(data, [2]string{b.Name, b.Value})
	}
	return p.submit(ctx, page, f.Action, f.Method, encodeForm(data))
}

// decision finds the buttons of WeChat's own question, which is asked by the simulator only.
func (p *Page) decision(yes bool) (*Form, *Button) {
	if !p.simulator {
		return nil, nil
	}
	for i := range p.Forms {
		f := &p.Forms[i]
		u, err := url.Parse(f.Action)
		if err != nil || u.Path != "/connect/authorize_reply" && u.Path != "/connect/oauth2/authorize_reply" && u.Path != "/connect/confirm_reply" {
			continue
		}
		for j := range f.Buttons {
			b := &f.Buttons[j]
			if allows := b.Name == "allow" && (b.Value == "1" || b.Value == "allow"); allows == yes {
				return f, b
			}
		}
	}
	return nil, nil
}

// UseFullService presses 使用完整服务, which WeChat draws on a page in snapshot mode: the person gets WeChat's question from now on, and
// the page is asked for again. It fails with [ErrNotThere] on every other page.
func (p *Phone) UseFullService(ctx context.Context) (*Page, error) {
	page := p.Page()
	if page == nil {
		return nil, ErrNoPage
	}
	if !page.Snapshot {
		return nil, fmt.Errorf("%w: 使用完整服务, which is on pages in snapshot mode only", ErrNotThere)
	}
	p.device.server.UseFullService(page.asked, p.device.person)
	u, err := url.Parse(page.URL)
	if err != nil {
		return nil, fmt.Errorf("wechattest: the page's own address: %w", err)
	}
	return p.visit(ctx, visit{method: http.MethodGet, url: u})
}

// Reload asks for the page again, in the way it was asked for: a POST is sent again.
func (p *Phone) Reload(ctx context.Context) (*Page, error) {
	page := p.Page()
	if page == nil {
		return nil, ErrNoPage
	}
	return p.again(ctx, page, 0)
}

// Back goes back to the page before. WeChat's web view asks for it again, so this does too; a page that was the answer
// to a POST is shown as it was.
func (p *Phone) Back(ctx context.Context) (*Page, error) {
	p.mu.Lock()
	if p.at < 1 {
		p.mu.Unlock()
		return nil, fmt.Errorf("%w to go back to", ErrNoPage)
	}
	page := p.history[p.at-1]
	p.mu.Unlock()
	if page.method == http.MethodPost {
		p.replace(page, -1)
		return page, nil
	}
	return p.again(ctx, page, -1)
}

// again asks for a page of the history and puts the answer in its place.
func (p *Phone) again(ctx context.Context, old *Page, move int) (*Page, error) {
	u, err := url.Parse(old.URL)
	if err != nil {
		return nil, fmt.Errorf("wechattest: the page's own address: %w", err)
	}
	p.journey.Lock()
	defer p.journey.Unlock()
	page, err := p.travel(ctx, visit{method: old.method, url: u, form: old.sent, initiator: old.initiator})
	if err != nil {
		return nil, p.fail(err)
	}
	if old.Snapshot && !page.Snapshot {
		page.Snapshot, page.asked = true, old.asked
	}
	p.replace(page, move)
	return page, nil
}

// visit makes a journey and shows the page at its end.
func (p *Phone) visit(ctx context.Context, v visit) (*Page, error) {
	p.journey.Lock()
	defer p.journey.Unlock()
	page, err := p.travel(ctx, v)
	if err != nil {
		return nil, p.fail(err)
	}
	if page.Status == http.StatusNoContent || page.Status == http.StatusResetContent {
		if now := p.Page(); now != nil {
			return now, nil
		}
		return page, nil
	}
	p.show(page)
	return page, nil
}

// show adds a page to the history, dropping what lay ahead.
func (p *Phone) show(page *Page) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.history = append(p.history[:p.at+1], page)
	if drop := len(p.history) - 50; drop > 0 { // a phone that nobody closes must not grow for ever
		p.history = append([]*Page(nil), p.history[drop:]...)
	}
	p.at, p.last = len(p.history)-1, nil
	p.seq++
	p.device.changed()
}

// replace moves within the history and puts a page there.
func (p *Phone) replace(page *Page, move int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := p.at + move; i >= 0 && i < len(p.history) {
		p.at = i
		p.history[i] = page
	}
	p.last = nil
	p.seq++
	p.device.changed()
}

// fail keeps the error for the control page and gives it back.
func (p *Phone) fail(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = err
	p.seq++
	p.device.changed()
	return err
}

// drawn returns what the phone shows for the frame, and notes that the frame has drawn it.
func (p *Phone) drawn() (*Page, *trouble) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = p.seq
	var t *trouble
	if p.last != nil && !errors.As(p.last, &t) {
		t = &trouble{kind: troubleBroken, err: p.last}
	}
	if p.at < 0 || p.at >= len(p.history) {
		return nil, t
	}
	return p.history[p.at], t
}

// state is how often the phone showed something else, and which of these the frame drew last.
func (p *Phone) state() (seq, seen int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seq, p.seen
}
