package resilience_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat/wechattest"
)

const (
	pushToken = "pushtoken1"
	pushKey   = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
)

// newChatFixture starts a gateway whose account has message push.
func newChatFixture(t *testing.T, users, replicas int) *clusterFixture {
	t.Helper()
	w := prepare(t, onPostgres, "ES256", users)
	if err := w.wx.UpdateApp(w.wx.appID, func(a *wechattest.App) {
		a.Push = wechattest.Push{URL: w.proxy.url + "/wechat/push/main", Token: pushToken, AESKey: pushKey}
	}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	const before = "{name: main, "
	with := strings.Replace(string(text), before, before+fmt.Sprintf(
		"push: {token: %s, aes_key: %s, account_name: Example, language: en}, ", pushToken, pushKey), 1)
	if err := os.WriteFile(w.config, []byte(with), 0o600); err != nil {
		t.Fatal(err)
	}
	for range replicas {
		w.start()
	}
	return w
}

// deviceKey is the key of the device in a context. See dialDevice.
type deviceKey struct{}

// dialDevice connects to the replica that the device in ctx uses. WeChat's pushes go there: WeChat is
// another client of the gateway, and which replica it reaches is decided by the load balancer.
func dialDevice(ctx context.Context, network, address string) (net.Conn, error) {
	d, ok := ctx.Value(deviceKey{}).(*device)
	if !ok {
		var dial net.Dialer
		return dial.DialContext(ctx, network, address)
	}
	return d.dial(ctx, network)
}

// interruption calls at while one request of a device is in progress. If the replica is killed meanwhile,
// the response is lost.
type interruption struct {
	sent, answered moment // before the request is written; after the response has arrived
	at             func(moment)
}

// interruptedConn is the connection of an interrupted request.
type interruptedConn struct {
	net.Conn
	d       *device
	replica *fixture.Process
	by      *interruption
	once    sync.Once
}

func (c *interruptedConn) Write(b []byte) (int, error) {
	c.once.Do(func() { c.by.at(c.by.sent) })
	return c.Conn.Write(b)
}

func (c *interruptedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.by.at(c.by.answered)
	}
	if c.d.replica.Load() != c.replica {
		return 0, errors.New("the replica was killed")
	}
	return n, err
}

// chatSignIn is the sign-in of a desktop through the chat of a person.
type chatSignIn struct {
	w       *clusterFixture
	method  string // gateway.MethodMessage or gateway.MethodFollow
	desktop *device
	account *device // WeChat's connection to the gateway
	at      func(moment)
	again   int // what the person had to do a second time
}

var (
	chatNumber   = regexp.MustCompile(`id="chat-number" translate="no">(\d{3} \d{4})<`)
	chatLink     = regexp.MustCompile(`href="(http[^"]*/q/[^"]*)"`)
	chatCode     = regexp.MustCompile(`Code: (\d{4})`)
	chatForm     = regexp.MustCompile(`action="([^"]*/chat/code[^"]*)"`)
	chatSignedIn = regexp.MustCompile(`id="(scan_signed_in)"`)
)

// reopen requests the page of the desktop until a replica answers.
func (s *chatSignIn) reopen(ctx context.Context) (answer, error) {
	a, err := s.desktop.open(ctx, http.MethodGet, s.desktop.at, nil)
	if errors.Is(err, errUnreachable) {
		s.again++
		a, err = s.desktop.open(ctx, http.MethodGet, s.desktop.at, nil)
	}
	return a, err
}

// run signs the desktop in, calls at after each step, and returns the app's code.
func (s *chatSignIn) run(ctx context.Context) (code string, err error) {
	base := s.w.proxy.url
	page, err := s.desktop.open(ctx, http.MethodGet, s.w.authorize(), nil)
	if err != nil {
		return "", err
	}
	choice, err := found(regexp.MustCompile(`id="way-`+s.method+`" href="([^"]*)"`), page)
	if err != nil {
		return "", err
	}
	s.desktop.stop = "/chat?"
	if _, err = s.desktop.open(ctx, http.MethodGet, base+choice, nil); err != nil {
		return "", err
	}
	s.desktop.stop = ""
	s.at("the method is chosen")
	if page, err = s.reopen(ctx); err != nil {
		return "", err
	}
	shown := s.desktop.at
	s.at("the number is shown")
	confirmation, err := s.answer(ctx, page)
	if err != nil {
		return "", err
	}
	s.at("the person has the confirmation code")
	if page, err = s.typeCode(ctx, shown, confirmation); err != nil {
		return "", err
	}
	s.at("the desktop is signed in")
	address, err := found(scanContinue, page)
	if err != nil {
		return "", err
	}
	a, err := s.desktop.open(ctx, http.MethodGet, base+address, nil)
	if err != nil {
		return "", err
	}
	to, err := url.Parse(a.location)
	if err != nil || to.Query().Get("code") == "" {
		return "", fmt.Errorf("no redirect to the app: %s", a)
	}
	return to.Query().Get("code"), nil
}

