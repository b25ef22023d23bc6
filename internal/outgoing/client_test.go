package outgoing_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/outgoing"
)

// key is part of each URL, as in the URL of a chat robot. No error may contain it.
const key = "693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa"

// loopback2 allows 127.0.0.2 only: a test can then have an allowed and a refused address.
var loopback2 = outgoing.Policy{Private: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}}

func newClient(t *testing.T, c outgoing.Config) *outgoing.Client {
	t.Helper()
	client, err := outgoing.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// kindOf posts to an address and returns the kind of the error, or "".
func kindOf(t *testing.T, client *outgoing.Client, address string) outgoing.Kind {
	t.Helper()
	_, err := client.Post(t.Context(), address, "text/plain", []byte("hello"), nil)
	if err == nil {
		return ""
	}
	failure := &outgoing.Error{}
	if !errors.As(err, &failure) {
		t.Fatalf("error of type %T", err)
	}
	if text := fmt.Sprintf("%v %+v", err, failure); strings.Contains(text, key) || strings.Contains(text, "://") {
		t.Errorf("the error contains the URL: %s", text)
	}
	return failure.Kind
}

// server starts a server on an address of this machine, and counts its requests.
func server(t *testing.T, address string, handler http.HandlerFunc) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	requests := &atomic.Int64{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handler(w, r)
	}))
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return s, requests
}

func nothing(http.ResponseWriter, *http.Request) {}

// TestSpellingsOfAddressesAreJudged: each of these reached a server that a filter of URLs protected,
// since the filter read another address than the dialler: capital letters in the scheme (Gotenberg,
// CVE-2026-40280), 0.0.0.0 (QuantumNous/new-api, CVE-2026-42339), numbers in other forms.
func TestSpellingsOfAddressesAreJudged(t *testing.T) {
	t.Parallel()
	s, requests := server(t, "127.0.0.1:0", nothing)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	client := newClient(t, outgoing.Config{Policy: loopback2})
	for _, host := range []string{
		"127.0.0.1", "0.0.0.0", "[::]", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "localhost",
		"127.1", "127.0.1", "0x7f000001", "2130706433", "0177.0.0.1", "017700000001", "127.0.0.1.", "LOCALHOST",
		"[64:ff9b::7f00:1]", "[2002:7f00:1::]", "169.254.169.254", "100.100.100.200", "[fe80::1%25lo]", "[fd00::1]",
	} {
		for _, scheme := range []string{"http", "https", "HTTP", "hTTpS"} {
			switch kind := kindOf(t, client, scheme+"://"+host+":"+port+"/?key="+key); kind {
			case outgoing.AddressRefused, outgoing.NotFound:
			default:
				t.Errorf("%s://%s: %q, want refused", scheme, host, kind)
			}
		}
	}
	if requests.Load() > 0 {
		t.Error("a request arrived")
	}
}

func TestInvalidURLs(t *testing.T) {
	t.Parallel()
	client := newClient(t, outgoing.Config{Policy: outgoing.Policy{AnyPrivate: true}})
	for _, address := range []string{
		"", "/path?key=" + key, "ftp://example.com/" + key, "file:///etc/passwd", "https://", "https://user@127.0.0.1/" + key,
		"gopher://127.0.0.1/" + key, "https://127.0.0.1:99999999/\x7f" + key, "unix:///" + key,
	} {
		if kind := kindOf(t, client, address); kind != outgoing.InvalidURL {
			t.Errorf("%q: %q, want invalid", address, kind)
		}
	}
	if kind := kindOf(t, newClient(t, outgoing.Config{}), "http://1.1.1.1/"+key); kind != outgoing.AddressRefused {
		t.Errorf("plain http: %q, want refused", kind)
	}
}

