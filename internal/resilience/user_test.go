package resilience_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/weigate/weigate/internal/fixture"
)

const pkce = "a-verifier-of-43-characters-or-more-0123456789"

// user is a user with a browser inside WeChat. It stops at every redirect, so that the test sees
// each.
type user struct {
	w       *clusterFixture
	id      string
	browser *fixture.Browser
	address string // the IP address from which the browser comes; "" = loopback

	// patient users reload when the gateway is unreachable, and start again when its page reports that
	// the gateway is busy. For others every failure counts.
	patient  bool
	reloads  int
	signedIn bool   // a callback has signed this browser in
	subject  string // the subject that the app got
	latest   tokens
}

// newTransport returns the transport of all users of a test.
func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: 256, MaxIdleConns: 1024}
}

func (w *clusterFixture) newUser(i int, transport *http.Transport) *user {
	browser := fixture.NewBrowser(w.t, fixture.AgentWeChat)
	browser.Transport, browser.Timeout = transport, patience
	return &user{w: w, id: userID(i), browser: browser}
}

// answer is the response of a server.
type answer struct {
	status   int
	location string
	body     string
}

func (a answer) String() string {
	if a.location != "" {
		return fmt.Sprint(a.status, " to ", a.location)
	}
	return fmt.Sprint(a.status, " ", a.body[:min(200, len(a.body))])
}

// errUnreachable is the error of a request that the gateway did not answer completely.
var errUnreachable = errors.New("the gateway is unreachable")

// errBusy is the error of a request that the gateway answered with a page that says to try again
// later: the store took longer than the two seconds that package flow allows it.
var errBusy = errors.New("the gateway is busy")

func (p *user) do(r *http.Request) (answer, error) {
	if p.address != "" {
		r.Header.Set("X-Forwarded-For", p.address) // the proxy appends its peer
	}
	res, err := p.browser.Send(r)
	if err != nil || res.Status == http.StatusBadGateway {
		return answer{}, errors.Join(errUnreachable, err)
	}
	return answer{status: res.Status, location: res.Location, body: res.Body}, nil
}

// get requests an address, and requests it again while the gateway is unreachable.
func (p *user) get(ctx context.Context, address string) (answer, error) {
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return answer{}, err
		}
		a, err := p.do(r)
		if !p.reload(ctx, err) {
			return a, err
		}
	}
}

// reload waits until the gateway is reachable, and reports whether to repeat the request that
// failed with err.
func (p *user) reload(ctx context.Context, err error) bool {
	if !p.patient || !errors.Is(err, errUnreachable) || p.reloads > 1000 {
		return false
	}
	p.reloads++
	return p.w.proxy.wait(ctx) == nil
}

// authorize returns the address to which the app redirects its users.
func (w *clusterFixture) authorize(more ...string) string {
	sum := sha256.Sum256([]byte(pkce))
	q := url.Values{"response_type": {"code"}, "client_id": {appID}, "redirect_uri": {appRedirect},
		"scope": {"openid offline_access"}, "state": {"s1"},
		"nonce": {"n1"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return w.proxy.url + "/oauth2/authorize?" + q.Encode()
}

// fromWeChat returns the address to which WeChat redirects the browser.
func (p *user) fromWeChat(location string) (string, error) {
	u, err := url.Parse(location)
	if err != nil {
		return "", err
	}
	q := u.Query()
	code, err := p.w.wx.Code(q.Get("appid"), p.id, q.Get("scope"))
	if err != nil {
		return "", err
	}
	return q.Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), nil
}

// callback begins a sign-in and returns the address to which WeChat redirects the browser.
func (p *user) callback(ctx context.Context) (string, error) {
	a, err := p.get(ctx, p.w.authorize())
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(a.location, p.w.wx.URL+"/connect/oauth2/authorize") {
		return "", fmt.Errorf("authorize: %s", a)
	}
	return p.fromWeChat(a.location)
}

// visit follows redirects until it is at the app with a code.
func (p *user) visit(ctx context.Context, address string) (code string, err error) {
	for range 20 {
		a, err := p.get(ctx, address)
		if err != nil {
			return "", fmt.Errorf("%s: %w", pathOf(address), err)
		}
		to, err := url.Parse(a.location)
		if err != nil || a.location == "" {
			err := fmt.Errorf("%s shows a page: %s", pathOf(address), a)
			if a.status == http.StatusServiceUnavailable {
				err = errors.Join(errBusy, err)
			}
			return "", err
		}
		switch {
		case strings.HasPrefix(a.location, appRedirect+"?"):
			if to.Query().Get("code") == "" || to.Query().Get("state") != "s1" {
				return "", fmt.Errorf("the app got %s", a.location)
			}
			return to.Query().Get("code"), nil
		case strings.HasPrefix(a.location, p.w.wx.URL+"/connect/oauth2/authorize"):
			if p.signedIn {
				return "", fmt.Errorf("%s was signed in, and is sent to WeChat again by %s", p.id, pathOf(address))
			}
			if address, err = p.fromWeChat(a.location); err != nil {
				return "", err
			}
		default:
			if strings.Contains(address, "/callback") && strings.Contains(a.location, "/oauth2/authorize") {
				p.signedIn = true
			}
			base, _ := url.Parse(address)
			address = base.ResolveReference(to).String()
		}
	}
	return "", errors.New("too many redirects")
}

func pathOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "?"
	}
	return u.Path
}

