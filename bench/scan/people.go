package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

const (
	uaDesktop = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0.0.0 Safari/537.36"
	uaWeChat  = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Mobile Safari/537.36 MicroMessenger/8.0.50"
)

// configured is the URL in the configuration of the gateway, which listens on another, free port.
const configured = "http://127.0.0.1:8080"

// wires is the transport that all browsers share.
var wires = &http.Transport{MaxIdleConnsPerHost: 2048, MaxIdleConns: 4096}

// browser is the browser of a desktop, or WeChat's browser on a phone.
type browser struct {
	g      *gateway
	agent  string
	person string
	client *http.Client
	at     string
}

func (g *gateway) browser(agent, person string) (*browser, error) {
	jar, err := cookiejar.New(nil)
	stop := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{g: g, agent: agent, person: person,
		client: &http.Client{Jar: jar, CheckRedirect: stop, Transport: wires}}, err
}

// open follows redirects, also through WeChat, and returns the page.
func (b *browser) open(ctx context.Context, method, address string, form url.Values) (string, error) {
	for range 12 {
		r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
		if err != nil {
			return "", err
		}
		r.Header.Set("User-Agent", b.agent)
		r.Header.Set("Accept", "text/html")
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		res, err := b.client.Do(r)
		if err != nil {
			return "", err
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			return "", err
		}
		b.at = address
		next := res.Header.Get("Location")
		switch {
		case next == "" && res.StatusCode != http.StatusOK:
			return "", fmt.Errorf("%s: %s", address, res.Status)
		case next == "":
			return string(body), nil
		case strings.HasPrefix(next, b.g.wechat):
			if address, err = b.pastWeChat(next); err != nil {
				return "", err
			}
		default:
			base, _ := url.Parse(address)
			to, err := base.Parse(strings.Replace(next, configured, b.g.url, 1))
			if err != nil {
				return "", err
			}
			address = to.String()
		}
		method, form = http.MethodGet, nil
	}
	return "", errors.New("round and round")
}

// pastWeChat returns the address that WeChat redirects the phone to, with the address that the
// gateway listens on in place of the configured one.
func (b *browser) pastWeChat(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	q := u.Query()
	code, err := b.g.wx.Code(b.g.appID, b.person, q.Get("scope"))
	if err != nil {
		return "", err
	}
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil {
		return "", err
	}
	return b.g.url + back.Path + "?" + url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), nil
}

// poolOfPhones signs phones in once. Afterwards they have a session and only confirm.
func (g *gateway) poolOfPhones(n int) {
	for i := range n {
		phone, err := g.browser(uaWeChat, personID(i))
		if err == nil {
			_, err = phone.open(context.Background(), http.MethodGet, g.url+"/sign-in?return=/", nil)
		}
		if err != nil {
			g.note(err)
			return
		}
		g.phones <- phone
	}
}

var (
	linkOf   = regexp.MustCompile(`/scan/[a-z2-7]{26}`)
	markOf   = regexp.MustCompile(`name="m" value="([^"]*)"`)
	numberOf = regexp.MustCompile(`<span translate="no">(\d\d)</span>`)
	pollOf   = regexp.MustCompile(`data-poll="([^"]*)"`)
)

func find(what *regexp.Regexp, page string) (string, error) {
	m := what.FindStringSubmatch(page)
	if m == nil {
		return "", fmt.Errorf("no %s on the page: %.300s", what, page[strings.Index(page, "<body")+1:])
	}
	return html.UnescapeString(m[len(m)-1]), nil
}

// wait opens the page of a desktop and polls, as the script of the page does, until ctx ends. It
// renews a code that has expired.
func (g *gateway) wait(ctx context.Context) error {
	desktop, err := g.browser(uaDesktop, "")
	if err != nil {
		return err
	}
	page, err := desktop.open(ctx, http.MethodGet, g.url+"/sign-in?return=/", nil)
	if err != nil {
		return err
	}
	poll, err := find(pollOf, page)
	if err != nil {
		return err
	}
	go func() {
		for ctx.Err() == nil {
			answer, err := desktop.open(ctx, http.MethodGet, g.url+poll+"&seen=open", nil)
			if err == nil && strings.Contains(answer, "over") {
				_, err = desktop.open(ctx, http.MethodPost, g.url+strings.Replace(poll, "/scan/state", "/scan/renew", 1),
					url.Values{"auto": {"1"}})
			}
			if err != nil && ctx.Err() == nil {
				g.note(err)
				return
			}
		}
	}()
	return nil
}

// signIn performs one complete sign-in with a new desktop and a free phone.
func (g *gateway) signIn() error {
	ctx := context.Background()
	phone := <-g.phones
	defer func() { g.phones <- phone }()
	desktop, err := g.browser(uaDesktop, "")
	if err != nil {
		return err
	}
	step := func(b *browser, method, address string, form url.Values, want *regexp.Regexp) (text string) {
		if err != nil {
			return ""
		}
		var page string
		if page, err = b.open(ctx, method, address, form); err == nil {
			text, err = find(want, page)
		}
		return text
	}
	link := step(desktop, http.MethodGet, g.url+"/sign-in?return=/", nil, linkOf)
	waiting := desktop.at
	mark := step(phone, http.MethodGet, g.url+link, nil, markOf)
	step(phone, http.MethodPost, g.url+"/scan/continue", url.Values{"m": {mark}}, markOf)
	number := step(desktop, http.MethodGet, waiting, nil, numberOf)
	step(phone, http.MethodPost, g.url+"/scan/answer", url.Values{"m": {mark}, "number": {number}},
		regexp.MustCompile(`id="scan_done"`))
	step(desktop, http.MethodGet, waiting, nil, regexp.MustCompile(`id="scan_signed_in"`))
	return err
}