// answer sends the number, or scans the QR code, and returns the confirmation code. WeChat pushes again
// when the connection breaks. If all fails, the person sees a failure in the chat and does it again.
func (s *chatSignIn) answer(ctx context.Context, page answer) (confirmation string, err error) {
	what, send := chatNumber, func(ctx context.Context, number string) (wechattest.Delivery, error) {
		return s.w.wx.SendText(ctx, s.desktop.id, s.w.wx.appID, number)
	}
	if s.method == gateway.MethodFollow {
		what, send = chatLink, func(ctx context.Context, link string) (wechattest.Delivery, error) {
			return s.w.wx.ScanQR(ctx, s.desktop.id, link)
		}
	}
	text, err := found(what, page)
	if err != nil {
		return "", err
	}
	s.account.interrupt = &interruption{sent: "the push is in flight", answered: "the answer of the push is lost",
		at: s.at}
	defer func() { s.account.interrupt = nil }()
	d, err := send(context.WithValue(ctx, deviceKey{}, s.account), text)
	if err == nil && d.Failure != "" {
		s.again++
		d, err = send(context.WithValue(ctx, deviceKey{}, s.account), text)
	}
	if err != nil || d.Failure != "" {
		return "", fmt.Errorf("the push: %w, %s", err, d.Failure)
	}
	m := chatCode.FindStringSubmatch(d.Reply)
	if m == nil {
		return "", fmt.Errorf("no code in the reply %q", d.Reply)
	}
	return m[1], nil
}

// typeCode types the confirmation code. If the response is lost, the user reloads the page: it is signed
// in, or has the field for the code again.
func (s *chatSignIn) typeCode(ctx context.Context, shown, confirmation string) (answer, error) {
	page, err := s.desktop.open(ctx, http.MethodGet, shown, nil)
	for range 2 {
		var action string
		if err == nil {
			action, err = found(chatForm, page)
		}
		if err != nil {
			return answer{}, err
		}
		s.desktop.interrupt = &interruption{sent: "the typed code is in flight", answered: "the signed-in page is lost",
			at: s.at}
		page, err = s.desktop.open(ctx, http.MethodPost, s.w.proxy.url+action, url.Values{"code": {confirmation}})
		s.desktop.interrupt = nil
		if errors.Is(err, errUnreachable) {
			s.again++
			page, err = s.desktop.open(ctx, http.MethodGet, shown, nil)
		}
		if _, signedIn := found(chatSignedIn, page); err == nil && signedIn == nil {
			return page, nil
		}
	}
	return answer{}, fmt.Errorf("not signed in: %s, %w", page, err)
}

// Two replicas; one is killed at each step of a sign-in by message, and by following the account. At
// each step, four sign-ins are at it: of both methods, and with the desktop, or WeChat's pushes, at the
// replica that is killed. All continue at the other replica. Everybody is signed in, once.
func TestReplicaKilledWhileAPersonSignsInInTheChat(t *testing.T) {
	t.Parallel()
	steps := []moment{"the method is chosen", "the number is shown", "the push is in flight",
		"the answer of the push is lost", "the person has the confirmation code", "the typed code is in flight",
		"the signed-in page is lost", "the desktop is signed in"}
	w := newChatFixture(t, 4*len(steps), 2)
	next := 0
	for _, when := range steps {
		t.Run(string(when), func(t *testing.T) {
			var all []*chatSignIn
			for _, method := range []string{gateway.MethodMessage, gateway.MethodFollow} {
				for i := range 2 {
					s := &chatSignIn{w: w, method: method, account: &device{}}
					s.desktop = w.device(next, fixture.AgentDesktop, w.replicas[i])
					s.account.replica.Store(w.replicas[1-i])
					if err := w.wx.SetFollows(w.wx.appID, s.desktop.id, method == gateway.MethodMessage); err != nil {
						t.Fatal(err)
					}
					all = append(all, s)
					next++
				}
			}
			w.killAt(t, when, all)
		})
	}
	w.wantOneSession(t, next)
}

// killAt runs the sign-ins, kills the first replica when all of them are at the step, and starts another.
func (w *clusterFixture) killAt(t *testing.T, when moment, all []*chatSignIn) {
	arrived, killed := make(chan struct{}, len(all)), make(chan struct{})
	var done sync.WaitGroup
	for _, s := range all {
		reach := sync.OnceFunc(func() { arrived <- struct{}{} })
		s.at = func(now moment) {
			if now == when {
				reach()
				<-killed
			}
		}
		done.Go(func() {
			defer reach()
			code, err := s.run(t.Context())
			if err != nil {
				t.Errorf("%s: %v", s.method, err)
				return
			}
			got := s.desktop.redeem(t.Context(), code)
			if err := s.desktop.arrived(t.Context(), got); got.status != http.StatusOK || err != nil {
				t.Errorf("%s: token: %s, %v", s.method, got, err)
			}
		})
	}
	for range all {
		<-arrived
	}
	victim, left := w.replicas[0], w.replicas[1]
	w.proxy.remove(victim.Host)
	for _, s := range all { // new connections; those to the victim are open
		s.desktop.replica.Store(left)
		s.account.replica.Store(left)
	}
	w.replicas = []*fixture.Process{left}
	if strings.HasSuffix(string(when), "in flight") {
		close(killed) // the replica has the request, and is killed before or while it handles it
		victim.Kill()
	} else {
		victim.Kill()
		close(killed)
	}
	done.Wait()
	for _, s := range all {
		if s.again > 0 {
			t.Logf("%s: repeated by the user %d times", s.method, s.again)
		}
		if s.again > 1 {
			t.Errorf("%s: the user had to repeat %d actions", s.method, s.again)
		}
	}
	w.start()
}

// wantOneSession checks that each of n openids has one user and one session.
func (w *clusterFixture) wantOneSession(t *testing.T, n int) {
	t.Helper()
	store := w.open()
	users := w.storedUsers(store)
	if len(users) != n {
		t.Errorf("%d users for %d people", len(users), n)
	}
	for openID, id := range users {
		sessions, err := store.UserSessions(t.Context(), id, time.Now())
		if err != nil || len(sessions) != 1 {
			t.Errorf("the user of %s has %d sessions, %v", openID, len(sessions), err)
		}
	}
}
