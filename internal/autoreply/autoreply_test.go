package autoreply_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/autoreply"
	"github.com/weigate/weigate/internal/outgoing"
	"github.com/weigate/weigate/wechat/push"
)

func text(content string) push.Message {
	return push.Message{Type: push.TypeText, Content: content, OpenID: "oPERSON", Request: &push.Original{
		Query: url.Values{"signature": {"s"}, "nonce": {"n"}}, Body: []byte("<xml>the message</xml>"),
		ContentType: "text/xml",
	}}
}

func TestReplies(t *testing.T) {
	t.Parallel()
	r := autoreply.New(autoreply.Config{
		Welcome: "welcome", Fallback: "fallback",
		Keywords: []autoreply.Keyword{{Words: []string{"Price", "价格"}, Text: "ten"},
			{Words: []string{"price list"}, Text: "later"}, {Words: []string{"¥10"}, Text: "paid"}},
	})
	for _, c := range []struct {
		message push.Message
		want    string
	}{
		{text("price"), "ten"},
		{text("What is the PRICE list?"), "ten"}, // the first keyword counts
		{text("ｐｒｉｃｅ"), "ten"},                   // as a Chinese keyboard writes
		{text("￥１０"), "paid"},
		{text("请问价格是多少"), "ten"},
		{text("hello"), "fallback"},
		{text(""), "fallback"},
		{push.Message{Type: push.TypeEvent, Event: push.EventSubscribe}, "welcome"},
		{push.Message{Type: push.TypeEvent, Event: push.EventClick, EventKey: "price"}, ""},
		{push.Message{Type: push.TypeImage}, ""},
	} {
		if got := r.Respond(t.Context(), c.message, ""); got.Text != c.want || got.Raw != nil {
			t.Errorf("%q: %q, want %q", c.message.Content, got.Text, c.want)
		}
	}
	if got := autoreply.New(autoreply.Config{}).Respond(t.Context(), text("x"), ""); got.Text != "" {
		t.Errorf("without settings: %q", got.Text)
	}
}

// The other server gets what WeChat sent, and its answer goes to the person.
func TestForward(t *testing.T) {
	t.Parallel()
	answer, status := "<xml>answer</xml>", http.StatusOK
	var got *http.Request
	var body bytes.Buffer
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body.Reset()
		_, _ = body.ReadFrom(r.Body)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	defer server.Close()
	client, err := outgoing.New(outgoing.Config{Policy: outgoing.Policy{AnyPrivate: true}})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	r := autoreply.New(autoreply.Config{
		Forward: server.URL + "/wx?tenant=1", Client: client, Fallback: "fallback",
		Keywords: []autoreply.Keyword{{Words: []string{"price"}, Text: "ten"}},
		Logger:   slog.New(slog.NewTextHandler(&log, nil)),
	})
	if reply := r.Respond(t.Context(), text("hello"), ""); string(reply.Raw) != answer {
		t.Errorf("got %q: %s", reply.Raw, &log)
	}
	want := url.Values{"tenant": {"1"}, "signature": {"s"}, "nonce": {"n"}}
	if got.Method != http.MethodPost || got.URL.Path != "/wx" || got.URL.Query().Encode() != want.Encode() ||
		body.String() != "<xml>the message</xml>" || got.Header.Get("Content-Type") != "text/xml" {
		t.Errorf("the server got %s %s %q", got.Method, got.URL, &body)
	}
	if reply := r.Respond(t.Context(), text("482915"), "mistyped?"); string(reply.Raw) != answer {
		t.Errorf("the other server's answer to a code of six digits is lost: %+v", reply)
	}
	got = nil
	if reply := r.Respond(t.Context(), text("price"), ""); reply.Text != "ten" || got != nil {
		t.Errorf("a keyword: %q, passed on: %v", reply.Text, got != nil)
	}
	for _, each := range []struct {
		status  int
		answer  string
		problem bool
	}{
		{http.StatusOK, "success", false}, {http.StatusOK, "", false}, {http.StatusOK, "<html>login</html>", true},
		{http.StatusBadGateway, "<xml>x</xml>", true}, {520, "<xml>x</xml>", true}, // Cloudflare sends 520
		{http.StatusOK, "<xml>" + strings.Repeat("x", 20<<10), true},
	} {
		status, answer = each.status, each.answer
		log.Reset()
		reply := r.Respond(t.Context(), text("hello"), "")
		if reply.Raw != nil || reply.Text != "fallback" || (log.Len() > 0) != each.problem {
			t.Errorf("%d %.20q: %q, log %s", each.status, each.answer, reply.Raw, &log)
		}
	}
}

// A failing server costs the person nothing but its answer, and the log has neither its address nor
// the signature.
func TestForwardFails(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	client, err := outgoing.New(outgoing.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r := autoreply.New(autoreply.Config{Forward: "http://127.0.0.1:1/secret-path", Client: client, Fallback: "fallback",
		Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if reply := r.Respond(t.Context(), text("482915"), "mistyped?"); reply.Text != "mistyped?" {
		t.Errorf("%+v", reply)
	}
	if reply := r.Respond(t.Context(), text("hello"), ""); reply.Text != "fallback" {
		t.Errorf("%+v", reply)
	}
	for _, leaked := range []string{"secret-path", "signature", "hello", "oPERSON"} {
		if strings.Contains(log.String(), leaked) || log.Len() == 0 {
			t.Errorf("the log has %q: %s", leaked, &log)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if reply := r.Respond(ctx, text("hello"), ""); reply.Text != "fallback" || !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("cancelled: %+v", reply)
	}
}
