package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/config"
)

// robot is a receiver of notifications of one kind. Package notify tests the signatures; a robot
// checks that there is one, and collects the texts.
type robot struct {
	*httptest.Server
	t    *testing.T
	kind string

	mu    sync.Mutex
	texts []string
	news  chan struct{} // one element for each message
}

const robotSecret = "secret-of-a-robot-0123456789abcdef"

// signedKinds are the kinds whose messages are signed.
var signedKinds = []string{config.NotifyFeishu, config.NotifyDingTalk, config.NotifyJSON}

// newRobots starts a robot of each kind.
func newRobots(t *testing.T) (all []*robot) {
	t.Helper()
	for _, kind := range []string{config.NotifyWeCom, config.NotifyFeishu, config.NotifyDingTalk, config.NotifySlack,
		config.NotifyJSON} {
		r := &robot{t: t, kind: kind, news: make(chan struct{}, 100)}
		r.Server = httptest.NewServer(r)
		t.Cleanup(r.Close)
		all = append(all, r)
	}
	return all
}

// ServeHTTP accepts a message as its platform does.
func (r *robot) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	var m struct {
		Type    string                     `json:"msgtype"`
		MsgType string                     `json:"msg_type"`
		Sign    string                     `json:"sign"`
		Text    json.RawMessage            `json:"text"`
		Content struct{ Text string }      `json:"content"`
		Data    struct{ User, App string } `json:"data"`
	}
	if err != nil || json.Unmarshal(body, &m) != nil {
		r.t.Errorf("%s received %q, %v", r.kind, body, err)
		return
	}
	var content struct{ Content string }
	var text, signature string
	answer := `{"errcode":0,"code":0}`
	switch r.kind {
	case config.NotifyWeCom, config.NotifyDingTalk:
		_ = json.Unmarshal(m.Text, &content)
		text, signature = content.Content, q.URL.Query().Get("sign")
	case config.NotifyFeishu:
		text, signature = m.Content.Text, m.Sign
	case config.NotifySlack:
		_ = json.Unmarshal(m.Text, &text)
		answer = "ok"
	case config.NotifyJSON:
		text, signature = string(body), q.Header.Get("Webhook-Signature")
	}
	if text == "" || slices.Contains(signedKinds, r.kind) != (signature != "") {
		r.t.Errorf("%s received %s with the signature %q", r.kind, body, signature)
	}
	r.mu.Lock()
	r.texts = append(r.texts, text)
	r.mu.Unlock()
	_, _ = io.WriteString(w, answer)
	r.news <- struct{}{}
}

// receives waits until a message has all parts, and returns it.
func (r *robot) receives(parts ...string) string {
	r.t.Helper()
	late := time.After(patience)
	for {
		r.mu.Lock()
		texts := slices.Clone(r.texts)
		r.mu.Unlock()
		for _, text := range texts {
			missing := slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) })
			if !missing {
				return text
			}
		}
		select {
		case <-r.news:
		case <-late:
			r.t.Fatalf("%s received no message with %q, but %q", r.kind, parts, texts)
		}
	}
}
