package app_test

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/leaktest"
	"github.com/weigate/weigate/wechat/wechattest"
)

// A flood of messages, from people who follow the account and from senders who are not WeChat, stores no
// rows, calls WeChat never, writes few lines with nothing secret in them, and leaves an honest user alone.
func TestFloodOfMessagesStopsNoSignInInTheChat(t *testing.T) {
	t.Parallel()
	var log fixture.Buffer
	w := newFixture(t, withPush(wechattest.SubscriptionAccount, true), func(w *gatewayFixture) {
		w.options.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug,
			ReplaceAttr: withoutTime}))
	})
	const people = 60
	desk := w.plainBrowser(uaDesktop)
	number := desk.open(w.authorize("sample")).want("chat_number", http.StatusOK).shownNumber()
	log.Take()
	before := w.countEvents()
	wrong := number[:7] + string('0'+(number[7]-'0'+1)%10)
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i := range people {
		person := fmt.Sprint("flood-", i)
		if err := w.wechat.AddPerson(wechattest.Person{ID: person, Nickname: person, Follows: []string{"*"}}); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			w.floods(person, wrong)
		})
	}
	all.Wait()
	if n := w.countEvents(); n != before {
		t.Errorf("the flood stored %d events", n-before)
	}
	reply := w.sends("alice", number)
	code := w.codeIn(reply)
	desk.types(code).want("scan_signed_in", http.StatusOK)
	users, _ := w.users()
	if len(users) != 1 {
		t.Errorf("%d users", len(users))
	}
	for _, call := range w.wechat.Calls() {
		if strings.HasPrefix(call.Endpoint, "/sns/") || strings.HasPrefix(call.Endpoint, "/cgi-bin/") {
			t.Errorf("the gateway called WeChat: %s", call.Endpoint)
		}
	}
	text := log.String()
	if lines := strings.Count(text, "\n"); lines > 20 { // one a minute for each reason, and those of the honest user
		t.Errorf("%d lines for %d messages: %s", lines, 12*people, text)
	}
	leaktest.Check(t, "the log", text)
	secrets := []string{strings.ReplaceAll(number, " ", ""), number, wrong, code, pushToken, pushKey,
		w.wechat.OpenID(personalID, "alice"), w.wechat.OpenID(personalID, "flood-1"), "msg_signature="}
	for _, secret := range secrets {
		if strings.Contains(strings.ReplaceAll(text, "msg_signature is", ""), secret) {
			t.Errorf("the log contains %q", secret)
		}
	}
}

// withoutTime removes the time of a log record. Four digits of the time can be the confirmation code
// that the test searches for.
func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// floods sends messages that need a look-up, a write or a reply, and forged ones.
func (w *gatewayFixture) floods(person, wrong string) {
	ctx := w.t.Context()
	for _, text := range []string{"hello", wrong, "取消", "hours", strings.Repeat("字", 600)} {
		if _, err := w.wechat.SendText(ctx, person, personalID, text); err != nil {
			w.t.Error(err)
		}
	}
	for _, attack := range []wechattest.PushAttack{wechattest.AttackInjectedSender, wechattest.AttackReplay,
		wechattest.AttackDowngrade, wechattest.AttackWrongAppID, wechattest.AttackWrongSignature} {
		if _, err := w.wechat.AttackPush(ctx, attack, person, "alice", personalID, wrong); err != nil {
			w.t.Error(err)
		}
	}
	if _, err := w.wechat.Unfollow(ctx, person, personalID); err != nil {
		w.t.Error(err)
	}
	if _, err := w.wechat.Follow(ctx, person, personalID); err != nil {
		w.t.Error(err)
	}
}

func (w *gatewayFixture) countEvents() int {
	w.t.Helper()
	events, err := w.store.Events(w.t.Context(), gateway.EventQuery{Limit: 500})
	if err != nil {
		w.t.Fatal(err)
	}
	return len(events)
}

// A flood of desktops from one network leaves a desktop of another network its number, and gives a number
// to a new desktop of the same network, such as an office. A flood from many networks leaves both their
// places, too.
func TestFloodOfDesktopsStopsNoSignInInTheChat(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options ...option) {
		limits := gateway.ChatLimits{Total: 160, PerNetwork: 16}
		w := newFixture(t, append(options, withPush(wechattest.SubscriptionAccount, true),
			func(w *gatewayFixture) { w.options.SetChatLimits(limits) })...)
		honest := w.plainBrowser(uaDesktop)
		number := honest.open(w.authorize("sample")).want("chat_number", http.StatusOK).shownNumber()
		var numbers []string // may repeat: a number that is replaced is free again
		for i := range 2 * limits.PerNetwork {
			numbers = append(numbers, w.opensPage(t, "203.0.113.7", i))
		}
		if alive := w.pending(numbers...); alive > limits.PerNetwork || alive < limits.PerNetwork/2 {
			t.Errorf("%d of %d numbers of one network are pending, at most %d may be", alive, len(numbers), limits.PerNetwork)
		}
		colleague := w.opensPage(t, "203.0.113.7", -1)
		if w.pending(colleague) != 1 {
			t.Error("a desktop of the same network gets no number")
		}
		for i := range 2 * limits.Total {
			w.putNumber(t, fmt.Sprint("network ", i%20), i, limits)
		}
		honest.reloaded().want("chat_number", http.StatusOK)
		if honest.shownNumber() != number {
			t.Error("the honest desktop has another number")
		}
		honest.types(w.codeIn(w.sends("alice", number))).want("scan_signed_in", http.StatusOK)
	})
}

