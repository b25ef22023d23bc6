package notify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/weigate/weigate/internal/notify"
)

// robot is a server with the rules of a platform: the form of messages, their length in bytes, the
// signature and its clock, the keyword, and 20 messages a minute.
type robot struct {
	kind    string
	secret  string
	keyword string
	now     func() time.Time
	server  *httptest.Server

	mu     sync.Mutex
	answer http.HandlerFunc // replaces the rules; nil = the rules
	texts  []string         // of accepted messages
	bodies []map[string]any
	header []http.Header
	at     []time.Time
}

func newRobot(t *testing.T, kind string, now func() time.Time) *robot {
	t.Helper()
	r := &robot{kind: kind, now: now}
	if kind == notify.Feishu || kind == notify.DingTalk || kind == notify.JSON {
		r.secret = "SEC-0123456789abcdef"
	}
	r.server = httptest.NewServer(r)
	t.Cleanup(r.server.Close)
	return r
}

// setAnswer makes the robot answer in another way than its platform.
func (r *robot) setAnswer(status int, body string, header ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = func(w http.ResponseWriter, _ *http.Request) {
		if len(header) == 2 {
			w.Header().Set(header[0], header[1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
	if status == 0 {
		r.answer = nil
	}
}

// accepted returns the texts of the accepted messages.
func (r *robot) accepted() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.texts...)
}

func (r *robot) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answer != nil {
		r.answer(w, q)
		return
	}
	body, _ := io.ReadAll(q.Body)
	var m map[string]any
	if json.Unmarshal(body, &m) != nil || q.Method != http.MethodPost ||
		q.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	text, code := r.check(q, body, m)
	switch {
	case code != 0 && (r.kind == notify.JSON || r.kind == notify.Slack):
		w.WriteHeader(code)
		return
	case code == 0:
		r.texts, r.bodies = append(r.texts, text), append(r.bodies, m)
		r.at, r.header = append(r.at, r.now()), append(r.header, q.Header)
	}
	switch r.kind {
	case notify.Feishu:
		fmt.Fprintf(w, `{"code":%d,"msg":"words of the platform"}`, code)
	case notify.WeCom, notify.DingTalk:
		fmt.Fprintf(w, `{"errcode":%d,"errmsg":"words of the platform"}`, code)
	case notify.Slack:
		_, _ = io.WriteString(w, "ok")
	}
}

// check returns the text of a message, and the code with which the platform rejects it.
func (r *robot) check(q *http.Request, body []byte, m map[string]any) (text string, code int) {
	object := func(key string) map[string]any {
		o, _ := m[key].(map[string]any)
		return o
	}
	longest, tooLong, empty := 0, 0, 0
	switch r.kind {
	case notify.WeCom:
		text, _ = object("text")["content"].(string)
		longest, tooLong, empty = 2048, 40058, 44004
		if m["msgtype"] != "text" {
			return "", 40008
		}
	case notify.Feishu:
		text, _ = object("content")["text"].(string)
		longest, tooLong, empty = 20_000, 9499, 10002
		if m["msg_type"] != "text" {
			return "", 9499
		}
		at, _ := m["timestamp"].(string)
		if m["sign"] != sign(at+"\n"+r.secret, "") || !r.recent(at, time.Second) {
			return "", 19021
		}
	case notify.DingTalk:
		text, _ = object("text")["content"].(string)
		longest, tooLong, empty = 20_000, 460101, 400103
		at := q.URL.Query().Get("timestamp")
		if m["msgtype"] != "text" || q.URL.Query().Get("access_token") != "TOKEN" {
			return "", 300001
		}
		if q.URL.Query().Get("sign") != sign(r.secret, at+"\n"+r.secret) || !r.recent(at, time.Millisecond) {
			return "", 310000
		}
	case notify.Slack:
		text, _ = m["text"].(string)
		longest, tooLong, empty = 40_000, 400, 400
	case notify.JSON:
		at := q.Header.Get("Webhook-Timestamp")
		signed := sign(r.secret, q.Header.Get("Webhook-Id")+"."+at+"."+string(body))
		if !strings.Contains(q.Header.Get("Webhook-Signature")+" ", "v1,"+signed+" ") || !r.recent(at, time.Second) {
			return "", 401
		}
		return string(body), 0
	}
	recent := 0
	for _, at := range r.at {
		if r.now().Sub(at) < time.Minute {
			recent++
		}
	}
	switch {
	case text == "":
		return "", empty
	case len(text) > longest || !utf8.ValidString(text):
		return "", tooLong
	case !strings.Contains(text, r.keyword):
		return "", map[string]int{notify.Feishu: 19024, notify.DingTalk: 310000}[r.kind]
	case recent >= 20:
		codes := map[string]int{notify.WeCom: 45009, notify.Feishu: 11232, notify.DingTalk: 130101, notify.Slack: 429}
		return "", codes[r.kind]
	}
	return text, 0
}

// recent reports whether a time in units since 1970 is within an hour of the clock.
func (r *robot) recent(text string, unit time.Duration) bool {
	n, err := strconv.ParseInt(text, 10, 64)
	return err == nil && time.Unix(0, n*int64(unit)).Sub(r.now()).Abs() < time.Hour
}

func sign(key, message string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(message))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
