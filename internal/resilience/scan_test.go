package resilience_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weigate/weigate/internal/fixture"
)

// device is a browser that uses the same replica until that is killed.
type device struct {
	*user
	agent   string
	replica atomic.Pointer[fixture.Process]
	at      string // the address of its page
	stop    string // open returns at a redirect whose address contains this; "" = follows every redirect

	interrupt *interruption // of its next request; nil = none
}

// dial connects to the replica of the device.
func (d *device) dial(ctx context.Context, network string) (net.Conn, error) {
	var dial net.Dialer
	replica := d.replica.Load()
	conn, err := dial.DialContext(ctx, network, replica.Host)
	if err != nil || d.interrupt == nil {
		return conn, err
	}
	return &interruptedConn{Conn: conn, d: d, replica: replica, by: d.interrupt}, nil
}

func (w *clusterFixture) device(i int, agent string, replica *fixture.Process) *device {
	d := &device{agent: agent}
	d.replica.Store(replica)
	d.user = w.newUser(i, &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) { return d.dial(ctx, network) }})
	return d
}

// open follows redirects, at WeChat too, and returns the page, or the redirect to the app.
func (d *device) open(ctx context.Context, method, address string, form url.Values) (answer, error) {
	for range 12 {
		r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
		if err != nil {
			return answer{}, err
		}
		r.Header.Set("User-Agent", d.agent)
		r.Header.Set("Accept", "text/html")
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		a, err := d.do(r)
		if err != nil {
			return answer{}, fmt.Errorf("%s: %w", pathOf(address), err)
		}
		d.at = address
		switch {
		case a.location == "" || strings.HasPrefix(a.location, appRedirect+"?"):
			return a, nil
		case strings.HasPrefix(a.location, d.w.wx.URL+"/connect/oauth2/authorize"):
			if address, err = d.fromWeChat(a.location); err != nil {
				return answer{}, err
			}
		default:
			base, err := url.Parse(address)
			if err != nil {
				return answer{}, err
			}
			to, err := base.Parse(a.location)
			if err != nil {
				return answer{}, err
			}
			address = to.String()
			if d.stop != "" && strings.Contains(address, d.stop) {
				d.at = address
				return a, nil
			}
		}
		method, form = http.MethodGet, nil
	}
	return answer{}, errors.New("too many redirects")
}

var (
	scanLink     = regexp.MustCompile(`/scan/[a-z2-7]{26}`)
	scanMark     = regexp.MustCompile(`name="m" value="([^"]*)"`)
	scanNumber   = regexp.MustCompile(`<span translate="no">(\d\d)</span>`)
	scanContinue = regexp.MustCompile(`id="go" href="([^"]*)"`)
)

func found(what *regexp.Regexp, a answer) (string, error) {
	m := what.FindStringSubmatch(a.body)
	if m == nil {
		return "", fmt.Errorf("no %s on the page: %s", what, a)
	}
	return strings.ReplaceAll(m[len(m)-1], "&amp;", "&"), nil
}

// moment is a step of a sign-in after which a replica is killed.
type moment string

// signsIn signs a desktop in by a phone, and calls at after each step.
func signsIn(ctx context.Context, desktop, phone *device, at func(moment)) (code string, err error) {
	base := desktop.w.proxy.url
	step := func(d *device, method, address string, form url.Values, want *regexp.Regexp) (text string) {
		if err != nil {
			return ""
		}
		var a answer
		if a, err = d.open(ctx, method, address, form); err == nil {
			text, err = found(want, a)
		}
		return text
	}
	link := step(desktop, http.MethodGet, desktop.w.authorize(), nil, scanLink)
	waiting := desktop.at
	at("the code is shown")
	mark := step(phone, http.MethodGet, base+link, nil, scanMark)
	at("the phone was asked")
	step(phone, http.MethodPost, base+"/scan/continue", url.Values{"m": {mark}}, scanMark)
	at("the phone has the ticket")
	number := step(desktop, http.MethodGet, waiting, nil, scanNumber)
	step(phone, http.MethodPost, base+"/scan/answer", url.Values{"m": {mark}, "number": {number}},
		regexp.MustCompile(`id="(scan_done)"`))
	at("the phone has confirmed")
	continueURL := step(desktop, http.MethodGet, waiting, nil, scanContinue)
	at("the desktop has its session")
	if err != nil {
		return "", err
	}
	a, err := desktop.open(ctx, http.MethodGet, base+continueURL, nil)
	if err != nil {
		return "", err
	}
	to, err := url.Parse(a.location)
	if err != nil || to.Query().Get("code") == "" {
		return "", fmt.Errorf("no redirect to the app: %s", a)
	}
	return to.Query().Get("code"), nil
}

// The desktop uses one replica and its phone the other. At each step of the sign-in one of the two
// is killed, first the desktop's, then the phone's. The user continues at the other one and is
// signed in.
func TestReplicaKilledWhileAPhoneSignsADesktopIn(t *testing.T) {
	t.Parallel()
	w := newFixture(t, onPostgres, "ES256", 12, 2)
	next := 0
	for _, when := range []moment{"the code is shown", "the phone was asked", "the phone has the ticket",
		"the phone has confirmed", "the desktop has its session"} {
		for _, whose := range []string{"desktop", "phone"} {
			t.Run(fmt.Sprint(when, ", the replica of the ", whose, " is killed"), func(t *testing.T) {
				one, two := w.replicas[0], w.replicas[1]
				desktop, phone := w.device(next, fixture.AgentDesktop, one), w.device(next, fixture.AgentWeChat, two)
				next++
				killed := false
				code, err := signsIn(t.Context(), desktop, phone, func(now moment) {
					if now != when {
						return
					}
					victim, left := one, two
					if whose == "phone" {
						victim, left = two, one
					}
					victim.Kill()
					desktop.replica.Store(left)
					phone.replica.Store(left)
					w.proxy.remove(victim.Host)
					w.replicas = []*fixture.Process{left}
					killed = true
				})
				if err != nil || !killed {
					t.Fatalf("killed %v: %v", killed, err)
				}
				got := desktop.redeem(t.Context(), code)
				if got.status != http.StatusOK {
					t.Fatalf("token: %s", got)
				}
				if err := desktop.arrived(t.Context(), got); err != nil {
					t.Error(err)
				}
				w.start()
			})
		}
	}
	w.storedUsers(w.open())
}
