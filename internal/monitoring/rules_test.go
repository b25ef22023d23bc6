package monitoring

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// alert is a rule of the file.
type alert struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func readAlerts(t *testing.T) (all []alert) {
	t.Helper()
	text, err := os.ReadFile(rulesPath)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []alert
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 20 {
		t.Fatalf("%d rules", len(all))
	}
	return all
}

func TestAlertRulesLoad(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", rulesPath)
}

// TestEveryAlertSaysWhatToDo checks the texts of each rule, and that its link leads to a section of
// the documents, which exists in both languages.
func TestEveryAlertSaysWhatToDo(t *testing.T) {
	t.Parallel()
	const page = "https://github.com/weigate/weigate/blob/main/docs/en/monitoring.md#"
	sections := map[string][]string{}
	for _, language := range []string{"en", "zh-CN"} {
		text, err := os.ReadFile("../../docs/" + language + "/monitoring.md")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^### (Weigate\w+)$`).FindAllSubmatch(text, -1) {
			sections[language] = append(sections[language], string(m[1]))
		}
	}
	var names []string
	for _, a := range readAlerts(t) {
		names = append(names, a.Alert)
		if s := a.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s has severity %q", a.Alert, s)
		}
		if a.Annotations["summary"] == "" || len(a.Annotations["description"]) < 80 {
			t.Errorf("%s has no summary, or a description that is too short: %v", a.Alert, a.Annotations)
		}
		if a.Annotations["runbook_url"] != page+strings.ToLower(a.Alert) {
			t.Errorf("%s has the link %s", a.Alert, a.Annotations["runbook_url"])
		}
	}
	for language, got := range sections {
		if !slices.Equal(got, names) {
			t.Errorf("docs/%s/monitoring.md has sections for\n%v, the rules are\n%v", language, got, names)
		}
	}
}

// up is the series of a replica that answers.
var up = series{`up{job="weigate",instance="a"}`, "1x100"}

// TestEachAlertFires has for each rule time series with which it fires, and series beside the
// threshold with which it does not.
func TestEachAlertFires(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{"WeigateNoSignIns": true} // TestNoSignInsForAWeekday
	var scenarios []scenario
	for _, c := range ruleCases() {
		tested[c.alert] = true
		if c.also == nil {
			c.also = []string{}
		}
		scenarios = append(scenarios,
			scenario{name: c.alert + " fires", step: "1m", at: "15m", series: withUp(c.fires),
				alerts: append(c.also, c.alert)},
			scenario{name: c.alert + " does not fire", step: "1m", at: "15m", series: withUp(c.quiet)})
	}
	checkScenarios(t, "1m", scenarios)
	for _, a := range readAlerts(t) {
		if !tested[a.Alert] {
			t.Errorf("%s has no series", a.Alert)
		}
	}
}

// withUp adds the series of a replica that answers, unless the series have one.
func withUp(s []series) []series {
	if slices.ContainsFunc(s, func(s series) bool { return strings.HasPrefix(s.Series, "up{") }) {
		return s
	}
	return append([]series{up}, s...)
}

// TestNoSignInsForAWeekday compares with a week ago: an installation that is always quiet at night
// causes no alert.
func TestNoSignInsForAWeekday(t *testing.T) {
	t.Parallel()
	begun := `weigate_sign_ins_begun_total{job="weigate",method="wechat"}`
	up := series{up.Series, "1x1100"}
	checkScenarios(t, "2h", []scenario{
		{name: "busy a week ago, quiet now", step: "10m", at: "180h",
			series: []series{up, {begun, "0+3x1000 3000x100"}}, alerts: []string{"WeigateNoSignIns"}},
		{name: "busy a week ago and now", step: "10m", at: "180h", series: []series{up, {begun, "0+3x1100"}}},
		{name: "always quiet", step: "10m", at: "180h", series: []series{up, {begun, "5x1100"}}},
	})
}
