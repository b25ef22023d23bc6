//go:build unix

package app_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/app"
	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/metrics"
	"github.com/weigate/weigate/internal/session"
	"github.com/weigate/weigate/internal/store/sqlite/sqlitetest"
	"github.com/weigate/weigate/wechat"
)

const benchHost = "wiki.example.com"

// BenchmarkVerify measures how long a proxy waits at each request of a signed-in user. "gateway"
// is the whole gateway as "weigate serve" runs it: names for requests, headers, limits, metrics,
// and then /verify. "bare" is a handler of net/http that opens a sealed cookie and sets the same
// headers, and does nothing else. Both answer over the loopback, to a client that does as little as
// it can; with -cpu 1 all of it shares a core.
func BenchmarkVerify(b *testing.B) {
	store, served, a := protected(b)
	request := questionFor(benchHost, hostSession(b, store, served, a))
	sealed, bare := bareHandler(b, answerTo(b, served, request))
	b.Run("gateway", func(b *testing.B) { askAll(b, served, request) })
	b.Run("bare", func(b *testing.B) { askAll(b, bare, questionFor(benchHost, sealed)) })
}

// questionFor is what Caddy asks for a browser.
func questionFor(host, cookie string) []byte {
	return []byte("GET /verify HTTP/1.1\r\nHost: " + host +
		"\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) " +
		"Chrome/140.0.0.0 Safari/537.36\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
		"Accept-Encoding: gzip, deflate, br\r\nAccept-Language: zh-CN,zh;q=0.9\r\n" +
		"Cookie: theme=dark; " + cookie +
		"\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n" +
		"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Host: " + host +
		"\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Uri: /page?x=1\r\n\r\n")
}

