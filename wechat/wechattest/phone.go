package wechattest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/weigate/weigate/internal/simulator/link"
)

// Phone is one window of WeChat on the phone of a person (a simulated WeChat user): a small browser
// without JavaScript. [Server.Phone] returns it. [Phone.SetBrowser] makes it a window of another
// browser. A Phone sends WeChat's user agent and follows redirects. It handles cookies as Chromium
// does: with SameSite, with Secure and __Host- cookies on plain-http loopback, and without regard
// to ports. It identifies the person to the simulator, and not to apps.
//
// The simulator receives the requests to WeChat's host names and to its own address. Other hosts
// must be loopback or in a private network, see [ErrHost].
//
// Each method that opens an address returns the [Page] after the last redirect. An app's error page
// is returned as a Page without an error: check its Status. A response with status 204 leaves the
// page unchanged, as in browsers.
//
// The methods may be called concurrently. A window opens one address at a time. [Phone.Tab] returns
// another window of the phone.
type Phone struct {
	device     *device    // cookies, language and browser, which all windows of the phone share
	navigating sync.Mutex // locked while an address is opened

	mu      sync.Mutex // guards the fields below
	history []*Page
	at      int   // index of the page in history; -1 for no page
	err     error // of the last navigation
}

// Errors of a [Phone]. Use errors.Is.
var (
	// ErrNoPage: the method needs a page, and the phone shows none.
	ErrNoPage = errors.New("wechattest: the phone shows no page")
	// ErrNotOnPage: the page has no such link, form or button. The text lists those that it has.
	ErrNotOnPage = errors.New("wechattest: not on the page")
	// ErrHost: the host is not loopback, not private, and not in [Config.PhoneHosts]. The
	// restriction keeps the simulator from being an open proxy.
	ErrHost = errors.New("host not allowed: phones open only this machine, private addresses and Config.PhoneHosts")
	// ErrRedirects: there were more than 20 redirects.
	ErrRedirects = errors.New("too many redirects")
)

// Tab returns a new window of the phone. The windows share the person and the cookies. Each window
// has its own history.
func (p *Phone) Tab() *Phone { return &Phone{device: p.device, at: -1} }

// Person returns the id of the person.
func (p *Phone) Person() string { return p.device.person }

// UserAgent returns the User-Agent header that the phone sends.
func (p *Phone) UserAgent() string {
	h := http.Header{}
	p.device.setHeaders(h)
	return h.Get("User-Agent")
}

// SetLanguage sets the language of all windows, for example "en"; phones start with "zh-CN". It is
// sent in the user agent and in Accept-Language.
func (p *Phone) SetLanguage(tag string) { p.device.setLanguage(tag) }

// SetDefaultLanguage sets the language that the phone has until [Phone.SetLanguage] is called.
func (p *Phone) SetDefaultLanguage(tag string) { p.device.setDefaultLanguage(tag) }

// Language returns the language in use.
func (p *Phone) Language() string { return p.device.language() }

// Page returns the page that the phone shows; nil for none.
func (p *Phone) Page() *Page {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current()
}

func (p *Phone) current() *Page {
	if p.at < 0 || p.at >= len(p.history) {
		return nil
	}
	return p.history[p.at]
}

// Err returns the error of the last method that opened an address, nil after a success.
func (p *Phone) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Cookies returns the cookies for an address, whatever their SameSite. Only Name and Value are set.
func (p *Phone) Cookies(address string) []*http.Cookie {
	u, ok := link.Resolve(nil, address)
	if !ok {
		return nil
	}
	return p.device.cookies().all(u)
}

// ClearCookies deletes all cookies of the current browser.
func (p *Phone) ClearCookies() { p.device.cookies().clear() }

// Open opens an address as a link in a chat does: without a Referer, with all cookies of the host.
func (p *Phone) Open(ctx context.Context, address string) (*Page, error) {
	u, ok := link.Resolve(nil, address)
	if !ok {
		return nil, p.fail(addressError(address))
	}
	return p.open(ctx, browserRequest{method: http.MethodGet, url: u})
}

func addressError(address string) *PhoneError {
	return newPhoneError(failureAddress, withoutQuery(address), "not an http or https address")
}

// Scan scans a QR code. text is the content of the code, a link. Scan opens the link.
func (p *Phone) Scan(ctx context.Context, text string) (*Page, error) {
	return p.Open(ctx, strings.TrimSpace(text))
}

// Follow opens a link of the page. what is the id, the text or the address of the link.
func (p *Phone) Follow(ctx context.Context, what string) (*Page, error) {
	page := p.Page()
	if page == nil {
		return nil, ErrNoPage
	}
	element := page.Link(what)
	if element == nil {
		return nil, fmt.Errorf("%w: link %q; there are %s", ErrNotOnPage, what, quotedTexts(page.Links, "no links"))
	}
	return p.follow(ctx, page, element.URL)
}

