package push_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/wechat/push"
)

// The tests have an encrypter of their own, so that a mistake in the package cannot hide itself. Its
// correctness is tested with WeChat's vectors.

const (
	testToken = "pamtest"
	testKey   = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
	testAppID = "wxb11529c136998cb6"
	testGH    = "gh_b4f0e22ae50e"
	alice     = "oJqxQwYRyZMXFTc8sipB5TSe6Vw4"
	victim    = "oVICTIM-xxxxxxxxxxxxxxxxxxxx"
)

var testNow = time.Unix(1_700_000_000, 0)

func signature(values ...string) string {
	slices.Sort(values)
	sum := sha1.Sum([]byte(strings.Join(values, "")))
	return hex.EncodeToString(sum[:])
}

func aesKey(t testing.TB, key string) []byte {
	t.Helper()
	out, err := base64.StdEncoding.DecodeString(key + "=")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// padded returns the plaintext of an encrypted message, with its padding.
func padded(random, message, appID string) []byte {
	plain := []byte(random)
	plain = binary.BigEndian.AppendUint32(plain, uint32(len(message)))
	plain = append(plain, message+appID...)
	pad := 32 - len(plain)%32
	return append(plain, bytes.Repeat([]byte{byte(pad)}, pad)...)
}

// encryptPlain encrypts a plaintext as it is, also a malformed one.
func encryptPlain(t testing.TB, key string, plain []byte) string {
	t.Helper()
	decoded := aesKey(t, key)
	block, err := aes.NewCipher(decoded)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, decoded[:16]).CryptBlocks(out, plain)
	return base64.StdEncoding.EncodeToString(out)
}

func encryptMessage(t testing.TB, key, random, message, appID string) string {
	t.Helper()
	return encryptPlain(t, key, padded(random, message, appID))
}

// fixture is a Handler that keeps what it received.
type fixture struct {
	t       testing.TB
	handler *push.Handler
	log     *bytes.Buffer

	mu       sync.Mutex
	messages []push.Message
	events   []push.Event
}

// newFixture returns a fixture; change may change the configuration.
func newFixture(t testing.TB, change func(*push.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, log: &bytes.Buffer{}}
	cfg := push.Config{
		AppID: testAppID, Token: testToken, AESKey: testKey, OriginalID: testGH,
		Handle: func(_ context.Context, m push.Message) (push.Reply, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.messages = append(f.messages, m)
			return push.Reply{Text: fmt.Sprint("answer ", len(f.messages))}, nil
		},
		Observe: func(_ context.Context, e push.Event) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.events = append(f.events, e)
		},
		Logger: slog.New(slog.NewTextHandler(f.log, nil)),
		Now:    func() time.Time { return testNow },
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if f.handler, err = push.New(cfg); err != nil {
		t.Fatal(err)
	}
	return f
}

// plaintext is a change of the configuration.
func plaintext(c *push.Config) { c.PlaintextWithoutProtection, c.AESKey = true, "" }

// request is one request of WeChat, or of an attacker.
type request struct {
	query url.Values
	body  string
}

// send sends a request and returns the status and the body of the answer.
func (f *fixture) send(r request) (status int, body string) {
	f.t.Helper()
	rec := httptest.NewRecorder()
	f.handler.ServeHTTP(rec, r.http())
	return rec.Code, rec.Body.String()
}

func (f *fixture) received() []push.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.messages)
}

func (f *fixture) outcome() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.events) == 0 {
		return ""
	}
	return f.events[len(f.events)-1].Outcome
}

// text returns a text message in WeChat's form. content is not escaped, as WeChat does not.
func text(openID, content string, id uint64) string {
	return fmt.Sprintf("<xml><ToUserName><![CDATA[%s]]></ToUserName>\n<FromUserName><![CDATA[%s]]></FromUserName>\n"+
		"<CreateTime>%d</CreateTime>\n<MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[%s]]></Content>\n"+
		"<MsgId>%d</MsgId>\n</xml>", testGH, openID, testNow.Unix(), content, id)
}

