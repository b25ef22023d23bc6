package resilience_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
)

const (
	uaWeChat = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Mobile Safari/537.36 MicroMessenger/8.0.18.2060(0x28001237) WeChat/arm64"
	pkce     = "a-verifier-of-43-characters-or-more-0123456789"
)

// person has a browser inside WeChat. It stops at every redirect, so that the test sees each.
type person struct {
	w      *town
	id     string
	client *http.Client

	// patient people reload when the gateway is away. Without it every failure counts.
	patient  bool
	reloads  int
	signedIn bool   // a callback answered that this browser is signed in
	subject  string // as the app knows the person
	latest   tokens
}

// wires carries everybody's requests.
func newWires() *http.Transport { return &http.Transport{MaxIdleConnsPerHost: 256, MaxIdleConns: 1024} }

func (w *town) person(i int, wires *http.Transport) *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Error(err)
	}
	stop := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &person{w: w, id: personID(i), client: &http.Client{Jar: jar, CheckRedirect: stop, Transport: wires, Timeout: patience}}
}

// answer is what a server said.
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

// errAway is a gateway that is not there, or was gone before it had answered.
var errAway = errors.New("the gateway is away")

func (p *person) do(r *http.Request) (answer, error) {
	res, err := p.client.Do(r)
	if err != nil {
		return answer{}, errors.Join(errAway, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode == http.StatusBadGateway {
		return answer{}, errors.Join(errAway, err)
	}
	return answer{res.StatusCode, res.Header.Get("Location"), string(body)}, nil
}

// get opens an address, and opens it again while the gateway is away.
func (p *person) get(ctx context.Context, address string) (answer, error) {
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return answer{}, err
		}
		r.Header.Set("User-Agent", uaWeChat)
		r.Header.Set("Accept", "text/html")
		a, err := p.do(r)
		if !p.reload(ctx, err) {
			return a, err
		}
	}
}

// reload waits until the gateway is back, if that is what failed.
func (p *person) reload(ctx context.Context, err error) bool {
	if !p.patient || !errors.Is(err, errAway) || p.reloads > 1000 {
		return false
	}
	p.reloads++
	return p.w.proxy.wait(ctx) == nil
}

// authorize is the address to which the app sends people.
func (w *town) authorize(more ...string) string {
	sum := sha256.Sum256([]byte(pkce))
	q := url.Values{"response_type": {"code"}, "client_id": {appID}, "redirect_uri": {appRedirect}, "scope": {"openid offline_access"}, "state": {"s1"},
		"nonce": {"n1"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return w.proxy.url + "/oauth2/authorize?" + q.Encode()
}

// fromWeChat is where WeChat sends the browser back to.
func (p *person) fromWeChat(location string) (string, error) {
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

// callback begins a sign-in and returns the address to which WeChat sends the browser.
func (p *person) callback(ctx context.Context) (string, error) {
	a, err := p.get(ctx, p.w.authorize())
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(a.location, p.w.wx.url+"/connect/oauth2/authorize") {
		return "", fmt.Errorf("authorize: %s", a)
	}
	return p.fromWeChat(a.location)
}

// visit goes where it is sent, until it is at the app with a code.
func (p *person) visit(ctx context.Context, address string) (code string, err error) {
	for range 20 {
		a, err := p.get(ctx, address)
		if err != nil {
			return "", fmt.Errorf("%s: %w", pathOf(address), err)
		}
		to, err := url.Parse(a.location)
		if err != nil || a.location == "" {
			return "", fmt.Errorf("%s shows a page: %s", pathOf(address), a)
		}
		switch {
		case strings.HasPrefix(a.location, appRedirect+"?"):
			if to.Query().Get("code") == "" || to.Query().Get("state") != "s1" {
				return "", fmt.Errorf("the app is told %s", a.location)
			}
			return to.Query().Get("code"), nil
		case strings.HasPrefix(a.location, p.w.wx.url+"/connect/oauth2/authorize"):
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
	return "", errors.New("the browser is sent round and round")
}

func pathOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "?"
	}
	return u.Path
}

// tokens is an answer of the token endpoint.
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
func (p *person) token(ctx context.Context, form url.Values) (out tokens) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.w.proxy.url+"/oauth2/token", strings.NewReader(form.Encode()))
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

func (p *person) redeem(ctx context.Context, code string) tokens {
	return p.token(ctx, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {appRedirect}, "code_verifier": {pkce}})
}

func (p *person) refresh(ctx context.Context, token string) tokens {
	return p.token(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// userinfo tells whose access token it is.
func (p *person) userinfo(ctx context.Context, access string) (subject string, status int, err error) {
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
		var who struct {
			Sub string `json:"sub"`
		}
		_ = json.Unmarshal([]byte(a.body), &who) // an error has a status
		return who.Sub, a.status, nil
	}
}

// signIn is the whole of it: to the app, by WeChat if need be, until the app knows who came. An app that lost the answer of the token endpoint asks
// again with the same code, and begins anew when that is refused.
func (p *person) signIn(ctx context.Context) error {
	for range 4 {
		code, err := p.visit(ctx, p.w.authorize())
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
	return errors.New("four codes came to nothing")
}

// arrived checks who the app was told had come.
func (p *person) arrived(ctx context.Context, got tokens) error {
	claimed, err := p.w.verify(ctx, p, got.ID)
	if err != nil {
		return err
	}
	subject, status, err := p.userinfo(ctx, got.Access)
	switch {
	case err != nil:
		return err
	case status != http.StatusOK || subject == "" || subject != claimed:
		return fmt.Errorf("userinfo: %d, %q, the ID token says %q", status, subject, claimed)
	case p.subject != "" && p.subject != subject:
		return fmt.Errorf("%s was %s and is %s", p.id, p.subject, subject)
	}
	p.subject, p.latest = subject, got
	return nil
}
