package cli

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
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
		result, warning, answered := checkSite(t.Context(), http.DefaultTransport, *site)
		if !answered || !strings.Contains(warning.String(), tt.want) || (warning.String() == "") != (tt.want == "") ||
			tt.want == "" && result.String() != site.String()+" leads to the sign-in" {
			t.Errorf("%s: %q, warning %q, answered %t", tt.name, result, warning, answered)
		}
		server.Close()
		if _, _, answered := checkSite(t.Context(), http.DefaultTransport, *site); answered {
			t.Errorf("%s: answered after its end", tt.name)
		}
	}
}
