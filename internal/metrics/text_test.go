package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/weigate/weigate/internal/metrics"
)

// scrape is what Prometheus reads, by line.
func scrape(t *testing.T, h http.Handler) []string {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if kind := rec.Header().Get("Content-Type"); rec.Code != http.StatusOK || !strings.HasPrefix(kind, "text/plain; version=0.0.4; charset=utf-8") {
		t.Fatalf("%d %s", rec.Code, kind)
	}
	return slices.Collect(strings.Lines(rec.Body.String()))
}

// shape leaves the names, kinds, explanations and labels of lines, without the numbers.
func shape(lines []string, prefix string) (all []string) {
	for _, l := range lines {
		name := strings.TrimPrefix(strings.TrimPrefix(l, "# HELP "), "# TYPE ")
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		if !strings.HasPrefix(l, "#") {
			l = l[:strings.LastIndex(l, " ")]
		}
		all = append(all, l)
	}
	slices.Sort(all)
	return all
}

// TestReadsLikePrometheusOwnClient: dashboards and alerts for Go programs, and for every earlier version of this one, go on working.
func TestReadsLikePrometheusOwnClient(t *testing.T) {
	t.Parallel()
	reference := prometheus.NewRegistry()
	reference.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	calls := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weigate_oidc_answers_total", Help: "Answers to apps."}, []string{"endpoint", "grant", "app", "outcome"})
	times := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "weigate_http_request_seconds", Help: "Time to answer an HTTP request.",
		Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"route"})
	reference.MustRegister(calls, times)

	m := metrics.New()
	for _, app := range []string{"wiki", `with "quotes", \ and` + "\n a line", "", "维基"} {
		for range 3 {
			m.OIDC("token", "refresh_token", app, "ok")
			calls.WithLabelValues("token", "refresh_token", app, "ok").Inc()
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /quick", func(http.ResponseWriter, *http.Request) {})
	m.HTTP(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/quick", nil))
	times.WithLabelValues("GET /quick").Observe(0.000001)

	got, want := scrape(t, m.Handler()), scrape(t, promhttp.HandlerFor(reference, promhttp.HandlerOpts{}))
	for _, prefix := range []string{"go_", "process_", "weigate_oidc_answers_total", "weigate_http_request_seconds"} {
		g, w := shape(got, prefix), shape(want, prefix)
		if len(w) == 0 {
			t.Fatalf("the reference has no %s", prefix)
		}
		for _, l := range w {
			if !slices.Contains(g, l) {
				t.Errorf("missing: %s", l)
			}
		}
		for _, l := range g {
			if !slices.Contains(w, l) {
				t.Errorf("not the reference's: %s", l)
			}
		}
	}
	for _, l := range want {
		if (strings.HasPrefix(l, "weigate_oidc_answers_total") || strings.HasPrefix(l, "weigate_http_request_seconds_bucket")) && !slices.Contains(got, l) {
			t.Errorf("missing: %s", l)
		}
	}
}

// TestNothingIsLostInACrowd: sixteen at once count the same and different things.
func TestNothingIsLostInACrowd(t *testing.T) {
	t.Parallel()
	m := metrics.New()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) {})
	h := m.HTTP(mux)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 100 {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
				m.SignInBegan("scan")
			}
		})
	}
	all.Wait()
	expect(t, read(t, m),
		`weigate_sign_ins_begun_total{method="scan"} 1600`,
		`weigate_http_requests_total{method="GET",route="GET /",status="200"} 1600`,
		`weigate_http_request_seconds_bucket{route="GET /",le="+Inf"} 1600`,
		`weigate_http_request_seconds_count{route="GET /"} 1600`)
}
