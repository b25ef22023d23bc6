package monitoring

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	rulesPath     = "../../packaging/prometheus/alerts.yaml"
	dashboardPath = "../../packaging/grafana/weigate.json"
)

// promtool runs promtool of Prometheus, which Debian's package prometheus contains.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool %q: %v\n%s\n(build/deps.sh installs promtool)", args, err, out)
	}
}

// series is a time series in the notation of "promtool test rules".
type series struct {
	Series string `json:"series"`
	Values string `json:"values"`
}

// scenario has time series, and the alerts that fire at a time.
type scenario struct {
	name   string
	step   string // between two values of the series
	at     string // when the alerts are read
	series []series
	alerts []string
	only   []string // the alerts that are looked at; nil = all
}

// checkScenarios runs "promtool test rules". promtool prints the names of the scenarios that differ.
// It evaluates the rules every interval.
func checkScenarios(t *testing.T, interval string, scenarios []scenario) {
	t.Helper()
	type sample struct {
		Labels string  `json:"labels"`
		Value  float64 `json:"value"`
	}
	type query struct {
		Expr    string   `json:"expr"`
		Time    string   `json:"eval_time"`
		Samples []sample `json:"exp_samples"`
	}
	type group struct {
		Name     string   `json:"name"`
		Interval string   `json:"interval"`
		Series   []series `json:"input_series"`
		Queries  []query  `json:"promql_expr_test"`
	}
	rules, err := filepath.Abs(rulesPath)
	if err != nil {
		t.Fatal(err)
	}
	var groups []group
	for _, s := range scenarios {
		q := query{Expr: `group by (alertname) (ALERTS{alertstate="firing"})`, Time: s.at}
		if s.only != nil {
			q.Expr = `group by (alertname) (ALERTS{alertstate="firing",alertname=~"` + strings.Join(s.only, "|") + `"})`
		}
		for _, name := range slices.Sorted(slices.Values(s.alerts)) {
			q.Samples = append(q.Samples, sample{Labels: `{alertname="` + name + `"}`, Value: 1})
		}
		groups = append(groups, group{Name: s.name, Interval: s.step, Series: s.series, Queries: []query{q}})
	}
	// JSON is YAML too.
	text, err := json.MarshalIndent(map[string]any{
		"rule_files": []string{rules}, "evaluation_interval": interval, "tests": groups}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "scenarios.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "test", "rules", path)
}
