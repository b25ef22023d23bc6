package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

// The browsers that a sign-in distinguishes, as User-Agent headers.
const (
	Desktop = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0.0.0 Safari/537.36"
	WeChat  = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Mobile Safari/537.36 MicroMessenger/8.0.50"
)

// transport is shared by all browsers.
var transport = &http.Transport{MaxIdleConnsPerHost: 2048, MaxIdleConns: 4096}

// Client sends the requests that apps send themselves, over the connections of the browsers.
var Client = &http.Client{Transport: transport}

// Browser is the browser of a desktop, or WeChat's browser on a phone, with its own cookies.
type Browser struct {
	At      string // the address of the last page
	Address string // the IP address from which it comes, if Config.Push is set; "" = loopback

	gateway *Gateway
	agent   string
	userID  string
	client  *http.Client
}

// NewBrowser returns a browser without cookies. userID is the WeChat user of a phone.
func (g *Gateway) NewBrowser(agent, userID string) (*Browser, error) {
	jar, err := cookiejar.New(nil)
	stop := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Browser{gateway: g, agent: agent, userID: userID,
		client: &http.Client{Jar: jar, CheckRedirect: stop, Transport: transport}}, err
}

// Open follows redirects, also through WeChat, and returns the page. A redirect whose address
// begins with until, if that is not empty, is not followed; At is then that address.
func (b *Browser) Open(ctx context.Context, method, address string, form url.Values, until string) (string, error) {
	for range 12 {
		r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
		if err != nil {
			return "", err
		}
		r.Header.Set("User-Agent", b.agent)
		r.Header.Set("Accept", "text/html")
		if b.Address != "" {
			r.Header.Set("X-Forwarded-For", b.Address)
		}
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
		b.At = address
		next := res.Header.Get("Location")
		switch {
		case next == "" && res.StatusCode != http.StatusOK:
			return "", fmt.Errorf("%s: %s", address, res.Status)
		case next == "":
			return string(body), nil
		case until != "" && strings.HasPrefix(next, until):
			b.At = next
			return "", nil
		case strings.HasPrefix(next, b.gateway.wechatURL):
			if address, err = b.authorizeAtWeChat(next); err != nil {
				return "", err
			}
		default:
			base, err := url.Parse(address)
			if err != nil {
				return "", err
			}
			to, err := base.Parse(strings.Replace(next, configured, b.gateway.URL, 1))
			if err != nil {
				return "", err
			}
			address = to.String()
		}
		method, form = http.MethodGet, nil
	}
	return "", errors.New("more than 12 redirects")
}

// authorizeAtWeChat returns the address that WeChat redirects the phone to, with the address that
// the gateway listens on in place of the configured one.
func (b *Browser) authorizeAtWeChat(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	q := u.Query()
	code, err := b.gateway.wechat.Code(b.gateway.appID, b.userID, q.Get("scope"))
	if err != nil {
		return "", err
	}
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil {
		return "", err
	}
	return b.gateway.URL + back.Path + "?" + url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), nil
}