// FollowURL opens an absolute address as if the page had a link to it: with the Referer and the
// cookies that a browser sends for a link. It is for programs that show the page to a user.
func (p *Phone) FollowURL(ctx context.Context, address string) (*Page, error) {
	page := p.Page()
	if page == nil {
		return nil, ErrNoPage
	}
	return p.follow(ctx, page, address)
}

// follow opens the address of a link. A link to a fragment of the current page changes the address
// without a request, as in browsers.
func (p *Phone) follow(ctx context.Context, page *Page, address string) (*Page, error) {
	req, err := page.linkRequest(address)
	if err != nil {
		return nil, p.fail(err)
	}
	if req.url.Fragment != "" && withoutFragment(req.url).String() == withoutFragment(page.address).String() {
		moved := *page
		moved.URL, moved.address = req.url.String(), req.url
		p.show(&moved)
		return &moved, nil
	}
	return p.open(ctx, req)
}

// Submit fills in a form of the page and presses a submit button.
//
// what selects a button or a form:
//
//   - a button: its text, id, name, value or name=value;
//   - a form: its id, its name or the end of its address; Submit presses its first button;
//   - "": the only form of the page.
//
// fill has new values by field name. A field with an empty list is not sent.
func (p *Phone) Submit(ctx context.Context, what string, fill url.Values) (*Page, error) {
	page := p.Page()
	if page == nil {
		return nil, ErrNoPage
	}
	f, b := page.submitButton(what)
	if f == nil {
		return nil, fmt.Errorf("%w: button %q; there are %s", ErrNotOnPage, what, quotedTexts(page.Buttons, "no buttons"))
	}
	action, method := f.action, f.method
	if b != nil {
		action, method = b.URL, b.method
	}
	return p.submit(ctx, page, submission{action: action, method: method, fields: f.encode(fill, b)})
}

// SubmitURL sends urlencoded fields to an absolute address as a form of the page would, by GET or
// POST. It is for programs that show the page to a user.
func (p *Phone) SubmitURL(ctx context.Context, address, method, fields string) (*Page, error) {
	page := p.Page()
	if page == nil {
		return nil, ErrNoPage
	}
	return p.submit(ctx, page, submission{action: address, method: method, fields: fields})
}

// submission is a form that is sent: its address, its method and its urlencoded fields.
type submission struct{ action, method, fields string }

func (p *Phone) submit(ctx context.Context, page *Page, s submission) (*Page, error) {
	req, err := page.linkRequest(s.action)
	if err != nil {
		return nil, p.fail(err)
	}
	if s.method == http.MethodGet {
		req.url.RawQuery = s.fields
	} else {
		req.method, req.body = s.method, s.fields
	}
	return p.open(ctx, req)
}

// FollowRefresh opens the target of the page's refresh (a Refresh header or meta element) at once,
// without the delay. A phone never follows a refresh automatically: a test should see every page.
func (p *Phone) FollowRefresh(ctx context.Context) (*Page, error) {
	page := p.Page()
	if page == nil {
		return nil, ErrNoPage
	}
	if page.RefreshURL == "" {
		return nil, fmt.Errorf("%w: a refresh", ErrNotOnPage)
	}
	return p.follow(ctx, page, page.RefreshURL)
}

// Allow presses the button 允许 (allow) on WeChat's consent page, or on the page after the scan of a
// QR code. On other pages it returns [ErrNotOnPage].
func (p *Phone) Allow(ctx context.Context) (*Page, error) { return p.answerConsent(ctx, true) }

// Deny is like Allow, but presses the button that refuses.
func (p *Phone) Deny(ctx context.Context) (*Page, error) { return p.answerConsent(ctx, false) }

func (p *Phone) answerConsent(ctx context.Context, allow bool) (*Page, error) {
	page := p.Page()
	if page == nil {
		return nil, ErrNoPage
	}
	f, b := page.consentButton(allow)
	if f == nil {
		return nil, fmt.Errorf("%w: WeChat's consent; the phone shows %q (%s)", ErrNotOnPage, page.Title,
			withoutQuery(page.URL))
	}
	return p.submit(ctx, page, submission{action: f.action, method: f.method, fields: f.encode(nil, b)})
}

