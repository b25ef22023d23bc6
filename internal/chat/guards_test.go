package chat

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/push"
)

// A number is used again after it has expired. The desktop that had it first does not see, and cannot
// complete, the sign-in of the next one.
func TestNumberOfAnotherDesktopIsNotRead(t *testing.T) {
	t.Parallel()
	f := newGuessFixture(t)
	first := &desktopFlow{Seed: newSeed(), Connector: "main", Method: gateway.MethodMessage}
	key, _, err := first.hashes()
	if err != nil {
		t.Fatal(err)
	}
	next := gateway.ChatSignIn{Key: key, Desktop: [32]byte{1}, Connector: "main", Method: gateway.MethodMessage,
		CreatedAt: f.now, ExpiresAt: f.now.Add(life)}
	if err := f.store.PutChatSignIn(t.Context(), next, f.now, f.handler.cfg.Total); err != nil {
		t.Fatal(err)
	}
	if row, err := f.handler.readRow(t.Context(), first); err == nil {
		t.Errorf("read the row of another desktop: %+v", row)
	}
}

// Confirmation codes are random: each first digit, and each last one, is about as frequent as the others.
func TestConfirmationCodesAreNotPredictable(t *testing.T) {
	t.Parallel()
	const n = 5000
	var first, last [10]int
	different := map[string]bool{}
	for range n {
		code := newCode()
		if len(code) != codeDigits || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("code %q", code)
		}
		different[code] = true
		first[code[0]-'0']++
		last[code[3]-'0']++
	}
	for digit := range 10 {
		if first[digit] < n/15 || last[digit] < n/15 {
			t.Errorf("digit %d: first in %d and last in %d of %d codes", digit, first[digit], last[digit], n)
		}
	}
	if len(different) < n*3/5 { // 3,935 are expected
		t.Errorf("%d different codes of %d", len(different), n)
	}
}

// The hash of a network in the store needs the key: without it, nobody can find the address by trying all.
func TestStoredNetworkNeedsTheKey(t *testing.T) {
	t.Parallel()
	one, two := newGuessFixture(t).handler, newGuessFixture(t).handler
	two.network = make([]byte, 32)
	address, same := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.7")
	if one.networkHash(address) != one.networkHash(same) || one.networkHash(address) == two.networkHash(address) {
		t.Error("the hash does not depend on the key, or not on the address only")
	}
	if one.networkHash(netip.MustParseAddr("127.0.0.1")) != "" {
		t.Error("the address of a proxy is counted as a network")
	}
}

func TestBeginWithWhatTheConnectorDoesNotHave(t *testing.T) {
	t.Parallel()
	h := newGuessFixture(t).handler // its account has no secret, so it has no QR codes
	long := strings.Repeat("a", session.MaxReturn+1)
	for name, c := range map[string]struct {
		connector, method, address string
	}{
		"QR codes":      {"main", gateway.MethodFollow, "/"},
		"web sign-in":   {"main", gateway.MethodWeChat, "/"},
		"no connector":  {"other", gateway.MethodMessage, "/"},
		"a long return": {"main", gateway.MethodMessage, long},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/sign-in", nil)
		err := h.Begin(w, r, session.LoginRequest{ReturnURL: c.address}, c.connector, c.method)
		if err == nil || len(w.Header()) != 0 {
			t.Errorf("%s: %v, %v", name, err, w.Header())
		}
	}
}

// countedAPI counts the QR codes that WeChat makes.
type countedAPI struct {
	API
	codes int
}

func (a *countedAPI) CreateQRCode(context.Context, wechat.QRCodeRequest) (*wechat.QRCode, error) {
	a.codes++
	return &wechat.QRCode{URL: "http://weixin.qq.com/q/02"}, nil
}

// WeChat makes 100,000 QR codes a day for an account. One network cannot use them up.
func TestFloodOfQRCodesFromOneNetwork(t *testing.T) {
	t.Parallel()
	f, api := newGuessFixture(t), &countedAPI{}
	f.handler.accounts["main"].API = api
	address := netip.MustParseAddr("203.0.113.7")
	f.handler.cfg.Address = func(*http.Request) netip.Addr { return address }
	flow := &desktopFlow{Seed: newSeed(), Connector: "main", Method: gateway.MethodFollow}
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/chat", nil)
	refused := 0
	for range 2 * limit.ChatQRCodesPerNetwork.Burst {
		if err := f.handler.createQRCode(r, flow); err != nil {
			refused++
		}
	}
	if api.codes != limit.ChatQRCodesPerNetwork.Burst || refused != limit.ChatQRCodesPerNetwork.Burst {
		t.Errorf("%d QR codes were made, %d refused", api.codes, refused)
	}
	address = netip.MustParseAddr("198.51.100.7")
	if err := f.handler.createQRCode(r, flow); err != nil {
		t.Errorf("another network: %v", err)
	}
}

// endings counts how often all sessions of a user were ended.
type endings struct {
	Sessions
	of []string
}

func (e *endings) EndEverywhere(_ context.Context, userID string, _ time.Time) (int, error) {
	e.of = append(e.of, userID)
	return 1, nil
}

// WeChat tells when a person withdraws the consent of web sign-in, changes the profile, or closes the
// account: nickname and avatar are deleted then, and a closed account has no sessions. The user of another
// account who has the same openid keeps everything.
func TestWithdrawnConsentDeletesTheProfileOfThisPersonOnly(t *testing.T) {
	t.Parallel()
	f, sessions := newGuessFixture(t), &endings{}
	f.handler.cfg.Sessions = sessions
	const openID = "oJqxQwYRyZMXFTc8sipB5TSe6Vw4"
	sign := func(connector, appID string) gateway.User {
		user, _, err := f.store.RecordSignIn(t.Context(), gateway.SignIn{Connector: connector, AppID: appID, OpenID: openID,
			At: f.now, InitialStatus: gateway.Active,
			Profile: &gateway.Profile{Nickname: "Alice", AvatarURL: "https://thirdwx.qlogo.cn/a"}})
		if err != nil {
			t.Fatal(err)
		}
		return user
	}
	other := sign("other", "wx00000000000000d4")
	for event, ends := range map[string]int{push.EventAuthorizationRevoked: 0, push.EventProfileModified: 0,
		push.EventAuthorizationCancelled: 1, push.EventUnsubscribe: 0} {
		f.now = f.now.Add(time.Minute)
		user := sign("main", "wx00000000000000c3")
		sessions.of = nil
		reply, err := f.handler.Receive(t.Context(), "main", push.Message{OpenID: openID, Type: push.TypeEvent, Event: event,
			CreatedAt: f.now})
		if err != nil || reply.Text != "" {
			t.Errorf("%s: %+v, %v", event, reply, err)
		}
		after, err := f.store.User(t.Context(), user.ID)
		if err != nil || after.Nickname != "" || after.AvatarURL != "" {
			t.Errorf("%s leaves %+v, %v", event, after, err)
		}
		if len(sessions.of) != ends || ends == 1 && sessions.of[0] != user.ID {
			t.Errorf("%s ended the sessions of %v", event, sessions.of)
		}
	}
	if kept, err := f.store.User(t.Context(), other.ID); err != nil || kept.Nickname != "Alice" {
		t.Errorf("the user of another account has %+v, %v", kept, err)
	}
}
