package notify_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/notify"
)

func chats() []string { return []string{notify.WeCom, notify.Feishu, notify.DingTalk, notify.Slack} }

// TestNoticesOfAMinuteAreOneMessage: the first message comes after five seconds. Everything within
// the next minute becomes one message, with the number of users who wait and a link that requires a
// sign-in. It has no user id.
func TestNoticesOfAMinuteAreOneMessage(t *testing.T) {
	t.Parallel()
	for _, kind := range chats() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			r := newRobot(t, kind, f.now)
			r.keyword = "登录"
			f.set(f.receiver(r))
			f.notify(waiting("张三", "Wiki"), waiting("张三", "Wiki"))
			if failures := f.send(); len(failures) > 0 || len(r.accepted()) > 0 {
				t.Fatalf("sent at once: %v", failures)
			}
			f.advance(5 * time.Second)
			if failures := f.send(); len(failures) > 0 {
				t.Fatal(failures[0])
			}
			const want = "登录 示例登录\n· “张三”申请使用“Wiki”，等待批准（2026-11-29 16:00 +08:00）\n" +
				"共有 12 个申请等待处理。\nhttps://login.example.com/admin/waiting"
			if got := r.accepted(); len(got) != 1 || got[0] != want {
				t.Fatalf("accepted %q\nwant %q", got, want)
			}
			for i := range 50 {
				f.advance(time.Second)
				f.notify(waiting(fmt.Sprintf("user%d", i), "Wiki"))
				f.send()
			}
			if got := r.accepted(); len(got) != 1 {
				t.Fatalf("%d messages within a minute", len(got))
			}
			f.advance(10 * time.Second)
			if failures := f.send(); len(failures) > 0 {
				t.Fatal(failures[0])
			}
			got := r.accepted()
			if len(got) != 2 || !strings.Contains(got[1], "还有 38 条") || strings.Contains(got[1], "u-user") {
				t.Errorf("accepted %q", got)
			}
		})
	}
}

// TestNoticeWaitsForTheName: the page of a user who waits asks for a name. A message at once would say
// that a user without a name waits.
func TestNoticeWaitsForTheName(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := newRobot(t, notify.Slack, f.now)
	f.set(f.receiver(r))
	asked := func(id string) gateway.Notice {
		return gateway.Notice{Kind: gateway.NoticeWaiting, UserID: id, App: "Wiki", NameFollows: true}
	}
	f.notify(asked("u1"), asked("u2"))
	f.advance(59 * time.Second)
	f.send()
	if got := r.accepted(); len(got) != 0 {
		t.Fatalf("sent before the names: %q", got)
	}
	f.names = map[string]string{"u1": "Zhang San", "u2": "Li Si"}
	f.n.Named(t.Context(), "u1")
	f.store()
	f.send()
	if got := r.accepted(); len(got) != 1 || !strings.Contains(got[0], "Zhang San") || strings.Contains(got[0], "Li Si") {
		t.Fatalf("after the name: %q", got)
	}
	f.advance(time.Second) // one minute: not longer, even without Named
	f.advance(time.Minute) // of the receiver
	f.send()
	if got := r.accepted(); len(got) != 2 || !strings.Contains(got[1], "Li Si") {
		t.Errorf("after a minute: %q", got)
	}
}

// TestLongNamesAreCutByBytes: WeCom counts bytes, rejects a longer message, and delivers nothing
// (dromara/domain-admin#82, #152, feiyu563/PrometheusAlert#155). The robot of the test has the same
// rule. The message is cut between characters, and its last lines have the number of the others.
func TestLongNamesAreCutByBytes(t *testing.T) {
	t.Parallel()
	for _, kind := range chats() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			r := newRobot(t, kind, f.now)
			receiver := f.receiver(r)
			receiver.Keyword = strings.Repeat("登", 50)
			for i := range 20 {
				receiver.Mention = append(receiver.Mention, fmt.Sprintf("ou_%060d", i))
			}
			f.n.Set(notify.Settings{URL: "https://login.example.com", Title: strings.Repeat("例", 200),
				Receivers: []notify.Receiver{receiver}})
			for i := range 100 {
				f.notify(waiting(strings.Repeat("汉", 4096)+fmt.Sprint(i), strings.Repeat("应", 4096)+fmt.Sprint(i)))
			}
			f.notify(waiting(strings.Repeat("😀", 5000), "𠮷"), waiting("\xff\xfe", "Wiki"))
			f.advance(time.Minute)
			if failures := f.send(); len(failures) > 0 {
				t.Fatal(failures[0])
			}
			got := r.accepted()
			if len(got) != 1 || !utf8.ValidString(got[0]) || !strings.Contains(got[0], "条\n") ||
				!strings.HasSuffix(got[0], "\nhttps://login.example.com/admin/waiting") {
				t.Errorf("accepted %q", got)
			}
		})
	}
}

