package wechattest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// maxRedirects is where Chromium gives up as well.
const maxRedirects = 20

// ErrRedirects is wrapped by the error of a phone that was sent around in circles: more than twenty redirects.
var ErrRedirects = errors.New("wechattest: too many redirects")

// A visit is one journey to be made: an address, how to ask for it, and who sent the browser there.
type visit struct {
	method    string
	url       *url.URL
	form      string   // the body of a POST, urlencoded
	initiator *url.URL // the page that holds the link or the form; nil when the person typed, scanned or reloaded
	policy    string   // that page's referrer policy
}

// A journey is a visit under way.
type journey struct {
	visit
	phone   *Phone
	hops    []Hop
	chain   []*url.URL // every address so far, for Sec-Fetch-Site
	virtual string     // the appid that got a virtual account on the way
	tainted bool       // a POST was redirected to another origin: its Origin is null from then on
}

// travel makes a visit and follows its redirects to the page at the end.
func (p *Phone) travel(ctx context.Context, v visit) (*Page, error) {
	if s := p.device.server; !s.hasPerson(p.device.person) {
		return nil, fmt.Errorf("wechattest: no person %q; there are %s", p.device.person, strings.Join(personIDs(s.People()), ", "))
	}
	j := journey{visit: v, phone: p}
	for {
		dropMarker(j.url)
		a, err := j.step(ctx)
		if err != nil {
			return nil, err
		}
		location := a.header.Get("Location")
		if !redirects(a.status) || location == "" {
			return j.arrive(a), nil
		}
		if len(j.hops) == maxRedirects {
			return nil, &trouble{troubleRedirects, withoutQuery(j.url), fmt.Errorf("%w: %d of them, the last from %s to %s",
				ErrRedirects, maxRedirects, withoutQuery(j.url), withoutQueryString(location))}
		}
		if err := j.redirect(a.status, location); err != nil {
			return nil, err
		}
	}
}

// dropMarker takes off the fragment by which WeChat's client knows an authorize address: it never reaches a page.
func dropMarker(u *url.URL) {
	if u.Fragment == "wechat_redirect" {
		u.Fragment, u.RawFragment = "", ""
	}
}

