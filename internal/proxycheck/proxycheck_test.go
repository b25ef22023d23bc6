package proxycheck_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/proxycheck"
)

func sealer(t *testing.T, fill byte) *keys.Sealer {
	t.Helper()
	s, err := keys.NewSealer(bytes.Repeat([]byte{fill}, keys.MinMasterKey))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// question returns the request of "weigate check".
func question(s *keys.Sealer, now time.Time) proxycheck.Question {
	return proxycheck.Question{URL: "https://login.example.com", Sealer: s, Now: now}
}

// recorder is a transport to a handler that records the last request and response.
type recorder struct {
	handler  http.Handler
	request  *http.Request
	response *httptest.ResponseRecorder
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	incoming := httptest.NewRequest(req.Method, req.URL.String(), nil)
	incoming.Header = req.Header.Clone()
	r.request, r.response = incoming, httptest.NewRecorder()
	r.handler.ServeHTTP(r.response, incoming)
	return r.response.Result(), nil
}

// TestStrangersLearnNothingFromTheProxyCheck: without the master key, the path does not exist. So nobody
// can find out by it which address the gateway sees, or which proxies it trusts.
func TestStrangersLearnNothingFromTheProxyCheck(t *testing.T) {
	t.Parallel()
	ours := sealer(t, 1)
	now := time.Unix(1_800_000_000, 0)
	gateway := &recorder{handler: proxycheck.Handler(ours, nil, true, func() time.Time { return now }, http.NotFound)}
	if _, err := proxycheck.Ask(t.Context(), gateway, question(ours, now)); err != nil {
		t.Fatal(err)
	}
	right := gateway.request.Header.Get("Weigate-Check")
	for _, value := range []string{"", "x", strings.Repeat("A", 200), right[:len(right)-2], right + "AA", right[4:]} {
		r := httptest.NewRequest(http.MethodGet, proxycheck.Path, nil)
		r.Header.Set("Weigate-Check", value)
		w := httptest.NewRecorder()
		gateway.handler.ServeHTTP(w, r)
		if w.Code != http.StatusNotFound || len(w.Result().Cookies()) > 0 || w.Header().Get("Weigate-Check") != "" {
			t.Errorf("header %q: %d %v", value, w.Code, w.Header())
		}
	}
	for name, ask := range map[string]struct {
		sealer *keys.Sealer
		at     time.Time
	}{
		"another master key": {sealer(t, 2), now}, "recorded six minutes ago": {ours, now.Add(-6 * time.Minute)},
		"of the future": {ours, now.Add(6 * time.Minute)},
	} {
		_, err := proxycheck.Ask(t.Context(), gateway, question(ask.sealer, ask.at))
		var noAnswer *proxycheck.NoAnswerError
		if !errors.As(err, &noAnswer) || noAnswer.Status != http.StatusNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFirewallIsNotTakenForGateway: a response of a proxy has no answer, and its status shows the cause.
func TestFirewallIsNotTakenForGateway(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusOK, http.StatusForbidden, http.StatusTooManyRequests} {
		firewall := &recorder{handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
		})}
		_, err := proxycheck.Ask(t.Context(), firewall, question(sealer(t, 1), time.Now()))
		var noAnswer *proxycheck.NoAnswerError
		if !errors.As(err, &noAnswer) || noAnswer.Status != status {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// TestChangedMasterKeyIsNotTakenForCache: replicas get a new master key one after the other. The gateway
// has both keys, and seals with the new one.
func TestChangedMasterKeyIsNotTakenForCache(t *testing.T) {
	t.Parallel()
	older := bytes.Repeat([]byte{1}, keys.MinMasterKey)
	both, err := keys.NewSealer(bytes.Repeat([]byte{2}, keys.MinMasterKey), older)
	if err != nil {
		t.Fatal(err)
	}
	gateway := &recorder{handler: proxycheck.Handler(both, nil, true, time.Now, http.NotFound)}
	_, err = proxycheck.Ask(t.Context(), gateway, question(sealer(t, 1), time.Now()))
	if !errors.Is(err, proxycheck.ErrOtherKey) {
		t.Errorf("%v", err)
	}
	if _, err = proxycheck.Ask(t.Context(), gateway, question(both, time.Now())); err != nil {
		t.Errorf("with both keys: %v", err)
	}
}

// TestRecordedProxyCheckShowsNothing: a proxy that repeats a recorded request gets an answer that only the
// master key opens, and the page has no fact of the request.
func TestRecordedProxyCheckShowsNothing(t *testing.T) {
	t.Parallel()
	s := sealer(t, 1)
	gateway := &recorder{handler: proxycheck.Handler(s, nil, true, time.Now, http.NotFound)}
	seen, err := proxycheck.Ask(t.Context(), gateway, question(s, time.Now()))
	if err != nil || seen.Client.String() != "192.0.2.1" || seen.Host != "login.example.com" { // httptest's peer
		t.Fatalf("%+v, %v", seen, err)
	}
	w := httptest.NewRecorder()
	gateway.handler.ServeHTTP(w, gateway.request)
	var text strings.Builder
	if err := w.Result().Write(&text); err != nil {
		t.Fatal(err)
	}
	for _, fact := range []string{"192.0.2.1", "login.example.com"} {
		if strings.Contains(text.String(), fact) {
			t.Errorf("the response has %q:\n%s", fact, text.String())
		}
	}
	if c := w.Result().Cookies(); len(c) != 1 || !c[0].Secure || !c[0].HttpOnly || c[0].MaxAge != 1 {
		t.Errorf("cookies %v", c)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", w.Header())
	}
}

// TestClientIsNotTakenForProxy: "weigate check" must not advise to trust the client itself. nginx with
// real_ip_header and $proxy_add_x_forwarded_for sends the client's address twice, and Azure's Application
// Gateway adds the port.
func TestClientIsNotTakenForProxy(t *testing.T) {
	t.Parallel()
	client := netip.MustParseAddr("203.0.113.9")
	for forwardedFor, want := range map[string]string{
		"":                                            "",
		"203.0.113.9":                                 "",
		"203.0.113.9, 203.0.113.9":                    "",
		"198.51.100.1, 203.0.113.9:4711":              "198.51.100.1",
		"198.51.100.1, 203.0.113.9, 203.0.113.9":      "198.51.100.1",
		"198.51.100.1, 203.0.113.9":                   "198.51.100.1",
		"198.51.100.1, 203.0.113.9, 10.0.0.1":         "198.51.100.1",
		"198.51.100.1, ::ffff:203.0.113.9, 10.0.0.1":  "198.51.100.1",
		"203.0.113.9, 203.0.113.9:4711, 203.0.113.9,": "",
		"198.51.100.1, 10.0.0.1":                      "",
	} {
		if got := (proxycheck.Seen{ForwardedFor: forwardedFor, Client: client}).Earlier(); got != want {
			t.Errorf("%q: %q, want %q", forwardedFor, got, want)
		}
	}
}

// TestLongForwardedForHidesNoProxy: of a list that is too long, the addresses at the right end stay. The
// last proxies have added them.
func TestLongForwardedForHidesNoProxy(t *testing.T) {
	t.Parallel()
	s := sealer(t, 1)
	handler := proxycheck.Handler(s, nil, true, time.Now, http.NotFound)
	gateway := &recorder{handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Forwarded-For", strings.Repeat("198.51.100.200, ", 30)+"203.0.113.9, 192.0.2.1")
		handler.ServeHTTP(w, r)
	})}
	seen, err := proxycheck.Ask(t.Context(), gateway, question(s, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(seen.ForwardedFor, "198.51.100.200, ") || len(seen.ForwardedFor) > 200 ||
		!strings.HasSuffix(seen.ForwardedFor, ", 203.0.113.9, 192.0.2.1") || seen.Earlier() != "203.0.113.9" {
		t.Errorf("X-Forwarded-For %q, before the client %q", seen.ForwardedFor, seen.Earlier())
	}
}

// TestLengthOfProxyCheckShowsNothing: a proxy without the master key sends a recorded request again, and
// compares the lengths of the sealed answers.
func TestLengthOfProxyCheckShowsNothing(t *testing.T) {
	t.Parallel()
	s := sealer(t, 1)
	gateway := &recorder{handler: proxycheck.Handler(s, nil, true, time.Now, http.NotFound)}
	if _, err := proxycheck.Ask(t.Context(), gateway, question(s, time.Now())); err != nil {
		t.Fatal(err)
	}
	want := len(gateway.response.Header().Get("Weigate-Check"))
	if want > 3<<10 { // nginx accepts 4 KiB of all headers
		t.Errorf("the header has %d bytes", want)
	}
	for _, peer := range []string{"1.1.1.1:1", "255.255.255.255:1", "[fe80::1%ethernet0]:1",
		"[2001:db8:1111:2222:3333:4444:5555:6666]:1", "@"} {
		for _, value := range []string{"", "x", strings.Repeat("a", 300), strings.Repeat("<", 300),
			strings.Repeat("\xff", 300), strings.Repeat("\x01", 300), strings.Repeat("\u2028", 300)} {
			r := httptest.NewRequest(http.MethodGet, proxycheck.Path, nil)
			r.Header = gateway.request.Header.Clone()
			r.RemoteAddr, r.Host = peer, value
			r.Header.Set("X-Forwarded-Proto", value)
			r.Header.Set("X-Forwarded-For", ","+value[:min(len(value), 198)])
			w := httptest.NewRecorder()
			gateway.handler.ServeHTTP(w, r)
			if got := len(w.Header().Get("Weigate-Check")); got != want {
				t.Errorf("peer %s, headers %.10q: %d bytes, want %d", peer, value, got, want)
			}
		}
	}
}

// TestDirectConnectionIsNoProxy: without a proxy, the gateway's peer is the program itself.
func TestDirectConnectionIsNoProxy(t *testing.T) {
	t.Parallel()
	s := sealer(t, 1)
	server := httptest.NewServer(proxycheck.Handler(s, []byte("digest"), false, time.Now, http.NotFound))
	t.Cleanup(server.Close)
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(httputil.NewSingleHostReverseProxy(target))
	t.Cleanup(front.Close)
	for address, direct := range map[string]bool{server.URL: true, front.URL: false} {
		seen, err := proxycheck.Ask(t.Context(), http.DefaultTransport,
			proxycheck.Question{URL: address, Sealer: s, Now: time.Now(), ForwardedFor: "2001:db8::1"})
		if err != nil || seen.Direct != direct || string(seen.Settings) != "digest" ||
			!strings.HasPrefix(seen.ForwardedFor, "2001:db8::1") {
			t.Errorf("direct %t: %+v, %v", direct, seen, err)
		}
	}
}
