package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"

	"github.com/weigate/weigate/internal/gateway"
)

// ACMEConfig is the configuration of [NewACME]. All fields without a remark are required.
type ACMEConfig struct {
	URL       string // of the gateway, for redirects from plain http
	Host      string // in that URL: the name in the certificate
	Directory string // URL of the certificate authority
	Email     string // of the account; may be ""
	CAs       []byte // certificate authorities (PEM) that verify the directory's own TLS certificate; nil = the system's

	Listen     string // where the gateway serves TLS, and answers the challenge TLS-ALPN-01
	ListenHTTP string // where ACME.Handler serves, for the challenge HTTP-01; "" = nowhere

	Store  gateway.ACMEFiles
	Sealer Sealer
	Hooks  Hooks

	// RenewInterval is how often the certificate is compared with the time and with the store; 0 = ten
	// minutes. Tests lower it.
	RenewInterval time.Duration

	// RenewalRatio is the part of the lifetime that is left when the certificate is renewed. 0 = a
	// third, unless the certificate authority suggests a time (RFC 9773). Tests set RenewalRatio;
	// suggestions are then ignored.
	RenewalRatio float64
}

// ACME is a [Source] that orders its certificate from a certificate authority, by the protocol ACME
// (RFC 8555). An order is a request for a certificate. ACME renews the certificate after two thirds
// of its lifetime. Replicas (gateways with one store) share one account and one certificate. Each
// can answer the challenges of the others.
type ACME struct {
	cfg     ACMEConfig
	magic   *certmagic.Config
	cache   *certmagic.Cache
	issuer  *certmagic.ACMEIssuer
	storage *storage
	wake    chan struct{} // wakes Run

	mu       sync.Mutex
	problem  string    // of the last order; "" = it succeeded
	reported time.Time // NotAfter of the certificate that was reported last
	reminded time.Time // when a certificate that expires soon was reported last
}

// NewACME returns the source. It loads the certificate from the store, if there is one. [ACME.Run]
// orders and renews the certificate.
func NewACME(ctx context.Context, cfg ACMEConfig) (*ACME, error) {
	a := &ACME{
		cfg: cfg, storage: newStorage(cfg.Store, cfg.Sealer, cfg.Hooks.Logger), wake: make(chan struct{}, 1),
	}
	log := zapLogger(cfg.Hooks.Logger)
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return a.magic, nil },
		RenewCheckInterval: cfg.RenewInterval, Logger: log,
	})
	a.magic = certmagic.New(a.cache, certmagic.Config{
		Storage: a.storage, OnEvent: a.onEvent, Logger: log, DefaultServerName: cfg.Host, FallbackServerName: cfg.Host,
		RenewalWindowRatio: cfg.RenewalRatio, DisableARI: cfg.RenewalRatio != 0,
	})
	// Without TestCA, certmagic could repeat a failed order at the staging server of Let's Encrypt.
	template := certmagic.ACMEIssuer{
		CA: cfg.Directory, TestCA: cfg.Directory, Email: cfg.Email, Agreed: true, Logger: log,
		DisableHTTPChallenge: cfg.ListenHTTP == "",
	}
	var err error
	if template.ListenHost, template.AltTLSALPNPort, err = splitAddress(cfg.Listen); err != nil {
		return nil, err
	}
	if cfg.ListenHTTP != "" {
		if _, template.AltHTTPPort, err = splitAddress(cfg.ListenHTTP); err != nil {
			return nil, err
		}
	}
	if cfg.CAs != nil {
		template.TrustedRoots = x509.NewCertPool()
		if !template.TrustedRoots.AppendCertsFromPEM(cfg.CAs) {
			return nil, errors.New("certificate: ACMEConfig.CAs has no certificate")
		}
	}
	a.issuer = certmagic.NewACMEIssuer(a.magic, template)
	a.magic.Issuers = []certmagic.Issuer{a.issuer}
	// An error means that no certificate was issued yet, or that the store is unavailable. Run tries
	// again.
	_, _ = a.magic.CacheManagedCertificate(ctx, cfg.Host)
	a.problem = a.failures(ctx).Detail
	a.report()
	return a, nil
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	return host, port, err
}

