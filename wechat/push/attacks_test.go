package push_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weigate/weigate/wechat/push"
)

// refused fails the test unless the request is refused with the one answer that says nothing.
func (f *fixture) refused(r request, reason string) {
	f.t.Helper()
	status, body := f.send(r)
	if status != http.StatusForbidden || body != "forbidden\n" || len(f.received()) != 0 {
		f.t.Errorf("%d %q, %d messages", status, body, len(f.received()))
	}
	if !strings.Contains(f.log.String(), reason) {
		f.t.Errorf("the log does not have %q: %s", reason, f.log)
	}
}

// ignored fails the test unless the message is answered and not handled.
func (f *fixture) ignored(r request, reason string) {
	f.t.Helper()
	status, body := f.send(r)
	if status != http.StatusOK || body != "success" || len(f.received()) != 0 || f.outcome() != "ignored" {
		f.t.Errorf("%d %q, %s, %d messages", status, body, f.outcome(), len(f.received()))
	}
	if !strings.Contains(f.log.String(), reason) {
		f.t.Errorf("the log does not have %q: %s", reason, f.log)
	}
}

// WeChat does not escape "]]>" in what a person writes (silenceper/wechat#750, node-webot/wechat#13).
// The message then has two senders, and decoders take the last one.
func TestForgedSecondSenderInTheText(t *testing.T) {
	t.Parallel()
	forged := "1]]></Content><FromUserName><![CDATA[" + victim + "]]></FromUserName><Content><![CDATA[482915"
	for name, f := range map[string]*fixture{"secure": newFixture(t, nil), "plaintext": newFixture(t, plaintext)} {
		r := plain(alice, text(alice, forged, 1))
		if name == "secure" {
			r = secure(t, alice, text(alice, forged, 1))
		}
		f.ignored(r, "an element twice")
		if strings.Contains(f.log.String(), victim) || strings.Contains(f.log.String(), alice) {
			t.Errorf("the log has an openid: %s", f.log)
		}
	}
}

func TestTextCannotBecomeAScan(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.ignored(secure(t, alice, text(alice,
		"1]]></Content><MsgType>event</MsgType><Event>SCAN</Event><EventKey>x</EventKey>"+
			"<Content><![CDATA[", 1)), "an element twice")
	// Elements that a text does not have are not read.
	f = newFixture(t, nil)
	f.send(secure(t, alice, text(alice, "1]]></Content><Event>SCAN</Event><EventKey>x</EventKey><A><![CDATA[", 1)))
	if got := f.received(); len(got) != 0 {
		t.Errorf("handled: %+v", got)
	}
}

// Where WeChat sends the openid in the address, it must be the sender's.
func TestSenderIsTheOpenIDOfTheAddress(t *testing.T) {
	t.Parallel()
	newFixture(t, nil).ignored(secure(t, alice, text(victim, "1", 1)), "not the openid of the address")
	newFixture(t, nil).ignored(secure(t, alice, event(victim, "SCAN", "<EventKey>x</EventKey>")), "not the openid")
	f := newFixture(t, nil)
	r := secure(t, alice, text(alice, "1", 1))
	r.query.Del("openid") // the official sample has none
	if f.send(r); len(f.received()) != 1 {
		t.Errorf("without openid: %s", f.log)
	}
}

// The mode is the configuration's, not the request's (silenceper/wechat, chanxuehong/wechat,
// EasyWeChat).
func TestDowngradeToPlaintext(t *testing.T) {
	t.Parallel()
	for _, encryption := range []string{"", "raw", "AES"} {
		r := plain(alice, text(alice, "1", 1))
		if encryption != "" {
			r.query.Set("encrypt_type", encryption)
		}
		newFixture(t, nil).refused(r, "not encrypted")
	}
	// A plain message in place of the encrypted one, with encrypt_type=aes and the signature of the query.
	r := plain(alice, text(alice, "1", 1))
	r.query.Set("encrypt_type", "aes")
	newFixture(t, nil).ignored(r, "no single element Encrypt")
	// Plain elements beside the encrypted message are not read, and need the compatible mode.
	r = secure(t, alice, text(alice, "1", 1))
	r.body = strings.Replace(r.body, "</ToUserName>", "</ToUserName><FromUserName>"+victim+"</FromUserName>"+
		"<Content>2</Content>", 1)
	newFixture(t, nil).refused(r, "compatible mode")
	f := newFixture(t, func(c *push.Config) { c.Mode = push.Compatible })
	f.send(r)
	if got := f.received(); len(got) != 1 || got[0].OpenID != alice || got[0].Content != "1" {
		t.Errorf("compatible mode: %+v, %s", got, f.log)
	}
	newFixture(t, plaintext).refused(secure(t, alice, text(alice, "1", 1)), "is encrypted")
}