// TestNamesAreJudgedAtEachConnection: a name with an allowed and a refused address never leads to
// the refused one, and a name that resolves to another address later is judged again
// (QuantumNous/new-api, CVE-2026-33655; lin-snow/Ech0, GHSA-r2x7-427f-rq69).
func TestNamesAreJudgedAtEachConnection(t *testing.T) {
	t.Parallel()
	allowed, allowedRequests := server(t, "127.0.0.2:0", nothing)
	_, port, _ := net.SplitHostPort(allowed.Listener.Addr().String())
	_, refusedRequests := server(t, "127.0.0.1:"+port, nothing)
	names := newNames(t)
	client := newClient(t, outgoing.Config{Policy: loopback2, Resolver: names.resolver})
	address := "http://hook.example.com:" + port + "/?key=" + key

	names.answer("127.0.0.1", "127.0.0.2")
	if kind := kindOf(t, client, address); kind != "" {
		t.Errorf("a name with two addresses: %q, want the allowed one", kind)
	}
	names.answer("127.0.0.2")
	if kind := kindOf(t, client, address); kind != "" {
		t.Errorf("a name with an allowed address: %q", kind)
	}
	names.answer("127.0.0.1")
	if kind := kindOf(t, client, address); kind != outgoing.AddressRefused {
		t.Errorf("the name changed to a refused address: %q", kind)
	}
	names.answer("169.254.169.254", "0.0.0.0", "10.0.0.1")
	if kind := kindOf(t, client, address); kind != outgoing.AddressRefused {
		t.Errorf("a name with refused addresses: %q", kind)
	}
	names.answer()
	if kind := kindOf(t, client, address); kind != outgoing.NotFound {
		t.Errorf("a name without addresses: %q", kind)
	}
	if allowedRequests.Load() != 2 || refusedRequests.Load() != 0 {
		t.Errorf("%d requests at the allowed address, %d at the refused one", allowedRequests.Load(), refusedRequests.Load())
	}
}

// TestRedirectIsNotFollowed: a redirect led other products to a private address
// (QuantumNous/new-api, CVE-2025-62155; Gitea, CVE-2026-58418).
func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	target, requests := server(t, "127.0.0.2:0", nothing)
	for _, status := range []int{301, 302, 303, 307, 308} {
		from, _ := server(t, "127.0.0.2:0", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, target.URL, status)
		})
		got, err := newClient(t, outgoing.Config{Policy: loopback2}).
			Post(t.Context(), from.URL, "text/plain", nil, nil)
		if err != nil || got.Status != status {
			t.Errorf("%d: %d, %v", status, got.Status, err)
		}
	}
	if requests.Load() > 0 {
		t.Error("a redirect was followed")
	}
}