// TLSConfig returns the configuration of a server that also answers the challenge TLS-ALPN-01.
func (a *ACME) TLSConfig() *tls.Config {
	conf := serverConfig(a.magic.GetCertificate)
	conf.NextProtos = append(conf.NextProtos, acmez.ACMETLS1Protocol)
	return conf
}

// Handler answers the challenge HTTP-01. It redirects all other requests to the same path of the
// gateway, by https.
func (a *ACME) Handler() http.Handler {
	host, _, _ := strings.Cut(strings.TrimPrefix(a.cfg.URL, "https://"), "/") // with the port
	return a.issuer.HTTPChallengeHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "use https", http.StatusForbidden) // the form has crossed the network unencrypted already
			return
		}
		w.Header().Set("Connection", "close")
		w.Header().Set("Location", "https://"+host+r.URL.RequestURI())
		w.WriteHeader(http.StatusPermanentRedirect)
	}))
}

// leaf returns the current certificate; nil = none.
func (a *ACME) leaf() *x509.Certificate {
	var newest *x509.Certificate
	for _, c := range a.cache.AllMatchingCertificates(a.cfg.Host) {
		if c.Leaf != nil && (newest == nil || c.Leaf.NotAfter.After(newest.NotAfter)) {
			newest = c.Leaf
		}
	}
	return newest
}

// Status describes the certificate.
func (a *ACME) Status() Status {
	s := Status{Source: FromACME, Names: []string{a.cfg.Host}}
	if leaf := a.leaf(); leaf != nil {
		s = statusOf(FromACME, leaf)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s.Problem = a.problem
	return s
}

// Reload reports a certificate that another replica has ordered.
func (a *ACME) Reload(context.Context) { a.report() }

// Run orders the certificate if there is none, and renews it, until ctx ends.
func (a *ACME) Run(ctx context.Context) {
	defer a.cache.Stop()
	if wait := a.backoff(ctx); wait > 0 {
		a.cfg.Hooks.Logger.Warn("certificate order postponed after failures", "wait", wait.Round(time.Second))
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
	if err := a.magic.ManageAsync(ctx, []string{a.cfg.Host}); err != nil {
		a.failed(ctx, err)
	}
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-a.wake:
		}
		a.report()
	}
}

// report reports a new certificate once, and a certificate that expires soon once a day.
func (a *ACME) report() {
	s := a.Status()
	if s.NotAfter.IsZero() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !s.NotAfter.Equal(a.reported) {
		a.reported, a.reminded = s.NotAfter, time.Time{}
		a.cfg.Hooks.Logger.Info("certificate loaded", "names", strings.Join(s.Names, ", "), "issuer", s.Issuer,
			"expires", s.NotAfter)
		a.cfg.Hooks.changed(s)
	}
	if now := a.cfg.Hooks.now(); s.ExpiresSoon(now) && now.Sub(a.reminded) >= remindInterval {
		a.reminded = now
		a.cfg.Hooks.Logger.Warn("certificate expires soon", "expires", s.NotAfter)
		a.cfg.Hooks.problem(ProblemExpiring, "the certificate expires at "+s.NotAfter.Format(time.RFC3339)+
			", and was not renewed")
	}
}

// onEvent handles the events of certmagic. It wakes Run after each event about a certificate.
func (a *ACME) onEvent(ctx context.Context, event string, data map[string]any) error {
	switch event {
	case "cert_obtained":
		a.mu.Lock()
		a.problem = ""
		a.mu.Unlock()
		if err := a.storage.Delete(ctx, failureFile); err != nil {
			a.cfg.Hooks.Logger.Warn("ACME failures not forgotten", "error", err)
		}
	case "cert_failed":
		err, _ := data["error"].(error)
		a.failed(ctx, err)
	case "cached_managed_cert": // a certificate was loaded from the store
	default:
		return nil
	}
	time.AfterFunc(wakeDelay, func() { // certmagic puts the certificate into its cache after the event
		select {
		case a.wake <- struct{}{}:
		default:
		}
	})
	return nil
}

const wakeDelay = 500 * time.Millisecond

