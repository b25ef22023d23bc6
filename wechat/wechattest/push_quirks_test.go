package wechattest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/wechat/wechattest"
)

// closing answers after n requests; before, it closes the connection without an answer.
func closing(n int32) http.HandlerFunc {
	var got atomic.Int32
	return func(w http.ResponseWriter, _ *http.Request) {
		if got.Add(1) <= n {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "success")
	}
}

// A push without an answer is repeated: three requests in all, or four (offu/WeRoBot#801). Retries are
// equal, or have a new timestamp and signature.
func TestPushRetries(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		refused int32 // requests without an answer
		change  func(*wechattest.Quirks)
		posts   int
		failure bool
		equal   bool // all requests have the same address
	}{
		{"three", 9, func(*wechattest.Quirks) {}, 3, true, true},
		{"four", 9, func(q *wechattest.Quirks) { q.PushFourPosts = true }, 4, true, true},
		{"fresh", 9, func(q *wechattest.Quirks) { q.PushFreshRetries = true }, 3, true, false},
		{"answered by the third", 2, func(*wechattest.Quirks) {}, 3, false, true},
		{"repeated after the answer", 0, func(q *wechattest.Quirks) { q.PushRepeat = true }, 2, false, true},
		{"second platform fails", 0, func(q *wechattest.Quirks) { q.PushSecondPlatform = true }, 1, true, true},
	} {
		sim, id := newPush(t, wechattest.PushPlaintext, closing(tt.refused))
		sim.UpdateQuirks(tt.change)
		d, err := sim.SendText(t.Context(), "alice", id, "hi")
		if err != nil || len(d.Posts) != tt.posts || (d.Failure != "") != tt.failure {
			t.Errorf("%s: %d requests, failure %q, %v", tt.name, len(d.Posts), d.Failure, err)
			continue
		}
		last := d.Posts[len(d.Posts)-1]
		if (last.URL == d.Posts[0].URL) != tt.equal || last.Body != d.Posts[0].Body {
			t.Errorf("%s: %s, then %s", tt.name, d.Posts[0].URL, last.URL)
		}
		lines := sim.Chat("alice", id)
		if got := lines[len(lines)-1]; (got.From == "system") != tt.failure {
			t.Errorf("%s: the chat ends with %+v", tt.name, got)
		}
	}
}

// Held retries follow when the clock has moved five seconds each, so that a receiver can be restarted
// in between. The answer of a retry reaches the person.
func TestHeldRetriesFollowTheClock(t *testing.T) {
	t.Parallel()
	sim, id := newPush(t, wechattest.PushPlaintext, closing(2))
	sim.UpdateQuirks(func(q *wechattest.Quirks) { q.PushHeldRetries, q.PushFreshRetries = true, true })
	d, err := sim.SendText(t.Context(), "alice", id, "hi")
	if err != nil || !d.Held || len(d.Posts) != 1 {
		t.Fatalf("%+v, %v", d, err)
	}
	for _, want := range []int{1, 2, 3} {
		if got := len(sim.LastDelivery("alice", id).Posts); got != want {
			t.Fatalf("%d requests, want %d", got, want)
		}
		sim.Advance(4 * time.Second)
		if got := len(sim.LastDelivery("alice", id).Posts); got != want {
			t.Fatalf("%d requests before the five seconds, want %d", got, want)
		}
		sim.Advance(time.Second)
	}
	if d := sim.LastDelivery("alice", id); d.Failure != "" || d.Held || timestamp(t, d, 2)-timestamp(t, d, 0) != 10 {
		t.Errorf("%+v", d)
	}
}

