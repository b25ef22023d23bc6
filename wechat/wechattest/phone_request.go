package wechattest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/origin"
	"github.com/weigate/weigate/internal/simulator/link"
)

// maxRedirects is the number of redirects that a navigation may follow. 20 is the limit of
// Chromium.
const maxRedirects = 20

// browserRequest is a request that a phone is going to send. A browser derives the request's
// headers from these fields.
type browserRequest struct {
	method         string
	url            *url.URL
	body           string   // urlencoded body of a POST
	initiator      *url.URL // page of the link or form; nil for an address that was typed or scanned
	referrerPolicy string   // of the initiator
	fetchDest      string   // Sec-Fetch-Dest of a subresource, such as "image"; "" for a page
}

// linkRequest returns the request of a browser that follows a link of the page. address is the
// absolute address of the link.
func (p *Page) linkRequest(address string) (browserRequest, error) {
	u, ok := link.Resolve(nil, address)
	if !ok {
		return browserRequest{}, addressError(address)
	}
	return browserRequest{method: http.MethodGet, url: u, initiator: p.address, referrerPolicy: p.referrerPolicy}, nil
}

// navigation is the loading of a page: a request and its redirects. browserRequest is the current
// request; each redirect changes it.
type navigation struct {
	browserRequest
	phone         *Phone
	hops          []Hop
	requested     []*url.URL // all addresses so far, for Sec-Fetch-Site
	snapshotApp   string     // appid of an authorize page that redirected in snapshot mode
	originTainted bool       // a POST was redirected to another origin: Origin must be null (Fetch standard)
}

// navigate sends a request, follows redirects and returns the page at the end.
func (p *Phone) navigate(ctx context.Context, req browserRequest) (*Page, error) {
	if s := p.device.server; !s.hasPerson(p.device.person) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return nil, s.unknownPerson(p.device.person)
	}
	n := navigation{browserRequest: req, phone: p}
	resp, err := n.followRedirects(ctx)
	if err != nil {
		return nil, err
	}
	return n.page(resp), nil
}

// followRedirects sends the request, follows redirects and returns the last response.
func (n *navigation) followRedirects(ctx context.Context) (*fetchedResponse, error) {
	for {
		n.url = withoutMarker(n.url)
		resp, err := n.send(ctx)
		if err != nil {
			return nil, err
		}
		location := resp.header.Get("Location")
		if !isRedirect(resp.status) || location == "" {
			return resp, nil
		}
		if len(n.hops) == maxRedirects {
			at := withoutQuery(n.url.String())
			return nil, newPhoneError(failureRedirects, at, "%w: %d, the last one to %s", ErrRedirects, maxRedirects,
				withoutQuery(location))
		}
		if err := n.redirect(resp.status, location); err != nil {
			return nil, err
		}
	}
}

// withoutMarker returns an address without the fragment #wechat_redirect. The fragment marks the
// address of an authorize page for WeChat's client, and the client removes it.
func withoutMarker(u *url.URL) *url.URL {
	if u.Fragment == "wechat_redirect" {
		return withoutFragment(u)
	}
	return u
}

