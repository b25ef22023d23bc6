package wechattest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/weigate/weigate/wechat/wechattest"
)

// site serves a handler on loopback and returns its address.
func site(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func authorize(base, appid, scope, callback string) string {
	return base + "/connect/oauth2/authorize?appid=" + appid + "&redirect_uri=" + url.QueryEscape(callback) +
		"&response_type=code&scope=" + scope + "&state=abc#wechat_redirect"
}

func TestPhoneSignsInSilentlyAndByConsent(t *testing.T) {
	t.Parallel()
	sim, base := newSim(t, wechattest.Config{})
	app := sim.Apps()[0].AppID
	var seen []string
	var mu sync.Mutex
	back := site(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.URL.RawQuery)
		fmt.Fprintf(w, "state %s, code %t", r.FormValue("state"), r.FormValue("code") != "")
	})
	phone := sim.Phone("alice")
	for _, c := range []struct {
		name, base, scope string
		ask               bool
	}{
		{"base scope, by the address of the listener", base, "snsapi_base", false},
		{"base scope, by WeChat's own name", "https://open.weixin.qq.com", "snsapi_base", false},
		{"user info asks", base, "snsapi_userinfo", true},
		{"user info was allowed already", base, "snsapi_userinfo", false},
	} {
		page, err := phone.Open(context.Background(), authorize(c.base, app, c.scope, back+"/cb"))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if c.ask {
			if page.URL == "" || !strings.HasPrefix(page.URL, base+"/connect/") {
				t.Fatalf("%s: the phone is at %s, not at WeChat's consent page", c.name, page.URL)
			}
			if page, err = phone.Allow(context.Background()); err != nil {
				t.Fatalf("%s: allow: %v", c.name, err)
			}
		}
		if page.Body != "state abc, code true" || strings.Contains(page.URL, "#") {
			t.Errorf("%s: ended at %s with %q", c.name, page.URL, page.Body)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 4 {
		t.Errorf("the app was called %d times, want 4", len(seen))
	}
	for _, q := range seen {
		if strings.Contains(q, "uin=") || strings.Contains(q, "key=") {
			t.Errorf("the app received the identity of the person: %s", q)
		}
	}
}

func TestPhoneDenies(t *testing.T) {
	t.Parallel()
	sim, base := newSim(t, wechattest.Config{})
	calls := 0
	back := site(t, func(http.ResponseWriter, *http.Request) { calls++ })
	phone := sim.Phone("xiaoming")
	if _, err := phone.Deny(context.Background()); !errors.Is(err, wechattest.ErrNoPage) {
		t.Errorf("denying without a page: %v, want ErrNoPage", err)
	}
	if _, err := phone.Open(context.Background(),
		authorize(base, sim.Apps()[0].AppID, "snsapi_userinfo", back)); err != nil {
		t.Fatal(err)
	}
	if _, err := phone.Deny(context.Background()); err != nil {
		t.Fatal(err)
	}
	if calls != 0 {
		t.Error("the app was notified of the refusal")
	}
	if _, err := phone.Allow(context.Background()); !errors.Is(err, wechattest.ErrNotOnPage) {
		t.Errorf("allowing on a page without consent: %v, want ErrNotOnPage", err)
	}
}

func TestPhoneScansAQRCode(t *testing.T) {
	t.Parallel()
	sim, base := newSim(t, wechattest.Config{})
	app := sim.Apps()[2].AppID
	res := do(t, http.MethodGet, base+"/connect/qrconnect?appid="+app+
		"&redirect_uri="+url.QueryEscape("http://127.0.0.1:9/back")+
		"&response_type=code&scope=snsapi_login&state=abc", nil, "Mozilla/5.0 Chrome/130")
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	codes := sim.QRCodes()
	if len(codes) != 1 {
		t.Fatalf("there are %d QR codes, want 1", len(codes))
	}
	phone := sim.Phone("xiaoming")
	if _, err := phone.Scan(context.Background(), codes[0].Link); err != nil {
		t.Fatal(err)
	}
	if got := sim.QRCodes()[0]; got.Person != "xiaoming" || got.Status != wechattest.QRScanned {
		t.Errorf("after the scan: %+v", got)
	}
	if _, err := phone.Allow(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := len(sim.QRCodes()); n != 0 {
		t.Errorf("%d codes wait after the confirmation", n)
	}
}

func TestPhoneOfAnUnknownPerson(t *testing.T) {
	t.Parallel()
	sim, base := newSim(t, wechattest.Config{})
	_, err := sim.Phone("nobody").Open(context.Background(), base)
	if err == nil || !strings.Contains(err.Error(), "alice") {
		t.Errorf("got %v, want an error with the known people", err)
	}
}
