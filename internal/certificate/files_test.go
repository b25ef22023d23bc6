package certificate_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/certificate"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const host = "login.example.com"

// pair returns a certificate for a host, and its key, in PEM form. A certificate for "" has a common name only.
func pair(t *testing.T, name string, expires time.Time) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test"},
		NotBefore: expires.Add(-90 * 24 * time.Hour), NotAfter: expires,
	}
	if name != "" {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// fixture is a pair of files, and what the source of them has reported.
type fixture struct {
	t         *testing.T
	cert, key string // paths
	log       bytes.Buffer
	problems  []string
	changed   []time.Time
	now       time.Time
	source    certificate.Source
}

func newFixture(t *testing.T) *fixture {
	dir := t.TempDir()
	return &fixture{t: t, cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), now: now}
}

func (f *fixture) write(cert, key []byte) {
	f.t.Helper()
	for path, content := range map[string][]byte{f.cert: cert, f.key: key} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *fixture) open() error {
	var err error
	f.source, err = certificate.NewFiles(f.cert, f.key, host, certificate.Hooks{
		Changed: func(s certificate.Status) { f.changed = append(f.changed, s.NotAfter) },
		Problem: func(code, _ string) { f.problems = append(f.problems, code) },
		Logger:  slog.New(slog.NewTextHandler(&f.log, nil)), Now: func() time.Time { return f.now },
	})
	return err
}

// serves returns the end of the certificate that a client gets.
func (f *fixture) serves() time.Time {
	f.t.Helper()
	got, err := f.source.TLSConfig().GetCertificate(&tls.ClientHelloInfo{ServerName: host})
	if err != nil {
		f.t.Fatal(err)
	}
	return got.Leaf.NotAfter
}

// A changed pair is used without a restart. A faulty one keeps the previous certificate, and is
// reported once, however often it is read (Pocket ID 2.13 and Radicale 0.31 had to repair reloading).
func TestFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second := now.Add(60*24*time.Hour), now.Add(80*24*time.Hour)
	cert, key := pair(t, host, first)
	f.write(cert, key)
	if err := f.open(); err != nil {
		t.Fatal(err)
	}
	newCert, newKey := pair(t, host, second)
	_, otherKey := pair(t, host, second)
	for _, step := range []struct {
		name      string
		cert, key []byte
		want      time.Time
		problem   string // in Status
		problems  int    // that were reported in total
	}{
		{"unchanged", cert, key, first, "", 0},
		{"the certificate was replaced before its key", newCert, key, first, "does not belong to", 1},
		{"the same again", newCert, key, first, "does not belong to", 1},
		{"another key", newCert, otherKey, first, "does not belong to", 2},
		{"cut short", newCert[:20], newKey, first, "cert.pem", 3},
		{"empty", nil, newKey, first, "not in PEM form", 4},
		{"complete", newCert, newKey, second, "", 4},
	} {
		f.write(step.cert, step.key)
		f.source.Reload(t.Context())
		if got := f.serves(); !got.Equal(step.want) {
			t.Errorf("%s: serves the certificate until %v, want %v", step.name, got, step.want)
		}
		problem := f.source.Status().Problem
		if (problem == "") != (step.problem == "") || !strings.Contains(problem, step.problem) {
			t.Errorf("%s: status %q, want %q", step.name, problem, step.problem)
		}
		if len(f.problems) != step.problems {
			t.Errorf("%s: problems %v, want %d", step.name, f.problems, step.problems)
		}
	}
	if !slices.EqualFunc(f.changed, []time.Time{first, second}, time.Time.Equal) {
		t.Errorf("changes %v", f.changed)
	}
	if log := f.log.String(); strings.Contains(log, "PRIVATE") || strings.Contains(log, string(newKey[30:60])) ||
		strings.Count(log, "previous one kept") != 4 {
		t.Errorf("log:\n%s", log)
	}
}

// A pair that cannot be used prevents the start, and the error names the file and what to do.
func TestFaultyFilesAtTheStart(t *testing.T) {
	t.Parallel()
	cert, key := pair(t, host, now.Add(24*time.Hour))
	_, otherKey := pair(t, host, now)
	for name, tt := range map[string]struct {
		cert, key []byte
		mode      os.FileMode // of the key; 0 = 0600
		want      string
		is        error
	}{
		"exchanged":            {cert: key, key: cert, want: "cert.pem: has no block that ends with CERTIFICATE"},
		"another key":          {cert: cert, key: otherKey, want: "whose own certificate must come first"},
		"a passphrase":         {cert: cert, key: []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), want: "openssl pkey"},
		"DER":                  {cert: []byte{0x30, 0x82}, key: key, want: "cert.pem: not in PEM form"},
		"missing":              {key: key, want: "cert.pem: file does not exist", is: fs.ErrNotExist},
		"readable by everyone": {cert: cert, key: key, mode: 0o644, want: "readable by other users: chmod o-rwx"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.write(tt.cert, tt.key)
			if tt.cert == nil {
				os.Remove(f.cert)
			}
			if tt.mode != 0 {
				if err := os.Chmod(f.key, tt.mode); err != nil {
					t.Fatal(err)
				}
			}
			err := f.open()
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if _, err := certificate.Load(f.cert, f.key); err == nil {
				t.Error("Load accepts it")
			}
		})
	}
}

// The names of a certificate are its subjectAltName. openssl writes none unless it is asked to, and an
// address there has a type of its own.
func TestCertificateOfAnotherHostIsExplained(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, host, want string }{
		{"other.example.com", host, "not valid for " + host + ", but for other.example.com"},
		{"", host, "not valid for " + host + ": it has no subjectAltName"},
		{"192.0.2.7", "192.0.2.7", "needs the entry IP:192.0.2.7 instead of DNS:192.0.2.7"},
	} {
		f := newFixture(t)
		f.write(pair(t, tt.name, now.Add(60*24*time.Hour)))
		if err := certificate.CheckHost(f.cert, f.key, tt.host); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
}

// A certificate that expires soon is reported once a day, and one for another host at the start.
func TestExpiringCertificateIsReported(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(pair(t, "other.example.com", now.Add(15*24*time.Hour)))
	if err := f.open(); err != nil {
		t.Fatal(err)
	}
	if s := f.source.Status(); !strings.Contains(s.Problem, "not valid for "+host+", but for other.example.com") {
		t.Errorf("status %+v", s)
	}
	if len(f.problems) != 0 {
		t.Errorf("problems after the start: %v", f.problems)
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{26 * time.Hour, 1}, {49 * time.Hour, 1}, {51 * time.Hour, 2}} {
		f.now = now.Add(step.after)
		f.source.Reload(t.Context())
		if len(f.problems) != step.want {
			t.Errorf("after %v: problems %v, want %d", step.after, f.problems, step.want)
		}
	}
	err := certificate.CheckHost(f.cert, f.key, host)
	if err == nil || certificate.CheckHost(f.cert, f.key, "other.example.com") != nil {
		t.Errorf("CheckHost: %v", err)
	}
}
