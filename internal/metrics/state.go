package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// State has the functions that return the present state of the gateway, for the gauges. Each scrape
// calls them. A function that is nil has no gauge.
type State struct {
	// Now returns the time of the gateway's clock.
	Now func() time.Time
	// SigningKeys returns for each algorithm when the key in use began to sign.
	SigningKeys func() map[string]time.Time
}

// SetState sets the functions. A later call replaces them.
func (m *Metrics) SetState(s State) {
	if m != nil {
		m.state.functions.Store(&s)
	}
}

// stateCollector makes the gauges of a State at each scrape.
type stateCollector struct {
	functions  atomic.Pointer[State]
	clock      *prometheus.Desc
	signingKey *prometheus.Desc
}

func newStateCollector() *stateCollector {
	return &stateCollector{
		clock: prometheus.NewDesc("weigate_clock_seconds", "Time of the gateway's clock, as a Unix time.", nil, nil),
		signingKey: prometheus.NewDesc("weigate_signing_key_active_since_seconds",
			"When the signing key in use began to sign, as a Unix time.", []string{"alg"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- c.clock
	descs <- c.signingKey
}

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(gauges chan<- prometheus.Metric) {
	s := c.functions.Load()
	if s == nil {
		return
	}
	if s.Now != nil {
		gauges <- prometheus.MustNewConstMetric(c.clock, prometheus.GaugeValue, unix(s.Now()))
	}
	if s.SigningKeys != nil {
		for alg, since := range s.SigningKeys() {
			gauges <- prometheus.MustNewConstMetric(c.signingKey, prometheus.GaugeValue, unix(since), alg)
		}
	}
}

// unix returns a time in seconds since 1970, as Prometheus stores times.
func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
