// Package monitoring has only tests: of the alert rules in packaging/prometheus and of the dashboard
// in packaging/grafana, with promtool and with the metrics of gateways in which the tests cause faults.
package monitoring
