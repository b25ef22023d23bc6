package notify_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/limit"
	"github.com/weigate/weigate/internal/notify"
)

// TestSignedJSON: a receiver gets a request for each notice, with a stable id, and signatures of two
// secrets while one is changed. 410 switches it off until the next reload.
func TestSignedJSON(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := newRobot(t, notify.JSON, f.now)
	receiver := f.receiver(r)
	receiver.Secrets = []string{"another-secret-of-24-bytes", r.secret}
	f.set(receiver)
	f.notify(waiting("<张三>", "Wiki"), gateway.Notice{Kind: gateway.NoticeFault, Source: "wechat:main", Code: "40164"})
	r.setAnswer(500, "")
	f.send()
	r.setAnswer(0, "")
	f.advance(30 * time.Second)
	if failures := f.send(); len(failures) > 0 {
		t.Fatal(failures[0])
	}
	got := r.accepted()
	const want = `{"type":"user.waiting","timestamp":"2026-11-29T08:00:00Z",` +
		`"data":{"gateway":"https://login.example.com","user_id":"u-<张三>",` +
		`"user":"<张三>","app":"Wiki","link":"https://login.example.com/admin/waiting"}}`
	if len(got) != 2 || got[0] != want || !strings.Contains(got[1], `"source":"wechat:main","code":"40164","advice":"`) {
		t.Fatalf("accepted %q", got)
	}
	if a, b := r.header[0].Get("Webhook-Id"), r.header[1].Get("Webhook-Id"); a == b || !strings.HasPrefix(a, "msg_") {
		t.Errorf("ids %s and %s", a, b)
	}
	r.setAnswer(http.StatusGone, "")
	f.notify(waiting("李四", "Wiki"))
	f.send()
	r.setAnswer(0, "")
	stored := len(f.rows)
	f.notify(waiting("王五", "Wiki"))
	if len(f.rows) != stored {
		t.Errorf("after 410: %d stored deliveries, want %d", len(f.rows), stored)
	}
	f.send()
	if len(r.accepted()) != 2 {
		t.Error("a request after 410")
	}
	f.set(receiver)
	f.notify(waiting("王五", "Wiki"))
	f.send()
	if len(r.accepted()) != 3 {
		t.Error("no request after a reload")
	}
}

// TestReceiversOfEvents: each receiver gets the events of its list; a receiver that was removed or
// that fails is not sent its own fault (Gitea, CVE-2026-58440: hooks outlived their owner's rights).
func TestReceiversOfEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second := newRobot(t, notify.WeCom, f.now), newRobot(t, notify.Slack, f.now)
	a, b := f.receiver(first), f.receiver(second)
	a.Events = []gateway.NoticeKind{gateway.NoticeFault, gateway.NoticeAdminLink}
	b.Language = "en"
	f.set(a, b)
	f.notify(
		waiting("Alice", "Wiki"), gateway.Notice{Kind: gateway.NoticeKeyRotated},
		gateway.Notice{Kind: gateway.NoticeAdminLink, User: "Bob"},
		gateway.Notice{Kind: gateway.NoticeFault, Source: "notify:wecom", Code: "93000"},
		gateway.Notice{Kind: gateway.NoticeFault, Source: "app:wiki", Code: "invalid_client"},
		gateway.Notice{Kind: gateway.NoticeFault, Source: "disk:full", Code: "x"})
	f.advance(time.Minute)
	if failures := f.send(); len(failures) > 0 {
		t.Fatal(failures[0])
	}
	const fault = "应用 wiki 访问网关失败：invalid＿client。应用使用了错误的"
	if got := first.accepted(); len(got) != 1 || strings.Contains(got[0], "Wiki") || strings.Contains(got[0], "93000") ||
		!strings.Contains(got[0], "“Bob”没有使用微信") || !strings.Contains(got[0], fault) {
		t.Errorf("the first receiver: %q", got)
	}
	if got := second.accepted(); len(got) != 1 || !strings.Contains(got[0], "“Alice” waits for approval for Wiki") ||
		!strings.Contains(got[0], "Notifications to wecom fail: 93000") || !strings.Contains(got[0], "A new signing key") {
		t.Errorf("the second receiver: %q", got)
	}
	f.notify(waiting("Carol", "Wiki"))
	f.set(a)
	f.advance(2 * time.Minute)
	if failures := f.send(); len(failures) != 1 || !failures[0].Permanent || len(second.accepted()) != 1 {
		t.Errorf("a receiver that was removed: %v", failures)
	}
}

// TestNotifyNeverWaits: Notify returns while nobody stores the notices. Beyond the bound in memory,
// notices are dropped and logged. A store that fails gets them later.
func TestNotifyNeverWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := newRobot(t, notify.WeCom, f.now)
	f.set(f.receiver(r))
	for i := range limit.NoticesInMemory.Max + 5 {
		f.n.Notify(t.Context(), waiting(fmt.Sprint(i), "Wiki"))
	}
	if got := strings.Count(f.log.String(), "notice dropped, queue full"); got != 5 {
		t.Errorf("%d dropped, want 5", got)
	}
	f.store()
	if got := len(f.rows); got != limit.NoticesPerReceiver.Burst {
		t.Errorf("%d deliveries, want %d", got, limit.NoticesPerReceiver.Burst)
	}
	for _, d := range f.rows {
		if strings.Contains(string(d.Payload), key) || strings.Contains(string(d.Payload), r.server.URL) {
			t.Fatal("a delivery has the address")
		}
	}
}

// TestTexts: every text is used, and every kind of notice has its text.
func TestTexts(t *testing.T) {
	t.Parallel()
	required := []string{"waiting", "waiting.total", "admin_link", "key_rotated", "fault", "fault.wechat", "fault.app",
		"fault.notify", "fault.certificate", "fault.proxy", "fault.url", "fault.other", "advice", "more", "unnamed", "test"}
	optional := []string{}
	for _, key := range notify.Texts().Keys() {
		if strings.HasPrefix(key, "fault.wechat.") || strings.HasPrefix(key, "fault.app.") ||
			strings.HasPrefix(key, "fault.certificate.") || strings.HasPrefix(key, "fault.proxy.") ||
			strings.HasPrefix(key, "fault.url.") {
			optional = append(optional, key)
		}
	}
	if err := notify.Texts().Check(required, optional); err != nil {
		t.Error(err)
	}
}
