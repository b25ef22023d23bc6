package app_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/wechat"
	"github.com/weigate/weigate/wechat/wechattest"
)

// TestFaultOfWeChatReachesARobot: a sign-in writes no statistics. The gateway counts it, stores the
// fault and its notice at the latest when it stops, and of two gateways with the store one sends the
// notice to the robot.
func TestFaultOfWeChatReachesARobot(t *testing.T) {
	t.Parallel()
	received := make(chan string, 10)
	robot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		received <- string(body)
		_, _ = io.WriteString(w, `{"errcode":0}`)
	}))
	t.Cleanup(robot.Close)
	w := newFixture(t, func(w *gatewayFixture) {
		w.config.Notify = []config.Notify{{
			Name: "ops", Kind: config.NotifyWeCom, URL: wechat.Secret(robot.URL), Events: gateway.NoticeKinds(),
			Language: "en", PrivateAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		}}
	})
	alice, bob := w.phone("alice"), w.phone("bob")
	alice.Must(alice.Open(t.Context(), w.authorize("sample")))
	w.redeem("sample", w.app.LastQuery().Get("code"))
	w.wechat.Fail(wechattest.Fault{Endpoint: "/sns/oauth2/access_token", Times: 1, Errcode: 40164})
	if _, err := bob.Open(t.Context(), w.authorize("sample")); err != nil {
		t.Fatal(err)
	}
	closeAll := func() {
		for _, replica := range w.replicas {
			if err := replica.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	closeAll()

	now := w.clock.Now()
	counts, err := w.store.Statistics(t.Context(), now.Add(-2*time.Hour), now.Add(time.Hour))
	got := map[string]int64{}
	for _, c := range counts {
		got[c.Name+" "+c.Label] += c.Count
	}
	if err != nil || got["sign_in_began wechat"] != 2 || got["sign_in_finished wechat"] != 1 ||
		got["wechat main 0"] == 0 || got["wechat main 40164"] != 1 || got["app_sign_in sample"] != 1 {
		t.Errorf("counts %v, %v", got, err)
	}
	problems, err := w.store.Problems(t.Context(), now.Add(-time.Hour))
	if err != nil || len(problems) != 1 || problems[0].Source != "wechat:main" || problems[0].Code != "40164" ||
		problems[0].RequestID == "" {
		t.Errorf("problems %+v, %v", problems, err)
	}

	w.clock.Advance(time.Minute)
	w.start()
	w.start()
	select {
	case text := <-received:
		if !strings.Contains(text, "error 40164. This server’s IP address is not on the account’s allow-list") {
			t.Errorf("the robot received %s", text)
		}
	case <-time.After(2 * time.Minute):
		t.Error("the robot received nothing")
	}
	closeAll()
	if len(received) > 0 {
		t.Error("the robot received it twice")
	}
	sent, err := w.store.Deliveries(t.Context(), gateway.DeliveryQuery{Kind: gateway.DeliverNotification})
	if err != nil || len(sent) != 1 || sent[0].State != gateway.DeliverySent || sent[0].Target != "ops" {
		t.Errorf("deliveries %+v, %v", sent, err)
	}
}