// opensPage opens a page with a number, as a desktop of a network, and returns the number.
func (w *gatewayFixture) opensPage(t *testing.T, address string, i int) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	next := w.authorize("sample")
	for range 5 {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, next, nil)
		r.RemoteAddr, r.Header = fmt.Sprintf("%s:%d", address, 2000+i), http.Header{"User-Agent": {uaDesktop}}
		for _, c := range jar.Cookies(r.URL) {
			r.AddCookie(c)
		}
		rec := httptest.NewRecorder()
		w.replicas[0].Handler().ServeHTTP(rec, r)
		jar.SetCookies(r.URL, rec.Result().Cookies())
		if m := chatNumber.FindStringSubmatch(rec.Body.String()); m != nil {
			return m[1]
		}
		to, err := r.URL.Parse(rec.Header().Get("Location"))
		if err != nil || rec.Code != http.StatusSeeOther {
			t.Fatalf("no number at %s: %d", next, rec.Code)
		}
		next = to.String()
	}
	t.Fatal("too many redirects")
	return ""
}

// chatKey is the key of a row. See rowKey in package chat.
func chatKey(number string) [32]byte {
	return sha256.Sum256([]byte("weigate/chat key\x00personal\x00message\x00" + strings.ReplaceAll(number, " ", "")))
}

// pending counts the numbers that a message may answer.
func (w *gatewayFixture) pending(numbers ...string) int {
	w.t.Helper()
	var keys [][32]byte
	for _, number := range numbers {
		keys = append(keys, chatKey(number))
	}
	states, err := w.store.ChatSignInStates(w.t.Context(), keys, w.clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return len(states)
}

// putNumber stores the row of a desktop. It takes a shorter way than the page.
func (w *gatewayFixture) putNumber(t *testing.T, network string, i int, limits gateway.ChatLimits) {
	t.Helper()
	now := w.clock.Now()
	row := gateway.ChatSignIn{Key: sha256.Sum256(fmt.Append(nil, "key", i)), Connector: "personal", Network: network,
		Desktop: sha256.Sum256(fmt.Append(nil, "desktop", i)), Method: gateway.MethodMessage, CreatedAt: now,
		ExpiresAt: now.Add(5 * time.Minute)}
	if err := w.store.PutChatSignIn(t.Context(), row, now, limits); err != nil {
		t.Errorf("desktop %d: %v", i, err)
	}
}

// An attacker who has made a victim send the number of the attacker's page guesses the code, with many
// requests at once. One guess counts: the first wrong code ends the sign-in.
func TestGuessedConfirmationCodesAtOnce(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.SubscriptionAccount, true))
	w.start()
	desk := w.plainBrowser(uaDesktop)
	number := desk.open(w.authorize("sample")).want("chat_number", http.StatusOK).shownNumber()
	code := w.codeIn(w.sends("alice", number))
	desk.reloaded().want("chat_answered", http.StatusOK)
	var all sync.WaitGroup
	for i := range 24 {
		tab := desk.tab()
		tab.url, tab.body = desk.url, desk.body
		all.Go(func() {
			tab.submit("/chat/code", url.Values{"code": {fmt.Sprintf("%04d", (i+1)*100+int(code[3]-'0')+1)}})
		})
	}
	all.Wait()
	wrong, err := w.store.Events(t.Context(), gateway.EventQuery{Kind: "chat_wrong_code", Limit: 50})
	if err != nil || len(wrong) != 1 {
		t.Errorf("%d wrong codes counted, %v", len(wrong), err)
	}
	desk.types(code).want("chat_wrong", http.StatusOK)
	if users, _ := w.users(); len(users) != 0 {
		t.Error("the attacker is signed in")
	}
}

// A browser that sends "not me" again and again stores one event, and so does a person who follows and
// unfollows the account without end.
func TestRepeatedNotMeAndUnfollowStoreOneEvent(t *testing.T) {
	t.Parallel()
	w := newFixture(t, withPush(wechattest.SubscriptionAccount, true))
	desk := w.plainBrowser(uaDesktop)
	desk.open(w.authorize("sample"))
	desk.types(w.codeIn(w.sends("alice", desk.shownNumber()))).want("scan_signed_in", http.StatusOK)
	users, _ := w.users()
	if _, err := w.store.UpdateUser(t.Context(), users[0].ID, w.clock.Now(), func(u *gateway.User) error {
		u.Nickname, u.ProfileAt = "Alice", w.clock.Now() // as from WeChat
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(desk.url)
	if err != nil {
		t.Fatal(err)
	}
	cookies := desk.jar.Cookies(at)
	signedIn := *desk
	for range 3 {
		*desk = signedIn
		desk.jar.SetCookies(at, cookies) // the browser keeps a copy of its cookies
		desk.submit("/chat/cancel", nil).want("scan_undone", http.StatusOK)
		for _, follow := range []func() (wechattest.Delivery, error){
			func() (wechattest.Delivery, error) { return w.wechat.Unfollow(t.Context(), "alice", personalID) },
			func() (wechattest.Delivery, error) { return w.wechat.Follow(t.Context(), "alice", personalID) },
		} {
			if _, err := follow(); err != nil {
				t.Fatal(err)
			}
			w.clock.Advance(time.Second) // WeChat's repeats have the same time
		}
	}
	for _, kind := range []string{"chat_undone", "chat_unfollowed"} {
		events, err := w.store.Events(t.Context(), gateway.EventQuery{Kind: kind, Limit: 10})
		if err != nil || len(events) != 1 || events[0].UserID != users[0].ID {
			t.Errorf("%d events %s: %+v, %v", len(events), kind, events, err)
		}
	}
}
