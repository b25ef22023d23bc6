// Package monitoring contains only tests. They check the alert rules in packaging/prometheus and
// the dashboard in packaging/grafana. They run gateways, cause faults in them, and evaluate their
// metrics with promtool.
package monitoring