// protected is a gateway with one app behind a proxy, and one user.
func protected(b *testing.B) (gateway.Store, http.Handler, gateway.User) {
	b.Helper()
	store := sqlitetest.New(b)
	now := time.Now()
	a, _, err := store.RecordSignIn(b.Context(),
		gateway.SignIn{Connector: "main", AppID: "wx1", OpenID: "oX6mX57QiiVC0DHls-eQ_igBfkbA",
			UnionID: "oTpR9xAIiebFOc6p04tMTaLhviCQ",
			At:      now, InitialStatus: gateway.Active, Profile: &gateway.Profile{Nickname: "小明"}})
	if err != nil {
		b.Fatal(err)
	}
	c := &config.Config{
		URL: "https://login.example.com", Session: config.Session{Idle: 24 * time.Hour, Max: 720 * time.Hour},
		ProfileMaxAge: 720 * time.Hour, VerifyCache: 5 * time.Second,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		WeChat: []config.Connector{{Name: "main", Kind: config.OfficialAccount, AppID: "wx1",
			Secret: wechat.Secret("s"), API: "https://api.weixin.qq.com", Open: "https://open.weixin.qq.com"}},
		Apps: []config.App{{App: gateway.App{ID: "wiki", Kind: gateway.AppForwardAuth, Name: "Wiki",
			Access: gateway.AccessRule{Rule: gateway.AccessApproved}},
			Hosts: []string{benchHost}}},
	}
	gate, err := app.New(b.Context(),
		app.Options{Config: c, Store: store, Sealer: sqlitetest.Sealer(), Metrics: metrics.New(),
			Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := gate.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return store, gate.Handler(), a
}

// hostSession signs a user in on the host, from a session at the gateway.
func hostSession(b *testing.B, store gateway.Store, served http.Handler, a gateway.User) string {
	b.Helper()
	const own = "a-session-id-of-43-characters-0123456789abc"
	now := time.Now()
	if err := store.PutSession(b.Context(),
		gateway.Session{Hash: session.Hash(own), UserID: a.ID, Connector: "main",
			AppID:  "wx1",
			OpenID: "oX6mX57QiiVC0DHls-eQ_igBfkbA", Method: "wechat", AuthTime: now, CreatedAt: now, SeenAt: now,
			ExpiresAt: now.Add(24 * time.Hour)}, now); err != nil {
		b.Fatal(err)
	}
	jar := map[string]string{"login.example.com": "__Host-weigate-s=" + own}
	at := "https://" + benchHost + "/.weigate/start?return=/"
	for range 4 {
		r := httptest.NewRequest(http.MethodGet, at, nil)
		r.RemoteAddr = "127.0.0.1:1"
		r.Header.Set("Cookie", jar[r.Host])
		r.Header.Set("X-Forwarded-Proto", "https")
		w := httptest.NewRecorder()
		served.ServeHTTP(w, r)
		for _, c := range w.Result().Cookies() {
			if c.MaxAge > 0 {
				jar[r.Host] = c.Name + "=" + c.Value
			}
		}
		if at = w.Header().Get("Location"); at == "" || strings.HasSuffix(at, benchHost+"/") {
			break
		}
	}
	if !strings.HasPrefix(jar[benchHost], "__Host-weigate-auth=") {
		b.Fatalf("no session on the host: the browser has %v and is at %q", jar[benchHost], at)
	}
	return jar[benchHost]
}

// answerTo asks once, and returns the headers of the answer.
func answerTo(b *testing.B, served http.Handler, request []byte) http.Header {
	b.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	if err != nil {
		b.Fatal(err)
	}
	r.RemoteAddr = "127.0.0.1:1"
	w := httptest.NewRecorder()
	served.ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.Header().Get("X-Weigate-User") == "" || w.Header().Get("X-Weigate-Assertion") == "" {
		b.Fatalf("%d, %v", w.Code, w.Header())
	}
	return w.Header()
}

// bareHandler opens a sealed cookie, in which is who it is, and sets the same headers as the
// gateway. Its assertion is a constant.
func bareHandler(b *testing.B, same http.Header) (cookie string, h http.Handler) {
	b.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		b.Fatal(err)
	}
	seal, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		b.Fatal(err)
	}
	names := []string{"X-Weigate-User", "X-Weigate-Name", "X-Weigate-Openid", "X-Weigate-Unionid", "X-Weigate-Groups"}
	var values []string
	for _, name := range names {
		values = append(values, same.Get(name))
		same.Del(name)
	}
	sealed := base64.RawURLEncoding.EncodeToString(
		seal.Seal(nil, nil, []byte(strings.Join(values, "\n")), []byte("session")))
	return "session=" + sealed, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := r.Cookie("session")
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		box, err := base64.RawURLEncoding.DecodeString(c.Value)
		if err == nil {
			box, err = seal.Open(nil, nil, box, []byte("session"))
		}
		said := strings.Split(string(box), "\n")
		if err != nil || len(said) != len(names) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		header := w.Header()
		for i, name := range names {
			header.Set(name, said[i])
		}
		for name := range same {
			header.Set(name, same.Get(name))
		}
		w.WriteHeader(http.StatusOK)
	})
}

// askAll asks again and again over one connection.
func askAll(b *testing.B, h http.Handler, request []byte) {
	server := httptest.NewUnstartedServer(h)
	// as "weigate serve" has them
	server.Config.ReadHeaderTimeout, server.Config.ReadTimeout, server.Config.WriteTimeout = 10*time.Second,
		30*time.Second, time.Minute
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 8<<10)
	b.ReportAllocs()
	busy := cpuTime(b)
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		for first := true; ; first = false {
			line, err := in.ReadSlice('\n')
			if err != nil || first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
				b.Fatalf("%q, %v", line, err)
			}
			if len(line) == 2 {
				break
			}
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "checks/s")
	b.ReportMetric(float64(b.N)/(cpuTime(b)-busy).Seconds(), "checks/cpu-s")
}

// cpuTime returns the CPU time of this process. On a machine with other load it is a better measure
// than elapsed time.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
