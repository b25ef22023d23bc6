package main

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/weigate/weigate/bench/load"
)

// gateway is the process with the phones that sign desktops in.
type gateway struct {
	*load.Gateway
	phones chan *load.Browser // those that are free
}

// signInPhones signs n phones in. Afterwards they have a session and only confirm.
func (g *gateway) signInPhones(n int) error {
	for i := range n {
		phone, err := g.NewBrowser(load.WeChat, load.UserID(i))
		if err != nil {
			return err
		}
		if _, err := phone.Open(context.Background(), http.MethodGet, g.URL+"/sign-in?return=/", nil, ""); err != nil {
			return err
		}
		g.phones <- phone
	}
	return nil
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
	desktop, err := g.NewBrowser(load.Desktop, "")
	if err != nil {
		return err
	}
	page, err := desktop.Open(ctx, http.MethodGet, g.URL+"/sign-in?return=/", nil, "")
	if err != nil {
		return err
	}
	poll, err := find(pollOf, page)
	if err != nil {
		return err
	}
	go func() {
		for ctx.Err() == nil {
			answer, err := desktop.Open(ctx, http.MethodGet, g.URL+poll+"&seen=open", nil, "")
			if err == nil && strings.Contains(answer, "over") {
				_, err = desktop.Open(ctx, http.MethodPost, g.URL+strings.Replace(poll, "/scan/state", "/scan/renew", 1),
					url.Values{"auto": {"1"}}, "")
			}
			if err != nil && ctx.Err() == nil {
				g.Fail(err)
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
	desktop, err := g.NewBrowser(load.Desktop, "")
	if err != nil {
		return err
	}
	step := func(b *load.Browser, method, address string, form url.Values, want *regexp.Regexp) (text string) {
		if err != nil {
			return ""
		}
		var page string
		if page, err = b.Open(ctx, method, address, form, ""); err == nil {
			text, err = find(want, page)
		}
		return text
	}
	link := step(desktop, http.MethodGet, g.URL+"/sign-in?return=/", nil, linkOf)
	waiting := desktop.At
	mark := step(phone, http.MethodGet, g.URL+link, nil, markOf)
	step(phone, http.MethodPost, g.URL+"/scan/continue", url.Values{"m": {mark}}, markOf)
	number := step(desktop, http.MethodGet, waiting, nil, numberOf)
	step(phone, http.MethodPost, g.URL+"/scan/answer", url.Values{"m": {mark}, "number": {number}},
		regexp.MustCompile(`id="scan_done"`))
	step(desktop, http.MethodGet, waiting, nil, regexp.MustCompile(`id="scan_signed_in"`))
	return err
}