func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// step sends the request for where the journey is and keeps the cookies that come back.
func (j *journey) step(ctx context.Context) (*fetched, error) {
	u := *j.url
	u.Fragment, u.RawFragment = "", ""
	var body *strings.Reader
	req, err := http.NewRequestWithContext(ctx, j.method, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("wechattest: the phone cannot ask for %s: %w", origin(&u), err)
	}
	if j.method == http.MethodPost {
		body = strings.NewReader(j.form)
		req, err = http.NewRequestWithContext(ctx, j.method, u.String(), body)
		if err != nil {
			return nil, fmt.Errorf("wechattest: the phone cannot send a form to %s: %w", origin(&u), err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	j.chain = append(j.chain, &u)
	j.headers(req, &u)
	a, err := j.phone.fetcher().fetch(req, j.phone.identify)
	if err != nil {
		return nil, err
	}
	j.phone.device.cookies().set(&u, (&http.Response{Header: a.header}).Cookies())
	if a.own && a.header.Get("X-Wechattest-Mode") == "snapshot" {
		j.virtual = u.Query().Get("appid")
	}
	return a, nil
}

// headers sets what WeChat's web view, a Chromium, sends with a navigation.
func (j *journey) headers(req *http.Request, u *url.URL) {
	h := req.Header
	j.phone.device.headers(h)
	h.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8")
	h.Set("Upgrade-Insecure-Requests", "1")
	if trustworthy(u) {
		h.Set("Sec-Fetch-Site", fetchSite(j.initiator, j.chain))
		h.Set("Sec-Fetch-Mode", "navigate")
		h.Set("Sec-Fetch-User", "?1")
		h.Set("Sec-Fetch-Dest", "document")
	}
	if j.initiator != nil {
		if r := referer(j.initiator, u, j.policy); r != "" {
			h.Set("Referer", r)
		}
	}
	if j.method == http.MethodPost {
		h.Set("Origin", "null")
		if j.initiator != nil && !j.tainted && j.policy != "no-referrer" {
			h.Set("Origin", origin(j.initiator))
		}
	}
	rel := sameSite
	if j.initiator != nil && site(j.initiator) != site(u) {
		rel = crossNavigate
		if j.method == http.MethodPost {
			rel = crossOther
		}
	}
	if c := j.phone.device.cookies().get(u, rel); c != "" {
		h.Set("Cookie", c)
	}
}

// redirect moves the journey on.
func (j *journey) redirect(status int, location string) error {
	next, ok := resolve(j.url, location)
	if !ok {
		scheme, _, _ := strings.Cut(location, ":")
		return troubled(troubleScheme, origin(j.url), "%s redirects to an address (%s:…) that a phone of the simulator cannot open",
			origin(j.url), scheme)
	}
	if next.Fragment == "" {
		next.Fragment, next.RawFragment = j.url.Fragment, j.url.RawFragment
	}
	if j.method == http.MethodPost {
		if status != http.StatusTemporaryRedirect && status != http.StatusPermanentRedirect {
			j.method, j.form = http.MethodGet, ""
		} else if origin(next) != origin(j.url) {
			j.tainted = true
		}
	}
	j.hops = append(j.hops, Hop{Status: status, From: j.url.String(), To: next.String()})
	j.url = next
	return nil
}

// arrive makes the page at the end.
func (j *journey) arrive(a *fetched) *Page {
	p := &Page{
		URL: j.url.String(), Status: a.status, Header: a.header, Body: a.body, Hops: j.hops,
		method: j.method, sent: j.form, simulator: a.own, initiator: j.initiator,
		Snapshot: j.virtual != "", asked: j.virtual,
	}
	p.read()
	return p
}

// fetchSite is the value of Sec-Fetch-Site: the worst relation of the initiator to any address on the way.
func fetchSite(initiator *url.URL, chain []*url.URL) string {
	if initiator == nil {
		return "none"
	}
	out := "same-origin"
	for _, u := range chain {
		switch {
		case site(u) != site(initiator):
			return "cross-site"
		case origin(u) != origin(initiator):
			out = "same-site"
		}
	}
	return out
}

// referer is what a page at from tells the address to about itself under a referrer policy; the default one is
// strict-origin-when-cross-origin.
func referer(from, to *url.URL, policy string) string {
	full := *from
	full.Fragment, full.RawFragment, full.User = "", "", nil
	same := origin(from) == origin(to)
	down := trustworthy(from) && !trustworthy(to)
	short := origin(from) + "/"
	switch policy {
	case "no-referrer":
		return ""
	case "unsafe-url":
		return full.String()
	case "origin":
		return short
	case "same-origin":
		if same {
			return full.String()
		}
		return ""
	case "origin-when-cross-origin":
		if same {
			return full.String()
		}
		return short
	}
	switch {
	case down:
		return ""
	case policy == "strict-origin", policy != "no-referrer-when-downgrade" && !same:
		return short
	}
	return full.String()
}

// load fetches what a page shows, following a few redirects, with the cookies that a browser would send.
func (p *Phone) load(ctx context.Context, page *Page, address, dest string) (*fetched, error) {
	from, err := url.Parse(page.URL)
	if err != nil {
		return nil, fmt.Errorf("wechattest: the page's own address: %w", err)
	}
	u, ok := resolve(nil, address)
	if !ok {
		return nil, errors.New("wechattest: not an address of the web")
	}
	var chain []*url.URL
	for range 5 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return nil, fmt.Errorf("wechattest: the phone cannot ask for %s: %w", origin(u), err)
		}
		chain = append(chain, u)
		p.device.headers(req.Header)
		req.Header.Set("Accept", "*/*")
		if trustworthy(u) {
			req.Header.Set("Sec-Fetch-Site", fetchSite(from, chain))
			req.Header.Set("Sec-Fetch-Mode", "no-cors")
			req.Header.Set("Sec-Fetch-Dest", dest)
		}
		if r := referer(from, u, page.referrer); r != "" {
			req.Header.Set("Referer", r)
		}
		rel := sameSite
		if site(from) != site(u) {
			rel = crossOther
		}
		if c := p.device.cookies().get(u, rel); c != "" {
			req.Header.Set("Cookie", c)
		}
		a, err := p.fetcher().fetch(req, p.identify)
		if err != nil {
			return nil, err
		}
		p.device.cookies().set(u, (&http.Response{Header: a.header}).Cookies())
		location := a.header.Get("Location")
		if !redirects(a.status) || location == "" {
			return a, nil
		}
		if u, ok = resolve(u, location); !ok {
			return nil, errors.New("wechattest: a picture's redirect leads off the web")
		}
	}
	return nil, ErrRedirects
}