// TestLargeAndSlowResponses: the response of 10 MB is not read, and a server that never responds, or
// never ends its response, takes no longer than the time limit.
func TestLargeAndSlowResponses(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	large, _ := server(t, "127.0.0.2:0", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.CopyN(w, zeros{}, 10<<20)
	})
	never, _ := server(t, "127.0.0.2:0", func(http.ResponseWriter, *http.Request) { <-done })
	trickle, _ := server(t, "127.0.0.2:0", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_ = http.NewResponseController(w).Flush()
		<-done
	})
	header, _ := server(t, "127.0.0.2:0", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
	})
	t.Cleanup(func() { close(done) }) // runs first: a server that closes waits for its requests
	client := newClient(t, outgoing.Config{Policy: loopback2})
	short := newClient(t, outgoing.Config{Policy: loopback2, Timeout: 50 * time.Millisecond})

	if got, err := client.Post(t.Context(), large.URL, "text/plain", nil, nil); err != nil || len(got.Body) != 16<<10 {
		t.Errorf("10 MB: %d bytes, %v", len(got.Body), err)
	}
	if kind := kindOf(t, client, header.URL); kind != outgoing.Failed {
		t.Errorf("a header of 1 MB: %q", kind)
	}
	if kind := kindOf(t, short, never.URL+"?key="+key); kind != outgoing.Timeout {
		t.Errorf("no response: %q", kind)
	}
	// The header of the response comes within the limit, the end of the body does not. A machine under load
	// needs more time for the header.
	for limit := 50 * time.Millisecond; ; limit *= 2 {
		patient := newClient(t, outgoing.Config{Policy: loopback2, Timeout: limit})
		got, err := patient.Post(t.Context(), trickle.URL, "text/plain", nil, nil)
		if err == nil && got.Status == http.StatusAccepted {
			break
		}
		if limit > time.Minute {
			t.Errorf("a body without end: %d, %v", got.Status, err)
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Post(ctx, never.URL, "text/plain", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestCertificates: a certificate of one's own authority needs Config.CAs. There is no setting that
// skips the verification.
func TestCertificates(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(nothing))
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	policy := outgoing.Policy{AnyPrivate: true}
	if kind := kindOf(t, newClient(t, outgoing.Config{Policy: policy}), s.URL+"/"+key); kind != outgoing.Certificate {
		t.Errorf("unknown authority: %q", kind)
	}
	trusting := newClient(t, outgoing.Config{Policy: policy, CAs: ca})
	if kind := kindOf(t, trusting, s.URL+"/"+key); kind != "" {
		t.Errorf("known authority: %q", kind)
	}
	// The certificate of httptest is for 127.0.0.1, ::1 and example.com.
	if kind := kindOf(t, trusting, strings.Replace(s.URL, "127.0.0.1", "localhost", 1)); kind != outgoing.Certificate {
		t.Errorf("another host: %q", kind)
	}
	if _, err := outgoing.New(outgoing.Config{CAs: []byte("no certificate")}); err == nil {
		t.Error("CAs without a certificate were accepted")
	}
}

// TestProxy: a proxy is used only if it is configured. The proxy resolves names, and numbers that it
// could take for addresses are refused.
func TestProxy(t *testing.T) {
	t.Parallel()
	var connects atomic.Value
	proxy, requests := server(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		connects.Store(r.Method + " " + r.RequestURI)
		w.WriteHeader(http.StatusBadGateway)
	})
	address, _ := url.Parse(proxy.URL)
	through := func(*http.Request) (*url.URL, error) { return address, nil }
	client := newClient(t, outgoing.Config{Proxy: through})
	for _, host := range []string{"10.0.0.1", "127.1", "0x7f000001", "2130706433", "[::1]", "1.2.0x3", "127.0.0.1."} {
		if kind := kindOf(t, client, "https://"+host+"/"+key); kind != outgoing.AddressRefused {
			t.Errorf("%s through a proxy: %q, want refused", host, kind)
		}
	}
	if requests.Load() != 0 {
		t.Error("the proxy received a refused request")
	}
	if kind := kindOf(t, client, "https://hook.example.com/"+key); kind != outgoing.Failed {
		t.Errorf("a proxy that refuses: %q", kind)
	}
	if connects.Load() != "CONNECT hook.example.com:443" {
		t.Errorf("the proxy received %v", connects.Load())
	}
}

// TestReach: Reach connects under the rules of Post, and sends no request. A check that connects without
// the policy would call a webhook reachable that the gateway then refuses.
func TestReach(t *testing.T) {
	t.Parallel()
	plain, requests := server(t, "127.0.0.2:0", nothing)
	client := newClient(t, outgoing.Config{Policy: loopback2})
	strict := newClient(t, outgoing.Config{})
	secure := "https" + strings.TrimPrefix(plain.URL, "http")
	if err := client.Reach(t.Context(), plain.URL+"?key="+key); err != nil || requests.Load() > 0 {
		t.Errorf("an allowed address: %v, %d requests", err, requests.Load())
	}
	for name, test := range map[string]struct {
		client *outgoing.Client
		target string
		want   outgoing.Kind
	}{
		"a private address":       {strict, secure, outgoing.AddressRefused},
		"plain http":              {strict, plain.URL, outgoing.AddressRefused},
		"another private network": {client, "http://127.0.0.3/", outgoing.AddressRefused},
		"nobody listens":          {client, "http://127.0.0.2:1/", outgoing.Refused},
		"not a URL":               {client, "ftp://example.com/", outgoing.InvalidURL},
	} {
		var own *outgoing.Error
		if err := test.client.Reach(t.Context(), test.target); !errors.As(err, &own) || own.Kind != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := client.Reach(t.Context(), secure); err == nil {
		t.Error("a server without TLS at an https URL")
	}
}
