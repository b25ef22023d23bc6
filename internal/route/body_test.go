package route_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weigate/weigate/internal/route"
)

// A client announces a body and never sends it, as nginx does for a subrequest without the line
// 'proxy_set_header Content-Length ""' (bitly/oauth2_proxy#442), and APISIX (apache/apisix#10927).
// net/http would wait for the body before it sends the response.
func TestResponseWithoutTheAnnouncedBody(t *testing.T) {
	t.Parallel()
	unread := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "answered") }
	router := httptest.NewServer(newFixture(t, unread).handler)
	t.Cleanup(router.Close)
	plain := httptest.NewServer(route.WithoutBody(http.HandlerFunc(unread)))
	t.Cleanup(plain.Close)
	for _, server := range []*httptest.Server{router, plain} {
		for _, line := range []string{"GET /verify", "POST /verify", "GET /sign-in", "POST /sign-in", "POST /nowhere",
			"PUT /"} {
			for _, header := range []string{"Content-Length: 77", "Transfer-Encoding: chunked"} {
				t.Run(line+" "+header, func(t *testing.T) {
					t.Parallel()
					c, err := net.Dial("tcp", server.Listener.Addr().String())
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					_ = c.SetDeadline(time.Now().Add(time.Minute)) // without the response, this is the failure
					fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: login.example.com\r\n%s\r\n\r\n", line, header)
					res, err := http.ReadResponse(bufio.NewReader(c), nil)
					if err != nil {
						t.Fatal(err)
					}
					defer res.Body.Close()
					if res.StatusCode != http.StatusOK || !res.Close {
						t.Errorf("status %d, closes %v", res.StatusCode, res.Close)
					}
				})
			}
		}
	}
}

// The body of a form still reaches its handler.
func TestBodyReachesItsHandler(t *testing.T) {
	t.Parallel()
	g := newFixture(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.PostFormValue("a")) })
	r := httptest.NewRequest(http.MethodPost, "/sign-in", strings.NewReader("a=sent"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if w := g.do(r); w.Body.String() != "sent" || w.Header().Get("Connection") != "" {
		t.Errorf("%q, %v", w.Body, w.Header())
	}
}

// The methods of the HTTP API that have bodies, with the same limit as forms.
func TestBodyOfOtherMethods(t *testing.T) {
	t.Parallel()
	g := newFixture(t, nil)
	for _, method := range []string{http.MethodPatch, http.MethodPut} {
		for n, want := range map[int]string{1000: " 1000 false", 1 << 20: " 32768 true"} {
			r := httptest.NewRequest(method, "/", strings.NewReader(strings.Repeat("a", n)))
			if w := g.do(r); !strings.HasSuffix(w.Body.String(), want) {
				t.Errorf("%s with %d bytes: the handler read %q, want %q", method, n, w.Body, want)
			}
		}
	}
}

// The metrics and the log name routes in one form, whether a route has a method or not.
func TestRoutesHaveOneForm(t *testing.T) {
	t.Parallel()
	mux := route.NewMux()
	var pattern string
	record := func(_ http.ResponseWriter, r *http.Request) { pattern = r.Pattern }
	mux.HandleFunc("GET /a/{id}", record, route.LimitedOther)
	mux.HandleFunc("/b", record, route.LimitedOther)
	for path, want := range map[string]string{"/a/1": "/a/{id}", "/b": "/b"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		mux.ServeHTTP(httptest.NewRecorder(), r)
		if pattern != want || r.Pattern != want {
			t.Errorf("%s: the handler gets %q, and its caller %q", path, pattern, r.Pattern)
		}
	}
}