func withoutFragment(u *url.URL) *url.URL {
	c := *u
	c.Fragment, c.RawFragment = "", ""
	return &c
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// send sends one request and stores the cookies of the response.
func (n *navigation) send(ctx context.Context) (*fetchedResponse, error) {
	u := withoutFragment(n.url)
	var body io.Reader
	if n.method == http.MethodPost {
		body = strings.NewReader(n.body)
	}
	req, err := http.NewRequestWithContext(ctx, n.method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("wechattest: request to %s: %w", origin.Of(u), err)
	}
	if n.method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	n.requested = append(n.requested, u)
	n.setHeaders(req.Header, u)
	resp, err := n.phone.fetcher().fetch(req, n.phone.addClientParams)
	if err != nil {
		return nil, err
	}
	n.phone.device.cookies().set(u, (&http.Response{Header: resp.header}).Cookies())
	if resp.fromSimulator && resp.header.Get(snapshotHeader) == modeSnapshot {
		n.snapshotApp = u.Query().Get("appid")
	}
	return resp, nil
}

// setHeaders sets the headers that WeChat's web view, a Chromium, sends.
func (n *navigation) setHeaders(h http.Header, u *url.URL) {
	n.phone.device.setHeaders(h)
	if n.fetchDest == "" {
		h.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8")
		h.Set("Upgrade-Insecure-Requests", "1")
	} else {
		h.Set("Accept", "*/*")
	}
	if potentiallyTrustworthy(u) {
		h.Set("Sec-Fetch-Site", fetchSite(n.initiator, n.requested))
		if n.fetchDest == "" {
			h.Set("Sec-Fetch-Mode", "navigate")
			h.Set("Sec-Fetch-User", "?1")
			h.Set("Sec-Fetch-Dest", "document")
		} else {
			h.Set("Sec-Fetch-Mode", "no-cors")
			h.Set("Sec-Fetch-Dest", n.fetchDest)
		}
	}
	if n.initiator != nil {
		if r := referer(n.initiator, u, n.referrerPolicy); r != "" {
			h.Set("Referer", r)
		}
	}
	if n.method == http.MethodPost {
		h.Set("Origin", "null")
		if n.initiator != nil && !n.originTainted && n.referrerPolicy != "no-referrer" {
			h.Set("Origin", origin.Of(n.initiator))
		}
	}
	relation := sameSite
	if n.initiator != nil && origin.Site(n.initiator) != origin.Site(u) {
		relation = crossSiteNavigation
		if n.method == http.MethodPost || n.fetchDest != "" {
			relation = crossSiteOther
		}
	}
	if c := n.phone.device.cookies().header(u, relation); c != "" {
		h.Set("Cookie", c)
	}
}

// redirect replaces the request by the request for location. A POST becomes a GET, except after 307
// and 308. If location has no fragment, it gets the fragment of the old address, as in browsers.
func (n *navigation) redirect(status int, location string) error {
	next, ok := link.Resolve(n.url, location)
	if !ok {
		scheme, _, _ := strings.Cut(location, ":")
		return newPhoneError(failureScheme, origin.Of(n.url), "redirects to %s:…, which is not http or https",
			scheme)
	}
	if next.Fragment == "" {
		next.Fragment, next.RawFragment = n.url.Fragment, n.url.RawFragment
	}
	if n.method == http.MethodPost {
		if status != http.StatusTemporaryRedirect && status != http.StatusPermanentRedirect {
			n.method, n.body = http.MethodGet, ""
		} else if origin.Of(next) != origin.Of(n.url) {
			n.originTainted = true
		}
	}
	n.hops = append(n.hops, Hop{Status: status, From: n.url.String(), To: next.String()})
	n.url = next
	return nil
}

// page returns the page of the last response.
func (n *navigation) page(resp *fetchedResponse) *Page {
	p := &Page{
		URL: n.url.String(), Status: resp.status, Header: resp.header, Body: resp.body, Hops: n.hops,
		Snapshot: n.snapshotApp != "", snapshotApp: n.snapshotApp, address: n.url,
		requestMethod: n.method, requestBody: n.body, fromSimulator: resp.fromSimulator, initiator: n.initiator,
	}
	p.parse()
	return p
}

// potentiallyTrustworthy reports whether browsers treat an address as secure (W3C Secure Contexts,
// section 3.1): https, or loopback by either scheme.
func potentiallyTrustworthy(u *url.URL) bool {
	return u.Scheme == "https" || origin.IsLoopback(u.Hostname())
}

// withoutQuery returns an address without query and fragment, because these may contain a code.
// Errors contain addresses in this form.
func withoutQuery(address string) string {
	if i := strings.IndexAny(address, "?#"); i >= 0 {
		return address[:i]
	}
	return address
}

// fetchSite returns the value of Sec-Fetch-Site. initiator is the page with the link, and requested
// has all addresses, redirects included. The first rule that applies decides:
//
//   - none: there is no initiator;
//   - cross-site: an address is on another site;
//   - same-site: an address has another origin on the same site;
//   - same-origin: all addresses have the origin of the initiator.
func fetchSite(initiator *url.URL, requested []*url.URL) string {
	if initiator == nil {
		return "none"
	}
	out := "same-origin"
	for _, u := range requested {
		switch {
		case origin.Site(u) != origin.Site(initiator):
			return "cross-site"
		case origin.Of(u) != origin.Of(initiator):
			out = "same-site"
		}
	}
	return out
}

// referer returns the Referer header of a request under a referrer policy (W3C Referrer Policy,
// section 8). An empty policy means the default, strict-origin-when-cross-origin.
func referer(from, to *url.URL, policy string) string {
	page := withoutFragment(from)
	page.User = nil
	full, originOnly := page.String(), origin.Of(from)+"/"
	sameOrigin := origin.Of(from) == origin.Of(to)
	downgrade := potentiallyTrustworthy(from) && !potentiallyTrustworthy(to) // from https to http
	switch policy {
	case "no-referrer":
		return ""
	case "unsafe-url":
		return full
	case "origin":
		return originOnly
	case "same-origin":
		if sameOrigin {
			return full
		}
		return ""
	case "origin-when-cross-origin":
		if sameOrigin {
			return full
		}
		return originOnly
	}
	// strict-origin, no-referrer-when-downgrade or the default.
	switch {
	case downgrade:
		return ""
	case policy == "strict-origin", policy != "no-referrer-when-downgrade" && !sameOrigin:
		return originOnly
	}
	return full
}

// Load fetches a subresource of the current page, such as an image, with the cookies that a browser
// would send. dest is the value of Sec-Fetch-Dest. The phone still shows the current page
// afterwards. Load is for programs that show the page to a user.
func (p *Phone) Load(ctx context.Context, address, dest string) (*Page, error) {
	page := p.Page()
	if page == nil {
		return nil, ErrNoPage
	}
	req, err := page.linkRequest(address)
	if err != nil {
		return nil, err
	}
	req.fetchDest = dest
	n := navigation{browserRequest: req, phone: p}
	resp, err := n.followRedirects(ctx)
	if err != nil {
		return nil, err
	}
	return &Page{URL: n.url.String(), Status: resp.status, Header: resp.header, Body: resp.body}, nil
}