// UseFullService presses 使用完整服务 (use full service). WeChat shows this button on a page in snapshot
// mode, see [Quirks.Snapshot]. The press reloads the page. From now on, the person gets the consent
// page. On other pages UseFullService returns [ErrNotOnPage].
func (p *Phone) UseFullService(ctx context.Context) (*Page, error) {
	page := p.Page()
	if page == nil {
		return nil, ErrNoPage
	}
	if !page.Snapshot {
		return nil, fmt.Errorf("%w: 使用完整服务, which only pages in snapshot mode have", ErrNotOnPage)
	}
	p.device.server.UseFullService(page.snapshotApp, p.device.person)
	return p.open(ctx, browserRequest{method: http.MethodGet, url: page.address})
}

// Reload repeats the request of the page, even a POST.
func (p *Phone) Reload(ctx context.Context) (*Page, error) {
	page := p.Page()
	if page == nil {
		return nil, ErrNoPage
	}
	return p.repeat(ctx, page, 0)
}

// Back returns to the previous page. It requests the page again, as WeChat's web view does. A page
// that is the response to a POST is shown again without a request.
func (p *Phone) Back(ctx context.Context) (*Page, error) {
	p.mu.Lock()
	if p.at < 1 {
		p.mu.Unlock()
		return nil, fmt.Errorf("%w to go back to", ErrNoPage)
	}
	page := p.history[p.at-1]
	p.mu.Unlock()
	if page.requestMethod == http.MethodPost {
		p.replace(page, -1)
		return page, nil
	}
	return p.repeat(ctx, page, -1)
}

// repeat requests a page of the history again, and stores the new page in its place. move is the
// distance of the page from the current page in the history: 0 or -1.
func (p *Phone) repeat(ctx context.Context, old *Page, move int) (*Page, error) {
	p.navigating.Lock()
	defer p.navigating.Unlock()
	page, err := p.navigate(ctx, browserRequest{
		method: old.requestMethod, url: old.address, body: old.requestBody, initiator: old.initiator,
	})
	if err != nil {
		return nil, p.fail(err)
	}
	// Only a redirect of the authorize page reports snapshot mode, and that page is not requested
	// here.
	if old.Snapshot && !page.Snapshot {
		page.Snapshot, page.snapshotApp = true, old.snapshotApp
	}
	p.replace(page, move)
	return page, nil
}

// open sends a request, follows redirects and shows the page at the end.
func (p *Phone) open(ctx context.Context, req browserRequest) (*Page, error) {
	p.navigating.Lock()
	defer p.navigating.Unlock()
	page, err := p.navigate(ctx, req)
	if err != nil {
		return nil, p.fail(err)
	}
	if page.Status == http.StatusNoContent || page.Status == http.StatusResetContent { // browsers stay on the page
		if current := p.Page(); current != nil {
			return current, nil
		}
		return page, nil
	}
	p.show(page)
	return page, nil
}

// Home closes the page and deletes the history. Cookies are kept.
func (p *Phone) Home() {
	p.navigating.Lock()
	defer p.navigating.Unlock()
	p.close()
}

// SetBrowser changes the browser of all windows of the phone. A new phone has [BrowserWeChat]. Each
// browser has its own cookies. SetBrowser closes the page of this window.
func (p *Phone) SetBrowser(b Browser) {
	p.navigating.Lock()
	defer p.navigating.Unlock()
	p.device.setBrowser(b)
	p.close()
}

// Browser returns the browser in use.
func (p *Phone) Browser() Browser { return p.device.currentBrowser() }

// maxHistory limits the memory of a phone that is used for a long time.
const maxHistory = 50

// show adds a page to the history and drops the pages after the current one.
func (p *Phone) show(page *Page) {
	p.update(func() {
		p.history = append(p.history[:p.at+1], page)
		if drop := len(p.history) - maxHistory; drop > 0 {
			p.history = slices.Clone(p.history[drop:])
		}
		p.at, p.err = len(p.history)-1, nil
	})
}

// replace moves to another entry of the history and stores page there. move is the distance of that
// entry from the current entry.
func (p *Phone) replace(page *Page, move int) {
	p.update(func() {
		if i := p.at + move; i >= 0 && i < len(p.history) {
			p.at = i
			p.history[i] = page
		}
		p.err = nil
	})
}

// fail stores the error for [Phone.Err] and returns it.
func (p *Phone) fail(err error) error {
	p.update(func() { p.err = err })
	return err
}

// close removes the page and the history. The caller has locked navigating.
func (p *Phone) close() {
	p.update(func() { p.history, p.at, p.err = nil, -1, nil })
}

// update changes what the phone shows and then calls the hooks of [Server.OnPhoneChange].
func (p *Phone) update(change func()) {
	p.mu.Lock()
	change()
	p.mu.Unlock()
	p.device.server.phones.changed(p.device.person)
}
