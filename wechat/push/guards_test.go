package push_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/weigate/weigate/wechat/push"
)

// An answer may contain a code for one person. Another person whose message has the same id does not get
// it.
func TestAnswerOfAnotherPersonIsNotRepeated(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	const bob = "oJqxQwBBBBBBBBBBBBBBBBBBBBB4"
	for i, want := range []string{"answer 1", "answer 2"} {
		openID := []string{alice, bob}[i]
		_, body := f.send(secure(t, openID, text(openID, "1", 7)))
		if to, _, content := answerOf(t, testToken, testKey, testAppID, body); content != want || to != openID {
			t.Errorf("%s gets %q, addressed to %s", openID, content, to)
		}
	}
}

// A push whose time is ten minutes ahead is valid for twenty minutes, and all this time its copy is a
// repeat.
func TestReplayOfAPushFromTheFuture(t *testing.T) {
	t.Parallel()
	now := testNow.Add(-10 * time.Minute)
	f := newFixture(t, func(c *push.Config) { c.Now = func() time.Time { return now } })
	r := secure(t, alice, text(alice, "1", 1))
	for _, age := range []time.Duration{0, 11 * time.Minute, 20 * time.Minute} {
		now = testNow.Add(age - 10*time.Minute)
		f.send(r)
	}
	if n := len(f.received()); n != 1 || f.outcome() != "repeated" {
		t.Errorf("handled %d times, %s", n, f.outcome())
	}
	now = now.Add(time.Second)
	if f.send(r); f.outcome() != "refused" {
		t.Errorf("after twenty minutes: %s", f.outcome())
	}
}

// The declared length of a message is larger than the rest by one.
func TestLengthBeyondTheCiphertext(t *testing.T) {
	t.Parallel()
	plain := padded("0123456789abcdef", "<xml></xml>", testAppID)
	plain[19] = byte(len("<xml></xml>") + len(testAppID) + 1)
	newFixture(t, nil).refused(envelope(t, alice, encryptPlain(t, testKey, plain)), "cannot be decrypted")
}

// WeChat disconnects while a message is handled: the message is handled to the end, and WeChat's next push
// gets the answer.
func TestMessageIsHandledAlthoughWeChatDisconnects(t *testing.T) {
	t.Parallel()
	ctx, disconnect := context.WithCancel(t.Context())
	calls := 0
	f := newFixture(t, func(c *push.Config) {
		c.Handle = func(ctx context.Context, _ push.Message) (push.Reply, error) {
			calls++
			disconnect()
			return push.Reply{Text: "answer"}, ctx.Err()
		}
	})
	r := secure(t, alice, text(alice, "1", 1))
	f.handler.ServeHTTP(httptest.NewRecorder(), r.http().WithContext(ctx))
	_, body := f.send(r)
	if _, _, content := answerOf(t, testToken, testKey, testAppID, body); content != "answer" || calls != 1 {
		t.Errorf("%q, handled %d times", content, calls)
	}
}

// No browser may take an answer for a page, and no cache may keep it: it contains what the sender chose.
func TestAnswersAreNoPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, r := range []*http.Request{hello(), secure(t, alice, text(alice, "1", 1)).http()} {
		rec := httptest.NewRecorder()
		f.handler.ServeHTTP(rec, r)
		if h := rec.Header(); h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("headers %v", h)
		}
	}
}
