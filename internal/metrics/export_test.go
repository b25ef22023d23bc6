package metrics

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Names returns the names of all metrics, with their labels.
func (m *Metrics) Names() []string { return m.names }

// Type returns the type of a metric, or "" if it has no series.
func (m *Metrics) Type(name string) string {
	for _, c := range []struct {
		collector prometheus.Collector
		kind      string
	}{
		{m.pushes, "counter"}, {m.signInsBegun, "counter"}, {m.signInsEnded, "counter"}, {m.wechatCalls, "counter"},
		{m.wechatTime, "histogram"}, {m.oidcResponses, "counter"}, {m.relayed, "counter"},
		{m.forwardAuth, "counter"}, {m.tokens, "counter"}, {m.storeCalls, "counter"}, {m.storeTime, "histogram"},
		{m.limited, "counter"}, {m.deliveries, "counter"}, {m.requests, "counter"}, {m.requestTime, "histogram"},
		{m.state, "gauge"}, {m.certificateExpiry, "gauge"}, {m.certificateProblems, "counter"},
	} {
		descs := make(chan *prometheus.Desc, 10)
		c.collector.Describe(descs)
		close(descs)
		for d := range descs {
			if strings.Contains(d.String(), `fqName: "`+name+`"`) {
				return c.kind
			}
		}
	}
	return ""
}

// LabelValues returns the values of labels that this package has in lists.
func LabelValues() (all []string) {
	for _, e := range slices.Concat(callProblems(), storeErrors()) {
		all = append(all, e.name)
	}
	return slices.Concat(all, methods(), signInOutcomes(), oidcOutcomes(), forwardAuthOutcomes(),
		slices.DeleteFunc(relayOutcomes(), func(o string) bool { return strings.Trim(o, "-0123456789") == "" }))
}