// timestamp returns the timestamp of a request.
func timestamp(t *testing.T, d wechattest.Delivery, i int) int {
	t.Helper()
	u, err := url.Parse(d.Posts[i].URL)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Query().Get("timestamp"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// After failures in a row, WeChat sends no pushes for one minute, and those are lost.
func TestBreakerLosesPushes(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	down.Store(true)
	sim, id := newPush(t, wechattest.PushPlaintext, func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	sim.UpdateQuirks(func(q *wechattest.Quirks) { q.PushBreaker = 2 })
	sends := func() wechattest.Delivery {
		d, err := sim.SendText(t.Context(), "alice", id, "hi")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for range 2 {
		if d := sends(); d.Lost || d.Failure == "" {
			t.Errorf("a failure: %+v", d)
		}
	}
	down.Store(false)
	if d := sends(); !d.Lost || len(d.Posts) != 0 {
		t.Errorf("the breaker is open: %+v", d)
	}
	sim.Advance(time.Minute)
	if d := sends(); d.Lost || d.Failure != "" {
		t.Errorf("after a minute: %+v", d)
	}
}

// Held pushes arrive in their order, or the newest first.
func TestDelayedPushesAndTheirOrder(t *testing.T) {
	t.Parallel()
	content := regexp.MustCompile(`<Content><!\[CDATA\[(.*?)\]\]>`)
	for reverse, want := range map[bool]string{false: "1 2 3", true: "3 2 1"} {
		var got []string // Advance sends one after the other
		sim, id := newPush(t, wechattest.PushPlaintext, func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got = append(got, content.FindStringSubmatch(string(body))[1])
		})
		sim.UpdateQuirks(func(q *wechattest.Quirks) { q.PushDelay, q.PushReverse = time.Minute, reverse })
		for i := range 3 {
			if _, err := sim.SendText(t.Context(), "alice", id, fmt.Sprint(i+1)); err != nil {
				t.Fatal(err)
			}
		}
		sim.Advance(59 * time.Second)
		if len(got) != 0 {
			t.Errorf("before their time: %v", got)
		}
		if sim.Advance(time.Second); strings.Join(got, " ") != want {
			t.Errorf("reverse %v: %v", reverse, got)
		}
	}
}

// The form of what is sent: openid, EventKey, MsgId and escaping can differ.
func TestQuirksOfTheWire(t *testing.T) {
	t.Parallel()
	sim, id := newPush(t, wechattest.PushPlaintext, success)
	ctx := t.Context()
	high := func(d wechattest.Delivery) int64 {
		m := regexp.MustCompile(`<MsgId>(\d+)</MsgId>`).FindStringSubmatch(d.Posts[0].Body)
		n, err := strconv.ParseUint(m[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return int64(n >> 32)
	}
	for _, other := range []bool{false, true} {
		sim.UpdateQuirks(func(q *wechattest.Quirks) {
			q.PushNoOpenID, q.PushNoEventKey, q.PushOldMsgID, q.PushEscape = other, other, other, other
		})
		d, err := sim.SendText(ctx, "alice", id, "a]]>\x10b")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(d.Posts[0].URL, "openid=") == other || strings.Contains(d.Posts[0].Body, "]]>\x10b") == other {
			t.Errorf("%v: %s %q", other, d.Posts[0].URL, d.Posts[0].Body)
		}
		want := sim.Now().Unix() / 300
		if other {
			want = sim.Now().Unix()
		}
		if got := high(d); got != want {
			t.Errorf("%v: the high half of MsgId is %d, want %d", other, got, want)
		}
		if d, err = sim.Follow(ctx, "bob", id); err != nil || strings.Contains(d.Posts[0].Body, "<EventKey>") == other {
			t.Errorf("%v: %+v, %v", other, d, err)
		}
		if _, err := sim.Unfollow(ctx, "bob", id); err != nil {
			t.Fatal(err)
		}
	}
}

// The elements of each message, in their order (documents and captures of 2022).
func TestElementsOfMessagesAndEvents(t *testing.T) {
	t.Parallel()
	sim, id := newPush(t, wechattest.PushPlaintext, success)
	ctx := t.Context()
	element := regexp.MustCompile(`<(\w+)>`)
	for _, tt := range []struct {
		send func() (wechattest.Delivery, error)
		want string // after CreateTime
	}{
		{func() (wechattest.Delivery, error) { return sim.SendVideo(ctx, "alice", id) },
			"MsgType MediaId ThumbMediaId MsgId"},
		{func() (wechattest.Delivery, error) { return sim.SendShortVideo(ctx, "alice", id) },
			"MsgType MediaId ThumbMediaId MsgId"},
		{func() (wechattest.Delivery, error) {
			return sim.SendLocation(ctx, "alice", id, wechattest.Place{Latitude: 31.2, Longitude: 121.4, Label: "x"})
		}, "MsgType Location_X Location_Y Scale Label MsgId"},
		{func() (wechattest.Delivery, error) {
			return sim.SendLink(ctx, "alice", id, wechattest.Article{Title: "t", URL: "https://example.com/"})
		}, "MsgType Title Description Url MsgId"},
		{func() (wechattest.Delivery, error) {
			return sim.ChangeAuthorization(ctx, wechattest.AuthorizationRevoked, "alice", id)
		}, "MsgType Event OpenID AppID RevokeInfo UnionID"},
		{func() (wechattest.Delivery, error) {
			return sim.ChangeAuthorization(ctx, wechattest.ProfileModified, "alice", id)
		}, "MsgType Event OpenID AppID UnionID"},
		{func() (wechattest.Delivery, error) {
			return sim.ChangeAuthorization(ctx, wechattest.AuthorizationCancelled, "bob", id) // follows no account
		}, "MsgType Event OpenID AppID UnionID"},
	} {
		d, err := tt.send()
		if err != nil || len(d.Posts) != 1 {
			t.Errorf("%s: %+v, %v", tt.want, d, err)
			continue
		}
		var got []string
		for _, m := range element.FindAllStringSubmatch(d.Posts[0].Body, -1) {
			got = append(got, m[1])
		}
		if all := strings.Join(got, " "); all != "xml ToUserName FromUserName CreateTime "+tt.want {
			t.Errorf("%s: %s", tt.want, all)
		}
	}
	for _, p := range sim.People() {
		if p.ID == "bob" && !p.Deregistered {
			t.Error("bob has closed the account, and is not deregistered")
		}
	}
	if lines := sim.Chat("bob", id); len(lines) != 0 {
		t.Errorf("the chat has %+v", lines)
	}
}

// A website app has no chat.
func TestPushOfAWebsiteAppIsRefused(t *testing.T) {
	t.Parallel()
	sim, err := wechattest.New(wechattest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	err = sim.UpdateApp(sim.Apps()[2].AppID, func(a *wechattest.App) {
		a.Push = wechattest.Push{URL: "http://127.0.0.1:9/", Token: "abc", Mode: wechattest.PushPlaintext}
	})
	if err == nil || !strings.Contains(err.Error(), "a website app has no chat") {
		t.Errorf("%v", err)
	}
}

// The quotas of WeChat's documents: per day and account, thirty seconds between forced renewals, and
// fewer calls for a test account.
func TestQuotasOfInterfaceCalls(t *testing.T) {
	t.Parallel()
	sim, id := newPush(t, wechattest.PushPlaintext, success)
	secret := sim.Apps()[0].Secret
	code := func(method, path, body string) string {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Host = "api.weixin.qq.com"
		sim.ServeHTTP(w, r)
		if m := regexp.MustCompile(`"errcode":(\d+)`).FindStringSubmatch(w.Body.String()); m != nil {
			return m[1]
		}
		return regexp.MustCompile(`.*"access_token":"([^"]*)".*`).ReplaceAllString(w.Body.String(), "$1")
	}
	forced := func() string {
		return code("POST", "/cgi-bin/stable_token", `{"grant_type":"client_credential","appid":"`+id+`","secret":"`+secret+
			`","force_refresh":true}`)
	}
	token := forced()
	if got := forced(); got != "45011" {
		t.Errorf("a second forced renewal at once: %s", got)
	}
	sim.Advance(30 * time.Second)
	if got := forced(); got == token || len(got) < 20 {
		t.Errorf("after 30 seconds: %s", got)
	} else {
		token = got
	}
	const body = `{"expire_seconds":60,"action_name":"QR_STR_SCENE","action_info":{"scene":{"scene_str":"a"}}}`
	sim.UpdateQuirks(func(q *wechattest.Quirks) { q.DailyQuota = 3 })
	calls := map[string]func() string{
		"qrcode/create": func() string { return code("POST", "/cgi-bin/qrcode/create?access_token="+token, body) },
		"user/info": func() string {
			return code("GET", "/cgi-bin/user/info?access_token="+token+"&openid="+sim.OpenID(id, "alice"), "")
		},
	}
	for name, call := range calls {
		for i := range 4 {
			if got := call(); (got == "45009") != (i == 3) {
				t.Errorf("%s, call %d: %s", name, i+1, got)
			}
		}
	}
	sim.Advance(24 * time.Hour)
	token = forced()
	if got := calls["qrcode/create"](); got == "45009" {
		t.Error("the quota does not end with the day")
	}
	// Codes with a scene expire, and are deleted.
	sim.UpdateQuirks(func(q *wechattest.Quirks) { q.DailyQuota = 0 })
	for range 1020 { // 1024 with those before: the next one deletes the expired ones
		calls["qrcode/create"]()
	}
	sim.Advance(2 * time.Hour)
	if got := len(sim.SceneCodes()); got != 0 {
		t.Errorf("%d expired codes can be scanned", got)
	}
	token = forced()
	calls["qrcode/create"]()
	if got := wechattest.StoredScenes(sim); got > 2 {
		t.Errorf("%d codes are stored", got)
	}
	if got := wechattest.DailyCalls(wechattest.TestAccount, "qrcode/create"); got != 10_000 {
		t.Errorf("a test account may make %d codes", got)
	}
}