// The signature of the query says nothing about the body. Only msg_signature covers the message.
func TestSignatureOfTheQueryIsNotEnough(t *testing.T) {
	t.Parallel()
	r := secure(t, alice, text(alice, "1", 1))
	other := secure(t, alice, text(alice, "2", 2))
	r.body = other.body // signature still fits, msg_signature does not
	newFixture(t, nil).refused(r, "msg_signature is wrong")
	r.query.Del("msg_signature")
	newFixture(t, nil).refused(r, "msg_signature is wrong")
}

func TestUnsignedPushes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"signature", "timestamp", "nonce"} {
		r := plain(alice, text(alice, "1", 1))
		r.query.Del(name)
		status, _ := newFixture(t, plaintext).send(r)
		if status != http.StatusForbidden {
			t.Errorf("without %s: %d", name, status)
		}
	}
	for _, nonce := range []string{"", strings.Repeat("1", 129)} {
		r := plain(alice, text(alice, "1", 1))
		r.query.Set("nonce", nonce)
		r.query.Set("signature", signature(testToken, r.query.Get("timestamp"), nonce))
		newFixture(t, plaintext).refused(r, "no nonce")
	}
	r := plain(alice, text(alice, "1", 1))
	r.query.Add("timestamp", "1")
	newFixture(t, plaintext).refused(r, "twice")
}

// Another account with the same key, or an attacker who knows the key of a test account (WxJava,
// wechat-crypto and fastwego do not compare).
func TestForeignAppID(t *testing.T) {
	t.Parallel()
	for _, appID := range []string{"wx0000000000000000", "", testAppID + "x"} {
		r := envelope(t, alice, encryptMessage(t, testKey, "0123456789abcdef", text(alice, "1", 1), appID))
		newFixture(t, nil).refused(r, "cannot be decrypted")
	}
	body := strings.ReplaceAll(text(alice, "1", 1), testGH, "gh_000000000000")
	newFixture(t, nil).ignored(secure(t, alice, body), "another account")
}

// Every malformed ciphertext has one error, and none a panic (wechatpy, EasyWeChat, WxJava).
func TestMalformedCiphertext(t *testing.T) {
	t.Parallel()
	good := padded("0123456789abcdef", text(alice, "1", 1), testAppID)
	changed := func(change func([]byte)) string {
		plain := append([]byte(nil), good...)
		change(plain)
		return encryptPlain(t, testKey, plain)
	}
	last := len(good) - 1
	for name, encrypted := range map[string]string{
		"not base64":              "%%%",
		"half a block":            base64.StdEncoding.EncodeToString(make([]byte, 48)),
		"one block":               base64.StdEncoding.EncodeToString(make([]byte, 32)),
		"padding of 0":            changed(func(b []byte) { b[last] = 0 }),
		"padding over a block":    changed(func(b []byte) { b[last] = 33 }),
		"unequal padding":         changed(func(b []byte) { b[last-1] ^= 1 }),
		"length over the rest":    changed(func(b []byte) { b[16] = 0xff }),
		"length of the largest":   changed(func(b []byte) { b[16], b[17], b[18], b[19] = 0x7f, 0xff, 0xff, 0xff }),
		"length one byte shorter": changed(func(b []byte) { b[19]-- }),
	} {
		f := newFixture(t, nil)
		status, body := f.send(envelope(t, alice, encrypted))
		if status != http.StatusForbidden || body != "forbidden\n" || !strings.Contains(f.log.String(),
			"cannot be decrypted") &&
			name != "not base64" {
			t.Errorf("%s: %d %q %s", name, status, body, f.log)
		}
	}
}

// A copy of a push is valid for ten minutes, and gets the answer of the first (chanxuehong/wechat#79).
func TestReplay(t *testing.T) {
	t.Parallel()
	now := testNow
	f := newFixture(t, func(c *push.Config) { c.Now = func() time.Time { return now } })
	r := secure(t, alice, text(alice, "1", 1))
	f.send(r)
	for _, after := range []time.Duration{0, time.Minute, 10 * time.Minute} {
		now = testNow.Add(after)
		_, body := f.send(r)
		if _, _, content := answerOf(t, testToken, testKey, testAppID, body); content != "answer 1" ||
			f.outcome() != "repeated" {
			t.Errorf("after %s: %s, %s", after, content, f.outcome())
		}
	}
	for _, after := range []time.Duration{10*time.Minute + time.Second, time.Hour, -11 * time.Minute} {
		now = testNow.Add(after)
		if status, _ := f.send(r); status != http.StatusForbidden {
			t.Errorf("after %s: %d", after, status)
		}
	}
	if got := f.received(); len(got) != 1 {
		t.Errorf("handled %d times", len(got))
	}
	// After 2038 (silenceper/wechat reads 32 bits).
	now = time.Unix(5_000_000_000, 0)
	late := secure(t, alice, text(alice, "1", 2))
	late.query.Set("timestamp", "5000000000")
	late.query.Set("msg_signature", signature(testToken, "5000000000", late.query.Get("nonce"), encryptedOf(late.body)))
	if status, _ := f.send(late); status != http.StatusOK || len(f.received()) != 2 {
		t.Errorf("after 2038: %d, %s", status, f.log)
	}
}