// tokens is a response of the token endpoint.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
	Error   string `json:"error"`
	status  int
	err     error
}

func (t tokens) String() string {
	switch {
	case t.err != nil:
		return t.err.Error()
	case t.Error != "":
		return t.Error
	}
	return fmt.Sprint(t.status)
}

// token calls the token endpoint once, as the app.
func (p *user) token(ctx context.Context, form url.Values) (out tokens) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.w.proxy.url+"/oauth2/token",
		strings.NewReader(form.Encode()))
	if err != nil {
		return tokens{err: err}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(appID, url.QueryEscape(appSecret))
	a, err := p.do(r)
	if err != nil {
		return tokens{err: err}
	}
	if err := json.Unmarshal([]byte(a.body), &out); err != nil {
		return tokens{err: fmt.Errorf("token: %s", a)}
	}
	out.status = a.status
	return out
}

func (p *user) redeem(ctx context.Context, code string) tokens {
	return p.token(ctx, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {appRedirect},
		"code_verifier": {pkce}})
}

func (p *user) refresh(ctx context.Context, token string) tokens {
	return p.token(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// userinfo returns the subject of an access token.
func (p *user) userinfo(ctx context.Context, access string) (subject string, status int, err error) {
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.w.proxy.url+"/oauth2/userinfo", nil)
		if err != nil {
			return "", 0, err
		}
		r.Header.Set("Authorization", "Bearer "+access)
		a, err := p.do(r)
		if p.reload(ctx, err) {
			continue
		}
		if err != nil {
			return "", 0, err
		}
		var claims struct {
			Sub string `json:"sub"`
		}
		_ = json.Unmarshal([]byte(a.body), &claims) // an error has a status
		return claims.Sub, a.status, nil
	}
}

// signIn signs the user in to the app, at WeChat if necessary, until the app has verified the
// tokens. An app that lost the response of the token endpoint repeats its request, and begins again
// when that is rejected. A patient user begins again when the gateway is busy.
func (p *user) signIn(ctx context.Context) error {
	const tries = 20 // a machine under load can be busy several times in a row
	for range tries {
		code, err := p.visit(ctx, p.w.authorize())
		if p.patient && errors.Is(err, errBusy) {
			p.reloads++
			continue
		}
		if err != nil {
			return err
		}
		record := p.w.remember(code, p)
		got := p.redeem(ctx, code)
		for p.reload(ctx, got.err) {
			record.lost = true
			got = p.redeem(ctx, code)
		}
		switch {
		case got.err != nil:
			return got.err
		case got.Error == "invalid_grant" && record.lost:
			continue
		case got.status != http.StatusOK:
			return fmt.Errorf("token: %s", got)
		}
		record.good++
		return p.arrived(ctx, got)
	}
	return fmt.Errorf("the sign-in failed %d times: the gateway was busy, or the response with the tokens was lost", tries)
}

// arrived checks the subject in the ID token and at userinfo.
func (p *user) arrived(ctx context.Context, got tokens) error {
	claimed, err := p.w.verify(ctx, p, got.ID)
	if err != nil {
		return err
	}
	subject, status, err := p.userinfo(ctx, got.Access)
	switch {
	case err != nil:
		return err
	case status != http.StatusOK || subject == "" || subject != claimed:
		return fmt.Errorf("userinfo: %d, %q, the ID token has %q", status, subject, claimed)
	case p.subject != "" && p.subject != subject:
		return fmt.Errorf("%s had the subject %s and has %s", p.id, p.subject, subject)
	}
	p.subject, p.latest = subject, got
	return nil
}
