package acmetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"github.com/weigate/weigate/internal/certificate"
	"github.com/weigate/weigate/internal/fixture"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/keys"
	"github.com/weigate/weigate/internal/store/sqlite"
)

func TestMain(m *testing.M) {
	if database := os.Getenv(childVariable); database != "" {
		child(database)
		return
	}
	os.Setenv("PEBBLE_VA_NOSLEEP", "1")
	os.Setenv("PEBBLE_WFE_NONCEREJECT", "10") // percent: clients have to repeat requests with a bad nonce
	os.Exit(run(m))
}

func run(m *testing.M) int {
	err := fixture.SetEnglish()
	if err == nil {
		programDir, err = os.MkdirTemp("", "weigate-acmetest-")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(programDir)
	return m.Run()
}

// authority is a certificate authority.
type authority struct {
	directory string
	tls       []byte // certificate of its HTTPS server, in PEM form
	db        *db.MemoryStore
	orders    atomic.Int64

	down       atomic.Bool  // answers every request with 503
	processing atomic.Int64 // how many further answers say that a finished order is being processed
}

// newAuthority starts Pebble. It connects to the two ports of this machine for every host. Certificates
// live for a number of seconds.
func newAuthority(t *testing.T, httpPort, tlsPort int, seconds uint64) *authority {
	t.Helper()
	dns := dnsAddress(t)
	names, err := challtestsrv.New(challtestsrv.Config{
		DNSAddrs: []string{dns}, Log: log.New(io.Discard, "", 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	names.SetDefaultDNSIPv4("127.0.0.1")
	names.SetDefaultDNSIPv6("")
	go names.Run()
	t.Cleanup(names.Shutdown)
	a := &authority{db: db.NewMemoryStore()}
	quiet := log.New(io.Discard, "", 0)
	issuer := ca.New(quiet, a.db, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: seconds}})
	validator := va.New(quiet, httpPort, tlsPort, false, dns, a.db)
	front := wfe.New(quiet, a.db, validator, issuer, []string{"pebble.letsencrypt.org"}, false, false, 1, 1)
	handler := front.Handler()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if a.processing.Load() > 0 && strings.Contains(r.URL.Path, "-order/") { // the order, or its finalization
			slow := &slowWriter{ResponseWriter: w, left: &a.processing}
			defer slow.send()
			w = slow
		}
		counted := &statusWriter{ResponseWriter: w}
		handler.ServeHTTP(counted, r)
		if r.URL.Path == "/order-plz" && counted.status == http.StatusCreated { // not a bad nonce
			a.orders.Add(1)
		}
	}))
	t.Cleanup(server.Close)
	a.directory = server.URL + wfe.DirectoryPath
	a.tls = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return a
}

