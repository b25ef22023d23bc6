package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/weigate/weigate/internal/config"
	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/lang"
)

// TestCheckFindsSitesThatDoNotAskTheGateway: the proxy of a site that sends no headers, or does not ask at
// all, was found by nothing.
func TestCheckFindsSitesThatDoNotAskTheGateway(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, location string
		status         int
		want           string // part of the warning; "" = none
	}{
		{"a protected site", "/.weigate/start?return=%2F", http.StatusFound, ""},
		{"a site that everybody can open", "", http.StatusOK, "opens without a sign-in"},
		{"a proxy that the gateway rejects", "", http.StatusForbidden, "answers with HTTP status 403 instead"},
		{"a proxy without the host of the site", "", http.StatusNotFound, "answers with HTTP status 404 instead"},
		{"a redirect elsewhere", "https://other.example/.weigate/start", http.StatusFound, "HTTP status 302 instead"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if tt.location != "" {
				w.Header().Set("Location", tt.location)
			}
			w.WriteHeader(tt.status)
		}))
		site, err := url.Parse(server.URL + "/")
		if err != nil {
			t.Fatal(err)
		}
		transport := forOneCheck(http.DefaultTransport)
		result, warning := checkSite(t.Context(), transport, *site)
		if !strings.Contains(warning.String(), tt.want) || (warning.String() == "") != (tt.want == "") ||
			tt.want == "" && result.String() != site.String()+" leads to the sign-in" {
			t.Errorf("%s: %q, warning %q", tt.name, result, warning)
		}
		server.Close()
	}
}

// TestCheckNamesSitesThatItCannotRequest: a site with a certificate for another host, without a DNS
// record or without a proxy was left out of the output, as if the check had passed.
func TestCheckNamesSitesThatItCannotRequest(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	dialServer := func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, server.Listener.Addr().String())
	}
	failing := func(err error) *http.Transport {
		return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err }}
	}
	trusting := server.Client().Transport.(*http.Transport).Clone()
	trusting.DialContext = dialServer
	for _, tt := range []struct {
		name, want string
		transport  *http.Transport
	}{
		{"a certificate for another host", "does not trust the certificate: x509: certificate is valid for example.com",
			trusting},
		{"an authority that is not trusted", "does not trust the certificate: x509: ",
			&http.Transport{DialContext: dialServer, TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}}},
		{"no DNS record", "does not answer from here: the DNS has no address for wiki.test;",
			failing(&net.DNSError{Name: "wiki.test", IsNotFound: true})},
		{"nothing listens", "does not answer from here: connection refused;", failing(syscall.ECONNREFUSED)},
		{"a firewall", "does not answer from here: no answer in time;", failing(context.DeadlineExceeded)},
	} {
		tt.transport.DisableKeepAlives = true
		result, warning := checkSite(t.Context(), tt.transport, url.URL{Scheme: "https", Host: "wiki.test", Path: "/"})
		if !strings.HasPrefix(warning.String(), "https://wiki.test/") || !strings.Contains(warning.String(), tt.want) ||
			result.String() != "" {
			t.Errorf("%s: %q, warning %q", tt.name, result, warning)
		}
	}
}

// TestCheckReportsEverySite: each site with forward auth has one line or one warning, in the order of the
// file.
func TestCheckReportsEverySite(t *testing.T) {
	t.Parallel()
	good := httptest.NewServer(http.RedirectHandler("/.weigate/start?return=%2F", http.StatusFound))
	defer good.Close()
	closing := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler)
	}))
	defer closing.Close()
	host := strings.TrimPrefix(good.URL, "http://")
	conf := &config.Config{URL: good.URL, Apps: []config.App{
		{App: gateway.App{ID: "down", Kind: gateway.AppForwardAuth},
			Hosts: []string{strings.TrimPrefix(closing.URL, "http://")}},
		{App: gateway.App{ID: "wiki", Kind: gateway.AppForwardAuth}, Hosts: []string{host, "*.example.com"}},
		{App: gateway.App{ID: "elsewhere", Kind: gateway.AppForwardAuth}, Hosts: []string{"wiki.example.com"}},
		{App: gateway.App{ID: "shop", Kind: gateway.AppOIDC}},
	}}
	var warnings strings.Builder
	s := &invocation{ctx: t.Context(), out: printer{err: &warnings}}
	var reported []string
	checkSites(s, conf, func(name string, result lang.Message, err error) {
		reported = append(reported, name+" "+result.String())
		if err != nil {
			t.Error(err)
		}
	})
	if want := []string{"apps.wiki " + good.URL + "/ leads to the sign-in"}; !slices.Equal(reported, want) {
		t.Errorf("reported %q, want %q", reported, want)
	}
	if got := warnings.String(); strings.Count(got, "\n") != 1 ||
		!strings.Contains(got, "apps.down: "+closing.URL+"/ does not answer from here: ") {
		t.Errorf("warnings %q", got)
	}
}