// event returns an event in WeChat's form, with further elements.
func event(openID, name, more string) string {
	return fmt.Sprintf("<xml><ToUserName><![CDATA[%s]]></ToUserName>\n<FromUserName><![CDATA[%s]]></FromUserName>\n"+
		"<CreateTime>%d</CreateTime>\n<MsgType><![CDATA[event]]></MsgType>\n<Event><![CDATA[%s]]></Event>\n%s\n</xml>",
		testGH, openID, testNow.Unix(), name, more)
}

// plain returns a request of the plaintext mode.
func plain(openID, body string) request {
	timestamp, nonce := strconv.FormatInt(testNow.Unix(), 10), "123456789"
	return request{body: body, query: url.Values{
		"signature": {signature(testToken, timestamp, nonce)}, "timestamp": {timestamp}, "nonce": {nonce},
		"openid": {openID},
	}}
}

// secure returns a request of the secure mode.
func secure(t testing.TB, openID, body string) request {
	t.Helper()
	return envelope(t, openID, encryptMessage(t, testKey, "0123456789abcdef", body, testAppID))
}

// envelope returns a request with an encrypted text.
func envelope(t testing.TB, openID, encrypted string) request {
	t.Helper()
	r := plain(openID, "<xml>\n    <ToUserName><![CDATA["+testGH+"]]></ToUserName>\n    <Encrypt><![CDATA["+encrypted+
		"]]></Encrypt>\n</xml>\n")
	r.query.Set("encrypt_type", "aes")
	r.query.Set("msg_signature", signature(testToken, r.query.Get("timestamp"), r.query.Get("nonce"), encrypted))
	return r
}

// answerOf decrypts an answer and returns the text of its reply.
func answerOf(t testing.TB, token, key, appID, body string) (to, from, content string) {
	t.Helper()
	var outer struct {
		Encrypt, MsgSignature, TimeStamp, Nonce string
	}
	if err := xml.Unmarshal([]byte(body), &outer); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if outer.MsgSignature != signature(token, outer.TimeStamp, outer.Nonce, outer.Encrypt) {
		t.Error("the answer has a wrong signature")
	}
	sealed, err := base64.StdEncoding.Strict().DecodeString(outer.Encrypt)
	if err != nil || len(sealed)%32 != 0 {
		t.Fatalf("%d bytes, %v", len(sealed), err)
	}
	decoded := aesKey(t, key)
	block, err := aes.NewCipher(decoded)
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCBCDecrypter(block, decoded[:16]).CryptBlocks(sealed, sealed)
	plain := sealed[:len(sealed)-int(sealed[len(sealed)-1])]
	size := binary.BigEndian.Uint32(plain[16:])
	if got := string(plain[20+size:]); got != appID {
		t.Errorf("the appid of the answer is %q", got)
	}
	var inner struct {
		ToUserName, FromUserName, MsgType, Content string
		CreateTime                                 int64
	}
	if err := xml.Unmarshal(plain[20:20+size], &inner); err != nil || inner.MsgType != "text" || inner.CreateTime == 0 {
		t.Fatalf("%v: %s", err, plain[20:20+size])
	}
	return inner.ToUserName, inner.FromUserName, inner.Content
}

// The example's clock and pushes.

func clock() time.Time { return testNow }

func follow() *http.Request {
	return plain(alice, event(alice, "subscribe", "<EventKey>qrscene_poster</EventKey>")).http()
}

func hello() *http.Request { return plain(alice, text(alice, "hello", 1)).http() }

func (r request) http() *http.Request {
	req := httptest.NewRequest(http.MethodPost, "/push?"+r.query.Encode(), strings.NewReader(r.body))
	req.Header.Set("Content-Type", "text/xml")
	return req
}
