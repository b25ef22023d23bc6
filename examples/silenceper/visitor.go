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

// phoneAgent is the user agent of WeChat's browser on Android. The authorize page
// rejects other browsers.
const phoneAgent = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 " +
	"Chrome/116.0.0.0 Mobile Safari/537.36 MMWEBID/8157 MicroMessenger/8.0.50.2701(0x28003255) " +
	"WeChat/arm64 Weixin NetType/WIFI Language/zh_CN ABI/arm64"

// visitor acts as the user's phone: it opens the authorize URL and reads the code
// from the redirect to the app.
type visitor struct{ transport http.RoundTripper }

// open follows the redirects from authorize to callback and returns the code. If
// the gateway asks for nickname and avatar, the visitor agrees. The state must be
// unchanged.
func (v visitor) open(ctx context.Context, authorize, callback, state string) (code string, err error) {
	var landed *url.URL
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	client := http.Client{
		Transport: v.transport,
		Jar:       jar,
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if strings.HasPrefix(next.URL.String(), callback+"?") {
				landed = next.URL
				return http.ErrUseLastResponse
			}
			if len(via) > 10 {
				return errors.New("too many redirects")
			}
			return nil
		},
	}
	for address, pages := authorize, 0; landed == nil; pages++ {
		page, err := load(ctx, &client, address)
		if err != nil {
			return "", err
		}
		agree := mainButton.FindStringSubmatch(page.body)
		if landed == nil && (agree == nil || pages == 3) {
			return "", errors.New("a page was shown instead of a redirect; start weigate sim with --consent-as alice")
		}
		if agree != nil {
			next, err := page.at.Parse(html.UnescapeString(agree[1]))
			if err != nil {
				return "", err
			}
			address = next.String()
		}
	}
	query := landed.Query()
	if got := query.Get("state"); got != state {
		return "", fmt.Errorf("state %q came back as %q", state, got)
	}
	return query.Get("code"), nil
}

// mainButton matches the main button of the gateway's pages.
var mainButton = regexp.MustCompile(`<a [^>]*id="go"[^>]* href="([^"]+)"`)

// page is the page at the end of the redirects.
type page struct {
	at   *url.URL
	body string
}

func load(ctx context.Context, client *http.Client, address string) (page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return page{}, err
	}
	req.Header.Set("User-Agent", phoneAgent)
	resp, err := client.Do(req)
	if err != nil {
		return page{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return page{resp.Request.URL, string(body)}, err
}