// TestHostileNames: a nickname <@all> must not notify everybody (ADMIN-FIELD F3), and no name makes a
// link, formatting, another line or another direction of reading.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	for _, kind := range chats() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			r := newRobot(t, kind, f.now)
			f.set(f.receiver(r))
			for _, name := range []string{
				"<@all>", "<!channel>", `<at user_id="all"></at>`, "@all", "@13800138000", "[click](https://evil.example)",
				"https://evil.example", "evil.example", "**bold**", "a\nsecond line", "a\u202egnp.exe", "a\x1b[31m", "`code`",
				"&lt;!here&gt;", "{user}", "<font color=\"warning\">x</font>",
			} {
				f.notify(waiting(name, name))
				f.advance(time.Minute)
				if failures := f.send(); len(failures) > 0 {
					t.Fatalf("%q: %v", name, failures[0])
				}
			}
			for _, text := range r.accepted() {
				lines := strings.Split(text, "\n")
				if len(lines) != 4 {
					t.Errorf("%d lines: %q", len(lines), text)
					continue
				}
				// After the colon of the time nothing of the name follows, so that only it may have one.
				name, _, _ := strings.Cut(strings.TrimPrefix(lines[1], "· “"), "”")
				if strings.ContainsAny(name, "<>@[]()*`/:&\u202e\x1b") || strings.Contains(name, "evil.example") {
					t.Errorf("a name is not plain text: %q", name)
				}
			}
		})
	}
}

// TestMentions: whom a message notifies comes from the configuration.
func TestMentions(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{
		notify.WeCom:    `"mentioned_list":["zhangsan","@all"],"mentioned_mobile_list":["13800138000"]`,
		notify.Feishu:   `<at user_id=\"zhangsan\"></at> <at user_id=\"13800138000\"></at> <at user_id=\"all\"></at>\n`,
		notify.DingTalk: `"at":{"atMobiles":["13800138000"],"atUserIds":["zhangsan"],"isAtAll":true}`,
		notify.Slack:    `<@zhangsan> <@13800138000> <!channel>\n`,
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			r := newRobot(t, kind, f.now)
			receiver := f.receiver(r)
			receiver.Mention = []string{"zhangsan", "13800138000", "all"}
			f.set(receiver)
			f.notify(waiting("张三", "Wiki"))
			f.advance(time.Minute)
			if failures := f.send(); len(failures) > 0 {
				t.Fatal(failures[0])
			}
			var got strings.Builder
			encoder := json.NewEncoder(&got)
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(r.bodies[0]); err != nil || !strings.Contains(got.String(), want) {
				t.Errorf("got %s\nwant %s", got.String(), want)
			}
		})
	}
}

