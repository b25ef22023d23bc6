package cli_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/cli"
	"github.com/weigate/weigate/internal/leaktest"
)

// program is a weigate command that runs in this process.
type program struct {
	printed string
	urls    []string
	stop    func() error // cancels its context and returns the result of Run
	told    *bytes.Buffer
}

// begin runs weigate and waits until it has printed its start message.
func begin(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{told: &bytes.Buffer{}}
	out := newOutput()
	ended := make(chan error, 1)
	go func() {
		ended <- cli.Run(ctx, args, strings.NewReader(""), out, p.told, func(string) string { return "" })
	}()
	p.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(processDeadline):
			return errors.New("weigate still runs after its context was cancelled")
		}
	})
	t.Cleanup(func() { p.stop() })
	select {
	case <-out.ready:
	case err := <-ended:
		ended <- err
		t.Fatalf("weigate %s ended: %v\n%s", strings.Join(args, " "), err, p.told)
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	p.printed = out.text.String()
	p.urls = printedAddress.FindAllString(p.printed, -1)
	return p
}

// TestSimExchangesCode signs in as a script does, with the flags for scripts: it gets a code, the
// tokens and the nickname.
func TestSimExchangesCode(t *testing.T) {
	t.Parallel()
	p := begin(t, "sim", "--addr=127.0.0.1:0", "--control-addr=127.0.0.1:0", "--seed=7",
		"--app=wx0123456789abcdef:"+leaktest.Secret+":app.localhost", "--consent-as=xiaoming", "--any-browser")
	base := p.urls[0]
	res, err := http.DefaultTransport.RoundTrip(
		request(t, base+"/connect/oauth2/authorize?appid=wx0123456789abcdef&redirect_uri="+
			url.QueryEscape("http://app.localhost:1/cb")+"&response_type=code&scope=snsapi_userinfo&state=abc"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	back, err := res.Location()
	if err != nil {
		t.Fatalf("%s: %v", res.Status, err)
	}
	if back.Query().Get("state") != "abc" {
		t.Errorf("the state came back as %s", back)
	}
	answer := get200(t, base+"/sns/oauth2/access_token?appid=wx0123456789abcdef&secret="+leaktest.Secret+
		"&grant_type=authorization_code&code="+back.Query().Get("code"))
	field := func(name string) string {
		m := regexp.MustCompile(`"` + name + `":"([^"]+)"`).FindStringSubmatch(answer)
		if m == nil {
			t.Fatalf("no %s in %s", name, answer)
		}
		return m[1]
	}
	profile := get200(t, base+"/sns/userinfo?access_token="+field("access_token")+"&openid="+field("openid"))
	if !strings.Contains(profile, `"nickname":"小明"`) {
		t.Errorf("the profile: %s", profile)
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	if p.told.Len() > 0 {
		t.Errorf("on stderr: %s", p.told)
	}
	leaktest.Check(t, "what the terminal shows", p.printed)
}

// TestSeedIsDeterministic checks that two runs with one seed create the same code.
func TestSeedIsDeterministic(t *testing.T) {
	t.Parallel()
	code := func(seed string) string {
		p := begin(t, "sim", "--addr=127.0.0.1:0", "--control-addr=127.0.0.1:0", "--consent-as=alice", "--any-browser",
			"--app=wx0123456789abcdef:not-a-secret:localhost", "--seed="+seed)
		res, err := http.DefaultTransport.RoundTrip(
			request(t, p.urls[0]+"/connect/oauth2/authorize?appid=wx0123456789abcdef&redirect_uri=http%3A%2F%2Flocalhost%2F"+
				"&response_type=code&scope=snsapi_base&state=x"))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		back, err := res.Location()
		if err != nil {
			t.Fatal(err)
		}
		return back.Query().Get("code")
	}
	if a, b := code("42"), code("42"); a != b {
		t.Errorf("one seed, two codes: %s and %s", a, b)
	}
	if a, b := code("42"), code("43"); a == b {
		t.Errorf("two seeds, one code: %s", a)
	}
}

func request(t *testing.T, address string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func get200(t *testing.T, address string) string {
	t.Helper()
	res, err := http.DefaultClient.Do(request(t, address))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", address, res.Status, err)
	}
	return string(body)
}