// failed records that an order has failed. The previous certificate stays in use.
func (a *ACME) failed(ctx context.Context, err error) {
	detail := Explain(a.cfg.Host, err)
	a.countFailure(ctx, detail) // before Status has the problem, so that Stored has it too
	a.mu.Lock()
	a.problem = detail
	a.mu.Unlock()
	a.cfg.Hooks.Logger.Error("certificate not issued, previous one kept", "error", detail)
	a.cfg.Hooks.problem(ProblemNotIssued, detail)
}

// Explain returns why a certificate authority has issued no certificate, and what to do.
func Explain(host string, err error) string {
	const longest = 400
	text := strings.Join(strings.Fields(fmt.Sprint(err)), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	text = "no certificate for " + host + ": " + text
	switch {
	case strings.Contains(text, "rateLimited"):
		return text + ". Wait: the certificate authority limits orders for a host. Keep the database, which has the " +
			"account and the certificate"
	case strings.Contains(text, "urn:ietf:params:acme:error:"):
		return text + ". The certificate authority must reach port 443 or 80 of this gateway from the internet, also by " +
			"IPv6 if the host has an AAAA record. In mainland China, a cloud answers for hosts without an ICP filing (备案) " +
			"with its own page: use certificate files then"
	}
	return text + ". This gateway must reach the certificate authority"
}

// failureFile is the name of the stored value that counts the failures since the last success. It
// is stored, so that a process that often restarts does not order as often: certificate authorities
// limit orders and failures for each host (yusing/godoxy#124, ferronweb/ferron#37).
const failureFile = "weigate/failures"

// failures is the content of failureFile.
type failures struct {
	Count  int       `json:"count"`
	Last   time.Time `json:"last"`
	Detail string    `json:"detail"` // of the last failure
}

func (a *ACME) countFailure(ctx context.Context, detail string) {
	f := a.failures(ctx)
	f.Count++
	f.Last, f.Detail = time.Now(), detail
	content, err := json.Marshal(f)
	if err == nil {
		err = a.storage.Store(ctx, failureFile, content)
	}
	if err != nil {
		a.cfg.Hooks.Logger.Warn("ACME failure not recorded", "error", err)
	}
}

func (a *ACME) failures(ctx context.Context) (f failures) {
	content, err := a.storage.Load(ctx, failureFile)
	if err == nil {
		_ = json.Unmarshal(content, &f) // an unreadable count is none
	}
	return f
}

// Stored returns the status of the certificate for host that the store has, and that the
// certificate authority at directory has issued. Commands call it: it orders nothing, and writes
// nothing.
func Stored(
	ctx context.Context, store gateway.ACMEFiles, sealer Sealer, directory, host string,
) (Status, error) {
	kept := newStorage(store, sealer, slog.New(slog.DiscardHandler))
	out := Status{Source: FromACME, Names: []string{host}}
	issuer := &certmagic.ACMEIssuer{CA: directory}
	text, _, err := kept.read(ctx, certmagic.StorageKeys.SiteCert(issuer.IssuerKey(), host))
	switch {
	case errors.Is(err, fs.ErrNotExist): // no certificate was issued yet
	case err != nil:
		return out, err
	default:
		block, _ := pem.Decode(text)
		if block == nil {
			return out, errors.New("the stored certificate is not in PEM form")
		}
		leaf, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return out, err
		}
		out = statusOf(FromACME, leaf)
	}
	if text, _, err = kept.read(ctx, failureFile); err == nil {
		var f failures
		_ = json.Unmarshal(text, &f) // an unreadable count is none
		out.Problem = f.Detail
	}
	return out, nil
}

// backoff returns how long to wait before the first order of this process: one minute after one
// failure, and twice as long after each further one, up to six hours.
func (a *ACME) backoff(ctx context.Context) time.Duration {
	f := a.failures(ctx)
	if f.Count == 0 {
		return 0
	}
	const longest = 6 * time.Hour
	wait := min(time.Minute<<min(f.Count-1, 10), longest) // 10 prevents an overflow
	return min(wait-time.Since(f.Last), longest)          // longest, if the clock was set back
}

// IsDirectory reports whether a text is the directory of an ACME server (RFC 8555, section 7.1.1).
func IsDirectory(text []byte) bool {
	var directory struct {
		NewNonce string `json:"newNonce"`
		NewOrder string `json:"newOrder"`
	}
	return json.Unmarshal(text, &directory) == nil && directory.NewNonce != "" && directory.NewOrder != ""
}