// TestPlatformsAnswerErrorsWithStatus200: the error code decides, not the status. A failure of the
// platform is repeated, after its silent period if it has one; a wrong address, signature, keyword
// or content is not.
func TestPlatformsAnswerErrorsWithStatus200(t *testing.T) {
	t.Parallel()
	const wecom, feishu, dingtalk, slack, signed = notify.WeCom, notify.Feishu, notify.DingTalk, notify.Slack, notify.JSON
	for _, test := range []struct {
		kind      string
		status    int
		body      string
		permanent bool
		after     time.Duration
		text      string // "" = accepted
	}{
		{kind: wecom, status: 200, body: `{"errcode":0,"errmsg":"ok"}`},
		{kind: wecom, status: 200, body: `{"errcode":93000,"errmsg":"x"}`, permanent: true, text: "wecom 93000"},
		{kind: wecom, status: 200, body: `{"errcode":40058,"errmsg":"x"}`, permanent: true, text: "wecom 40058"},
		{kind: wecom, status: 200, body: `{"errcode":45009}`, after: 5 * time.Minute, text: "wecom 45009"},
		{kind: wecom, status: 200, body: `{"errcode":-1}`, text: "wecom -1"},
		{kind: wecom, status: 200, body: `<html>blocked</html>`, text: "wecom: the response is not from the platform"},
		{kind: wecom, status: 200, body: `{}`, text: "wecom: the response is not from the platform"},
		{kind: wecom, status: 200, body: ``, text: "wecom: the response is not from the platform"},
		{kind: feishu, status: 200, body: `{"code":0,"msg":"success"}`},
		{kind: feishu, status: 200, body: `{"StatusCode":0,"StatusMessage":"success"}`},
		{kind: feishu, status: 200, body: `{"code":19021}`, permanent: true, text: "feishu 19021"},
		{kind: feishu, status: 200, body: `{"code":11232}`, after: 2 * time.Minute, text: "feishu 11232"},
		{kind: feishu, status: 200, body: `{"code":10002}`, permanent: true, text: "feishu 10002"},
		{kind: dingtalk, status: 200, body: `{"errcode":310000}`, permanent: true, text: "dingtalk 310000"},
		{kind: dingtalk, status: 200, body: `{"errcode":130101}`, after: 11 * time.Minute, text: "dingtalk 130101"},
		{kind: slack, status: 200, body: `ok`},
		{kind: slack, status: 429, body: ``, after: time.Minute, text: "slack: HTTP status 429"},
		{kind: slack, status: 404, body: `no_service`, permanent: true, text: "slack: HTTP status 404"},
		{kind: slack, status: 503, body: ``, text: "slack: HTTP status 503"},
		{kind: signed, status: 204, body: ``},
		{kind: signed, status: 302, body: ``, text: "json: HTTP status 302"},
		{kind: signed, status: 404, body: ``, text: "json: HTTP status 404"},
		{kind: signed, status: 410, body: ``, permanent: true, text: "json: HTTP status 410"},
	} {
		t.Run(test.kind+" "+fmt.Sprint(test.status)+test.body, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			r := newRobot(t, test.kind, f.now)
			r.setAnswer(test.status, test.body, "Location", r.server.URL+"/elsewhere")
			f.set(f.receiver(r))
			f.notify(waiting("张三", "Wiki"))
			f.advance(time.Minute)
			failures := f.send()
			switch {
			case test.text == "" && len(failures) > 0:
				t.Errorf("failed: %+v", failures[0])
			case test.text != "" && len(failures) != 1:
				t.Error("accepted")
			case test.text != "" && (failures[0].Text != test.text || failures[0].Permanent != test.permanent ||
				failures[0].After != test.after):
				t.Errorf("got %+v", failures[0])
			}
			if got := len(f.problems) > 0; got != test.permanent {
				t.Errorf("problems: %q", f.problems)
			}
		})
	}
}

// TestSilentPeriodIsRespected: DingTalk is silent for ten minutes after too many messages. No request
// is sent in that time, and the notices of that time are one message afterwards.
func TestSilentPeriodIsRespected(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := newRobot(t, notify.DingTalk, f.now)
	f.set(f.receiver(r))
	r.setAnswer(200, `{"errcode":130101}`)
	f.notify(waiting("张三", "Wiki"))
	f.advance(5 * time.Second)
	f.send()
	r.setAnswer(0, "")
	for range 10 {
		f.notify(waiting("李四", "Wiki"))
		f.advance(time.Minute)
		if f.send(); len(r.accepted()) > 0 {
			t.Fatal("a request within the silent period")
		}
	}
	f.advance(2 * time.Minute)
	if failures := f.send(); len(failures) > 0 {
		t.Fatal(failures[0])
	}
	if got := r.accepted(); len(got) != 1 || !strings.Contains(got[0], "张三") || !strings.Contains(got[0], "李四") {
		t.Errorf("accepted %q", got)
	}
}

// TestAtMost15MessagesAMinute: also when test messages are requested again and again, a robot never
// gets so many that its platform refuses.
func TestAtMost15MessagesAMinute(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	r := newRobot(t, notify.DingTalk, f.now)
	f.set(f.receiver(r))
	for range 300 {
		if err := f.n.Test(t.Context(), notify.DingTalk); err != nil {
			t.Fatal(err)
		}
		f.send()
		f.advance(time.Second)
	}
	for i := range r.at {
		if i+15 < len(r.at) && r.at[i+15].Sub(r.at[i]) < time.Minute {
			t.Fatalf("16 messages within %s", r.at[i+15].Sub(r.at[i]))
		}
	}
	if len(r.at) < 40 {
		t.Errorf("%d messages in five minutes", len(r.at))
	}
	if err := f.n.Test(t.Context(), "unknown"); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("a test of an unknown receiver: %v", err)
	}
}