// encryptedOf returns the encrypted text of a body.
func encryptedOf(body string) string {
	_, rest, _ := strings.Cut(body, "<Encrypt><![CDATA[")
	out, _, _ := strings.Cut(rest, "]]>")
	return out
}

// Two events of one second collide when only person and time are compared (WxJava#2705).
func TestTwoEventsOfOneSecond(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	for _, body := range []string{
		event(alice, "subscribe", "<EventKey>qrscene_a</EventKey>"), event(alice, "SCAN", "<EventKey>a</EventKey>"),
		event(alice, "SCAN", "<EventKey>b</EventKey>"), event(alice, "SCAN", "<EventKey>b</EventKey>"),
	} {
		f.send(secure(t, alice, body))
	}
	if got := f.received(); len(got) != 3 {
		t.Errorf("%d events were handled, want 3", len(got))
	}
}

// While the first push is handled, its repeat waits and gets the same answer.
func TestRepeatWhileTheFirstIsHandled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		f := newFixture(t, func(c *push.Config) {
			c.Handle = func(ctx context.Context, m push.Message) (push.Reply, error) {
				calls.Add(1)
				time.Sleep(3 * time.Second)
				return push.Reply{Text: "slow"}, ctx.Err()
			}
		})
		r := secure(t, alice, text(alice, "1", 1))
		answers := make(chan string, 2)
		for range 2 {
			go func() {
				_, body := f.send(r)
				_, _, content := answerOf(t, testToken, testKey, testAppID, body)
				answers <- content
			}()
			time.Sleep(time.Second)
		}
		if a, b := <-answers, <-answers; a != "slow" || b != "slow" || calls.Load() != 1 {
			t.Errorf("%q, %q, %d calls", a, b, calls.Load())
		}
	})
}

// WeChat waits five seconds. A slow Handle is answered before, and its reply is kept.
func TestSlowHandleIsAnsweredInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(c *push.Config) {
			c.Handle = func(context.Context, push.Message) (push.Reply, error) {
				time.Sleep(7 * time.Second)
				return push.Reply{Text: "late"}, nil
			}
		})
		r, began := secure(t, alice, text(alice, "1", 1)), time.Now()
		if _, body := f.send(r); body != "success" || time.Since(began) != 4500*time.Millisecond ||
			f.outcome() != "timeout" {
			t.Errorf("%q after %s, %s", body, time.Since(began), f.outcome())
		}
		_, body := f.send(r)
		if _, _, content := answerOf(t, testToken, testKey, testAppID, body); content != "late" {
			t.Errorf("the repeat got %q", content)
		}
	})
}

// A failed message is handled again, and a panic does not end the program.
func TestFailedHandle(t *testing.T) {
	t.Parallel()
	calls := 0
	f := newFixture(t, func(c *push.Config) {
		c.Handle = func(context.Context, push.Message) (push.Reply, error) {
			switch calls++; calls {
			case 1:
				return push.Reply{}, errors.New("the store is away")
			case 2:
				panic(victim)
			}
			return push.Reply{Text: "third"}, nil
		}
	})
	r := secure(t, alice, text(alice, "1", 1))
	for range 2 {
		if _, body := f.send(r); body != "success" || f.outcome() != "failed" {
			t.Errorf("%q, %s", body, f.outcome())
		}
	}
	if _, body := f.send(r); body == "success" || strings.Contains(f.log.String(), victim) {
		t.Errorf("%s, %s", body, f.log)
	}
}

// A flood of messages is remembered in bounded memory, and a flood of forged requests writes one line
// a minute.
func TestFloodIsBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, plaintext)
	for i := range push.MaxRemembered + 1 {
		f.send(plain(alice, text(alice, "1", uint64(i+1))))
	}
	f.send(plain(alice, text(alice, "1", 1)))                          // forgotten
	f.send(plain(alice, text(alice, "1", uint64(push.MaxRemembered)))) // remembered
	if got := len(f.received()); got != push.MaxRemembered+2 {
		t.Errorf("%d messages were handled", got)
	}
	r := plain(alice, "")
	r.query.Set("signature", "x")
	for range 100 {
		f.send(r)
	}
	if lines := strings.Count(f.log.String(), "\n"); lines != 1 {
		t.Errorf("%d lines: %s", lines, f.log)
	}
}