// statusWriter records the status of a response.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// dnsAddress returns an address for a DNS server, which listens with UDP and TCP. It has a random IP
// address of this machine, because other programs may take a free port of 127.0.0.1 meanwhile.
func dnsAddress(t *testing.T) string {
	t.Helper()
	ip := fmt.Sprintf("127.%d.%d.%d", 1+mathrand.IntN(254), mathrand.IntN(256), 1+mathrand.IntN(254))
	c, err := net.ListenPacket("udp", ip+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newSealer() (*keys.Sealer, error) {
	return keys.NewSealer(bytes.Repeat([]byte{7}, keys.MinMasterKey))
}

func newHost() string { return strings.ToLower(rand.Text()[:10]) + ".example.com" }

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

func portOf(t *testing.T, address string) int {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return a.Port
}

func newStore(t *testing.T) gateway.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), ":memory:", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// replica is a gateway, as far as its certificate is concerned.
type replica struct {
	host    string
	source  *certificate.ACME
	secure  net.Listener
	log     *syncBuffer
	mu      sync.Mutex
	problem []string
}

// syncBuffer is a buffer that several goroutines write to.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// start starts a replica that serves TLS, and plain http if plain is not nil.
//
// It renews the certificate when less than renewal of the lifetime is left; 0 = the default.
//
// Each test has its own host, because certmagic keeps the challenges and jobs of a process by host.
func start(
	t *testing.T, host string, a *authority, store gateway.Store, secure, plain net.Listener, renewal float64,
) *replica {
	t.Helper()
	sealer, err := newSealer()
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{host: host, secure: secure, log: &syncBuffer{}}
	cfg := certificate.ACMEConfig{
		URL: "https://" + host, Host: host, Directory: a.directory, Email: "ops@example.com", CAs: a.tls,
		Listen: secure.Addr().String(), Store: store, Sealer: sealer, RenewInterval: 300 * time.Millisecond,
		RenewalRatio: renewal,
		Hooks: certificate.Hooks{
			Problem: func(code, detail string) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.problem = append(r.problem, code+" "+detail)
			},
			Logger: slog.New(slog.NewTextHandler(r.log, nil)),
		},
	}
	if plain != nil {
		cfg.ListenHTTP = plain.Addr().String()
	}
	if r.source, err = certificate.NewACME(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	quiet := log.New(io.Discard, "", 0)
	server := &http.Server{TLSConfig: r.source.TLSConfig(), ErrorLog: quiet, Handler: http.NotFoundHandler()}
	go server.ServeTLS(secure, "", "")
	t.Cleanup(func() { server.Close() })
	if plain != nil {
		http01 := &http.Server{Handler: r.source.Handler(), ErrorLog: quiet}
		go http01.Serve(plain)
		t.Cleanup(func() { http01.Close() })
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { r.source.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	return r
}

// reported returns the code and the text of the last problem that the hook has received; "" = none.
func (r *replica) reported() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.problem) == 0 {
		return ""
	}
	return r.problem[len(r.problem)-1]
}

// serves returns the certificate that a client gets; nil = none.
func (r *replica) serves() *x509.Certificate { return served(r.secure.Addr().String(), r.host) }

func served(address, host string) *x509.Certificate {
	c, err := tls.Dial("tcp", address, &tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err != nil {
		return nil
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

// await waits until a condition is true. It polls, because the replica works in the background.
func (r *replica) await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within two minutes\n%s", what, r.log)
		}
	}
}

func (r *replica) awaitCertificate(t *testing.T) *x509.Certificate {
	t.Helper()
	r.await(t, "certificate", func() bool { return r.serves() != nil })
	return r.serves()
}

// The first certificate comes by TLS-ALPN-01 on the port of the gateway, or by HTTP-01 if the other
// port is closed. All other requests to the plain port are redirected.
func TestFirstCertificate(t *testing.T) {
	t.Parallel()
	for _, challenge := range []string{"TLS-ALPN-01", "HTTP-01"} {
		t.Run(challenge, func(t *testing.T) {
			t.Parallel()
			host := newHost()
			secure, plain := listen(t), net.Listener(nil)
			tlsPort, httpPort := port(secure), portOf(t, fixture.Address(t)) // nothing listens there
			if challenge == "HTTP-01" {
				plain = listen(t)
				tlsPort, httpPort = httpPort, port(plain)
			}
			a := newAuthority(t, httpPort, tlsPort, 90*86400)
			r := start(t, host, a, newStore(t), secure, plain, 0)
			if got := r.awaitCertificate(t); got.VerifyHostname(host) != nil {
				t.Errorf("certificate for %v", got.DNSNames)
			}
			if plain == nil {
				return
			}
			client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			req, err := http.NewRequest(http.MethodGet, "http://"+plain.Addr().String()+"//evil.example/?a=b", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = "evil.example"
			res, err := client.Do(req)
			if err != nil || !strings.HasPrefix(res.Header.Get("Location"), "https://"+host+"/") {
				t.Errorf("redirect: %v, %+v", err, res)
			}
		})
	}
}

// A certificate is renewed before it expires. When the authority refuses, the previous one stays, and
// the problem says why. A process that starts again afterwards does not order at once, but serves what
// the store has (yusing/godoxy#124, ferronweb/ferron#37, natemcmaster/LettuceEncrypt#14).
func TestRenewalAndFailure(t *testing.T) {
	t.Parallel()
	secure := listen(t)
	host := newHost()
	const lifetime, renewal = 600, 0.998 // seconds; renewed after a little more than one
	a := newAuthority(t, 1, port(secure), lifetime)
	store := newStore(t)
	r := start(t, host, a, store, secure, nil, renewal)
	first := r.awaitCertificate(t)
	r.await(t, "renewal", func() bool {
		got := r.serves()
		return got != nil && got.SerialNumber.Cmp(first.SerialNumber) != 0
	})
	if err := a.db.AddBlockedDomain(host); err != nil {
		t.Fatal(err)
	}
	r.await(t, "failure", func() bool { return r.reported() != "" }) // after Status has the problem
	last := r.serves()
	if last == nil {
		t.Fatal("no certificate after the failure")
	}
	problem := r.source.Status().Problem
	for _, want := range []string{host, "rejectedIdentifier", "备案", "443 or 80"} {
		if !strings.Contains(problem, want) {
			t.Errorf("problem %q has no %q", problem, want)
		}
	}
	if got := r.reported(); !strings.HasPrefix(got, certificate.ProblemNotIssued) {
		t.Errorf("reported %q", got)
	}
	if strings.Contains(r.log.String(), "PRIVATE KEY") {
		t.Errorf("log:\n%s", r.log)
	}
	sealer, err := newSealer()
	if err != nil {
		t.Fatal(err)
	}
	stored, err := certificate.Stored(t.Context(), store, sealer, a.directory, host)
	if err != nil || !stored.NotAfter.Equal(last.NotAfter) || stored.Problem != problem {
		t.Errorf("stored: %+v, %v", stored, err)
	}
	before := a.orders.Load()
	again := start(t, host, a, store, listen(t), nil, renewal)
	again.await(t, "postponed order", func() bool { return strings.Contains(again.log.String(), "order postponed") })
	if got := again.serves(); got == nil || got.SerialNumber.Cmp(last.SerialNumber) != 0 {
		t.Error("the new process does not serve the stored certificate")
	}
	if got := again.source.Status().Problem; got != problem {
		t.Errorf("the new process has the problem %q", got)
	}
	if n := a.orders.Load(); n != before {
		t.Errorf("the new process has ordered %d times", n-before)
	}
}
