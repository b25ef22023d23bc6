package cli

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/fixture"
)

// TestCheckDirectory checks what "weigate check" finds at the certificate authority and in the DNS.
func TestCheckDirectory(t *testing.T) {
	t.Parallel()
	const directory = `{"newNonce": "https://ca.example/nonce", "newOrder": "https://ca.example/order"}`
	authority := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/directory" {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<html>not here</html>")
			return
		}
		_, _ = io.WriteString(w, directory)
	}))
	authority.Config.ErrorLog = log.New(io.Discard, "", 0)
	authority.StartTLS()
	t.Cleanup(authority.Close)
	trusted := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Certificate().Raw})
	if err := os.WriteFile(trusted, text, 0o600); err != nil {
		t.Fatal(err)
	}
	found := func(context.Context, string) ([]string, error) {
		return []string{"192.0.2.1", "2001:db8::1"}, nil
	}
	for _, tt := range []struct {
		name, directory, ca string
		lookup              func(context.Context, string) ([]string, error)
		want, failed        string
	}{
		{name: "right", want: "login.example.com has the addresses [192.0.2.1 2001:db8::1]"},
		{name: "another path", directory: authority.URL, failed: "does not answer as an ACME directory"},
		{name: "nothing listens", directory: "https://" + fixture.Address(t) + "/directory", failed: "tls.acme.directory: "},
		{name: "a certificate of an unknown authority", ca: "none", failed: "certificate signed by unknown authority"},
		{name: "a missing file", ca: "missing.pem", failed: "tls.acme.ca_file: "},
		{name: "no DNS record", failed: "the name login.example.com has no address",
			lookup: func(context.Context, string) ([]string, error) {
				return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
			}},
		// A DNS server that is unavailable says nothing about the records.
		{name: "no DNS server", failed: "tls.acme: lookup : no answer",
			lookup: func(context.Context, string) ([]string, error) {
				return nil, &net.DNSError{Err: "no answer", IsTemporary: true}
			}},
		{name: "another error", failed: "tls.acme: broken",
			lookup: func(context.Context, string) ([]string, error) { return nil, errors.New("broken") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conf := &config.Config{URL: "https://login.example.com"}
			conf.TLS.ACME = config.ACME{Enabled: true, Directory: authority.URL + "/directory", CAFile: trusted}
			if tt.directory != "" {
				conf.TLS.ACME.Directory = tt.directory
			}
			switch tt.ca {
			case "none":
				conf.TLS.ACME.CAFile = ""
			case "missing.pem":
				conf.TLS.ACME.CAFile = filepath.Join(t.TempDir(), tt.ca)
			}
			if tt.lookup == nil {
				tt.lookup = found
			}
			result, err := checkDirectory(t.Context(), conf, tt.lookup)
			switch {
			case tt.failed == "" && (err != nil || !strings.Contains(result.String(), tt.want)):
				t.Errorf("got %q, %v", result, err)
			case tt.failed != "" && (err == nil || !strings.Contains(err.Error(), tt.failed)):
				t.Errorf("got %q, %v; want %q", result, err, tt.failed)
			}
		})
	}
}
